"""Answers as bytes: what the application says, and what the server says by itself."""

import time
from collections.abc import Callable, Iterable, Sequence
from email.utils import formatdate
from enum import Enum
from typing import Any, Final

from marconi_server.api.errors import RETRY_AFTER, document
from marconi_server.request_ids import HEADER

Environ = dict[str, Any]
Headers = Sequence[tuple[str, str]]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Answer:
    """What one run of the application answers; `start` is its `start_response` (PEP 3333).

    Answers are collected and sent whole: no operation of this server streams.
    """

    __slots__ = ("_head", "body", "headers", "sent", "status", "written")

    def __init__(self) -> None:
        self.status = ""
        self.headers: Headers = ()
        self.body = b""
        self._head = b""
        self.sent = 0  # bytes of the body on the wire, for the access log
        self.written: list[bytes] = []

    def start(
        self, status: str, headers: Headers, exc_info: object = None
    ) -> Callable[[bytes], None]:
        """Take the status and the headers; a second call needs `exc_info` and replaces them."""
        if self.status and exc_info is None:
            raise RuntimeError("start_response was called twice without exc_info")
        self.status = status
        self.headers = headers
        return self.written.append

    def run(self, application: Application, environ: Environ) -> None:
        """Run the application to its end and take its answer."""
        result = application(environ, self.start)
        try:
            # PERF: Falcon gives a list of one item; there is no need to copy it.
            if type(result) is list and len(result) == 1:
                self.body = result[0]
            else:
                self.body = b"".join(result)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        if self.written:
            self.body = b"".join(self.written) + self.body
        if not self.status:
            raise RuntimeError("the application did not call start_response")

    def frame(self, method: str, request_id: str) -> None:
        """Make the answer ready for `encode`, as the one to a request with this method and id.

        :raises ValueError: the headers of the application would break the framing
        """
        status = self.status
        bodiless = status.startswith(("204", "304", "1"))
        length = None
        lines = [f"HTTP/1.1 {status}"]
        for name, value in self.headers:
            lowered = name.lower()
            if lowered in HOP_BY_HOP:
                raise ValueError(f"{name} is for the server to set (PEP 3333)")
            if lowered == "content-length":
                length = value
                if bodiless:
                    continue  # RFC 9110 8.6
            lines.append(f"{_WRITTEN.get(name, name)}: {value}")
        lines.append(f"{HEADER}: {request_id}")
        head = "\r\n".join(lines)
        # APPSEC: a line break inside a header would begin a header, or an answer, of its own.
        if not head.count("\n") == head.count("\r") == len(lines) - 1:
            raise ValueError(f"a line break inside a header: {head!r}")
        if bodiless or method == "HEAD":
            self.body = b""
        elif length is None:
            head = f"{head}\r\nContent-Length: {len(self.body)}"
        elif length != str(len(self.body)):
            raise ValueError(f"Content-Length is {length} for a body of {len(self.body)} bytes")
        self._head = head.encode("latin-1")
        self.sent = len(self.body)

    def encode(self, connection: bytes) -> bytes:
        """Return the framed answer as bytes.

        `connection` is `KEEP`, `CLOSE`, or nothing where the protocol's own default says it.
        """
        return b"".join((self._head, date_line(), connection, b"\r\n\r\n", self.body))


KEEP = b"\r\nConnection: keep-alive"
CLOSE = b"\r\nConnection: close"

_WRITTEN: Final = {
    name.lower(): name
    for name in (
        *("Allow", "Cache-Control", "Content-Length", "Content-Location", "Content-Type"),
        *("Location", "Retry-After", "Vary", "WWW-Authenticate"),
    )
}
"""Falcon writes names in lower case. People, and scripts with grep, look for these."""

HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)

_date = (0, b"")


def date_line() -> bytes:
    """Return the `Date` header for now, behind a line break; it is made once a second."""
    global _date
    now = int(time.time())
    if _date[0] != now:
        _date = (now, b"\r\nDate: " + formatdate(now, usegmt=True).encode())
    return _date[1]


class Refusal(Enum):
    """What the server answers itself: status, title and description (spec 3 step 0, 4.8, 9)."""

    REQUEST_LINE = (
        "400 Bad Request",
        "Invalid API call",
        "The request line is not one of HTTP/1.1, or it is too long.",
    )
    HEAD_UNREADABLE = (
        "400 Bad Request",
        "Invalid API call",
        "The request did not arrive completely in the time allowed.",
    )
    HEADERS = (
        "400 Bad Request",
        "Invalid header value",
        "A header is malformed or contradicts another one, Host is missing, or there are too many.",
    )
    CHUNKS = (
        "400 Bad Request",
        "Invalid API call",
        "The body is not chunked as its Transfer-Encoding says.",
    )
    CLEAR_TEXT = (
        "400 Bad Request",
        "Invalid API call",
        "This port speaks TLS. Use https.",
    )
    BODY_UNREADABLE = (
        "503 Service Unavailable",
        "Service temporarily unavailable",
        "The body could not be read. Please try again in a few seconds.",
    )
    DEFECT = (
        "500 Internal Server Error",
        "Internal server error",
        "The server has a defect. Its log tells more.",
    )

    def answer(self, method: str, request_id: str) -> Answer:
        """Return the answer with the error document, framed."""
        status, title, description = self.value
        answer = Answer()
        answer.status = status
        answer.headers = [("Content-Type", "application/json; charset=utf-8")]
        if status.startswith("503"):
            answer.headers.append(("Retry-After", str(RETRY_AFTER)))
        answer.body = document(title, description)
        answer.frame(method, request_id)
        return answer
