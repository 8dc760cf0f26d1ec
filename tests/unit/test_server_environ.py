"""What a reader of requests tells of each: the environ, and what the connection has to know."""

from contextlib import suppress

import pytest

from marconi_server.server.answers import Refusal
from marconi_server.server.http1 import MAX_HEAD, Reader, Refused
from tests.unit.reading import MAX_BODY, Outcome, chunked, environ_of, get, post, read


def test_the_environ_has_what_the_connection_knows() -> None:
    environ = environ_of(get())
    assert environ["SERVER_NAME"] == "q"
    assert environ["REMOTE_ADDR"] == "192.0.2.1"
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert "_consumed" not in environ


@pytest.mark.parametrize(
    ("line", "raw"),
    [
        (b"GET /v1/a%2Fb?x=%20 HTTP/1.1", "/v1/a%2Fb?x=%20"),
        (b"GET http://o.example/v1/a%2fb HTTP/1.1", "http://o.example/v1/a%2fb"),
        (b"GET /v1 HTTP/1.1", "/v1"),
        (b"GET /v1? HTTP/1.1", "/v1?"),
    ],
)
def test_the_raw_target_stays_as_sent(line: bytes, raw: str) -> None:
    assert environ_of(get(line=line))["RAW_URI"] == raw


def test_the_host_of_an_absolute_target_replaces_that_of_the_header() -> None:
    environ = environ_of(get(line=b"GET http://other.example:81/v1 HTTP/1.1"))
    assert environ["HTTP_HOST"] == "other.example:81"


def test_a_chunked_body_reaches_the_application_with_a_length_and_no_coding() -> None:
    environ = environ_of(chunked(b"3", b"abc", b"0", b""))
    assert environ["CONTENT_LENGTH"] == "3"
    assert "HTTP_TRANSFER_ENCODING" not in environ


def test_a_declared_length_over_the_limit_stays_visible() -> None:
    environ = environ_of(get(b"Content-Length: 31457280"))
    assert environ["CONTENT_LENGTH"] == "31457280"


def test_repeated_headers_are_joined() -> None:
    assert environ_of(get(b"Accept: a", b"Accept: b"))["HTTP_ACCEPT"] == "a,b"


def test_a_header_with_an_underscore_cannot_pass_for_another() -> None:
    assert "HTTP_X_PROJECT_ID" not in environ_of(get(b"X_Project_Id: stolen"))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (post(b"", b"Content-Length: 3", b"Expect: 100-continue"), True),
        (post(b"", b"Transfer-Encoding: chunked", b"Expect: 100-Continue"), True),
        (post(b"", b"Content-Length: 3"), False),
        (post(b"", b"Content-Length: 3", b"Expect: 200-ok"), False),
        (get(b"Content-Length: 3", b"Expect: 100-continue", line=b"PUT / HTTP/1.0"), False),
    ],
)
def test_who_waits_for_100_continue(data: bytes, expected: bool) -> None:
    reader = Reader({}, MAX_BODY)
    reader.feed(data)
    assert reader.next() is None
    assert reader.expects_continue is expected


@pytest.mark.parametrize(
    "data",
    [
        get(b"Expect: 100-continue"),
        get(b"Expect: 100-continue", b"Content-Length: 0"),
        post(b"abc", b"Expect: 100-continue", b"Content-Length: 3"),
        post(b"1\r\na\r\n0\r\n\r\n", b"Expect: 100-continue", b"Transfer-Encoding: chunked"),
    ],
)
def test_an_expectation_ends_with_its_body(data: bytes) -> None:
    for pieces in ([data], [data[:-1], data[-1:]]):
        reader = Reader({}, MAX_BODY)
        for piece in pieces:
            reader.feed(piece)
            environ = reader.next()
        assert environ is not None
        assert not reader.expects_continue
        reader.feed(get()[:-1])
        assert reader.next() is None
        assert not reader.expects_continue


@pytest.mark.parametrize(
    ("data", "method"),
    [
        (b"", ""),
        (b"HEAD", ""),
        (b"HEAD ", "HEAD"),
        (b"\r\nHEAD /", "HEAD"),
        (b"HEAD / HTTP/1.1\r\n", "HEAD"),
        (b"HEAD / HTTP/1.1\r\nHost: q\r\nContent-Length: 3\r\n\r\n", "HEAD"),
        (get() + b"HEAD /", "HEAD"),
        (b"HEAD v1\r\n", "HEAD"),
        (b"HEAD / HTTP/1.1\r\nHost : q\r\n", "HEAD"),
        (b"HEAD / HTTP/1.1\r\n\r\n", "HEAD"),
        (b"GET /" + b"x" * MAX_HEAD, "GET"),
    ],
)
def test_the_method_of_a_request_that_is_arriving(data: bytes, method: str) -> None:
    for pieces in ([data], [data[index : index + 1] for index in range(len(data))]):
        reader = Reader({}, MAX_BODY)
        with suppress(Refused):
            for piece in pieces:
                reader.feed(piece)
                while reader.next() is not None:
                    pass
        assert reader.method == method


@pytest.mark.parametrize(
    ("host", "good"),
    [
        ("q", True),
        ("q.example:8888", True),
        ("q.example.", True),
        ("q:", True),
        ("127.0.0.1", True),
        ("[::1]", True),
        ("[2001:db8::7]:8888", True),
        ("[::ffff:192.0.2.1]", True),
        ("[fe80::1%eth0]:80", True),
        ("[fe80::1%25eth0]", True),
        ("x_y-z", True),
        ("%C3%A4", True),
        ("", False),
        (":8888", False),
        ("q:port", False),
        ("q:-1", False),
        ("q:123456", False),
        ("q:1:2", False),
        ("::1", False),
        ("[::1", False),
        ("[]", False),
        ("[q]", False),
        ("[::1]x", False),
        ("u@q", False),
        ("q/v1", False),
        ("q?x", False),
        ("q#x", False),
        ("q\\x", False),
        ("q r", False),
        ("q, r", False),
        ("q\tr", False),
        ("\xe4", False),
        ('"q"', False),
        ("<q>", False),
    ],
)
def test_what_a_host_is(host: str, good: bool) -> None:
    head = f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("latin-1")
    target = f"GET http://{host} HTTP/1.1\r\nHost: other\r\n\r\n".encode("latin-1")
    if good:
        assert environ_of(head)["HTTP_HOST"] == host
        assert environ_of(target)["HTTP_HOST"] == host
    else:
        assert read(head) == Outcome(refusal=Refusal.HEADERS)
        if not set(host) & set("/?"):  # with which its path or query would begin
            assert read(target) == Outcome(refusal=Refusal.REQUEST_LINE)


def test_nobody_is_asked_to_send_a_body_that_is_too_large() -> None:
    reader = Reader({}, MAX_BODY)
    reader.feed(post(b"", b"Content-Length: 65", b"Expect: 100-continue"))
    assert reader.next() is not None
    assert reader.truncated
    assert not reader.expects_continue
