"""What the filter makes of an identity service that is none, or a proxy in front of one."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from oslo_config import cfg

from marconi_server.auth import authtoken
from marconi_server.auth.contract import IdentityUnavailable
from marconi_server.auth.token_filter import INVALID, TokenFilter

REQUEST = {"REQUEST_METHOD": "GET", "PATH_INFO": "/v1/queues", "HTTP_X_AUTH_TOKEN": "some-token"}


class Answers(BaseHTTPRequestHandler):
    """Lets the server log in, and answers questions about tokens as the test wants it."""

    protocol_version = "HTTP/1.1"
    answer: ClassVar[tuple[int, bytes]]

    def do_GET(self) -> None:
        if self.path.startswith("/v3/auth/tokens"):
            status, body = self.answer
            if not status:
                self.close_connection = True
                return
            self._send(status, body)
        else:
            link = {"rel": "self", "href": self._url}
            version = {"id": "v3.14", "status": "stable", "links": [link]}
            self._send(200, json.dumps({"version": version}).encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        endpoint = {"interface": "internal", "region": "r", "url": self._url, "id": "e"}
        token = {
            "methods": ["password"],
            "expires_at": "2099-01-01T00:00:00.000000Z",
            "user": {"id": "u", "name": "queues", "domain": {"id": "d", "name": "d"}},
            "catalog": [{"type": "identity", "id": "i", "name": "k", "endpoints": [endpoint]}],
        }
        self._send(201, json.dumps({"token": token}).encode())

    @property
    def _url(self) -> str:
        return f"http://{self.headers['Host']}/v3"

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Subject-Token", "service-token")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def filter_(tmp_path: Path) -> Iterator[TokenFilter]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    file = tmp_path / "marconi.conf"
    file.write_text(
        "[keystone_authtoken]\nauth_type = password\nusername = queues\npassword = secret\n"
        f"auth_url = http://127.0.0.1:{server.server_port}/v3\nhttp_request_max_retries = 0\n"
    )
    conf = cfg.ConfigOpts()
    conf([], project="marconi", default_config_files=[str(file)], default_config_dirs=[])
    yield TokenFilter(authtoken.read(conf), cache_time=0)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, b"<html>Please log in to this network</html>", "its answer is not a token"),
        (200, b'{"a": "document"}', "its answer is not a token"),
        (200, b"[]", "its answer is not a token"),
        (200, b'{"token": []}', "its answer is not a token"),
        (200, b"", "its answer is not a token"),
        (400, b"Bad Request", "(HTTP 400)"),
        (401, b'{"error": {"message": "who?", "code": 401}}', "(HTTP 401)"),
        (403, b'{"error": {"message": "not you", "code": 403}}', "(HTTP 403)"),
        (500, b"oops", "(HTTP 500)"),
        (503, b"<html>", "(HTTP 503)"),
        (0, b"", "Connection aborted"),
    ],
)
def test_an_answer_that_says_nothing_of_the_token_is_an_outage(
    filter_: TokenFilter,
    status: int,
    body: bytes,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Answers, "answer", (status, body), raising=False)
    with pytest.raises(IdentityUnavailable) as caught:
        filter_.ask(REQUEST)
    text = str(caught.value)
    assert text.startswith("Keystone at http://127.0.0.1:")
    assert reason in text
    assert "\n" not in text
    assert caught.value.__cause__ is not None


def test_only_not_found_is_a_bad_token(
    filter_: TokenFilter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Answers, "answer", (404, b"{}"), raising=False)
    assert filter_.ask(REQUEST) == INVALID
