"""A client that sends exactly the bytes it is told to."""

import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.support.waiting import PATIENCE

SECONDS = PATIENCE
"""Bound of every wait for the server."""


@dataclass(frozen=True)
class Response:
    """An answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def title(self) -> str:
        """The title of the error document, after a look at its form."""
        document: dict[str, Any] = json.loads(self.body)
        assert self.headers["content-type"] == "application/json; charset=utf-8"
        assert self.body.startswith(b'{\n    "title": ')
        assert isinstance(document["description"], str)
        assert document["description"]
        title: str = document["title"]
        return title


class Wire:
    """A connection to a server on a TCP port of this machine, or a unix socket."""

    def __init__(self, address: int | str, *, receive_buffer: int | None = None) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(SECONDS)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._pending = b""
        try:
            self.socket.connect(address if isinstance(address, str) else ("127.0.0.1", address))
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> Self:
        """Send all of the data."""
        self.socket.sendall(data)
        return self

    def finish(self) -> Self:
        """End our side of the connection, and go on reading."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def reset(self) -> None:
        """Vanish: the server gets a reset."""
        self.socket.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0"
        )  # on, 0 s
        self.socket.close()

    def receive(self, method: str = "GET") -> Response:
        """Read the next answer, which is to a request with this method."""
        while b"\r\n\r\n" not in self._pending:
            self._more()
        head, _, self._pending = self._pending.partition(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (field.partition(": ") for field in fields)
        }
        status = int(line.split()[1])
        length = int(headers.get("content-length", "0"))
        if method == "HEAD" or status < 200 or status in (204, 304):
            length = 0
        while len(self._pending) < length:
            self._more()
        body, self._pending = self._pending[:length], self._pending[length:]
        return Response(status, headers, body)

    def ended(self) -> bool:
        """Wait until the server closes; tell whether it sent nothing more before that."""
        with suppress(ConnectionResetError):
            while data := self.socket.recv(65536):
                self._pending += data
        return not self._pending

    def _more(self) -> None:
        data = self.socket.recv(65536)
        assert data, f"the server closed the connection after {self._pending[:200]!r}"
        self._pending += data


def exchange(address: int | str, data: bytes, method: str = "GET") -> Response:
    """Send bytes on a connection of their own and return the answer."""
    with Wire(address) as wire:
        return wire.send(data).receive(method)
