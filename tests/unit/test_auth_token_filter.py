"""What the filter makes of an identity service that is none, or a proxy in front of one."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from oslo_config import cfg

from marconi_server.auth import authtoken
from marconi_server.auth.contract import IdentityUnavailable
from marconi_server.auth.token_filter import INVALID, NOT_HERE, TokenFilter

REQUEST = {"REQUEST_METHOD": "GET", "PATH_INFO": "/v1/queues", "HTTP_X_AUTH_TOKEN": "some-token"}


DOMAIN = {"id": "default", "name": "Default"}

TOKEN: dict[str, Any] = {
    "methods": ["password"],
    "expires_at": "2099-01-01T00:00:00.000000Z",
    "user": {"id": "u", "name": "alice", "domain": DOMAIN},
    "project": {"id": "p", "name": "shop", "domain": DOMAIN},
    "roles": [{"id": "r", "name": "member"}],
    "catalog": [
        {
            "type": "messaging",
            "id": "s",
            "name": "marconi",
            "endpoints": [{"interface": "public", "url": "http://m", "region": "r", "id": "e"}],
        }
    ],
}
"""What a Keystone says of a good token."""


class Answers(BaseHTTPRequestHandler):
    """Lets the server log in, and answers questions about tokens as the test wants it."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one piece: else the client waits for the second
    answer: ClassVar[tuple[int, bytes]]
    login: ClassVar[bytes | None] = None
    version: ClassVar[bytes | None] = None

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
            self._send(200, self.version or json.dumps({"version": version}).encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        endpoint = {"interface": "internal", "region": "r", "url": self._url, "id": "e"}
        token = {
            "methods": ["password"],
            "expires_at": "2099-01-01T00:00:00.000000Z",
            "user": {"id": "u", "name": "queues", "domain": {"id": "d", "name": "d"}},
            "catalog": [{"type": "identity", "id": "i", "name": "k", "endpoints": [endpoint]}],
        }
        self._send(201, self.login or json.dumps({"token": token}).encode())

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


def answer_of(token: Any) -> bytes:
    return json.dumps({"token": token}).encode()


@contextmanager
def running(folder: Path) -> Iterator[TokenFilter]:
    """Run an identity service that gives `Answers`, and a filter that asks it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    file = folder / "marconi.conf"
    file.write_text(
        "[keystone_authtoken]\nauth_type = password\nusername = queues\npassword = secret\n"
        f"auth_url = http://127.0.0.1:{server.server_port}/v3\nhttp_request_max_retries = 0\n"
        "service_type = messaging\n"
    )
    conf = cfg.ConfigOpts()
    conf([], project="marconi", default_config_files=[str(file)], default_config_dirs=[])
    yield TokenFilter(authtoken.read(conf), cache_time=0)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def good_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Answers, "answer", (200, answer_of(TOKEN)), raising=False)


@pytest.fixture(scope="module")
def filter_(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenFilter]:
    with running(tmp_path_factory.mktemp("filter")) as filter_:
        yield filter_


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, b"<html>Please log in to this network</html>", "its answer is not a token"),
        (200, b'{"a": "document"}', "its answer is not a token"),
        (200, b"[]", "its answer is not a token"),
        (200, b'{"token": []}', "its answer is not a token"),
        (200, b"", "its answer is not a token"),
        (200, b"\xff\xfe", "its answer is not a token"),
        (200, b"5", "its answer is not a token"),
        (200, b"9" * 5000, "its answer is not a token"),
        (200, b"[" * 100_000, "its answer is not a token"),
        (200, b'{"token": %b%b}' % (b"[" * 100_000, b"]" * 100_000), "its answer is not a token"),
        (200, b'{"token": null}', "its answer is not a token"),
        (200, b'{"token": {"expires_at": %b}}' % (b"9" * 5000), "its answer is not a token"),
        (200, b'{"access": {"token": {}}}', "its answer is not a token"),
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


MISSING = object()

ODD: tuple[Any, ...] = (
    MISSING,
    None,
    5,
    1.5,
    True,
    "text",
    "",
    "tomorrow",
    "x" * 10_000,
    [],
    [5],
    {},
    {"a": 5},
)
"""What stands in the place of each part of a token, one after the other."""

GOOD_TEXT = ("text", "", "tomorrow", "x" * 10_000)

MAY_BE: dict[tuple[str | int, ...], tuple[Any, ...]] = {
    ("methods",): ODD[1:],
    ("expires_at",): (),
    ("user",): (),
    ("user", "id"): GOOD_TEXT,
    ("user", "name"): GOOD_TEXT,
    ("user", "domain"): (),
    ("user", "domain", "id"): GOOD_TEXT,
    ("user", "domain", "name"): GOOD_TEXT,
    ("project",): (MISSING, None),
    ("project", "id"): ("text", "tomorrow"),  # any text that can be a project here
    ("project", "name"): GOOD_TEXT,
    ("project", "domain"): (),
    ("roles",): (MISSING, []),
    ("roles", 0): (),
    ("roles", 0, "id"): ODD,
    ("roles", 0, "name"): GOOD_TEXT,
    ("catalog",): (MISSING, []),
    ("catalog", 0): (),
    ("catalog", 0, "type"): GOOD_TEXT,
    ("catalog", 0, "id"): ODD,
    ("catalog", 0, "name"): (MISSING, None, *GOOD_TEXT),
    ("catalog", 0, "endpoints"): (MISSING, []),
    ("catalog", 0, "endpoints", 0): (),
    ("catalog", 0, "endpoints", 0, "interface"): GOOD_TEXT,
    ("catalog", 0, "endpoints", 0, "url"): GOOD_TEXT,
    ("catalog", 0, "endpoints", 0, "region"): (MISSING, None, *GOOD_TEXT),
    ("domain",): (MISSING, None),
    ("system",): (MISSING, {}, {"a": 5}),
    ("bind",): (MISSING, None, {}, {"a": 5}),
    ("application_credential",): (MISSING, None, {}, {"a": 5}),
    ("OS-TRUST:trust",): ODD,
    ("issued_at",): ODD,
    ("audit_ids",): ODD,
}
"""The parts of a token, and which of these make no difference."""


def with_part(path: tuple[str | int, ...], value: Any) -> bytes:
    token = deepcopy(TOKEN)
    *above, last = path
    part: Any = token
    for each in above:
        part = part[each]
    if value is MISSING and isinstance(part, dict):
        part.pop(last, None)
    else:
        part[last] = None if value is MISSING else value
    return answer_of(token)


@pytest.mark.parametrize("path", MAY_BE, ids=lambda path: ".".join(map(str, path)))
def test_a_token_with_an_odd_part_is_an_outage_or_a_token(
    filter_: TokenFilter, path: tuple[str | int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It never is a defect of ours, nor an identity with something in it that is no text."""
    for value in ODD:
        monkeypatch.setattr(Answers, "answer", (200, with_part(path, value)))
        if any(value is each or value == each for each in MAY_BE[path]):
            identity = filter_.ask(REQUEST).identity
            assert identity is not None
            assert {type(each) for each in identity.values()} == {str}
        else:
            with pytest.raises(IdentityUnavailable, match="not a token") as caught:
                filter_.ask(REQUEST)
            assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "time",
    [
        "2099-13-45T00:00:00Z",
        "2099-01-01T99:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59",
        "9" * 100_000,
        "\ud800",
    ],
    ids=lambda time: ascii(time[:30]),
)
def test_an_end_that_is_no_time_is_an_outage(
    filter_: TokenFilter, time: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Answers, "answer", (200, with_part(("expires_at",), time)))
    with pytest.raises(IdentityUnavailable, match="not a token"):
        filter_.ask(REQUEST)


