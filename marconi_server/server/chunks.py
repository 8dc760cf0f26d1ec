"""A body that arrives in chunks (RFC 9112 7.1), in whatever pieces."""

from typing import Final

from marconi_server.server.grammar import CHUNK_SIZE, TRAILER

MAX_LINE: Final = 8 * 1024
"""Bytes of a line between chunks, or behind the last one."""

MAX_TRAILERS: Final = 100
"""Fields behind the last chunk."""

_NOT_BEHIND: Final = frozenset(
    (b"authorization", b"content-length", b"host", b"te", b"trailer", b"transfer-encoding")
)
"""Fields that would come too late: those of framing, routing and authentication (RFC 9110 6.5.1)."""


class Malformed(Exception):
    """What arrived is no chunked body."""


class Chunks:
    """A chunked body, as much of it as has arrived.

    body      what the chunks contain, at most `limit` + 1 bytes
    complete  whether its end has arrived

    A body that exceeds the limit is not read further.
    """

    __slots__ = ("_in_trailers", "_left", "_limit", "_trailers", "body", "complete")

    def __init__(self, limit: int) -> None:
        self.body = bytearray()
        self.complete = False
        self._limit = limit
        self._left = 0  # bytes of the present chunk, with its line break
        self._in_trailers = False
        self._trailers = 0

    @property
    def exceeds(self) -> bool:
        """Whether it is larger than the limit."""
        return len(self.body) > self._limit

    def read(self, data: bytes | bytearray, at: int) -> int:
        """Take what is there of the body from the position `at` on; return where the rest begins.

        :raises Malformed: it is no such body
        """
        body, limit, left = self.body, self._limit, self._left
        while not self.complete:
            if left > 2:
                piece = data[at : at + min(left - 2, limit + 1 - len(body))]
                body += piece
                at += len(piece)
                left -= len(piece)
                if left > 2 or len(body) > limit:
                    break
            if left:
                found = data[at : at + left]
                if not b"\r\n"[-left:].startswith(found):
                    raise Malformed("a chunk is longer than its size")
                at += len(found)
                left -= len(found)
                if left:
                    break
            end = data.find(b"\n", at, at + MAX_LINE) + 1
            if not end:
                if len(data) - at >= MAX_LINE:
                    raise Malformed(f"a line of more than {MAX_LINE} bytes")
                break
            if self._in_trailers:
                self._read_trailer(data, at, end)
            else:
                size = _size(data, at, end)
                self._in_trailers = not size
                left = size and size + 2
            at = end
        self._left = left
        return at

    def _read_trailer(self, data: bytes | bytearray, at: int, end: int) -> None:
        if data[at:end] == b"\r\n":
            self.complete = True
            return
        line = TRAILER.fullmatch(data, at, end)
        if line is None or line[1].lower() in _NOT_BEHIND:
            raise Malformed("a malformed trailer")
        self._trailers += 1
        if self._trailers > MAX_TRAILERS:
            raise Malformed(f"more than {MAX_TRAILERS} trailers")


def _size(data: bytes | bytearray, at: int, end: int) -> int:
    line = CHUNK_SIZE.fullmatch(data, at, end)
    if line is None:
        raise Malformed("a malformed chunk size")
    return int(line[1], 16)
