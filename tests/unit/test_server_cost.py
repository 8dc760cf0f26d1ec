"""What a client sends costs CPU in proportion to its length, whatever it is."""

import re
import time
from collections.abc import Callable, Iterator

import pytest

from marconi_server.server import http1
from marconi_server.server.http1 import MAX_HEAD, Reader, Refused
from tests.unit.reading import get, post

TIMES = 8
"""How much longer the longer input is. It costs eight times as much, and not 64 times."""

MOST = 24
"""Times that it may cost: as far from the one as from the other."""

ATTEMPTS = 5
"""Whatever else a machine does makes things dearer, and never cheaper."""

BEGINNINGS = {
    "nothing": b"",
    "a path": b"GET /",
    "a query": b"GET /?",
    "a host in the target": b"GET http://",
    "headers": get()[:-2],
    "a host": b"GET / HTTP/1.1\r\nHost: ",
    "a value": get(b"A: ")[:-4],
    "options of the connection": get(b"Connection: ")[:-4],
    "a coding": get(b"Transfer-Encoding: ")[:-4],
    "a length": get(b"Content-Length: ")[:-4],
    "an expectation": get(b"Expect: ")[:-4],
    "chunks": post(b"", b"Transfer-Encoding: chunked"),
    "a chunk": post(b"fffffff\r\n", b"Transfer-Encoding: chunked"),
    "an extension": post(b"1;", b"Transfer-Encoding: chunked"),
    "trailers": post(b"0\r\n", b"Transfer-Encoding: chunked"),
    "a body": post(b"", b"Content-Length: 9999999"),
}
UNITS = (
    *(b"\r\n", b"\r", b"\n", b"\r\n\r", b" ", b"\t", b":", b"::", b"a", b"A: b\r\n", b"a:\r\n"),
    *(b"A: b\r\n c", b"%", b"%41", b"?", b"/", b"//", b",", b"close,", b"a, ", b";", b"; a=", b'"'),
    *(b"\\", b"[", b"[::1]", b"0", b"1\r\nx\r\n", b"1;a\r\nx\r\n", b"_", b"\x00", b"\xff", get()),
)
ENDS = (b"", b"\r\n\r\n", b"\x00\r\n\r\n")

PIECES = {"in one piece": (1 << 30, 16_384), "in packets": (1448, 16_384), "bytewise": (1, 512)}
"""Bytes of a piece, and of the shorter input."""


def seconds(data: bytes, size: int) -> float:
    """Return the CPU time of reading all requests, up to one that is refused."""
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    reader = Reader({}, len(data))
    before = time.process_time()
    try:
        for piece in pieces:
            reader.feed(piece)
            while reader.next() is not None:
                pass
    except Refused:
        pass
    return time.process_time() - before


def growths(make: Callable[[int], bytes], size: int, length: int) -> Iterator[float]:
    """Give how many times as much the longer input costs, with each attempt more exactly."""
    short = long = float("inf")
    for _ in range(ATTEMPTS):
        short = min(short, seconds(make(length), size))
        long = min(long, seconds(make(length * TIMES), size))
        yield long / short


def is_in_proportion(make: Callable[[int], bytes], size: int, length: int) -> bool:
    return any(growth < MOST for growth in growths(make, size, length))


@pytest.mark.parametrize("kind", PIECES)
@pytest.mark.parametrize("name", BEGINNINGS)
def test_hostile_patterns(name: str, kind: str) -> None:
    size, length = PIECES[kind]
    for unit in UNITS:
        for end in ENDS:

            def make(count: int, unit: bytes = unit, end: bytes = end) -> bytes:
                return BEGINNINGS[name] + unit * (count // len(unit)) + end

            assert is_in_proportion(make, size, length), (unit, end)


@pytest.mark.parametrize(
    "begin", [b"GET /", get(b"A: ")[:-4], post(b"", b"Content-Length: 999999")]
)
def test_a_line_or_body_that_never_ends(begin: bytes) -> None:
    def make(count: int) -> bytes:
        return begin + b"x" * count

    assert is_in_proportion(make, 1, (MAX_HEAD - 1000) // TIMES)


class Forgetful(Reader):
    """Looks at all of the head again with each piece, for long enough to stand out in coverage."""

    def feed(self, data: bytes) -> None:
        super().feed(data)
        for _ in range(8):
            sum(self._pending)


def test_it_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(count: int) -> bytes:
        return get(b"A: ")[:-4] + b" " * count + b"\x00\r\n\r\n"

    def measured(size: int, length: int) -> float:
        return [*growths(make, size, length)][-1]

    assert is_in_proportion(make, 1 << 30, 256)
    backtracking = re.compile(r"\r\n([^:]+):[ \t]*([^\x00]*)(?=\r\n|\Z)")
    monkeypatch.setattr(http1, "FIELD", backtracking)
    assert measured(1 << 30, 256) > MOST
    monkeypatch.undo()
    assert is_in_proportion(make, 1, 512)
    monkeypatch.setattr("tests.unit.test_server_cost.Reader", Forgetful)
    assert measured(1, 512) > MOST