@pytest.mark.parametrize("id_", ["", "x" * 257, "two words", "a\n", "\ud800", "caf\xe9"])
def test_a_project_that_no_header_could_name_is_an_outage(
    filter_: TokenFilter, id_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Answers, "answer", (200, with_part(("project", "id"), id_)))
    with pytest.raises(IdentityUnavailable, match="not a token"):
        filter_.ask(REQUEST)


NONSENSE = [
    b"null",
    b"5",
    b"[]",
    b"{}",
    b"<html>",
    b"[" * 100_000,
    b'{"token": 5}',
    b'{"token": []}',
]


@pytest.mark.parametrize("body", NONSENSE, ids=lambda body: repr(body[:20]))
@pytest.mark.parametrize("question", ["login", "version"])
def test_nonsense_before_the_question_is_an_outage_which_ends(
    tmp_path: Path, question: str, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path) as filter_:
        with monkeypatch.context() as patch:
            patch.setattr(Answers, question, body)
            for _ in range(2):
                if question == "login":
                    with pytest.raises(IdentityUnavailable):
                        filter_.ask(REQUEST)
                else:
                    with suppress(IdentityUnavailable):  # where its paths are can be guessed
                        filter_.ask(REQUEST)
        assert filter_.ask(REQUEST).identity


def restricted(*paths: str) -> bytes:
    """Give the answer for a token of an application credential with rules for these paths."""
    rules = [{"id": "a", "path": path, "method": "GET", "service": "messaging"} for path in paths]
    return answer_of({**TOKEN, "application_credential": {"id": "c", "access_rules": rules}})


@pytest.mark.parametrize(
    ("paths", "is_allowed"),
    [
        (("/v1/queues",), True),
        (("/v1/*",), True),
        (("/v2/queues", "/v1/{thing}"), True),
        (("**",), True),
        ((), False),
        (("/v1/queues/*",), False),
        (("/v1",), False),
        # What stands for itself is no regular expression.
        (("/v1/.ueues",), False),
        (("/v1/[a-z]+",), False),
        (("/v1/(",), False),
    ],
)
def test_access_rules(
    filter_: TokenFilter,
    paths: tuple[str, ...],
    is_allowed: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Answers, "answer", (200, restricted(*paths)))
    verdict = filter_.ask(REQUEST)
    assert (verdict.identity is not None) == is_allowed
    assert verdict.seconds == 0  # of another request it says nothing


@pytest.mark.parametrize(
    "path", ["(a+)+$", "/v1/queues/(x|x)*y", "/**a" * 30 + "b", "{a}{b}{c}{d}{e}{f}!", "*" * 120]
)
def test_a_rule_that_is_made_to_take_for_ever(
    filter_: TokenFilter, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Answers, "answer", (200, restricted(path, f"/{path}")))
    for requested in ("/" + "a" * 400, "/v1/queues/" + "x" * 400, "/" + "/a" * 200, "/a" * 4000):
        assert filter_.ask({**REQUEST, "PATH_INFO": requested}) in (INVALID, NOT_HERE) or (
            path == "*" * 120
        )
