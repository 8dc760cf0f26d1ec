"""One client: its socket, what it is doing, and until when."""

import fcntl
import selectors
import socket
import ssl
import sys
import termios
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Protocol, cast

from marconi_server import request_ids
from marconi_server.server.answers import CLOSE, Environ, Refusal
from marconi_server.server.http1 import Reader, Refused

RECEIVE = 64 * 1024
"""Bytes taken from a socket at once."""

LINGER_BYTES = 64 * 1024 * 1024
"""Most bytes that are read and dropped behind a request that was answered unread."""

LINGER_SECONDS = 10.0
"""How long that may take. A socket closed with bytes unread is reset, and then the client
may never see the answer (RFC 9112 9.6)."""

CLOSE_SECONDS = 1.0
"""How long a client may take to close its side behind the last answer."""

ANSWER_SECONDS = 600.0
"""How long a client may take for one answer, however steadily it reads."""

SPARED_SECONDS = 2.0
"""How long a client that has no complete request here is spared when others want its place."""

NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""What a socket raises that has nothing to give, or no room."""

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE
NEVER = float("inf")


class Server(Protocol):
    """What a connection needs of the worker; times are seconds on the clock of `now`."""

    alive: bool
    now: float
    keepalive: float
    farewell: float
    request_timeout: float
    selector: selectors.BaseSelector
    log: Any

    def dispatch(self, connection: "Connection", environ: Environ) -> None:
        """Have the request answered; `connection.answer` gets the answer later."""

    def forget(self, connection: "Connection") -> None:
        """Let go of a connection that is closed."""


class State(Enum):
    """What a connection is doing."""

    SHAKING_HANDS = auto()  # TLS only: the client is not known to speak it so far
    IDLE = auto()  # nothing of a request has arrived
    READING = auto()  # a request is arriving
    ANSWERING = auto()  # the application has it
    WRITING = auto()  # the client takes the answer
    LINGERING = auto()  # our side is shut; what still arrives is dropped


class Connection:
    """The connection of a client called `peer`. Only the loop touches it.

    When the server's clock passes `deadline`, `expire` is due.
    """

    __slots__ = (
        "_dropped",
        "_events",
        "_last",
        "_output",
        "_patience",
        "_peer",
        "_server",
        "_since",
        "_socket",
        "_untaken",
        "deadline",
        "reader",
        "state",
    )

    def __init__(self, server: Server, client: socket.socket, peer: str, reader: Reader) -> None:
        client.setblocking(False)
        self._server = server
        self._socket = client
        self._peer = peer
        self._events = 0  # what the selector watches for
        self._output: bytes | memoryview = b""
        self._last = False  # close behind the present answer
        self._patience = 0.0  # seconds to linger then
        self._dropped = 0
        self._since = server.now  # in this state, as far as its end depends on the client
        self._untaken = 0  # bytes in the kernel when the deadline of an answer was set
        self.reader = reader
        self.state = State.IDLE
        patience = server.request_timeout if server.alive else server.farewell
        self.deadline = server.now + patience
        self._watch(READ)

    def ready(self) -> None:
        """Go on: the socket can be read, or written if that is what we wait for."""
        state = self.state
        if state is State.IDLE or state is State.READING:
            self._read()
        elif state is State.ANSWERING:
            self._watch(0)  # an early request, or the end: either waits for the answer
        elif state is State.WRITING:
            self._write()
        else:
            self._drop()

    @property
    def gives_way_at(self) -> float:
        """From when on it may be closed if others want its place.

        Who has a complete request here is never thrown out in favour of who may have none.
        """
        state = self.state
        if state is State.WRITING:  # a slow reader is given more time than that if there is room
            return self._since + self._server.request_timeout
        if state is State.ANSWERING or (state is State.READING and self.reader.environ):
            return NEVER
        return self._since + SPARED_SECONDS

    @property
    def held(self) -> int:
        """Bytes of memory of an answer that the client has not taken wholly."""
        output = self._output
        return len(cast(bytes, output.obj)) if isinstance(output, memoryview) else len(output)

    def answer(self, answer: bytes, *, last: bool) -> None:
        """Send the answer to the request that was dispatched; close behind it if `last`."""
        self._output = answer
        self._last = last
        self._patience = LINGER_SECONDS if self.reader.truncated else CLOSE_SECONDS
        self._write()

    def expire(self) -> None:
        """Stop waiting for the client, unless it goes on reading."""
        if self.state is State.READING:
            self._give_up("not complete in time")
        elif self.state is State.WRITING and self._goes_on():
            self._renew()
        else:
            self.close()

    def give_way(self) -> bool:
        """Close if the client is still idle, or slow; return whether it was."""
        self.ready()  # a request may have arrived
        if self.gives_way_at > self._server.now:
            return False
        self.abandon("others want its place")
        return True

    def retire(self) -> None:
        """Close soon if no request comes: the worker stops."""
        if self.state in (State.SHAKING_HANDS, State.IDLE):
            self.deadline = min(self.deadline, self._server.now + self._server.farewell)

    def abandon(self, reason: str) -> None:
        """Close now, and tell a client whose request is arriving to send it elsewhere."""
        if self.state is State.READING:
            self._refuse(Refusal.BODY_UNREADABLE, self._server.log.debug, "Cut", reason)
        self.close()

    def close(self) -> None:
        """Close at once."""
        self._watch(0)
        self._socket.close()
        self._server.forget(self)

    def _read(self) -> None:
        data = self._receive()
        if data:
            self.reader.feed(data)
            self._advance()
        elif data is not None:
            if self.state is State.READING:
                self._give_up("ended by the client")
            else:
                self.close()

    def _advance(self) -> None:
        """Dispatch the next request if it is complete."""
        try:
            environ = self.reader.next()
        except Refused as refused:
            self._refuse(refused.refusal, self._server.log.info, "Refused", refused)
            return
        except Exception as error:  # a defect that one client meets must not end all the others
            self._refuse(Refusal.DEFECT, self._server.log.exception, "Error reading", error)
            return
        if environ is not None:
            self.state = State.ANSWERING
            self.deadline = NEVER
            self._server.dispatch(self, environ)
            return
        if self.state is State.IDLE and self.reader.started:
            self.state = State.READING
            self._since = self._server.now
            self.deadline = self._server.now + self._server.request_timeout
        if self.reader.expects_continue:
            self.reader.expects_continue = False
            if self._send(b"HTTP/1.1 100 Continue\r\n\r\n") != 25:
                self.close()  # it does not even take that

    def _give_up(self, reason: str) -> None:
        in_head = self.reader.environ is None
        refusal = Refusal.HEAD_UNREADABLE if in_head else Refusal.BODY_UNREADABLE
        self._refuse(refusal, self._server.log.debug, "Gave up", reason)

    def _refuse(
        self, refusal: Refusal, log: Callable[..., None], deed: str, reason: object
    ) -> None:
        """Answer the request that is arriving by ourselves, and say why in the log."""
        request_id = request_ids.begin(self.reader.environ or {})
        log("%s a request of %s: %s", deed, self._peer, reason)
        request_ids.end()
        self._output = refusal.answer(self.reader.method, request_id).encode(CLOSE)
        self._last = True
        self._patience = LINGER_SECONDS
        self._write()

    def _write(self) -> None:
        output = self._output
        sent = self._send(output)
        if sent == len(output):
            self._output = b""
            self._written()
        elif sent < 0:
            self.close()
        else:
            self._output = memoryview(output)[sent:]
            if self.state is not State.WRITING:
                self.state = State.WRITING
                self._since = self._server.now
                self._renew()
                self._watch(WRITE)
            elif sent:
                self._renew()

    def _renew(self) -> None:
        """Wait for the client to take more of its answer."""
        self._untaken = self._queued()
        patience = self._server.now + self._server.request_timeout
        self.deadline = min(patience, self._since + ANSWER_SECONDS)

    def _goes_on(self) -> bool:
        in_time = self._server.now < self._since + ANSWER_SECONDS
        return in_time and self._queued() < self._untaken

    def _queued(self) -> int:
        """Return how many of the bytes that were sent the client has not taken so far.

        The kernel asks for more when a third of its buffer is free, and that can take a slow
        client longer than its deadline.
        """
        try:
            queued = fcntl.ioctl(self._socket, termios.TIOCOUTQ, bytes(4))
        except OSError:  # not on every system
            return 0
        return int.from_bytes(queued, sys.byteorder)

    def _written(self) -> None:
        if self._last:
            self._linger()
            return
        server = self._server
        self.state = State.IDLE
        self._since = server.now
        self.deadline = server.now + (server.keepalive if server.alive else server.farewell)
        self._watch(READ)
        if self.reader.started:
            self._advance()

    def _linger(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:  # the client is gone
            self.close()
            return
        self.state = State.LINGERING
        self._since = self._server.now
        self.deadline = self._server.now + self._patience
        self._watch(READ)

    def _drop(self) -> None:
        data = self._receive()
        if data is not None:
            self._dropped += len(data)
            if not data or self._dropped > LINGER_BYTES:
                self.close()

    # The socket proper

    def _receive(self) -> bytes | None:
        """Return what has arrived, nothing at the end, `None` if there is nothing yet."""
        try:
            return self._socket.recv(RECEIVE)
        except NOT_NOW:
            return None
        except OSError as error:
            self._server.log.debug("%s is gone: %s", self._peer, error)
            return b""

    def _send(self, data: bytes | memoryview) -> int:
        """Return how many bytes were taken, -1 if the client is gone."""
        try:
            return self._socket.send(data)
        except NOT_NOW:
            return 0
        except OSError as error:
            self._server.log.debug("%s is gone: %s", self._peer, error)
            return -1

    def _watch(self, events: int) -> None:
        if events == self._events:
            return
        selector = self._server.selector
        if not self._events:
            selector.register(self._socket, events, self.ready)
        elif events:
            selector.modify(self._socket, events, self.ready)
        else:
            selector.unregister(self._socket)
        self._events = events
