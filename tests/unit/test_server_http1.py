"""Framing: the same bytes give the same requests, whatever pieces they arrive in."""

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from marconi_server.server.answers import Refusal
from marconi_server.server.http1 import MAX_FIELDS, MAX_HEAD, Reader, Refused

MAX_BODY = 64

HOST = b"Host: q.example\r\n"


@dataclass
class Request:
    method: str
    path: str
    query: str
    body: bytes
    keep_alive: bool = True
    truncated: bool = False


@dataclass
class Outcome:
    """What became of the bytes: requests, then why it ended, or what is incomplete."""

    requests: list[Request] = field(default_factory=list)
    refusal: Refusal | None = None
    started: bool = False
    in_body: bool = False


def read(*pieces: bytes) -> Outcome:
    """Feed the pieces to a reader, as a connection does, and note what comes out."""
    reader = Reader({"SERVER_NAME": "q"}, MAX_BODY)
    outcome = Outcome()
    for piece in pieces:
        reader.feed(piece)
        try:
            while (environ := reader.next()) is not None:
                outcome.requests.append(
                    Request(
                        environ["REQUEST_METHOD"],
                        environ["PATH_INFO"],
                        environ["QUERY_STRING"],
                        environ["wsgi.input"].read(),
                        reader.keep_alive,
                        reader.truncated,
                    )
                )
                if reader.truncated or not reader.keep_alive:
                    return outcome
        except Refused as refused:
            outcome.refusal = refused.refusal
            return outcome
    outcome.started, outcome.in_body = reader.started, reader.environ is not None
    return outcome


def read_bytewise(data: bytes) -> Outcome:
    return read(*(data[index : index + 1] for index in range(len(data))))


def get(*headers: bytes, line: bytes = b"GET /v1 HTTP/1.1") -> bytes:
    return b"\r\n".join((line, b"Host: q", *headers)) + b"\r\n\r\n"


def post(body: bytes, *headers: bytes) -> bytes:
    return get(*headers, line=b"POST /v1 HTTP/1.1") + body


def chunked(*lines: bytes) -> bytes:
    return post(b"".join(line + b"\r\n" for line in lines), b"Transfer-Encoding: chunked")


GET = Request("GET", "/v1", "", b"")
BAD_LINE = Outcome(refusal=Refusal.REQUEST_LINE)
BAD_HEADERS = Outcome(refusal=Refusal.HEADERS)
BAD_CHUNKS = Outcome(refusal=Refusal.CHUNKS)


def served(*requests: Request) -> Outcome:
    return Outcome(requests=list(requests))


def posted(body: bytes, *, truncated: bool = False) -> Outcome:
    return served(Request("POST", "/v1", "", body, truncated=truncated))


