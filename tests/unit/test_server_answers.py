"""What goes back over the wire: framing, headers, and the server's own answers."""

import json
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from marconi_server.server.answers import CLOSE, KEEP, Answer, Headers, Refusal

REQUEST_ID = "req-6c5a0bd9-6c2e-4a36-9d8c-0000000000a7"

Start = Callable[..., Any]


def answer_of(
    status: str = "200 OK", headers: Headers = (), body: bytes = b"", method: str = "GET"
) -> tuple[str, dict[str, str], bytes]:
    """Return the status line, the headers with lower-case names, and the body, as sent."""

    def application(environ: dict[str, Any], start: Start) -> list[bytes]:
        start(status, headers)
        return [body] if body else []

    answer = Answer()
    answer.run(application, {})
    answer.frame(method, REQUEST_ID)
    return parse(answer.encode(b""))


def parse(data: bytes) -> tuple[str, dict[str, str], bytes]:
    head, _, body = data.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    pairs = [field.split(": ", 1) for field in fields]
    assert len({name.lower() for name, _ in pairs}) == len(pairs), "a header is there twice"
    return line, {name.lower(): value for name, value in pairs}, body


def test_an_answer_has_status_headers_date_length_and_body() -> None:
    line, headers, body = answer_of(headers=[("X-Name", "v\xe4lue")], body=b"abc")
    assert line == "HTTP/1.1 200 OK"
    assert headers.keys() == {"x-name", "x-openstack-request-id", "date", "content-length"}
    assert headers["x-name"] == "v\xe4lue"
    assert headers["x-openstack-request-id"] == REQUEST_ID
    assert headers["content-length"] == "3"
    assert parsedate_to_datetime(headers["date"]).tzinfo is not None
    assert body == b"abc"


def test_the_length_of_the_application_is_kept() -> None:
    _, headers, body = answer_of(headers=[("content-length", "3")], body=b"abc")
    assert headers["content-length"] == "3"
    assert body == b"abc"


def test_names_of_headers_are_written_as_the_specification_shows_them() -> None:
    names = ["Allow", "Content-Location", "Content-Type", "Location", "WWW-Authenticate", "x-own"]
    answer = Answer()
    answer.start("200 OK", [(name.lower(), "v") for name in names])
    answer.frame("GET", REQUEST_ID)
    lines = answer.encode(b"").split(b"\r\n")[1 : 1 + len(names)]
    assert lines == [f"{name}: v".encode() for name in names]


def test_an_answer_without_a_body_says_so() -> None:
    assert answer_of("404 Not Found")[1]["content-length"] == "0"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_some_statuses_have_neither_body_nor_length(status: str) -> None:
    _, headers, body = answer_of(status, [("Content-Length", "0")], b"ignored")
    assert "content-length" not in headers
    assert body == b""


def test_head_has_the_length_that_get_would_have_and_no_body() -> None:
    _, headers, body = answer_of(headers=[("Content-Length", "3")], body=b"abc", method="HEAD")
    assert headers["content-length"] == "3"
    assert body == b""


def test_an_answer_to_head_without_a_length_gets_none() -> None:
    assert "content-length" not in answer_of(method="HEAD")[1]


def test_the_connection_header_is_the_servers() -> None:
    answer = Refusal.HEADERS.answer("GET", REQUEST_ID)
    assert parse(answer.encode(KEEP))[1]["connection"] == "keep-alive"
    assert parse(answer.encode(CLOSE))[1]["connection"] == "close"


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "a\rb"])
def test_a_line_break_in_a_header_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        answer_of(headers=[("X-Name", value)])


def test_a_line_break_in_a_header_name_or_status_is_refused() -> None:
    with pytest.raises(ValueError, match="line break"):
        answer_of(headers=[("X-Name: a\r\nX-Other", "b")])
    with pytest.raises(ValueError, match="line break"):
        answer_of("200 OK\r\nX-Other: b")


def test_a_dropped_length_does_not_make_room_for_a_line_break() -> None:
    with pytest.raises(ValueError, match="line break"):
        answer_of("204 No Content", [("Content-Length", "0"), ("X-Name", "a\r\nX-Other: b")])


def test_a_length_that_contradicts_the_body_is_refused() -> None:
    with pytest.raises(ValueError, match="4 for a body of 3 bytes"):
        answer_of(headers=[("Content-Length", "4")], body=b"abc")


@pytest.mark.parametrize("name", ["Connection", "transfer-encoding", "Upgrade"])
def test_hop_by_hop_headers_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="for the server to set"):
        answer_of(headers=[(name, "x")])


class Parts:
    """An iterable of parts that has to be closed (PEP 3333)."""

    def __init__(self, *parts: bytes) -> None:
        self.parts = parts
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield from self.parts

    def close(self) -> None:
        self.closed += 1


def test_an_answer_in_parts_is_joined_and_closed() -> None:
    parts = Parts(b"a", b"", b"bc")

    def application(environ: dict[str, Any], start: Start) -> Parts:
        start("200 OK", [])
        return parts

    answer = Answer()
    answer.run(application, {})
    assert answer.body == b"abc"
    assert parts.closed == 1


def test_parts_are_closed_when_they_fail() -> None:
    class Failing(Parts):
        def __iter__(self) -> Iterator[bytes]:
            yield b"a"
            raise RuntimeError("midway")

    parts = Failing()

    def application(environ: dict[str, Any], start: Start) -> Parts:
        start("200 OK", [])
        return parts

    with pytest.raises(RuntimeError, match="midway"):
        Answer().run(application, {})
    assert parts.closed == 1


def test_written_bytes_come_before_those_returned() -> None:
    def application(environ: dict[str, Any], start: Start) -> list[bytes]:
        write = start("200 OK", [])
        write(b"a")
        write(b"b")
        return [b"c"]

    answer = Answer()
    answer.run(application, {})
    assert answer.body == b"abc"


def test_an_application_can_replace_its_answer_by_an_error() -> None:
    def application(environ: dict[str, Any], start: Start) -> list[bytes]:
        start("200 OK", [("X-Name", "a")])
        start("500 Internal Server Error", [], (None, None, None))
        return []

    answer = Answer()
    answer.run(application, {})
    answer.frame("GET", REQUEST_ID)
    line, headers, _ = parse(answer.encode(b""))
    assert line == "HTTP/1.1 500 Internal Server Error"
    assert "x-name" not in headers


def test_an_application_answers_once() -> None:
    def twice(environ: dict[str, Any], start: Start) -> list[bytes]:
        start("200 OK", [])
        start("200 OK", [])
        return []

    def never(environ: dict[str, Any], start: Start) -> list[bytes]:
        return []

    with pytest.raises(RuntimeError, match="called twice"):
        Answer().run(twice, {})
    with pytest.raises(RuntimeError, match="did not call start_response"):
        Answer().run(never, {})


def test_a_refusal_of_head_has_no_body() -> None:
    assert parse(Refusal.DEFECT.answer("HEAD", REQUEST_ID).encode(CLOSE))[2] == b""


@pytest.mark.parametrize("refusal", Refusal)
def test_refusals_are_error_documents(refusal: Refusal) -> None:
    line, headers, body = parse(refusal.answer("GET", REQUEST_ID).encode(CLOSE))
    status, title, description = refusal.value
    assert line == f"HTTP/1.1 {status}"
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["x-openstack-request-id"] == REQUEST_ID
    assert json.loads(body) == {"title": title, "description": description}
    assert body.startswith(b'{\n    "title": ')
    assert headers.get("retry-after") == ("30" if status.startswith("503") else None)
