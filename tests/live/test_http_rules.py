"""What HTTP/1.1 wants of a server beside the right answers (section 15.2 of the specification)."""

from collections.abc import Iterator

import pytest

from tests.support.live import LiveServer
from tests.support.tiny import get, post
from tests.support.wire import Wire, exchange

REQUEST_TIMEOUT = 2
"""Seconds; the shortest in which an honest client of these tests is sure to be done."""

HEALTH = "/v1/health"
LINE = f"GET {HEALTH} HTTP/1.1\r\n".encode()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    config = f"[drivers:transport:wsgi]\nrequest_timeout = {REQUEST_TIMEOUT}\n"
    with LiveServer(tmp_path_factory.mktemp("rules"), config=config) as server:
        assert exchange(server.port, put("/v1/queues/q")).status == 201
        yield server.port
        server.stop()
        assert "Traceback" not in server.log()


def put(target: str) -> bytes:
    return get(target).replace(b"GET", b"PUT", 1)


def head(target: str, *headers: str) -> bytes:
    return get(target, *headers).replace(b"GET", b"HEAD", 1)


# Host


@pytest.mark.case(356)
@pytest.mark.parametrize(
    "headers",
    [
        b"",
        b"Accept: */*\r\n",
        b"Host: q\r\nHost: q\r\n",
        b"Host: q\r\nHost: r\r\n",
        b"Host: q\r\nhost:\r\n",
        b"Host:\r\n",
        b"Host: a/b\r\n",
        b"Host: a b\r\n",
        b"Host: a:b\r\n",
        b"Host: a:1:2\r\n",
        b"Host: user@a\r\n",
        b"Host: [::1\r\n",
        b"Host: ::1\r\n",
        b"Host: \xe4\r\n",
    ],
)
def test_a_host_that_is_none(port: int, headers: bytes) -> None:
    with Wire(port) as wire:
        response = wire.send(LINE + headers + b"\r\n").receive()
        assert (response.status, response.title) == (400, "Invalid header value")
        assert wire.ended()


@pytest.mark.case(356)
@pytest.mark.parametrize("host", ["localhost", "localhost:", "127.0.0.1:8888", "[::1]:8888"])
def test_a_host_that_is_one(port: int, host: str) -> None:
    assert exchange(port, LINE + f"Host: {host}\r\n\r\n".encode()).status == 204


@pytest.mark.case(356)
def test_http_1_0_needs_no_host(port: int) -> None:
    assert exchange(port, f"GET {HEALTH} HTTP/1.0\r\n\r\n".encode()).status == 204


# HEAD


REFUSED_HEADS = {
    "a wrong length": head(HEALTH, "Content-Length: x"),
    "a malformed header": head(HEALTH, "X-Project-Id : a"),
    "no host": f"HEAD {HEALTH} HTTP/1.1\r\n\r\n".encode(),
    "a malformed line": f"HEAD {HEALTH} HTTP/3\r\n\r\n".encode(),
    "a target without end": b"HEAD /" + b"x" * 200_000,
    "wrong chunks": head(HEALTH, "Transfer-Encoding: chunked") + b"x\r\n",
    "an unknown path": head("/nowhere", "Connection: close"),
    "an unacceptable type": head(HEALTH, "Accept: text/plain", "Connection: close"),
}


@pytest.mark.case(357)
@pytest.mark.parametrize("data", REFUSED_HEADS.values(), ids=REFUSED_HEADS)
def test_a_head_that_is_refused_is_answered_without_content(port: int, data: bytes) -> None:
    with Wire(port) as wire:
        assert wire.send(data).receive("HEAD").status in {400, 404, 406}
        assert wire.ended()


