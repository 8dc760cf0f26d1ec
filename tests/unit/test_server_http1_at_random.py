"""Framing, of what nobody would think of."""

from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from marconi_server.server.http1 import Reader
from tests.unit.reading import MAX_BODY, chunked, cut, get, post, read, read_bytewise

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


@settings(deadline=None)
@given(
    st.lists(st.one_of(requests, st.just(b"\r\n")), max_size=3).map(b"".join),
    st.lists(st.one_of(requests, rubbish), max_size=2).map(b"".join),
)
def test_what_follows_changes_nothing_of_what_came_before(first: bytes, second: bytes) -> None:
    before, after, together = read(first), read(second), read(first + second)
    if any(request.truncated for request in before.requests):
        assert together == before
    else:
        assert together.requests == before.requests + after.requests
        assert together.refusal == after.refusal


TOKEN = "!#$%&'*+-.^_`|~0123456789abcxyzABCXYZ"
VISIBLE = "".join(map(chr, [*range(0x21, 0x7F), *range(0x80, 0x100)]))
names = st.text(TOKEN.replace("_", ""), min_size=1, max_size=20).map(lambda name: f"X-{name}")
values = st.text(f"{VISIBLE} \t", max_size=30).map(lambda value: value.strip(" \t"))


@settings(deadline=None)
@given(
    method=st.text(TOKEN, min_size=1, max_size=10),
    path=st.text(VISIBLE.translate({ord(each): None for each in "?#%"}), max_size=20),
    query=st.text(VISIBLE.replace("#", ""), max_size=20),
    headers=st.dictionaries(names.map(str.lower), values, max_size=5),
    blanks=st.text(" \t", max_size=3),
    body=st.binary(max_size=MAX_BODY),
    sizes=st.one_of(st.none(), st.lists(st.integers(1, 9), max_size=9)),
    places=st.lists(st.integers(min_value=0), max_size=8),
)
def test_what_a_client_means_arrives(
    method: str,
    path: str,
    query: str,
    headers: dict[str, str],
    blanks: str,
    body: bytes,
    sizes: list[int] | None,
    places: list[int],
) -> None:
    lines = [f"{method} /{path}?{query} HTTP/1.1", "Host: q"]
    lines += [f"{name}:{blanks}{value}{blanks}" for name, value in headers.items()]
    if sizes is None:
        lines.append(f"Content-Length: {len(body)}")
        sent = body
    else:
        lines.append("Transfer-Encoding: chunked")
        bounds = sorted({0, *(sum(sizes[:count]) for count in range(len(sizes))), len(body)})
        chunks = [body[start:end] for start, end in pairwise(bounds) if body[start:end]]
        sent = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
        sent += b"0\r\n\r\n"
    data = "\r\n".join([*lines, "", ""]).encode("latin-1") + sent
    reader = Reader({}, MAX_BODY)
    environ = None
    for piece in cut(data, places):
        assert environ is None
        reader.feed(piece)
        environ = reader.next()
    assert environ is not None
    assert environ.pop("wsgi.input").read() == body
    assert environ == {
        "REQUEST_METHOD": method,
        "RAW_URI": f"/{path}?{query}",
        "PATH_INFO": f"/{path}",
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "q",
        "CONTENT_LENGTH": str(len(body)),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
    }
    assert not reader.started
