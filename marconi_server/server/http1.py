"""Bytes to requests: the framing of HTTP/1.1 (RFC 9112) without any input or output.

`Reader` finds out where a request begins and ends, whatever pieces it arrives in, and makes the
WSGI environ (PEP 3333). Every byte is looked at once: what is complete is taken at once, and a
search goes on where the last one ended. So the cost is in proportion to what a client sends.
"""

import re
from functools import lru_cache
from io import BytesIO
from typing import Final
from urllib.parse import unquote_to_bytes

from marconi_server.api.requests import LONGEST_PATH
from marconi_server.server.answers import Environ, Refusal
from marconi_server.server.chunks import Chunks, Malformed
from marconi_server.server.grammar import AUTHORITY, FIELD, REQUEST_LINE

MAX_HEAD: Final = 160 * 1024
"""Largest request head in bytes. What of it is read has bounds of its own, far below."""

LONGEST_CONNECTION: Final = 1024
"""Bytes of the header `Connection`; a longer one is no wish to keep anything."""

MAX_FIELDS = 100
"""Most header fields of a request."""

_MAX_DIGITS = 18
"""Of a Content-Length: any more cannot be meant seriously."""

_BLANKS: Final = " \t"

_LINE_BREAKS: Final = re.compile(rb"(?:\r\n)*+")

_ONCE: Final = frozenset(("CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_HOST", "HTTP_TRANSFER_ENCODING"))
"""Fields that nobody may send twice: another reader might take the other one."""


@lru_cache(1000)  # PERF: the same few, all the time
def _key(name: str) -> str:
    """Return the name that a header field has in the environ; none if it must not be there.

    APPSEC: `X_Project_Id` would have the name of `X-Project-Id`, which a proxy may watch over.
    """
    if "_" in name:
        return ""
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_LENGTH", "CONTENT_TYPE") else f"HTTP_{key}"


class Refused(Exception):
    """The bytes are not a request that can be served; nothing after them can be trusted."""

    def __init__(self, refusal: Refusal, reason: str) -> None:
        super().__init__(reason)
        self.refusal = refusal