STREAMS = {
    "one request": (get(), served(GET)),
    "two requests": (get() + get(), served(GET, GET)),
    "a body": (post(b"abc", b"Content-Length: 3"), posted(b"abc")),
    "no body": (post(b"", b"Content-Length: 0"), posted(b"")),
    "a body and another request": (
        post(b"abc", b"Content-Length: 3") + get(),
        served(Request("POST", "/v1", "", b"abc"), GET),
    ),
    "a length too short: the rest is the next request": (
        post(b"abcdef\r\n\r\n", b"Content-Length: 3"),
        Outcome([Request("POST", "/v1", "", b"abc")], refusal=Refusal.REQUEST_LINE),
    ),
    "a length too long": (
        post(b"abc", b"Content-Length: 4"),
        Outcome(started=True, in_body=True),
    ),
    "the largest body": (post(b"x" * MAX_BODY, b"Content-Length: 64"), posted(b"x" * MAX_BODY)),
    "a body over the limit": (post(b"x" * 65, b"Content-Length: 65"), posted(b"", truncated=True)),
    "a length of 30 zeros": (
        post(b"", b"Content-Length: " + b"0" * 30),
        BAD_HEADERS,
    ),
    "chunks": (chunked(b"3", b"abc", b"0", b""), posted(b"abc")),
    "chunks and another request": (
        chunked(b"3", b"abc", b"0", b"") + get(),
        served(Request("POST", "/v1", "", b"abc"), GET),
    ),
    "chunks with extension and trailer": (
        chunked(b"00A;note=x", b"0123456789", b"1", b"!", b"0", b"X-Sum: 1", b""),
        posted(b"0123456789!"),
    ),
    "chunks with an upper-case coding": (
        get(b"Transfer-Encoding: Chunked", line=b"PUT /v1 HTTP/1.1") + b"1\r\na\r\n0\r\n\r\n",
        served(Request("PUT", "/v1", "", b"a")),
    ),
    "as many chunks as allowed": (
        chunked(*[b"1", b"x"] * MAX_BODY, b"0", b""),
        posted(b"x" * MAX_BODY),
    ),
    "chunks over the limit": (
        chunked(b"40", b"x" * 64, b"5", b"12345", b"0", b""),
        posted(b"x" * 64 + b"1", truncated=True),
    ),
    "a chunk over the limit, then rubbish": (
        chunked(b"41", b"x" * 65, b"rubbish"),
        posted(b"x" * 65, truncated=True),
    ),
    "a huge chunk that has not arrived": (
        chunked(b"ffffffff", b"x"),
        Outcome(started=True, in_body=True),
    ),
    "chunks without an end": (chunked(b"3", b"abc"), Outcome(started=True, in_body=True)),
    "a chunk size that is none": (chunked(b"xyz", b"abc"), BAD_CHUNKS),
    "a negative chunk size": (chunked(b"-1", b"abc"), BAD_CHUNKS),
    "a chunk size beyond 64 bits": (chunked(b"1" * 17), BAD_CHUNKS),
    "a chunk longer than its size": (chunked(b"2", b"abc", b"0", b""), BAD_CHUNKS),
    "chunks with bare line feeds": (
        post(b"3\nabc\n0\n\n", b"Transfer-Encoding: chunked"),
        BAD_CHUNKS,
    ),
    "a line break before a request": (b"\r\n" + get(), served(GET)),
    "line breaks between requests": (get() + b"\r\n\r\n\r\n" + get(), served(GET, GET)),
    "only line breaks": (b"\r\n" * 20, Outcome()),
    "nothing": (b"", Outcome()),
    "half a head": (get()[:-2], Outcome(started=True)),
    "HTTP/1.0": (
        get(line=b"GET /v1 HTTP/1.0") + get(),
        served(Request("GET", "/v1", "", b"", keep_alive=False)),
    ),
    "HTTP/1.0, kept alive": (
        get(b"Connection: Keep-Alive", line=b"GET /v1 HTTP/1.0") + get(),
        served(GET, GET),
    ),
    "close": (
        get(b"Connection: foo, Close") + get(),
        served(Request("GET", "/v1", "", b"", keep_alive=False)),
    ),
    "a word with close in it": (get(b"Connection: closely"), served(GET)),
    "a method nobody knows": (
        get(line=b"br3w-it /v1 HTTP/1.1"),
        served(Request("br3w-it", "/v1", "", b"")),
    ),
    "a query": (
        get(line=b"GET /v1?a=%2F&b=? HTTP/1.1"),
        served(Request("GET", "/v1", "a=%2F&b=?", b"")),
    ),
    "a percent-encoded path": (
        get(line=b"GET /v1/%71%c3%a4%FF%zz% HTTP/1.1"),
        served(Request("GET", "/v1/q\xc3\xa4\xff%zz%", "", b"")),
    ),
    "a path with raw bytes": (
        get(line=b"GET /v1/\xe4 HTTP/1.1"),
        served(Request("GET", "/v1/\xe4", "", b"")),
    ),
    "an absolute target": (
        get(line=b"GET http://other.example:80/v1?x=1 HTTP/1.1"),
        served(Request("GET", "/v1", "x=1", b"")),
    ),
    "an absolute target without a path": (
        get(line=b"GET HTTP://other.example HTTP/1.1"),
        served(Request("GET", "/", "", b"")),
    ),
    "a target that only looks absolute": (get(line=b"GET v1?x=http://a HTTP/1.1"), BAD_LINE),
    "a target without a path": (get(line=b"GET ?x=http://a HTTP/1.1"), BAD_LINE),
    "a target of another scheme": (get(line=b"GET ftp://a/v1 HTTP/1.1"), BAD_LINE),
    "a target without a slash": (get(line=b"GET v1 HTTP/1.1"), BAD_LINE),
    "a tunnel": (get(line=b"CONNECT a.example:80 HTTP/1.1"), BAD_LINE),
    "the whole server": (
        get(line=b"OPTIONS * HTTP/1.1"),
        served(Request("OPTIONS", "*", "", b"")),
    ),
    "no version": (get(line=b"GET /v1"), BAD_LINE),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD_LINE),
    "a control character in the line": (get(line=b"GET /v\x011 HTTP/1.1"), BAD_LINE),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", BAD_LINE),
    "bare line feeds": (b"GET /v1 HTTP/1.1\nHost: q\n\n", BAD_LINE),
    "a bare line feed in the headers": (
        b"GET /v1 HTTP/1.1\r\nHost: q\n\r\n",
        BAD_HEADERS,
    ),
    "a length that is no number": (get(b"Content-Length: abc"), BAD_HEADERS),
    "a negative length": (get(b"Content-Length: -1"), BAD_HEADERS),
    "a length with a sign": (get(b"Content-Length: +1"), BAD_HEADERS),
    "an empty length": (get(b"Content-Length:"), BAD_HEADERS),
    "two lengths": (get(b"Content-Length: 1", b"Content-Length: 1"), BAD_HEADERS),
    "a list of lengths": (get(b"Content-Length: 1, 1"), BAD_HEADERS),
    "a length and chunks": (
        get(b"Content-Length: 1", b"Transfer-Encoding: chunked"),
        BAD_HEADERS,
    ),
    "two codings": (get(b"Transfer-Encoding: gzip, chunked"), BAD_HEADERS),
    "another coding": (get(b"Transfer-Encoding: gzip"), BAD_HEADERS),
    "no coding": (get(b"Transfer-Encoding: identity"), BAD_HEADERS),
    "chunks twice": (
        get(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        BAD_HEADERS,
    ),
    "chunks in HTTP/1.0": (
        get(b"Transfer-Encoding: chunked", line=b"POST /v1 HTTP/1.0"),
        BAD_HEADERS,
    ),
    "a control character in a header": (get(b"X-Project-Id: a\x01b"), BAD_HEADERS),
    "a NUL in a header": (get(b"X-Project-Id: a\x00b"), BAD_HEADERS),
    "a folded header": (get(b"X-Project-Id: a\r\n b"), BAD_HEADERS),
    "a blank before a colon": (get(b"X-Project-Id : a"), BAD_HEADERS),
    "a header without a colon": (get(b"X-Project-Id"), BAD_HEADERS),
    "two hosts": (get(b"Host: q"), BAD_HEADERS),
    "as many headers as allowed": (get(*[b"X-A: 1"] * (MAX_FIELDS - 1)), served(GET)),
    "one header more": (get(*[b"X-A: 1"] * MAX_FIELDS), BAD_HEADERS),
    "very many headers": (get(*[b"X-A: 1"] * 2000), BAD_HEADERS),
}

