"""A connection to a server as cheap as Python has it: bytes out, answers in.

The load tool shares the cores with the server, and a client library would take more time than
the server does. It understands what our servers send: a length, and nothing chunked.
"""

import re
import socket
from collections.abc import Mapping
from typing import Final, NamedTuple

from bench.servers import BenchError

_SEND_BUFFER: Final = 512 * 1024  # a request goes out at once
_RECEIVE: Final = 256 * 1024

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Answer(NamedTuple):
    """What a server answered to a request."""

    status: int
    body: bytes


def request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """Return the bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection:
    """A connection that is kept, for one request after the other."""

    def __init__(self, port: int, *, timeout: float | None) -> None:
        """`timeout` is in seconds; `None` for one that never waits."""
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        if timeout is None:
            self.socket.setblocking(False)
        self._received = b""

    def send(self, message: bytes) -> None:
        """Send a request.

        :raises OSError: the connection fails
        """
        self.socket.sendall(message)

    def receive(self) -> Answer | None:
        """Read once; return the answer if it is whole.

        :raises OSError: the connection fails, or is closed
        :raises BenchError: that is no answer of ours
        """
        data = self.socket.recv(_RECEIVE)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        received = self._received = self._received + data if self._received else data
        head, blank, body = received.partition(b"\r\n\r\n")
        if not blank:
            return None
        length = _LENGTH.search(head + b"\r\n")
        if len(body) < (int(length[1]) if length else 0):
            return None
        self._received = b""
        if not head.startswith(b"HTTP/1.1 "):
            raise BenchError(f"This is not HTTP: {received[:200]!r}")
        return Answer(int(head[9:12]), body)

    def ask(self, message: bytes) -> Answer:
        """Send a request and wait for its answer.

        :raises OSError: the connection fails
        """
        self.send(message)
        while (answer := self.receive()) is None:
            pass
        return answer

    def close(self) -> None:
        """Close the connection; idempotent."""
        self.socket.close()