class Reader:
    """Cuts the bytes of one connection into requests.

    `feed` takes bytes as they arrive, `next` gives the next request that is complete, as an
    environ whose `wsgi.input` holds the whole body. About that request, or the one that is
    arriving, it tells:

    keep_alive        whether the client can send another one behind it
    truncated         its body is larger than `max_body` and was not read, or not wholly: the
                      input is empty (declared length) or cut at `max_body` + 1 bytes
                      (chunked), and nothing more can be read from the connection
    expects_continue  the client waits for "100 Continue" before it sends the body, which is
                      not complete

    :param base: what every environ of this connection contains
    :param max_body: bytes of the largest body that is read
    """

    __slots__ = (
        "_at",
        "_authority",
        "_base",
        "_chunks",
        "_environ",
        "_fields",
        "_head",
        "_length",
        "_max_body",
        "_pending",
        "_room",
        "_searched",
        "expects_continue",
        "keep_alive",
        "truncated",
    )

    def __init__(self, base: Environ, max_body: int) -> None:
        self._base = base
        self._max_body = max_body
        self._pending: bytes | bytearray = b""
        self._at = 0  # where in it begins what was not taken
        self._searched = 0  # up to where it was searched for ends of lines
        self._head: Environ | None = None  # of the request whose head is arriving
        self._room = MAX_HEAD  # bytes that this head may still have
        self._fields = 0  # that it has so far
        self._authority: str | None = None  # of its target
        self._environ: Environ | None = None  # of the request whose body is arriving
        self._length = 0  # of that body
        self._chunks: Chunks | None = None  # of that body
        self.keep_alive = True
        self.truncated = False
        self.expects_continue = False

    @property
    def environ(self) -> Environ | None:
        """What is known of the request whose body is arriving, `None` if no body is."""
        return self._environ

    @property
    def method(self) -> str:
        """The method of the request that is arriving, nothing if it is not known so far."""
        known = self._environ or self._head
        if known is not None:
            method: str = known["REQUEST_METHOD"]
            return method
        word, blank, _ = self._pending[self._at : self._at + 80].partition(b" ")
        return str(word, "latin-1") if blank else ""

    @property
    def started(self) -> bool:
        """Whether any part of another request has arrived.

        Half a line break is none: it is ignored if the other half comes (RFC 9112 2.2).
        """
        return (
            self._environ is not None
            or self._head is not None
            or self._pending[self._at : self._at + 2] not in (b"", b"\r")
        )

    def feed(self, data: bytes) -> None:
        """Take the bytes that came next."""
        if self._at == len(self._pending):
            self._pending = data  # PERF: most requests arrive in one piece and are not copied
        elif type(self._pending) is bytearray:
            del self._pending[: self._at]  # which moves nothing
            self._pending += data
        else:
            self._pending = bytearray(self._pending[self._at :])
            self._pending += data
        self._searched -= self._at
        self._at = 0

    def next(self) -> Environ | None:
        """Return the next complete request, or `None` until more bytes arrive.

        :raises Refused: the request cannot be served
        """
        environ = self._environ
        if environ is None:
            environ = self._environ = self._read_head()
            if environ is None:
                return None
        chunks = self._chunks
        body = self._read_body() if chunks is None else self._read_chunks(chunks, environ)
        if body is None:
            return None
        environ["wsgi.input"] = BytesIO(body)
        self._environ = None
        self.expects_continue = False
        return environ

    # The head

    def _read_head(self) -> Environ | None:
        pending = self._pending
        if self._head is None and pending[self._at : self._at + 1] == b"\r":
            # RFC 9112 2.2: some clients send a line break of their own behind a body.
            breaks = _LINE_BREAKS.match(pending, self._at)
            assert breaks is not None
            self._at = breaks.end()
        at = self._at
        limit = at + self._room
        end = pending.find(b"\r\n\r\n", max(at, self._searched - 3), limit)
        if end >= 0:
            self._read_lines(pending[at:end].decode("latin-1"))
            self._at = end + 4
            return self._end_head()
        # A wrong line is refused when it is there, not when the time for the head is up.
        end = pending.rfind(b"\n", max(at, self._searched), limit)
        if end >= 0:
            lines = pending[at : end + 1].decode("latin-1").removesuffix("\r\n")
            self._read_lines(lines)
            self._at += len(lines)
            self._room -= len(lines)
        if len(pending) >= limit:
            refusal = Refusal.REQUEST_LINE if self._head is None else Refusal.HEADERS
            raise Refused(refusal, f"no head in {MAX_HEAD} bytes")
        self._searched = len(pending)
        return None

    def _read_lines(self, text: str) -> None:
        """Take lines of the head; all but the request line have their line break before them."""
        environ = self._head
        fields_at = 0
        if environ is None:
            line = REQUEST_LINE.match(text)
            if line is None:
                line_only = text[:200].partition("\n")[0]  # headers may hold a token
                raise Refused(Refusal.REQUEST_LINE, f"not a request line: {line_only!r}")
            method, target, authority, path, query, protocol = line.groups("")
            if authority and AUTHORITY.fullmatch(authority) is None:
                raise Refused(Refusal.REQUEST_LINE, "not a host in the target")
            if len(path) > LONGEST_PATH:  # PERF: to decode a long one takes long
                raise Refused(Refusal.REQUEST_LINE, f"a path of {len(path)} bytes")
            if "%" in path:
                path = unquote_to_bytes(path.encode("latin-1")).decode("latin-1")
            environ = self._head = self._base.copy()
            environ["REQUEST_METHOD"] = method
            environ["RAW_URI"] = target
            environ["PATH_INFO"] = path or "/"
            environ["QUERY_STRING"] = query
            environ["SERVER_PROTOCOL"] = protocol
            self._authority = authority
            fields_at = line.end()
        # A search begins at line breaks only, so it does not look at anything twice.
        fields: list[tuple[str, str]] = FIELD.findall(text, fields_at)
        if len(fields) != text.count("\n", fields_at):
            raise Refused(Refusal.HEADERS, "a malformed header")
        self._fields += len(fields)
        if self._fields > MAX_FIELDS:
            raise Refused(Refusal.HEADERS, f"more than {MAX_FIELDS} headers")
        for name, value in fields:
            key = _key(name)
            if key in environ:
                if key in _ONCE:
                    raise Refused(Refusal.HEADERS, f"{name} twice")
                environ[key] = f"{environ[key]},{value.rstrip(_BLANKS)}"
            elif key:
                environ[key] = value.rstrip(_BLANKS)

    def _end_head(self) -> Environ:
        """Judge what is only known when the head is complete."""
        environ = self._head
        assert environ is not None
        modern = environ["SERVER_PROTOCOL"] == "HTTP/1.1"
        host = environ.get("HTTP_HOST")
        if host is None:
            if modern:
                raise Refused(Refusal.HEADERS, "no Host")
        elif AUTHORITY.fullmatch(host) is None:
            raise Refused(Refusal.HEADERS, f"not a host: {host[:200]!r}")
        if self._authority:
            # RFC 9112 3.2.2: the target's host replaces that of the header.
            environ["HTTP_HOST"] = self._authority
        self._find_framing(environ, modern)
        self._head = None
        self._room = MAX_HEAD
        self._fields = 0
        return environ

    def _find_framing(self, environ: Environ, modern: bool) -> None:
        """Find out how the body ends, and whether the connection goes on behind it."""
        options = environ.get("HTTP_CONNECTION")
        if options is None:
            self.keep_alive = modern
        elif len(options) > LONGEST_CONNECTION:
            self.keep_alive = False
        else:
            tokens = [token.strip() for token in options.lower().split(",")]
            self.keep_alive = "close" not in tokens and (modern or "keep-alive" in tokens)
        length = environ.get("CONTENT_LENGTH")
        coding = environ.get("HTTP_TRANSFER_ENCODING")
        if coding is not None:
            # APPSEC: what a proxy in front may read in another way, it could smuggle.
            if coding.lower() != "chunked" or length is not None or not modern:
                raise Refused(Refusal.HEADERS, f"Transfer-Encoding: {coding[:200]!r}")
            self._chunks = Chunks(self._max_body)
        elif length is None:
            self._length = 0
        else:
            if not (length.isascii() and length.isdigit() and len(length) <= _MAX_DIGITS):
                raise Refused(Refusal.HEADERS, f"Content-Length: {length[:200]!r}")
            self._length = int(length)
            if self._length > self._max_body:
                self._length = 0
                self.truncated = True
        expectation = environ.get("HTTP_EXPECT")
        self.expects_continue = (
            expectation is not None
            and expectation.lower() == "100-continue"
            and modern
            and not self.truncated
        )

    # The body

    def _read_body(self) -> bytes | bytearray | None:
        end = self._at + self._length
        if len(self._pending) < end:
            return None
        body = self._pending[self._at : end]
        self._at = end
        return body

    def _read_chunks(self, chunks: Chunks, environ: Environ) -> bytearray | None:
        try:
            self._at = chunks.read(self._pending, self._at)
        except Malformed as error:
            raise Refused(Refusal.CHUNKS, str(error)) from error
        self.truncated = chunks.exceeds
        if not (chunks.complete or self.truncated):
            return None
        self._chunks = None
        # What the application gets is not chunked any more, and has a length.
        del environ["HTTP_TRANSFER_ENCODING"]
        environ["CONTENT_LENGTH"] = str(len(chunks.body))
        return chunks.body
