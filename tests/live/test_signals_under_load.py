"""A signal that arrives in the middle of requests: none of them pays for it.

Python runs signal handlers wherever the program is, under load mostly within a request.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.support.live import LiveServer
from tests.support.tiny import get, tiny
from tests.support.waiting import wait_until
from tests.support.wire import SECONDS, Wire

BODY = b'[{"ttl": 60, "body": 1}]'
HEADERS = {"Client-ID": "c"}


class Client:
    """Posts and lists without a pause, on one connection as long as it is kept open."""

    def __init__(self, port: int) -> None:
        self.answered = 0
        self.failed = 0  # requests without an answer
        self.statuses: set[int] = set()
        self._port = port
        self._done = Event()
        self._thread = Thread(target=self._work)

    def __enter__(self) -> "Client":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _work(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=SECONDS)
        while not self._done.is_set():
            for method, body in (("POST", BODY), ("GET", None)):
                try:
                    connection.request(method, "/v1/queues/q/messages", body, HEADERS)
                    answer = connection.getresponse()
                    answer.read()
                except (OSError, HTTPException):
                    self.failed += 1
                    connection.close()
                    self._done.wait(0.01)
                else:
                    self.statuses.add(answer.status)
                    self.answered += 1
        connection.close()


@contextmanager
def under_load(server: LiveServer) -> Iterator[list[Client]]:
    """Clients that are at work when the block begins; afterwards the log is looked at."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
    connection.request("PUT", "/v1/queues/q")
    assert connection.getresponse().status == 201
    connection.close()
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server.port)) for _ in range(6)]
        go_on(clients)
        yield clients
    assert set().union(*(client.statuses for client in clients)) <= {200, 201, 204, 503}
    assert "Traceback" not in server.log()
    assert "most recent call" not in server.log()


def go_on(clients: list[Client], requests: int = 20) -> None:
    """Wait until each client has got some more answers."""
    targets = [client.answered + requests for client in clients]
    wait_until(
        lambda: all(
            client.answered >= target for client, target in zip(clients, targets, strict=True)
        )
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGTERM])
def test_the_master_is_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    with LiveServer(tmp_path) as server:
        with under_load(server):
            os.kill(server.pid, number)
            assert server.wait() == 0
        assert " ERROR " not in server.log()


def test_ctrl_c_reaches_all_processes(tmp_path: Path) -> None:
    with LiveServer(tmp_path) as server:
        with under_load(server):
            os.killpg(server.pid, signal.SIGINT)
            assert server.wait() == 0
        assert " ERROR " not in server.log()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGTERM])
def test_a_worker_is_told_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    with LiveServer(tmp_path) as server:
        with under_load(server) as clients:
            for _ in range(3):
                before = server.worker_pids()
                os.kill(before[0], number)
                wait_until(lambda: len(set(server.worker_pids()) - {before[0]}) == 2)  # noqa: B023
                go_on(clients)
            failed = sum(client.failed for client in clients)
        assert failed == 0 or number != signal.SIGTERM, "it cut requests"
        server.stop()


@pytest.mark.parametrize(
    "number",
    [signal.SIGUSR1, signal.SIGHUP, signal.SIGUSR2, signal.SIGWINCH],
)
def test_a_worker_gets_a_signal_that_is_for_the_master(
    tmp_path: Path, number: signal.Signals
) -> None:
    with LiveServer(tmp_path) as server:
        before = server.worker_pids()
        with under_load(server) as clients:
            for _ in range(20):
                for worker in before:
                    os.kill(worker, number)
                go_on(clients, 5)
            assert [client.failed for client in clients] == [0] * len(clients)
            assert server.worker_pids() == before
        server.stop()


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGWINCH])
def test_the_master_gets_a_signal_that_changes_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    with LiveServer(tmp_path) as server:
        before = server.worker_pids()
        with under_load(server) as clients:
            for _ in range(5):
                os.kill(server.pid, number)
                go_on(clients)
            assert [client.failed for client in clients] == [0] * len(clients)
            assert server.worker_pids() == before
        server.stop()


def test_hang_up_reaches_all_processes(tmp_path: Path) -> None:
    """As when a terminal is closed: the master reloads, and no request is cut."""
    with LiveServer(tmp_path) as server:
        before = set(server.worker_pids())
        with under_load(server) as clients:
            os.killpg(server.pid, signal.SIGHUP)
            wait_until(
                lambda: len(server.worker_pids()) == 2 and not before & {*server.worker_pids()}
            )
            go_on(clients)
            assert [client.failed for client in clients] == [0] * len(clients)
        server.stop()


# A worker that hangs


@pytest.mark.parametrize("how", ["in-python", "in-c"])
def test_a_worker_that_hangs_is_replaced_and_says_where(tmp_path: Path, how: str) -> None:
    with tiny(tmp_path, "--on-loop", "--timeout", "2") as server:
        (hanging,) = server.worker_pids()
        with Wire(server.port) as wire:
            wire.send(get(f"/hang?{how}"))
            wait_until(lambda: server.worker_pids() not in ([], [hanging]))
        assert server.is_healthy()
        log = server.log()
        assert f"WORKER TIMEOUT (pid:{hanging})" in log
        assert f"in hang_{how.replace('-', '_')}" in log
        assert "SIGKILL" not in log
        server.stop()


def test_a_worker_that_has_much_to_do_does_not_hang(tmp_path: Path) -> None:
    """Requests that arrive together take longer than the timeout; each of them does not."""
    with tiny(tmp_path, "--on-loop", "--timeout", "3") as server, ExitStack() as stack:
        before = server.worker_pids()
        wires = [stack.enter_context(Wire(server.port)) for _ in range(250)]
        blocker = stack.enter_context(Wire(server.port)).send(get("/work?500"))
        for wire in wires:  # by the time that this is answered, all the others are there
            wire.send(get("/work?20"))
        for wire in (blocker, *wires):
            assert wire.receive().status == 200
        assert server.worker_pids() == before
        assert "WORKER TIMEOUT" not in server.log()
        server.stop()
