"""A real browser that opens pages, and a server of such pages that hears what became of them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, Final

from tests.support import keeper
from tests.support.process import Program
from tests.support.programs import find
from tests.support.waiting import PATIENCE

REPORT_SECONDS: Final = PATIENCE
"""Bound of the wait for a page; a browser starts in about two seconds."""

REDIRECTION = "/redirect?"
"""Where the server of a page redirects a request to what stands behind it, with its method."""

MARK = "X-Page"
"""A header of the server of a page, and of no other."""

# No word to anybody but this machine, and pages without TLS as they are.
_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-dev-shm-usage",
    "--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable",
    "--host-resolver-rules=MAP * 127.0.0.1",
)


class Page:
    """A page that is served from 127.0.0.1 at `port`, and the reports of its script.

    The script has a function `report`, which takes anything that is JSON.
    """

    def __init__(self, script: str, port: int = 0, reports_to: "Page | None" = None) -> None:
        self._reports: SimpleQueue[Any] = SimpleQueue()
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(200, page._html if self.path == "/" else b"")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path.startswith(REDIRECTION):
                    self._answer(307, b"", Location=self.path.removeprefix(REDIRECTION))
                    return
                page._reports.put(json.loads(body))
                self._answer(204, b"")

            def _answer(self, status: int, body: bytes, **headers: str) -> None:
                self.send_response(status)
                headers |= {MARK: "1", "Content-Type": "text/html; charset=utf-8"}
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port: int = self._server.server_address[1]
        hears = (reports_to or self).port
        report = (
            f"const report = what => fetch('http://127.0.0.1:{hears}/',"
            " {method: 'POST', mode: 'no-cors', body: JSON.stringify(what)});"
        )
        html = f"<!DOCTYPE html><body><script type=module>{report}\n{script}</script>"
        self._html = html.encode()
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def close(self) -> None:
        """Stop serving; nobody listens on the port any more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def report(self) -> Any:
        """Wait for the next report."""
        try:
            return self._reports.get(timeout=REPORT_SECONDS)
        except Empty:
            raise AssertionError("the page does not report") from None


@contextmanager
def browser(folder: Path, url: str) -> Iterator[None]:
    """Open a page in Chromium for the time of the block."""
    command = [find("chromium"), *_FLAGS, f"--user-data-dir={folder / 'chromium'}", url]
    # It makes a socket there, and the path of one is short.
    with TemporaryDirectory(
        prefix="c", dir=keeper.run_folder(), ignore_cleanup_errors=True
    ) as short:
        environment = {"TMPDIR": short, "HOME": str(folder)}
        with Program(command, folder, lambda: True, environment):
            yield
