"""A connection when things go wrong that no well-behaved kernel or client does on demand."""

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from marconi_server.server.answers import Environ
from marconi_server.server.connection import ANSWER_SECONDS, Connection, State
from marconi_server.server.http1 import Reader
from tests.support.loop import Loop

WAITS_FOR_100 = b"PUT / HTTP/1.1\r\nHost: q\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"


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


def answered_slowly(
    loop: Loop, ours: socket.socket, theirs: socket.socket, size: int
) -> Connection:
    """Return a connection whose client has a large answer to take."""
    connection = Connection(loop, ours, "them", Reader({}, 100))
    theirs.sendall(b"GET / HTTP/1.0\r\n\r\n")
    loop.turn()
    connection.answer(b"x" * size, last=True)
    assert connection.state is State.WRITING
    assert connection.held == size
    return connection


def test_who_reads_slowly_and_steadily_gets_all_of_an_answer(
    loop: Loop, sockets: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = sockets
    size = 5_000_000
    connection = answered_slowly(loop, ours, theirs, size)
    received = 0
    while received < size:
        received += len(theirs.recv(50_000))
        loop.now += 5
        loop.turn()
        if connection.deadline <= loop.now:
            connection.expire()
    assert loop.now > 10 * loop.request_timeout
    assert connection.state is State.LINGERING
    assert connection.held == 0


def test_progress_counts_that_the_kernel_does_not_tell_of(
    loop: Loop, sockets: tuple[socket.socket, socket.socket]
) -> None:
    """It asks for more only when a good part of its buffer is free."""
    ours, theirs = sockets
    connection = answered_slowly(loop, ours, theirs, 5_000_000)
    loop.turn()
    for _ in range(2):
        loop.now = connection.deadline
        theirs.recv(50_000)
        assert not loop.selector.select(0)
        connection.expire()
        assert not loop.closed
        assert connection.deadline == loop.now + loop.request_timeout
    loop.now = connection.deadline
    connection.expire()
    assert loop.closed == [connection]


def test_nobody_may_take_for_ever_for_an_answer(
    loop: Loop, sockets: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = sockets
    connection = answered_slowly(loop, ours, theirs, 50_000_000)
    while not loop.closed:
        theirs.recv(50_000)
        loop.now = connection.deadline
        loop.turn()
        if connection.deadline <= loop.now:
            connection.expire()
    assert loop.now == ANSWER_SECONDS


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
