"""The connection of a client that speaks TLS."""

import socket
import ssl
from contextlib import suppress
from typing import Final

from marconi_server.server.answers import Refusal
from marconi_server.server.connection import (
    CLOSE_SECONDS,
    READ,
    WRITE,
    Connection,
    Server,
    State,
)
from marconi_server.server.http1 import Reader

_GREETING: Final = 80
"""Bytes that tell a method, whatever its name."""


class TlsConnection(Connection):
    """A connection over a socket that `wrap_socket` made, without a handshake so far.

    OpenSSL takes one record from the socket at a time, and `_receive` takes all of that: nothing
    stays behind in its buffers of which the selector would not know.
    """

    __slots__ = ("_greeted",)

    def __init__(self, server: Server, client: ssl.SSLSocket, peer: str, reader: Reader) -> None:
        super().__init__(server, client, peer, reader)
        self.state = State.SHAKING_HANDS
        self._greeted = False  # whether anything has arrived

    def ready(self) -> None:
        """Go on, with the handshake to begin with."""
        if self.state is State.SHAKING_HANDS:
            self._shake_hands(self._socket)
        else:
            super().ready()

    def close(self) -> None:
        """Close at once."""
        self._notify_close()
        super().close()

    def _shake_hands(self, client: socket.socket) -> None:
        assert isinstance(client, ssl.SSLSocket)
        try:
            if not self._greeted:
                # OpenSSL would take the bytes away, and knows text by four methods only.
                greeting = socket.socket.recv(client, _GREETING, socket.MSG_PEEK)
                self._greeted = True
                first = greeting[:1]  # where TLS has the type of a record
                if first.isspace() or b" " < first < b"\x7f":
                    self._refuse_text(client, greeting.lstrip())
                    return
            client.do_handshake()
        except (BlockingIOError, ssl.SSLWantReadError):
            self._watch(READ)
        except ssl.SSLWantWriteError:
            self._watch(WRITE)
        except OSError as error:
            self._fail(error)
        else:
            self.state = State.IDLE
            self._since = self._server.now
            self._watch(READ)

    def _refuse_text(self, client: ssl.SSLSocket, greeting: bytes) -> None:
        self._watch(0)
        self._socket = socket.socket(fileno=client.detach())
        self.reader.feed(greeting)  # for the method
        self._refuse(Refusal.CLEAR_TEXT, self._server.log.info, "Refused", "it is in clear text")

    def _fail(self, error: OSError) -> None:
        """Let go of a client with whom there is no TLS."""
        reason = getattr(error, "reason", None)
        if reason and not isinstance(error, ssl.SSLEOFError):
            self._server.log.info("No TLS with %s: %s", self._peer, reason)
            self._patience = CLOSE_SECONDS  # OpenSSL has sent it an alert
            self._linger()
        else:
            self._server.log.debug("%s is gone: %s", self._peer, error)
            self.close()

    def _linger(self) -> None:
        self._notify_close()
        super()._linger()  # from where on the socket is one without TLS

    def _notify_close(self) -> None:
        """Tell the client that what it has got is all: TLS takes a mere end for an attack."""
        if isinstance(self._socket, ssl.SSLSocket):
            with suppress(OSError, ValueError):  # the client is gone, or was told before
                self._socket.unwrap()

    def _send(self, data: bytes | memoryview) -> int:
        view = memoryview(data)
        sent = 0
        while sent < len(view):  # a record has 16 KB at most
            taken = super()._send(view[sent:])
            if taken <= 0:
                return sent or taken
            sent += taken
        return sent
