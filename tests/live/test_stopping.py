"""However the worker stops, it answers what has arrived, and what is on its way."""

import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.support.live import LiveServer
from tests.support.tiny import Held, get, post, seen, tiny
from tests.support.waiting import wait_until
from tests.support.wire import Wire


def refuses_connections(server: LiveServer) -> bool:
    try:
        with Wire(server.port):
            return False
    except OSError:
        return True


def test_sigterm_lets_every_request_finish(tmp_path: Path) -> None:
    whole = post("/echo", b"x" * 100)
    held = Held(tmp_path)
    with tiny(tmp_path, "--farewell", "20") as server, ExitStack() as stack:
        idle, in_head, in_body, in_application = (
            stack.enter_context(Wire(server.port)) for _ in range(4)
        )
        seen(idle.send(get("/echo")).receive())
        in_head.send(whole[:20])
        in_body.send(whole[:-50])
        in_application.send(held.request)
        held.wait()
        os.kill(server.pid, signal.SIGTERM)
        wait_until(lambda: refuses_connections(server))
        time.sleep(1)  # the worker looks at deadlines twice in this time
        idle.send(get("/echo"))
        in_head.send(whole[20:])
        in_body.send(whole[-50:])
        held.let_go()
        for wire in (idle, in_head, in_body, in_application):
            response = wire.receive()
            assert response.status == 200
            assert response.headers["connection"] == "close"
            assert wire.ended()
        assert server.wait() == 0


def test_sigterm_ends_idle_connections_in_the_end(tmp_path: Path) -> None:
    with tiny(tmp_path) as server, Wire(server.port) as new, Wire(server.port) as used:
        seen(used.send(get("/echo")).receive())
        os.kill(server.pid, signal.SIGTERM)
        assert new.ended()
        assert used.ended()
        assert server.wait() == 0


def test_sigterm_serves_what_the_kernel_has_accepted(tmp_path: Path) -> None:
    held = Held(tmp_path)
    with tiny(tmp_path, "--worker-connections", "1") as server, ExitStack() as stack:
        first = stack.enter_context(Wire(server.port)).send(held.request)
        held.wait()
        waiting = [stack.enter_context(Wire(server.port)) for _ in range(5)]
        for wire in waiting:
            wire.send(get("/echo"))
        os.kill(server.pid, signal.SIGTERM)
        for wire in waiting:
            response = wire.receive()
            assert response.status == 200
            assert response.headers["connection"] == "close"
        held.let_go()
        assert first.receive().status == 200
        assert server.wait() == 0


def test_the_graceful_timeout_ends_what_does_not_end(tmp_path: Path) -> None:
    held = Held(tmp_path)
    with tiny(tmp_path, "--graceful-timeout", "3") as server, ExitStack() as stack:
        in_application = stack.enter_context(Wire(server.port)).send(held.request)
        in_head = stack.enter_context(Wire(server.port)).send(get("/echo")[:10])
        held.wait()
        os.kill(server.pid, signal.SIGTERM)
        response = in_head.receive()
        assert response.status == 503
        assert response.headers["retry-after"] == "30"
        assert in_application.ended()
        assert server.wait() == 0
        assert "Cutting 2 connections" in server.log()
        assert "SIGKILL" not in server.log()
        held.let_go()


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGINT])
def test_sigquit_and_sigint_wait_for_nobody(tmp_path: Path, number: signal.Signals) -> None:
    held = Held(tmp_path)
    with tiny(tmp_path) as server, Wire(server.port) as wire:
        wire.send(held.request)
        held.wait()
        os.kill(server.pid, number)
        assert wire.ended()
        assert server.wait() == 0
        held.let_go()


class Caller:
    """Sends requests one after the other, on one connection as long as it is kept open."""

    def __init__(self, port: int) -> None:
        self.answered = 0
        self.error: BaseException | None = None
        self._port = port
        self._done = Event()
        self._thread = Thread(target=self._call)

    def __enter__(self) -> "Caller":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _call(self) -> None:
        try:
            while not self._done.is_set():
                with Wire(self._port) as wire:
                    kept = True
                    while kept and not self._done.is_set():
                        response = wire.send(get("/echo")).receive()
                        assert response.status == 200
                        self.answered += 1
                        kept = "connection" not in response.headers
        except BaseException as error:
            self.error = error


def test_a_reload_costs_no_request(tmp_path: Path) -> None:
    with tiny(tmp_path, workers=2) as server, ExitStack() as stack:
        callers = [stack.enter_context(Caller(server.port)) for _ in range(4)]
        for _ in range(2):
            wait_until(lambda: all(caller.answered > 10 for caller in callers))
            server.reload()
            for caller in callers:
                caller.answered = 0
        wait_until(lambda: all(caller.answered > 10 or caller.error for caller in callers))
        assert [caller.error for caller in callers] == [None] * 4


def test_a_worker_that_has_served_its_time_costs_no_request(tmp_path: Path) -> None:
    with tiny(tmp_path, "--max-requests", "200", workers=2) as server, ExitStack() as stack:
        before = set(server.worker_pids())
        callers = [stack.enter_context(Caller(server.port)) for _ in range(4)]
        wait_until(lambda: len(server.worker_pids()) == 2 and not before & {*server.worker_pids()})
        assert [caller.error for caller in callers] == [None] * 4


def test_workers_leave_when_the_master_is_killed(tmp_path: Path) -> None:
    with tiny(tmp_path, workers=2) as server:
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        wait_until(lambda: refuses_connections(server))
        log = server.log()
        assert "Parent changed, shutting down" in log
        assert "Traceback" not in log