LARGE = {
    "the largest head": (
        get(b"X-Filler: " + b"x" * (MAX_HEAD - len(get(b"X-Filler: ")))),
        served(GET),
    ),
    "one byte more": (
        get(b"X-Filler: " + b"x" * (MAX_HEAD - len(get(b"X-Filler: ")) + 1)),
        BAD_HEADERS,
    ),
    "a query of 100 KB": (
        get(line=b"GET /v1?q=" + b"x" * 102_400 + b" HTTP/1.1"),
        served(Request("GET", "/v1", "q=" + "x" * 102_400, b"")),
    ),
    "the longest path": (
        get(line=b"GET /%b HTTP/1.1" % (b"%41" * 2730 + b"a")),
        served(Request("GET", f"/{'A' * 2730}a", "", b"")),
    ),
    "a longer path": (get(line=b"GET /%b HTTP/1.1" % (b"%41" * 2730 + b"aa")), BAD_LINE),
    "a longer path without escapes": (get(line=b"GET /%b HTTP/1.1" % (b"a" * 8192)), BAD_LINE),
    "the longest wish to go on": (get(b"Connection: " + b"," * 1024), served(GET)),
    "a longer one": (
        get(b"Connection: " + b"," * 1025) + get(),
        served(Request("GET", "/v1", "", b"", keep_alive=False)),
    ),
    "an endless request line": (b"GET /v1?q=" + b"x" * MAX_HEAD, BAD_LINE),
    "an endless header": (get()[:-2] + b"X-Filler: " + b"x" * MAX_HEAD, BAD_HEADERS),
}


