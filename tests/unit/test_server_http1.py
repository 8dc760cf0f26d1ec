"""Framing: the same bytes give the same requests, whatever pieces they arrive in."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marconi_server.server.answers import Refusal
from marconi_server.server.chunks import MAX_TRAILERS
from marconi_server.server.http1 import MAX_FIELDS, MAX_HEAD
from tests.unit.reading import (
    MAX_BODY,
    Outcome,
    Request,
    chunked,
    cut,
    get,
    post,
    read,
    read_bytewise,
)

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
    "a chunk size of 16 digits": (chunked(b"0" * 15 + b"1", b"a", b"0", b""), posted(b"a")),
    "a chunk size in upper case": (chunked(b"A", b"0123456789", b"0", b""), posted(b"0123456789")),
    "a chunk size with a prefix": (chunked(b"0x1", b"a", b"0", b""), BAD_CHUNKS),
    "a chunk size with a sign": (chunked(b"+1", b"a", b"0", b""), BAD_CHUNKS),
    "a chunk size in groups": (chunked(b"0_1", b"a", b"0", b""), BAD_CHUNKS),
    "a blank before a chunk size": (chunked(b" 1", b"a", b"0", b""), BAD_CHUNKS),
    "a blank behind a chunk size": (chunked(b"1 ", b"a", b"0", b""), BAD_CHUNKS),
    "a blank before an extension": (chunked(b"1 ;a", b"a", b"0", b""), BAD_CHUNKS),
    "an extension with a control character": (chunked(b"1;a\x01", b"a", b"0", b""), BAD_CHUNKS),
    "an extension with a bare carriage return": (chunked(b"1;\ra", b"a", b"0", b""), BAD_CHUNKS),
    "an extension with a bare line feed": (chunked(b"1;a\n", b"a", b"0", b""), BAD_CHUNKS),
    "an extension without end": (chunked(b"1;" + b"a" * 8191), BAD_CHUNKS),
    "no chunk size": (chunked(b"", b"a", b"0", b""), BAD_CHUNKS),
    "an extension without a chunk size": (chunked(b";a", b"a", b"0", b""), BAD_CHUNKS),
    "a chunk that ends with a bare line feed": (chunked(b"1", b"a\n0", b""), BAD_CHUNKS),
    "a chunk that ends with a bare carriage return": (chunked(b"1", b"a\r0", b""), BAD_CHUNKS),
    "a bare line feed at the end": (post(b"0\r\n\n", b"Transfer-Encoding: chunked"), BAD_CHUNKS),
    "a trailer without a colon": (chunked(b"0", b"none", b""), BAD_CHUNKS),
    "a trailer without a name": (chunked(b"0", b": a", b""), BAD_CHUNKS),
    "a trailer with a control character": (chunked(b"0", b"A: \x01", b""), BAD_CHUNKS),
    "a trailer with a blank before the colon": (chunked(b"0", b"A : b", b""), BAD_CHUNKS),
    "a folded trailer": (chunked(b"0", b"A: b", b" c", b""), BAD_CHUNKS),
    "a trailer with a bare line feed": (chunked(b"0", b"A: b\nB: c", b""), BAD_CHUNKS),
    "a wrong trailer behind a good one": (chunked(b"0", b"A: b", b"none", b""), BAD_CHUNKS),
    "a trailer without end": (chunked(b"0", b"A: " + b"b" * 8190), BAD_CHUNKS),
    "a length as a trailer": (chunked(b"0", b"Content-length: 5", b""), BAD_CHUNKS),
    "a host as a trailer": (chunked(b"0", b"Host: q", b""), BAD_CHUNKS),
    "a coding as a trailer": (chunked(b"0", b"Transfer-Encoding: chunked", b""), BAD_CHUNKS),
    "as many trailers as allowed": (chunked(b"0", *[b"A: b"] * MAX_TRAILERS, b""), posted(b"")),
    "one trailer more": (chunked(b"0", *[b"A: b"] * (MAX_TRAILERS + 1), b""), BAD_CHUNKS),
    "trailers without an end": (chunked(b"0", b"A: b"), Outcome(started=True, in_body=True)),
    "a trailer is dropped": (
        chunked(b"0", b"X-Project-Id: a", b"") + get(),
        served(Request("POST", "/v1", "", b""), GET),
    ),
    "half a line break": (b"\r", Outcome()),
    "half a line break between requests": (get() + b"\r\n\r", served(GET)),
    "half a line break before a request": (b"\r" + get(), BAD_LINE),
    "a bare line feed before a request": (b"\n" + get(), BAD_LINE),
    "two carriage returns": (b"\r\r\n", BAD_LINE),
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
    "the whole server, but not to know its options": (get(line=b"GET * HTTP/1.1"), BAD_LINE),
    "more than the whole server": (get(line=b"OPTIONS */v1 HTTP/1.1"), BAD_LINE),
    "a query of the whole server": (get(line=b"OPTIONS *?a HTTP/1.1"), BAD_LINE),
    "a target with a user": (get(line=b"GET http://u@q/v1 HTTP/1.1"), BAD_LINE),
    "a target with an empty host": (get(line=b"GET http:///v1 HTTP/1.1"), BAD_LINE),
    "a fragment": (get(line=b"GET /v1#a HTTP/1.1"), BAD_LINE),
    "a fragment of a query": (get(line=b"GET /v1?a#b HTTP/1.1"), BAD_LINE),
    "two blanks": (get(line=b"GET  /v1 HTTP/1.1"), BAD_LINE),
    "two blanks before the version": (get(line=b"GET /v1  HTTP/1.1"), BAD_LINE),
    "a tab": (get(line=b"GET\t/v1 HTTP/1.1"), BAD_LINE),
    "a blank in front": (get(line=b" GET /v1 HTTP/1.1"), BAD_LINE),
    "a blank behind": (get(line=b"GET /v1 HTTP/1.1 "), BAD_LINE),
    "a blank in the target": (get(line=b"GET /v1 /x HTTP/1.1"), BAD_LINE),
    "a DEL in the target": (get(line=b"GET /v1\x7f HTTP/1.1"), BAD_LINE),
    "a method that is no token": (get(line=b"G@T /v1 HTTP/1.1"), BAD_LINE),
    "no method": (get(line=b"/v1 HTTP/1.1"), BAD_LINE),
    "a bare carriage return in the line": (get(line=b"GET /v1 HTTP/1.1\r"), BAD_LINE),
    "HTTP/1.2": (get(line=b"GET /v1 HTTP/1.2"), BAD_LINE),
    "HTTP/1.10": (get(line=b"GET /v1 HTTP/1.10"), BAD_LINE),
    "a protocol in lower case": (get(line=b"GET /v1 http/1.1"), BAD_LINE),
    "HTTP/0.9": (b"GET /v1\r\n", BAD_LINE),
    "two slashes": (get(line=b"GET //v1 HTTP/1.1"), served(Request("GET", "//v1", "", b""))),
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
    "two other hosts": (get(b"host: r"), BAD_HEADERS),
    "two types": (get(b"Content-Type: a/b", b"Content-Type: a/b"), BAD_HEADERS),
    "no host": (b"GET /v1 HTTP/1.1\r\nAccept: */*\r\n\r\n", BAD_HEADERS),
    "no header at all": (b"GET /v1 HTTP/1.1\r\n\r\n", BAD_HEADERS),
    "no header at all in HTTP/1.0": (
        b"GET /v1 HTTP/1.0\r\n\r\n",
        served(Request("GET", "/v1", "", b"", keep_alive=False)),
    ),
    "a host that is none in HTTP/1.0": (b"GET /v1 HTTP/1.0\r\nHost: a/b\r\n\r\n", BAD_HEADERS),
    "a host with an underscore and no port": (
        b"GET /v1 HTTP/1.1\r\nHost: a_b.c:\r\n\r\n",
        served(GET),
    ),
    "a host with a zone": (b"GET /v1 HTTP/1.1\r\nHost: [fe80::1%eth0]:80\r\n\r\n", served(GET)),
    "no host but in the target": (b"GET http://q/v1 HTTP/1.1\r\n\r\n", BAD_HEADERS),
    "a name without letters": (get(b": a"), BAD_HEADERS),
    "a name with a letter of no token": (get(b"a(b: c"), BAD_HEADERS),
    "a name beyond ASCII": (get(b"\xe4: c"), BAD_HEADERS),
    "a name of 256 letters": (get(b"a" * 256 + b": c"), served(GET)),
    "a name of 257 letters": (get(b"a" * 257 + b": c"), BAD_HEADERS),
    "a DEL in a header": (get(b"A: b\x7f"), BAD_HEADERS),
    "a bare carriage return in a header": (get(b"A: b\rc"), BAD_HEADERS),
    "a carriage return before a line break": (get(b"A: b\r"), BAD_HEADERS),
    "a carriage return behind a line break": (get(b"A: b\r\n\rB: c"), BAD_HEADERS),
    "a blank line with a blank": (get(b" ") + get(), BAD_HEADERS),
    "a folded first header": (b"GET /v1 HTTP/1.1\r\n Host: q\r\n\r\n", BAD_HEADERS),
    "a length with a superscript": (get(b"Content-Length: \xb2"), BAD_HEADERS),
    "a length in groups": (get(b"Content-Length: 1_0"), BAD_HEADERS),
    "a hexadecimal length": (get(b"Content-Length: 0x1"), BAD_HEADERS),
    "a length and a coding that is none": (
        get(b"Content-Length: 1", b"Transfer-Encoding: identity"),
        BAD_HEADERS,
    ),
    "no coding, then chunks": (get(b"Transfer-Encoding: identity, chunked"), BAD_HEADERS),
    "no coding, then chunks, in two headers": (
        get(b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked"),
        BAD_HEADERS,
    ),
    "chunks with a parameter": (get(b"Transfer-Encoding: chunked;q=1"), BAD_HEADERS),
    "an empty coding": (get(b"Transfer-Encoding:"), BAD_HEADERS),
    "a coding with a control character": (get(b"Transfer-Encoding: \x0bchunked"), BAD_HEADERS),
    "a coding behind an underscore": (
        post(b"", b"Transfer_Encoding: chunked", b"Content_Length: 3"),
        served(Request("POST", "/v1", "", b"")),
    ),
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


@pytest.mark.parametrize("name", STREAMS)
def test_bytes_in_two_pieces(name: str) -> None:
    data, expected = STREAMS[name]
    if len(data) < 1000:
        for place in range(1, len(data)):
            assert read(data[:place], data[place:]) == expected


@pytest.mark.parametrize("name", LARGE)
def test_large_heads_in_packets(name: str) -> None:
    data, expected = LARGE[name]
    assert read(*(data[start : start + 1448] for start in range(0, len(data), 1448))) == expected


@settings(deadline=None)
@given(st.sampled_from(sorted(STREAMS)), st.lists(st.integers(min_value=0), max_size=12))
def test_any_split_gives_the_same(name: str, places: list[int]) -> None:
    data, expected = STREAMS[name]
    assert read(*cut(data, places)) == expected
