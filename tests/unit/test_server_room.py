"""Who gives way when a worker has no room, and who does not."""

import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from marconi_server.server import room as room_module
from marconi_server.server.connection import SPARED_SECONDS, Connection, State
from marconi_server.server.http1 import Reader
from marconi_server.server.log import SELDOM_SECONDS, Seldom
from marconi_server.server.room import Room
from tests.support.loop import Loop

GET = b"GET / HTTP/1.1\r\nHost: q\r\n\r\n"


class Crowd(Loop):
    """A loop with clients, each connected one second after the other, and the room for them."""

    def __init__(self, stack: ExitStack) -> None:
        super().__init__()
        self.connections: set[Connection] = set()
        self.room = Room(self.connections)
        self._stack = stack

    def forget(self, connection: Connection) -> None:
        super().forget(connection)
        self.connections.discard(connection)

    def connect(self) -> tuple[Connection, socket.socket]:
        ours, theirs = map(self._stack.enter_context, socket.socketpair())
        theirs.settimeout(10)
        connection = Connection(self, ours, "them", Reader({}, 100))
        self.connections.add(connection)
        self.now += 1
        return connection, theirs

    def make(self) -> bool:
        return self.room.make(self.now)


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    with ExitStack() as stack:
        crowd = Crowd(stack)
        yield crowd
        crowd.selector.close()


def test_idle_clients_give_way_and_the_oldest_first(crowd: Crowd) -> None:
    clients = [crowd.connect() for _ in range(200)]
    crowd.now += SPARED_SECONDS
    order = [clients[0], *clients[2:], clients[1]]
    first, client = clients[1]  # which is not idle for longest any more when it was answered
    client.sendall(GET)
    crowd.turn()
    first.answer(b"HTTP/1.1 204 No Content\r\n\r\n", last=False)
    client.recv(100)
    crowd.now += SPARED_SECONDS
    while crowd.make():
        pass
    assert crowd.closed == [connection for connection, _ in order]
    assert all(client.recv(1) == b"" for _, client in clients)


def test_who_has_just_come_is_spared(crowd: Crowd) -> None:
    crowd.connect()
    crowd.now = SPARED_SECONDS - 0.1
    assert not crowd.make()
    crowd.now = SPARED_SECONDS
    assert crowd.make()
    assert not crowd.make()


def test_a_request_that_has_arrived_meanwhile_is_served(crowd: Crowd) -> None:
    connection, client = crowd.connect()
    crowd.now += SPARED_SECONDS
    client.sendall(GET)  # which the loop has not seen so far
    assert not crowd.make()
    assert connection.state is State.ANSWERING
    assert len(crowd.dispatched) == 1


def test_who_is_gone_already_needs_no_asking(crowd: Crowd) -> None:
    clients = [crowd.connect() for _ in range(3)]
    crowd.now += SPARED_SECONDS
    assert crowd.make()
    clients[1][0].close()
    assert crowd.make()
    assert crowd.closed == [connection for connection, _ in clients]
    assert not crowd.make()


def test_half_a_head_gives_way_and_is_told_to_come_again(crowd: Crowd) -> None:
    _, client = crowd.connect()
    client.sendall(GET[:-5])
    crowd.turn()
    crowd.now += SPARED_SECONDS
    assert crowd.make()
    assert client.recv(10_000).startswith(b"HTTP/1.1 503 ")


def test_a_request_that_is_here_is_not_thrown_out(crowd: Crowd) -> None:
    for data in (GET, b"PUT / HTTP/1.1\r\nHost: q\r\nContent-Length: 9\r\n\r\nhalf"):
        _, client = crowd.connect()
        client.sendall(data)
    crowd.turn()
    crowd.now += crowd.request_timeout
    assert not crowd.make()


def test_a_reader_gives_way_only_after_the_time_that_each_has(crowd: Crowd) -> None:
    connection, client = crowd.connect()
    client.sendall(GET)
    crowd.turn()
    connection.answer(b"x" * 5_000_000, last=False)
    assert connection.state is State.WRITING
    crowd.now += crowd.request_timeout - 1
    client.recv(100_000)
    assert not crowd.make()
    crowd.now += 1
    assert crowd.make()


def test_idle_clients_give_way_before_readers(crowd: Crowd) -> None:
    reader, client = crowd.connect()
    client.sendall(GET)
    crowd.turn()
    reader.answer(b"x" * 5_000_000, last=False)
    crowd.now += crowd.request_timeout
    idle, _ = crowd.connect()
    crowd.now += SPARED_SECONDS
    assert crowd.make()
    assert crowd.make()
    assert crowd.closed == [idle, reader]


def test_a_refused_client_gives_way(crowd: Crowd) -> None:
    connection, client = crowd.connect()
    client.sendall(b"nonsense\r\n\r\n")
    crowd.turn()
    assert connection.state is State.LINGERING
    crowd.now += SPARED_SECONDS
    assert crowd.make()


# Memory


def take_nothing(crowd: Crowd, *sizes: int) -> list[Connection]:
    connections = []
    for size in sizes:
        connection, client = crowd.connect()
        client.sendall(GET)
        crowd.turn()
        connection.answer(b"x" * size, last=False)
        connections.append(connection)
    return connections


def test_the_slowest_readers_go_when_answers_take_too_much_memory(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_module, "MOST_HELD", 5_000_000)
    crowd.connect()
    connections = take_nothing(crowd, 2_000_000, 2_000_000)
    assert crowd.room.relieve() == 0
    connections += take_nothing(crowd, 2_000_000, 2_000_000)
    assert crowd.room.relieve() == 2
    assert crowd.closed == connections[:2]


def test_a_large_answer_alone_may_take_its_memory(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_module, "MOST_HELD", 1_000_000)
    (connection,) = take_nothing(crowd, 5_000_000)
    assert crowd.room.relieve() == 0
    assert connection.state is State.WRITING


# The log


def test_a_line_is_written_once_a_minute_at_most(caplog: pytest.LogCaptureFixture) -> None:
    seldom = Seldom(logging.getLogger("test").warning)
    for now in (0.0, 1.0, SELDOM_SECONDS - 0.1, SELDOM_SECONDS, SELDOM_SECONDS + 1):
        seldom(now, "at %s", now)
    assert caplog.messages == ["at 0.0", f"at {SELDOM_SECONDS}"]