@pytest.mark.parametrize("name", [*STREAMS, *LARGE])
def test_bytes_in_one_piece(name: str) -> None:
    data, expected = (STREAMS | LARGE)[name]
    assert read(data) == expected


@pytest.mark.parametrize("name", STREAMS)
def test_bytes_one_by_one(name: str) -> None:
    data, expected = STREAMS[name]
    assert read_bytewise(data) == expected


@pytest.mark.parametrize("name", LARGE)
def test_large_heads_in_packets(name: str) -> None:
    data, expected = LARGE[name]
    assert read(*(data[start : start + 1448] for start in range(0, len(data), 1448))) == expected


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(bounds) if start < end]


@settings(deadline=None)
@given(st.sampled_from(sorted(STREAMS)), st.lists(st.integers(min_value=0), max_size=12))
def test_any_split_gives_the_same(name: str, places: list[int]) -> None:
    data, expected = STREAMS[name]
    assert read(*cut(data, places)) == expected


requests = st.one_of(
    st.just(get()),
    st.builds(
        lambda body: post(body, b"Content-Length: %d" % len(body)),
        st.binary(max_size=MAX_BODY + 2),
    ),
    st.builds(
        lambda bodies: chunked(
            *(part for body in bodies for part in (b"%x" % len(body), body)), b"0", b""
        ),
        st.lists(st.binary(min_size=1, max_size=20), max_size=5),
    ),
)
FRAGMENTS = (
    *(b"GET", b" ", b"/v1", b"HTTP/1.1", b"\r", b"\n", b"\r\n", b":", b"a", b"0", b"\x00", b"\xff"),
    *(b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"Host: q\r\n", b"?", b";"),
    *(b"://", b"http", b"%", b"*", b"GET ", b" HTTP/1.1\r\n", b"\r\n\r\n"),
)
rubbish = st.one_of(
    st.lists(st.sampled_from(FRAGMENTS), max_size=30).map(b"".join), st.binary(max_size=40)
)


@settings(max_examples=300, deadline=None)
@example(parts=[b"\r\n\n"], places=[1])
@example(parts=[b"! ! \x00\x00\x00\x00\x00\x00\x00\n\x00"], places=[])
@given(
    parts=st.lists(st.one_of(requests, rubbish), max_size=4),
    places=st.lists(st.integers(min_value=0), max_size=8),
)
def test_any_bytes_at_all_give_the_same_in_any_split(parts: list[bytes], places: list[int]) -> None:
    data = b"".join(parts)
    whole = read(data)
    assert read(*cut(data, places)) == whole
    assert read_bytewise(data) == whole


def environ_of(data: bytes) -> dict[str, object]:
    reader = Reader({"SERVER_NAME": "q", "REMOTE_ADDR": "192.0.2.1"}, MAX_BODY)
    reader.feed(data)
    environ = reader.next()
    assert environ is not None
    return environ


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


def test_nobody_is_asked_to_send_a_body_that_is_too_large() -> None:
    reader = Reader({}, MAX_BODY)
    reader.feed(post(b"", b"Content-Length: 65", b"Expect: 100-continue"))
    assert reader.next() is not None
    assert reader.truncated
    assert not reader.expects_continue
