"""Bytes to requests: the framing of HTTP/1.1 (RFC 9112) without any input or output.

gunicorn_h1c parses and judges heads and chunks; this module finds out where a request
begins and ends, whatever pieces it arrives in, and makes the WSGI environ (PEP 3333).
"""

import re
from io import BytesIO

from gunicorn_h1c import H1CProtocol, IncompleteError, ParseError, parse_to_wsgi_environ

from marconi_server.api.requests import LONGEST_PATH
from marconi_server.server.answers import Environ, Refusal

MAX_HEAD = 160 * 1024
"""Largest request head in bytes. What of it is read has bounds of its own, far below."""

LONGEST_CONNECTION = 1024
"""Bytes of the header `Connection`; a longer one is no wish to keep anything."""

MAX_FIELDS = 100
"""Most header fields of a request."""

_MAX_DIGITS = 18
"""Of a Content-Length: any more cannot be meant seriously."""

_ABSOLUTE_FORM = re.compile(r"https?://([^/?#]+)", re.IGNORECASE)

_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")

_LINE_BREAKS = re.compile(rb"\A(?:\r\n)+")

_CHUNKED_HEAD = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"

_CHUNKED_STEP = 4096
"""Bytes that the chunk parser is fed at once: it moves what is left after every chunk."""


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
    expects_continue  the client waits for "100 Continue" before it sends the body

    :param base: what every environ of this connection contains
    :param max_body: bytes of the largest body that is read
    """

    __slots__ = (
        "_base",
        "_chunks",
        "_environ",
        "_length",
        "_max_body",
        "_pending",
        "_searched",
        "expects_continue",
        "keep_alive",
        "truncated",
    )

    def __init__(self, base: Environ, max_body: int) -> None:
        self._base = base
        self._max_body = max_body
        self._pending: bytes | bytearray = b""
        self._searched = 0  # bytes of the pending head that were looked at already
        self._environ: Environ | None = None  # of the request whose body is arriving
        self._length = 0  # of that body
        self._chunks: _Chunks | None = None  # of that body
        self.keep_alive = True
        self.truncated = False
        self.expects_continue = False

    @property
    def environ(self) -> Environ | None:
        """What is known of the request whose body is arriving, `None` if no body is."""
        return self._environ

    @property
    def started(self) -> bool:
        """Whether any part of another request has arrived."""
        return self._environ is not None or bool(self._pending)

    def feed(self, data: bytes) -> None:
        """Take the bytes that came next."""
        if not self._pending:
            self._pending = data  # PERF: most requests arrive in one piece and are not copied
        elif type(self._pending) is bytearray:
            self._pending += data
        else:
            self._pending = bytearray(self._pending) + data

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
        return environ

    def _read_head(self) -> Environ | None:
        pending = self._pending
        if pending[:2] == b"\r\n":
            # RFC 9112 2.2: some clients send a line break of their own behind a body.
            pending = self._pending = _LINE_BREAKS.sub(b"", pending, 1)
            self._searched = 0
        # A head that was incomplete can only be complete, or wrong, after another line.
        # Parsing line by line refuses at once what would else wait for its deadline.
        if pending.find(b"\n", self._searched) < 0 and len(pending) < MAX_HEAD:
            self._searched = len(pending)
            return None
        head = pending if len(pending) <= MAX_HEAD else pending[:MAX_HEAD]
        try:
            environ: Environ = parse_to_wsgi_environ(
                head, None, None, "http", MAX_HEAD, MAX_FIELDS, MAX_HEAD, True
            )
        except IncompleteError:
            culprit = _blame(head)
            if culprit is Refusal.REQUEST_LINE or len(pending) >= MAX_HEAD:
                raise Refused(culprit, f"no head in {len(head)} bytes") from None
            self._searched = len(pending)
            return None
        except ParseError as error:
            raise Refused(_blame(head), str(error)) from error
        self._pending = pending[environ.pop("_consumed") :]
        self._searched = 0
        self._find_target(environ)
        self._find_framing(environ)
        environ.update(self._base)
        return environ

    def _find_target(self, environ: Environ) -> None:
        """Set `RAW_URI` to the target as sent, except for a lone `?`, and `PATH_INFO`."""
        path: str = environ["PATH_INFO"]
        query = environ["QUERY_STRING"]
        environ["RAW_URI"] = f"{path}?{query}" if query else path
        if path[:1] != "/" and path != "*":
            absolute = _ABSOLUTE_FORM.match(path)
            if absolute is None:
                raise Refused(Refusal.REQUEST_LINE, f"not a request target: {path[:200]!r}")
            # RFC 9112 3.2.2: the target's host replaces that of the header.
            environ["HTTP_HOST"] = absolute[1]
            environ["PATH_INFO"] = path = path[absolute.end() :] or "/"
        if len(path) > LONGEST_PATH:  # PERF: to decode a long one takes long
            raise Refused(Refusal.REQUEST_LINE, f"a path of {len(path)} bytes")
        if "%" in path:
            environ["PATH_INFO"] = _ESCAPE.sub(_unescape, path)

    def _find_framing(self, environ: Environ) -> None:
        """Find out how the body ends, and whether the connection goes on behind it."""
        modern = environ["SERVER_PROTOCOL"] == "HTTP/1.1"
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
            if coding.lower() != "chunked":
                raise Refused(Refusal.HEADERS, f"Transfer-Encoding: {coding[:200]!r}")
            self._chunks = _Chunks(self._max_body)
        elif length is None:
            self._length = 0
        else:
            if len(length) > _MAX_DIGITS:
                raise Refused(Refusal.HEADERS, f"Content-Length of {len(length)} digits")
            self._length = int(length)
            if self._length > self._max_body:
                self._length = 0
                self.truncated = True
        self.expects_continue = (
            modern
            and not self.truncated
            and environ.get("HTTP_EXPECT", "").lower() == "100-continue"
        )

    def _read_body(self) -> bytes | bytearray | None:
        length = self._length
        pending = self._pending
        if len(pending) < length:
            return None
        self._pending = pending[length:]
        return pending[:length]

    def _read_chunks(self, chunks: "_Chunks", environ: Environ) -> bytes | None:
        rest = chunks.feed(self._pending)
        self._pending = rest or b""
        if rest is None:
            return None
        self._chunks = None
        self.truncated = chunks.size > self._max_body
        body = b"".join(chunks.pieces)[: self._max_body + 1]
        # What the application gets is not chunked any more, and has a length.
        del environ["HTTP_TRANSFER_ENCODING"]
        environ["CONTENT_LENGTH"] = str(len(body))
        return body


class _Chunks:
    """A chunked body that is arriving (RFC 9112 7.1), up to and over `limit` bytes."""

    __slots__ = ("_limit", "_protocol", "pieces", "size")

    def __init__(self, limit: int) -> None:
        self.pieces: list[bytes] = []
        self.size = 0
        self._limit = limit
        self._protocol = H1CProtocol(on_body=self.pieces.append, limit_remaining=0)
        self._protocol.feed(_CHUNKED_HEAD)  # it reads whole requests only

    def feed(self, data: bytes | bytearray) -> bytes | bytearray | None:
        """Take more bytes; return those behind the body, or `None` until it is complete.

        A body that exceeds the limit is not read further.
        """
        for start in range(0, len(data), _CHUNKED_STEP):
            count = len(self.pieces)
            malformed = None
            try:
                self._protocol.feed(data[start : start + _CHUNKED_STEP])
            except ValueError as error:  # the base of its ParseError, which it does not export
                malformed = error
            self.size += sum(map(len, self.pieces[count:]))
            if self.size > self._limit:
                return b""
            if malformed is not None:
                raise Refused(Refusal.CHUNKS, str(malformed)) from malformed
            if self._protocol.is_complete:
                rest: bytes = self._protocol.remaining()
                return rest + data[start + _CHUNKED_STEP :]
        return None


def _unescape(match: re.Match[str]) -> str:
    return chr(int(match[0][1:], 16))


def _blame(head: bytes | bytearray) -> Refusal:
    """Tell which part of a malformed head is at fault."""
    line, line_break, _ = head.partition(b"\r\n")
    try:
        parse_to_wsgi_environ(
            line + line_break * 2, None, None, "http", MAX_HEAD, MAX_FIELDS, MAX_HEAD, True
        )
    except (IncompleteError, ParseError):
        return Refusal.REQUEST_LINE
    return Refusal.HEADERS
