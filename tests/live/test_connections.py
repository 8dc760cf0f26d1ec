"""How the worker treats its clients: one after the other, slow ones, and many."""

import hashlib
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.live import LiveServer
from tests.support.process import Program
from tests.support.tiny import ROOT, TINY, Held, get, post, seen, tiny
from tests.support.waiting import wait_until
from tests.support.wire import SECONDS, Wire, exchange


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server of one worker with two threads."""
    with tiny(tmp_path_factory.mktemp("tiny")) as server:
        yield server
        server.stop()


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
        server.stop()
    line = log.read_text().splitlines()[-1]
    assert re.search(
        r'^127\.0\.0\.1 - - \[.*\] "GET /echo\?a=b HTTP/1\.1" 200 \d{2,} "there" "tester"$', line
    )


def accepts(path: str) -> bool:
    try:
        with Wire(path):
            return True
    except OSError:  # it is not there so far, or nobody listens
        return False


def test_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    command = [*TINY, "--bind", f"unix:{path}"]
    with Program(
        command, tmp_path, lambda: accepts(str(path)), {"PYTHONPATH": str(ROOT)}
    ) as server:
        assert seen(exchange(str(path), get("/echo?unix")))["client"] is None
        os.kill(server.pid, signal.SIGTERM)
        assert server.wait(SECONDS) == 0


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
        server.stop()


def test_a_slow_but_steady_reader_gets_all_of_its_answer(tmp_path: Path) -> None:
    """It takes longer than the timeout, and mostly longer for a piece of which the kernel tells."""
    size = 12_000_000
    with tiny(tmp_path, "--request-timeout", "1") as server:
        with Wire(server.port, receive_buffer=4096) as wire:
            wire.send(get(f"/large?{size}", "Connection: close"))
            received, start = 0, time.monotonic()
            while data := wire.socket.recv(200_000):
                received += len(data)
                if time.monotonic() - start < 4:
                    time.sleep(0.02)
        assert received > size
        assert time.monotonic() - start > 2, "the answer fits into buffers"
        server.stop()


def memory(pid: int) -> int:
    """Return the bytes of memory that a process uses."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_a_pipeline_whose_answers_nobody_reads_costs_little_memory(server: LiveServer) -> None:
    (worker,) = server.worker_pids()
    before = memory(worker)
    count, size = 3000, 100_000
    requests = b"".join(get(f"/large?{size}") for _ in range(count))
    with Wire(server.port, receive_buffer=4096) as wire:
        wire.send(requests)
        for _ in range(50):
            seen(exchange(server.port, get("/echo")))
        assert memory(worker) - before < 20_000_000
        for _ in range(count):
            assert len(wire.receive().body) == size
        assert memory(worker) - before < 20_000_000


def test_clients_that_come_and_go_leave_nothing_behind(server: LiveServer) -> None:
    (worker,) = server.worker_pids()
    wait_until(lambda: sockets_of(worker) == 1)
    before = len(server.log())
    halves = (b"", b"G", get("/echo")[:-1], post("/echo", b"x" * 100)[:-1], get("/large?1000000"))
    for _ in range(40):
        for half in halves:
            with Wire(server.port, receive_buffer=4096) as wire:
                wire.send(half).reset()
            with Wire(server.port) as wire:
                wire.send(half).finish()
    wait_until(lambda: sockets_of(worker) == 1)
    assert "Traceback" not in server.log()[before:]


def test_workers_share_the_connections(tmp_path: Path) -> None:
    with tiny(tmp_path, workers=2) as server, ExitStack() as stack:
        for number in range(1, 501):
            seen(stack.enter_context(Wire(server.port)).send(get("/echo")).receive())
            shares = [sockets_of(worker) / (number + 2) for worker in server.worker_pids()]
            if number >= 64 and min(shares) > 0.25:
                break
        else:
            pytest.fail(f"after 500 connections: {shares}")
        server.stop()
