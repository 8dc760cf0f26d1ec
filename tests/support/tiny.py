"""The tiny application of `tests.support.tiny_app`, and what tests of the worker do to it."""

import json
import os
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.live import LiveServer
from tests.support.waiting import wait_until
from tests.support.wire import Response

ROOT = Path(__file__).parents[2]
TINY = (sys.executable, "-m", "tests.support.tiny_app")


@contextmanager
def tiny(
    tmp_path: Path, *args: str, workers: int = 1, tls: ssl.SSLContext | None = None
) -> Iterator[LiveServer]:
    """Run the tiny application; it stands for none of ours, so nothing else is in the way."""
    path = {"PYTHONPATH": str(ROOT)}
    with LiveServer(
        tmp_path, args=args, workers=workers, embedded=False, env=path, command=TINY, tls=tls
    ) as server:
        yield server


def get(target: str, *headers: str, version: str = "HTTP/1.1") -> bytes:
    return "\r\n".join([f"GET {target} {version}", "Host: localhost", *headers, "", ""]).encode()


def post(target: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {target} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def seen(response: Response) -> dict[str, Any]:
    """What the application says that it got."""
    assert response.status == 200
    document: dict[str, Any] = json.loads(response.body)
    return document


class Held:
    """A request that the application holds, until it is let go."""

    def __init__(self, folder: Path) -> None:
        self._fifo = folder / f"fifo-{os.urandom(4).hex()}"
        os.mkfifo(self._fifo)
        self.request = get(f"/hold?{self._fifo}")
        self._end: int | None = None

    def wait(self) -> None:
        """Wait until the application has it."""
        wait_until(self._is_held)

    def let_go(self) -> None:
        assert self._end is not None, "nobody waited for it"
        os.close(self._end)

    def _is_held(self) -> bool:
        try:
            self._end = os.open(self._fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads
            return False
        return True
