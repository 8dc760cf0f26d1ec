"""How the worker treats its clients: slow, many, in a row, and when it has to stop."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tests.support.live import LiveServer
from tests.support.wire import SECONDS, Response, Wire, exchange

ROOT = Path(__file__).parents[2]
TINY = (sys.executable, "-m", "tests.support.tiny")


@contextmanager
def tiny(tmp_path: Path, *args: str, workers: int = 1) -> Iterator[LiveServer]:
    """Run the tiny application; it stands for none of ours, so nothing else is in the way."""
    path = {"PYTHONPATH": str(ROOT)}
    with LiveServer(
        tmp_path, args=args, workers=workers, embedded=False, env=path, command=TINY
    ) as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server of one worker with two threads."""
    with tiny(tmp_path_factory.mktemp("tiny")) as server:
        yield server


def get(target: str, *headers: str, version: str = "HTTP/1.1") -> bytes:
    return "\r\n".join([f"GET {target} {version}", "Host: q", *headers, "", ""]).encode()


def post(target: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {target} HTTP/1.1", "Host: q", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def seen(response: Response) -> dict[str, Any]:
    """What the application says that it got."""
    assert response.status == 200
    document: dict[str, Any] = json.loads(response.body)
    return document


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Held:
    """A request that the application holds, until it is let go."""

    def __init__(self, folder: Path) -> None:
        self._fifo = folder / f"fifo-{os.urandom(4).hex()}"
        os.mkfifo(self._fifo)
        self.request = get(f"/hold?{self._fifo}")
        self._end: int | None = None

    def wait(self) -> None:
        """Wait until the application has it."""
        wait_until(self._is_held)

    def let_go(self) -> None:
        assert self._end is not None, "nobody waited for it"
        os.close(self._end)

    def _is_held(self) -> bool:
        try:
            self._end = os.open(self._fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads
            return False
        return True


# One client


def test_requests_in_a_row(server: LiveServer) -> None:
    with Wire(server.port) as wire:
        for number in range(100):
            wire.send(get(f"/echo?{number}"))
            response = wire.receive()
            assert seen(response)["query"] == str(number)
            assert "connection" not in response.headers


def test_requests_without_waiting_for_answers(server: LiveServer) -> None:
    with Wire(server.port) as wire:
        wire.send(
            b"".join(
                get(f"/echo?{number}") + post(f"/echo?{number}", b"x" * number)
                for number in range(500)
            )
        )
        for number in range(500):
            assert seen(wire.receive())["query"] == str(number)
            assert seen(wire.receive())["body"] == number


def test_the_next_request_while_one_is_answered(server: LiveServer, tmp_path: Path) -> None:
    held = Held(tmp_path)
    with Wire(server.port) as wire:
        wire.send(held.request)
        held.wait()
        wire.send(get("/echo?next") + get("/echo?last"))
        exchange(server.port, get("/echo"))  # by now the worker has seen that they are there
        held.let_go()
        assert seen(wire.receive())["path"] == "/hold"
        assert seen(wire.receive())["query"] == "next"
        assert seen(wire.receive())["query"] == "last"


def cpu_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def test_the_worker_rests_while_the_application_is_busy(server: LiveServer, tmp_path: Path) -> None:
    held = Held(tmp_path)
    (worker,) = server.worker_pids()
    with Wire(server.port) as wire:
        wire.send(held.request)
        held.wait()
        wire.send(get("/echo")).finish()  # what is readable cannot be used yet
        before = cpu_seconds(worker)
        time.sleep(1)
        assert cpu_seconds(worker) - before < 0.2
        held.let_go()
        assert wire.receive().status == 200
        assert wire.receive().status == 200
        assert wire.ended()


def test_close(server: LiveServer) -> None:
    with Wire(server.port) as wire:
        response = wire.send(get("/echo", "Connection: close")).receive()
        assert response.headers["connection"] == "close"
        assert wire.ended()


def test_http_1_0(server: LiveServer) -> None:
    with Wire(server.port) as wire:
        wire.send(get("/echo", "Connection: keep-alive", version="HTTP/1.0"))
        assert wire.receive().headers["connection"] == "keep-alive"
        wire.send(get("/echo", version="HTTP/1.0"))
        assert wire.receive().headers["connection"] == "close"
        assert wire.ended()


def test_head(server: LiveServer) -> None:
    with Wire(server.port) as wire:
        wire.send(get("/echo").replace(b"GET", b"HEAD") + get("/echo"))
        assert wire.receive("HEAD").status == 200
        assert seen(wire.receive())["method"] == "GET"


def test_absolute_target(server: LiveServer) -> None:
    assert seen(exchange(server.port, get("http://other.example/echo?a=b")))["query"] == "a=b"


def test_expect_100_continue(server: LiveServer) -> None:
    head, body = post("/echo", b"abc", "Expect: 100-continue")[:-3], b"abc"
    with Wire(server.port) as wire:
        for _ in range(2):
            assert wire.send(head).receive().status == 100
            assert seen(wire.send(body).receive())["body"] == 3


def test_a_body_that_is_there_already_is_not_asked_for(server: LiveServer) -> None:
    with Wire(server.port) as wire:
        wire.send(post("/echo", b"abc", "Expect: 100-continue"))
        assert seen(wire.receive())["body"] == 3


def test_a_body_in_many_packets(server: LiveServer) -> None:
    body = os.urandom(200_000)
    data = post("/echo", body)
    with Wire(server.port) as wire:
        for start in range(0, len(data), 997):
            wire.send(data[start : start + 997])
        assert seen(wire.receive())["sha256"] == hashlib.sha256(body).hexdigest()


def test_an_application_that_fails(server: LiveServer) -> None:
    with Wire(server.port) as wire:
        response = wire.send(get("/fail?now")).receive()
        assert response.status == 500
        assert response.title == "Internal server error"
        assert seen(wire.send(get("/echo")).receive())["path"] == "/echo"
    log = server.log()
    assert "Error handling request GET /fail?now\nTraceback" in log
    assert "RuntimeError: told to fail" in log


def test_an_idle_connection_is_closed(tmp_path: Path) -> None:
    with tiny(tmp_path, "--keepalive", "1") as server, Wire(server.port) as wire:
        wire.send(get("/echo")).receive()
        assert wire.ended()


def test_access_log(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    with tiny(tmp_path, "--accesslog", str(log)) as server:
        exchange(server.port, get("/echo?a=b", "User-Agent: tester", "Referer: there"))
    line = log.read_text().splitlines()[-1]
    assert re.search(
        r'^127\.0\.0\.1 - - \[.*\] "GET /echo\?a=b HTTP/1\.1" 200 \d{2,} "there" "tester"$', line
    )


def test_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    process = subprocess.Popen(
        [*TINY, "--bind", f"unix:{path}"],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: os.path.exists(path))
        assert seen(exchange(path, get("/echo?unix")))["client"] is None
        process.terminate()
        assert process.wait(SECONDS) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


# Many clients


def test_300_idle_connections_do_not_hinder_others(server: LiveServer) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(Wire(server.port)) for _ in range(300)]
        for wire in idle[::2]:
            seen(wire.send(get("/echo")).receive())
        for _ in range(20):
            seen(exchange(server.port, get("/echo")))
        for wire in idle:
            seen(wire.send(get("/echo")).receive())


def test_more_slow_clients_than_threads_do_not_hinder_others(server: LiveServer) -> None:
    whole = post("/echo", b"x" * 1000)
    with ExitStack() as stack:
        slow = [stack.enter_context(Wire(server.port)) for _ in range(30)]
        for number, wire in enumerate(slow):
            wire.send(whole[: 30 * (number + 1)])
        for _ in range(20):
            seen(exchange(server.port, get("/echo")))
        for number, wire in enumerate(slow):
            wire.send(whole[30 * (number + 1) :])
            assert seen(wire.receive())["body"] == 1000


LARGE = 64 * 1024 * 1024
"""Bytes of an answer that no socket buffer holds."""


def test_slow_readers_do_not_hinder_others(server: LiveServer) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(Wire(server.port, receive_buffer=4096)) for _ in range(4)]
        for wire in slow:
            wire.send(get(f"/large?{LARGE // 16}"))
        for _ in range(20):
            seen(exchange(server.port, get("/echo")))
        for wire in slow:  # and they get everything
            assert wire.receive().body == b"x" * (LARGE // 16)


def sockets_of(pid: int) -> int:
    """Count the sockets that a process has open."""
    count = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            count += os.readlink(link).startswith("socket:")
        except FileNotFoundError:  # it was closed meanwhile
            continue
    return count


def test_a_client_that_never_reads_is_closed(tmp_path: Path) -> None:
    with tiny(tmp_path, "--request-timeout", "1") as server:
        (worker,) = server.worker_pids()
        wait_until(lambda: sockets_of(worker) == 1)  # the listener
        with Wire(server.port, receive_buffer=4096) as wire:
            wire.send(get(f"/large?{LARGE}"))
            wait_until(lambda: sockets_of(worker) == 2)
            wait_until(lambda: sockets_of(worker) == 1)
            assert not wire.ended()  # the beginning is there, the rest never comes


def test_workers_share_the_connections(tmp_path: Path) -> None:
    with tiny(tmp_path, workers=2) as server, ExitStack() as stack:
        for number in range(1, 501):
            seen(stack.enter_context(Wire(server.port)).send(get("/echo")).receive())
            shares = [sockets_of(worker) / (number + 2) for worker in server.worker_pids()]
            if number >= 64 and min(shares) > 0.25:
                return
        pytest.fail(f"after 500 connections: {shares}")


def test_connections_over_the_limit_wait(tmp_path: Path) -> None:
    with tiny(tmp_path, "--worker-connections", "3") as server, ExitStack() as stack:
        first = [stack.enter_context(Wire(server.port)) for _ in range(3)]
        for wire in first:
            seen(wire.send(get("/echo")).receive())
        waiting = stack.enter_context(Wire(server.port)).send(get("/echo?late"))
        for wire in first:  # they are served, the other one is not accepted
            seen(wire.send(get("/echo")).receive())
        (worker,) = server.worker_pids()
        assert sockets_of(worker) == 4
        first[1].socket.close()
        assert seen(waiting.receive())["query"] == "late"


def test_a_worker_without_descriptors_goes_on(tmp_path: Path) -> None:
    with tiny(tmp_path, "--descriptors", "40") as server, ExitStack() as stack:
        first = stack.enter_context(Wire(server.port))
        seen(first.send(get("/echo")).receive())
        crowd = ExitStack()
        with crowd:
            for _ in range(60):
                crowd.enter_context(Wire(server.port))
            wait_until(lambda: "Cannot accept connections for now" in server.log())
            seen(first.send(get("/echo")).receive())
        seen(exchange(server.port, get("/echo")))


# Stopping


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
