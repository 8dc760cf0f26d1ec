"""A connection when things go wrong that no well-behaved kernel or client does on demand."""

import logging
import selectors
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from marconi_server.server.answers import Environ
from marconi_server.server.connection import Connection, State
from marconi_server.server.http1 import Reader

WAITS_FOR_100 = b"PUT / HTTP/1.1\r\nHost: q\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"


class Loop:
    """The worker's part, turned by hand."""

    def __init__(self) -> None:
        self.alive = True
        self.now = 0.0
        self.keepalive = 75.0
        self.farewell = 1.0
        self.request_timeout = 30.0
        self.selector: selectors.BaseSelector = selectors.DefaultSelector()
        self.log = logging.getLogger("test")
        self.dispatched: list[Environ] = []
        self.closed: list[Connection] = []

    def dispatch(self, connection: Connection, environ: Environ) -> None:
        self.dispatched.append(environ)

    def forget(self, connection: Connection) -> None:
        self.closed.append(connection)

    def turn(self) -> None:
        for key, _ in self.selector.select(0):
            key.data()


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.selector.close()


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(10)
    with ours, theirs:
        yield ours, theirs


class Broken(Reader):
    """A reader with a defect."""

    def next(self) -> Environ | None:
        raise ZeroDivisionError("a defect")


def test_a_defect_that_one_client_meets_ends_that_client_only(
    loop: Loop, sockets: tuple[socket.socket, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = sockets
    Connection(loop, ours, "them", Broken({}, 100))
    theirs.sendall(b"GET / HTTP/1.1\r\nHost: q\r\n\r\n")
    loop.turn()
    assert theirs.recv(10_000).startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert "ZeroDivisionError: a defect" in caplog.text


def test_readiness_without_anything_to_read_changes_nothing(
    loop: Loop, sockets: tuple[socket.socket, socket.socket]
) -> None:
    ours, _ = sockets
    connection = Connection(loop, ours, "them", Reader({}, 100))
    connection.ready()
    assert connection.state is State.IDLE
    assert not loop.closed


def fill(sender: socket.socket) -> None:
    """Send until nothing more fits."""
    sender.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            sender.send(b"x" * 1000)


def test_a_client_without_room_for_100_continue_is_closed(
    loop: Loop, sockets: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = sockets
    connection = Connection(loop, ours, "them", Reader({}, 100))
    fill(ours)
    theirs.sendall(WAITS_FOR_100)
    loop.turn()
    assert loop.closed == [connection]


def test_an_answer_waits_for_room_until_its_deadline(
    loop: Loop, sockets: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = sockets
    connection = Connection(loop, ours, "them", Reader({}, 100))
    theirs.sendall(b"GET / HTTP/1.1\r\nHost: q\r\n\r\n")
    loop.turn()
    assert [environ["RAW_URI"] for environ in loop.dispatched] == ["/"]
    fill(ours)
    loop.now = 100.0
    connection.answer(b"HTTP/1.1 204 No Content\r\n\r\n", last=False)
    assert connection.state is State.WRITING
    assert connection.deadline == 130.0
    connection.expire()
    assert loop.closed == [connection]


def test_a_client_that_vanished_before_its_last_answer(
    loop: Loop, sockets: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = sockets
    connection = Connection(loop, ours, "them", Reader({}, 100))
    theirs.sendall(b"GET / HTTP/1.1\r\nHost: q\r\n\r\n")
    loop.turn()
    theirs.close()
    connection.answer(b"HTTP/1.1 204 No Content\r\n\r\n", last=True)
    assert loop.closed == [connection]