@pytest.mark.parametrize(
    ("part", "status"),
    [(head(HEALTH)[:-4], 400), (b"HEAD ", 400), (head(HEALTH, "Content-Length: 5") + b"1234", 503)],
)
def test_a_head_that_is_given_up_is_answered_without_content(
    port: int, part: bytes, status: int
) -> None:
    with Wire(port) as late, Wire(port) as cut:
        for wire in (late.send(part), cut.send(part).finish()):
            assert wire.receive("HEAD").status == status
            assert wire.ended()


# 100 Continue


@pytest.mark.case(358)
@pytest.mark.parametrize("more", [[], ["Content-Length: 0"]])
def test_who_has_no_body_to_send_is_not_told_to_continue(port: int, more: list[str]) -> None:
    with Wire(port) as wire:
        for _ in range(2):
            wire.send(get(HEALTH, "Expect: 100-continue", *more))
            assert wire.receive().status == 204
            wire.send(get(HEALTH))
            assert wire.receive().status == 204
        assert wire.finish().ended()


@pytest.mark.case(358)
@pytest.mark.parametrize("framing", ["Content-Length: 3", "Transfer-Encoding: chunked"])
def test_an_expectation_belongs_to_one_request(port: int, framing: str) -> None:
    first = get(HEALTH, "Expect: 100-continue", framing)
    body = b"abc" if "Length" in framing else b"3\r\nabc\r\n0\r\n\r\n"
    with Wire(port) as wire:
        assert wire.send(first).receive().status == 100
        wire.send(body[:1])  # it has something left to send, but is not told again
        wire.send(body[1:])
        assert wire.receive().status == 204
        for part in (get(HEALTH)[:9], get(HEALTH)[9:], post(HEALTH, b"abc")[:-1], b"c"):
            wire.send(part)
        assert wire.receive().status == 204
        assert wire.receive().status == 405
        assert wire.finish().ended()


# Trailers


@pytest.mark.case(359)
@pytest.mark.parametrize("line", [b"none", b"a b: c", b": c", b" folded", b"A: \x01", b"A : b"])
def test_a_trailer_that_is_no_field(port: int, line: bytes) -> None:
    request = get("/v1/queues/q/messages", "Client-ID: c", "Transfer-Encoding: chunked")
    body = b'18\r\n[{"ttl": 60, "body": 1}]\r\n0\r\n'
    with Wire(port) as wire:
        response = wire.send(request.replace(b"GET", b"POST") + body + line + b"\r\n\r\n").receive()
        assert (response.status, response.title) == (400, "Invalid API call")
        assert wire.ended()
    with Wire(port) as wire:
        wire.send(request.replace(b"GET", b"POST") + body + b"X-Sum: 1\r\n\r\n")
        assert wire.receive().status == 201


# Line breaks between requests


@pytest.mark.parametrize(
    "pieces", [[b"\r\n"], [b"\r", b"\n"], [b"\r\n\r", b"\n\r", b"\n"], [b"\r"]]
)
def test_stray_line_breaks_leave_a_connection_idle(port: int, pieces: list[bytes]) -> None:
    with Wire(port) as wire:
        assert wire.send(get(HEALTH)).receive().status == 204
        for piece in pieces:
            wire.send(piece)
            exchange(port, get(HEALTH))  # by now the server has seen it
        assert wire.finish().ended()
    with Wire(port) as wire:
        for piece in [*pieces, b"" if pieces[-1].endswith(b"\n") else b"\n"]:
            wire.send(piece)
        assert wire.send(get(HEALTH)).receive().status == 204


def test_names_of_headers_are_written_as_people_know_them(port: int) -> None:
    with Wire(port) as wire:
        wire.send(put("/v1/queues/q2")).socket.settimeout(10)
        data = wire.socket.recv(65536)
    assert b"\r\nLocation: /v1/queues/q2\r\nContent-Length: 0\r\n" in data
    with Wire(port) as wire:
        data = wire.send(get("/v1/queues")).socket.recv(65536)
    assert b"\r\nContent-Location: /v1/queues\r\n" in data
    assert b"\r\nContent-Type: application/json; charset=utf-8\r\n" in data
