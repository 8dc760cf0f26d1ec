"""Whatever a client sends, it gets the error document, and the server goes on."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.support.live import LiveServer
from tests.support.wire import SECONDS, Response, Wire, exchange

REQUEST_TIMEOUT = 2
"""Seconds; the shortest in which an honest client of these tests is sure to be done."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    config = f"[drivers:transport:wsgi]\nrequest_timeout = {REQUEST_TIMEOUT}\n"
    with LiveServer(tmp_path_factory.mktemp("bad-input"), config=config) as server:
        yield server
        server.stop()
        assert "Traceback" not in server.log()


@pytest.fixture(autouse=True)
def server_stays_well(server: LiveServer) -> Iterator[None]:
    """Whatever a test sent, both workers live on and answer."""
    workers = server.worker_pids()
    yield
    assert server.is_healthy()
    assert server.worker_pids() == workers


@pytest.fixture
def port(server: LiveServer) -> int:
    return server.port


@pytest.fixture(scope="module")
def messages(server: LiveServer) -> str:
    """The path of the messages of a queue."""
    assert exchange(server.port, request("PUT", "/v1/queues/q")).status == 201
    return "/v1/queues/q/messages"


def request(method: str, target: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", "Client-ID: tester", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def assert_refused(response: Response, title: str) -> None:
    assert response.status == 400
    assert response.title == title
    assert response.headers["connection"] == "close"


BAD_LINES = {
    "rubbish": b"what?\r\n\r\n",
    "empty words": b"  \r\n\r\n",
    "no version": b"GET /v1/health\r\n\r\n",
    "a version of the future": b"GET /v1/health HTTP/3.0\r\n\r\n",
    "a relative target": b"GET v1/health HTTP/1.1\r\nHost: q\r\n\r\n",
    "a control character": b"GET /v1/\x07 HTTP/1.1\r\nHost: q\r\n\r\n",
    "bare line feeds": b"GET /v1/health HTTP/1.1\nHost: q\n\n",
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n",
    "an endless line": b"GET /" + b"x" * 200_000,
}


@pytest.mark.parametrize("data", BAD_LINES.values(), ids=BAD_LINES)
def test_broken_request_line(port: int, data: bytes) -> None:
    with Wire(port) as wire:
        assert_refused(wire.send(data).receive(), "Invalid API call")
        assert wire.ended()


BAD_HEADERS = {
    "a length that is no number": ["Content-Length: abc"],
    "a negative length": ["Content-Length: -1"],
    "a length of 30 digits": ["Content-Length: " + "9" * 30],
    "two lengths": ["Content-Length: 2", "Content-Length: 2"],
    "a length and chunks": ["Content-Length: 2", "Transfer-Encoding: chunked"],
    "another transfer coding": ["Transfer-Encoding: gzip, chunked"],
    "a control character": ["X-Project-Id: a\x01b"],
    "a NUL": ["Client-ID: a\x00b"],
    "a bare carriage return": ["Client-ID: a\rb"],
    "a folded line": ["X-Project-Id: a\r\n b"],
    "no colon": ["X-Project-Id"],
    "101 headers": ["X-Header: x"] * 101,
    "a head of 200 KB": ["X-Header: " + "x" * 200_000],
}


@pytest.mark.parametrize("headers", BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_broken_header(port: int, messages: str, headers: list[str]) -> None:
    with Wire(port) as wire:
        wire.send(request("POST", messages, *headers))
        assert_refused(wire.receive(), "Invalid header value")
        assert wire.ended()


def test_query_string_of_100_kb(port: int, messages: str) -> None:
    ids = ",".join(["0123456789abcdef"] * 6024)
    response = exchange(port, request("GET", f"{messages}?ids={ids}"))
    assert response.status == 400
    assert response.title == "Invalid API call"
    assert "connection" not in response.headers


@pytest.mark.parametrize("name", ["%C4", "%c3%28", "%FF%FE", "%E4%BD", "\xc4"])
def test_percent_encoding_that_is_not_utf8(port: int, name: str) -> None:
    response = exchange(port, request("PUT", f"/v1/queues/{name}"))
    assert response.status == 400
    assert response.title == "Invalid queue identification"


@pytest.mark.parametrize("name", ["%", "%zz", "%4", "a%2Fstats"])
def test_percent_signs_that_encode_nothing_good(port: int, name: str) -> None:
    assert exchange(port, request("GET", f"/v1/queues/{name}")).status in (400, 404)


def test_target_of_the_whole_server(port: int) -> None:
    assert exchange(port, request("OPTIONS", "*")).title == "Not found"


def test_unknown_method_reaches_the_application(port: int, messages: str) -> None:
    response = exchange(port, request("BREW", messages))
    assert response.status == 405
    assert response.title == "Method not allowed"
    assert response.headers["allow"] == "DELETE, GET, POST, OPTIONS"


# Bodies

ONE = b'[{"ttl": 60, "body": 1}]'


def in_chunks(body: bytes, size: int) -> bytes:
    parts = (body[start : start + size] for start in range(0, len(body), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_chunked_body(port: int, messages: str, size: int) -> None:
    body = in_chunks(ONE, size) + b"0\r\n\r\n"
    with Wire(port) as wire:
        for _ in range(2):
            wire.send(request("POST", messages, "Transfer-Encoding: chunked", body=body))
            assert wire.receive().status == 201


@pytest.mark.parametrize("body", [b"xyz\r\n", b"2\r\nabc\r\n", b"-1\r\n", b"\r\n", b"3\nabc\n"])
def test_malformed_chunks(port: int, messages: str, body: bytes) -> None:
    with Wire(port) as wire:
        wire.send(request("POST", messages, "Transfer-Encoding: chunked", body=body))
        assert_refused(wire.receive(), "Invalid API call")
        assert wire.ended()


def test_chunked_body_over_the_limit(port: int, messages: str) -> None:
    body = in_chunks(b"[" + b" " * 262_144, 8192)
    with Wire(port) as wire:
        wire.send(request("POST", messages, "Transfer-Encoding: chunked", body=body))
        # It is refused before it ends; nobody waits for the last chunk.
        assert_refused(wire.receive(), "Invalid API call")
        assert wire.ended()


def test_chunked_body_of_exactly_the_limit(port: int, messages: str) -> None:
    body = in_chunks(ONE + b" " * (262_144 - len(ONE)), 8192) + b"0\r\n\r\n"
    with Wire(port) as wire:
        wire.send(request("POST", messages, "Transfer-Encoding: chunked", body=body))
        assert wire.receive().status == 201


@pytest.fixture(scope="module")
def thirty_megabytes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("bodies") / "30 MB"
    with file.open("wb") as sparse:
        sparse.truncate(30 * 1024 * 1024)
    return file


UPLOADS = {
    "waiting for 100 Continue": ["-H", "Expect: 100-continue"],
    "without waiting": ["-H", "Expect:"],
    "in chunks": ["-H", "Expect:", "-H", "Transfer-Encoding: chunked"],
    "over HTTP/1.0": ["-0", "-H", "Expect:"],
}


@pytest.mark.parametrize("options", UPLOADS.values(), ids=UPLOADS)
def test_curl_gets_the_answer_to_a_body_of_30_mb(
    port: int, messages: str, thirty_megabytes: Path, tmp_path: Path, options: list[str]
) -> None:
    for attempt in range(5):  # a reset would lose the answer in some of them only
        answer = tmp_path / f"answer-{attempt}"
        finished = subprocess.run(
            [
                *("curl", "-sS", "-H", "Client-ID: c", "-o", answer, "-w", "%{http_code}"),
                *options,
                *("--data-binary", f"@{thirty_megabytes}", f"http://127.0.0.1:{port}{messages}"),
            ],
            capture_output=True,
            timeout=SECONDS,
        )
        assert finished.stdout == b"400", finished.stderr
        assert finished.returncode == 0, finished.stderr
        assert b"Invalid API call" in answer.read_bytes()


def test_a_client_that_sends_all_of_30_mb_before_it_reads(port: int, messages: str) -> None:
    size = 30 * 1024 * 1024
    with Wire(port) as wire:
        wire.send(request("POST", messages, f"Content-Length: {size}", body=b" " * size))
        assert_refused(wire.receive(), "Invalid API call")
        assert wire.finish().ended()


def test_a_body_that_is_ignored_may_have_any_size(port: int) -> None:
    with Wire(port) as wire:
        wire.send(request("PUT", "/v1/queues/big", "Content-Length: 1000000"))
        response = wire.receive()
        assert response.status in (201, 204)
        assert response.headers["connection"] == "close"
        wire.send(b" " * 1_000_000)  # read and dropped
        wire.finish()
        assert wire.ended()


# Bodies that lie about their length, and clients that take their time


def test_length_too_long(port: int, messages: str) -> None:
    with Wire(port) as wire:
        wire.send(request("POST", messages, f"Content-Length: {len(ONE) + 1}", body=ONE))
        response = wire.receive()
        assert response.status == 503
        assert response.title == "Service temporarily unavailable"
        assert response.headers["retry-after"] == "30"
        assert response.headers["connection"] == "close"
        assert wire.ended()


def test_length_too_short(port: int, messages: str) -> None:
    with Wire(port) as wire:
        body = ONE + b"\r\nmore\r\n\r\n"
        wire.send(request("POST", messages, f"Content-Length: {len(ONE)}", body=body))
        assert wire.receive().status == 201
        assert_refused(wire.receive(), "Invalid API call")
        assert wire.ended()


class Dripping:
    """Sends the same byte ten times a second, for as long as the server takes it."""

    def __init__(self, wire: Wire, byte: bytes) -> None:
        self._wire = wire
        self._byte = byte
        self._done = Event()
        self._thread = Thread(target=self._drip)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _drip(self) -> None:
        try:
            while not self._done.wait(0.1):
                self._wire.send(self._byte)
        except OSError:
            pass  # the server has closed


def test_a_head_that_drips_in(port: int) -> None:
    with Wire(port) as wire:
        wire.send(b"GET /v1/health HTTP/1.1\r\nX-Endless: ")
        with Dripping(wire, b"x"):
            assert_refused(wire.receive(), "Invalid API call")


def test_a_body_that_drips_in(port: int, messages: str) -> None:
    with Wire(port) as wire:
        wire.send(request("POST", messages, "Content-Length: 100000", body=b"["))
        with Dripping(wire, b" "):
            response = wire.receive()
        assert response.status == 503
        assert response.headers["retry-after"] == "30"


def test_chunks_that_drip_in(port: int, messages: str) -> None:
    with Wire(port) as wire:
        wire.send(request("POST", messages, "Transfer-Encoding: chunked", body=b"fff\r\n"))
        with Dripping(wire, b" "):
            assert wire.receive().status == 503


def test_a_connection_without_a_request_is_closed_in_silence(port: int) -> None:
    with Wire(port) as wire:
        assert wire.ended()


def test_line_breaks_are_no_request(port: int) -> None:
    with Wire(port) as wire:
        assert wire.send(b"\r\n\r\n").ended()


# Clients that hang up


def test_the_client_ends_its_side_in_the_head(port: int) -> None:
    with Wire(port) as wire:
        wire.send(b"GET /v1/health HTTP/1.1\r\nHost:").finish()
        assert_refused(wire.receive(), "Invalid API call")
        assert wire.ended()


def test_the_client_ends_its_side_in_the_body(port: int, messages: str) -> None:
    with Wire(port) as wire:
        wire.send(request("POST", messages, "Content-Length: 100", body=ONE)).finish()
        response = wire.receive()
        assert response.status == 503
        assert response.title == "Service temporarily unavailable"
        assert wire.ended()


def test_the_client_ends_its_side_behind_a_request(port: int) -> None:
    with Wire(port) as wire:
        wire.send(request("GET", "/v1/health")).finish()
        assert wire.receive().status == 204
        assert wire.ended()


HALVES = {
    "in the head": b"GET /v1/health HTTP/1.1\r\nHost:",
    "in the body": request("POST", "/v1/queues/q/messages", "Content-Length: 100", body=b"["),
    "in a chunk": request(
        "POST", "/v1/queues/q/messages", "Transfer-Encoding: chunked", body=b"5\r\nab"
    ),
    "before its answer": request("GET", "/v1/queues"),
}


@pytest.mark.parametrize("data", HALVES.values(), ids=HALVES)
def test_the_client_vanishes(port: int, data: bytes) -> None:
    for _ in range(10):
        with Wire(port) as wire:
            wire.send(data).reset()
    # Both workers have to be well after it, and the log without a traceback: see `server`.


def test_a_request_without_any_header(port: int) -> None:
    with Wire(port) as wire:
        assert wire.send(b"GET /v1/health HTTP/1.0\r\n\r\n").receive().status == 204
        assert wire.ended()
