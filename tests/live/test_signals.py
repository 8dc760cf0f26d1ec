"""What signals do to the server, and what becomes of it when workers die."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
import requests

from tests.support.command import RUN_SECONDS, open_when_read, write_config
from tests.support.live import COMMAND, LiveServer

pytestmark = pytest.mark.measured


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path)


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which something else listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def limit(server: LiveServer, size: int) -> int:
    """Ask for a page of this size, and return the status."""
    answer = requests.get(f"{server.url}/v1/queues", params={"limit": size}, timeout=60)
    return answer.status_code


def test_sigterm_answers_the_request_in_flight(tmp_path: Path) -> None:
    with LiveServer(tmp_path) as server:
        requests.put(f"{server.url}/v1/queues/q", timeout=60)
        body = b'[{"ttl": 60, "body": 1}]'
        head = (
            f"POST /v1/queues/q/messages HTTP/1.1\r\nHost: {server.host}\r\nClient-ID: c\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection((server.host, server.port), timeout=60) as client:
            client.sendall(head.encode() + body[:10])
            os.kill(server.pid, signal.SIGTERM)
            server.wait_until(
                lambda: "Handling signal: term" in server.log(), 20, "does not see the signal"
            )
            client.sendall(body[10:])
            assert client.recv(1000).startswith(b"HTTP/1.1 201 ")
        assert server.wait() == 0


def test_idle_connections_stay_open_as_long_as_the_option_says(tmp_path: Path) -> None:
    config = "[drivers:transport:wsgi]\ngraceful_timeout = 2\n"
    env = {"OS_DRIVERS_TRANSPORT_WSGI__DRAIN_TIMEOUT": "3600"}
    with (
        LiveServer(tmp_path, config=config, env=env, workers=1) as server,
        requests.Session() as idle,
    ):
        assert idle.get(f"{server.url}/v1/health", timeout=60).status_code == 204
        server.stop()
        assert "Cutting 1 connections" in server.log(), "it was closed before that"


def interrupt(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Press Ctrl-C until the process ends; return its output.

    Python notes a signal that comes just before a blocking read, but acts on it behind the read.
    """
    for _ in range(int(RUN_SECONDS)):
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=1)
    raise AssertionError("the process does not end")


def test_an_interrupt_before_it_serves_is_quiet(tmp_path: Path) -> None:
    fifo = tmp_path / "marconi.conf"
    os.mkfifo(fifo)
    with subprocess.Popen(
        [COMMAND, "check", "--config-file", str(fifo)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            # Succeeds once the command reads the file, and then it waits for the writer.
            with open_when_read(fifo):
                _, errors = interrupt(process)
        finally:
            process.kill()
    assert (process.returncode, errors) == (130, "")


def test_sigint_stops_quietly(tmp_path: Path) -> None:
    with LiveServer(tmp_path) as server:
        os.kill(server.pid, signal.SIGINT)
        assert server.wait() == 0
        assert "Traceback" not in server.log()


def test_sighup_takes_over_changed_limits(tmp_path: Path) -> None:
    with LiveServer(tmp_path, config="[transport]\nmax_queues_per_page = 5\n") as server:
        assert limit(server, 6) == 400
        server.config_file.write_text("[transport]\nmax_queues_per_page = 6\n")
        server.reload()
        assert limit(server, 6) == 204
        server.stop()


def test_sighup_with_a_broken_file_keeps_the_old_limits(tmp_path: Path) -> None:
    with LiveServer(tmp_path, config="[transport]\nmax_queues_per_page = 5\n") as server:
        server.config_file.write_text("[transport]\nmax_queues_per_page = six\n")
        server.reload()
        assert limit(server, 5) == 204
        assert limit(server, 6) == 400
        errors = [line for line in server.log().splitlines() if " ERROR " in line]
        assert len(errors) == 1
        assert "the old configuration stays in force" in errors[0]
        assert "max_queues_per_page of [transport] is 'six'" in errors[0]
        server.stop()


def test_sighup_moves_to_another_port(tmp_path: Path, config: Path) -> None:
    text = config.read_text()
    with LiveServer(tmp_path, config=text, embedded=False, port=None) as server:
        before = server.port
        with socket.create_server(("127.0.0.1", 0)) as probe:
            free = probe.getsockname()[1]
        server.config_file.write_text(text.replace("port = 0", f"port = {free}"))
        server.reload()
        assert server.port == free
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", before), timeout=60)
        server.stop()


def test_sighup_to_a_busy_port_stays_where_it_is(
    tmp_path: Path, config: Path, taken_port: int
) -> None:
    text = config.read_text()
    with LiveServer(tmp_path, config=text, embedded=False, port=None) as server:
        before = server.port
        server.config_file.write_text(text.replace("port = 0", f"port = {taken_port}"))
        server.reload()
        assert server.port == before
        assert f"port {taken_port} of 127.0.0.1 is in use" in server.log()
        server.stop()


@pytest.mark.seconds(7)
def test_sighup_refuses_no_request(tmp_path: Path) -> None:
    with LiveServer(tmp_path) as server:
        stopping = threading.Event()
        statuses: list[int] = []
        failures: list[Exception] = []

        def ask() -> None:
            while not stopping.is_set():
                try:  # each request on a connection of its own
                    answer = requests.get(f"{server.url}/v1/health", timeout=30)
                    statuses.append(answer.status_code)
                except requests.RequestException as error:
                    failures.append(error)

        clients = [threading.Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        try:
            for _ in range(3):
                server.reload()
        finally:
            stopping.set()
            for client in clients:
                client.join()
        assert failures == []
        assert set(statuses) == {204}
        server.stop()


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    with LiveServer(tmp_path, workers=1) as server:
        (worker,) = server.worker_pids()
        os.kill(worker, signal.SIGKILL)
        server.wait_until(
            lambda: server.worker_pids() not in ([], [worker]), 30, "does not replace the worker"
        )
        assert requests.put(f"{server.url}/v1/queues/q", timeout=30).status_code == 201
        server.stop()


# Runs the command, but each new worker waits for the end of a FIFO if there is one, at a
# moment at which it has no signal handlers of its own yet.
SLOW_WORKERS = """
import os, sys
from marconi_server.cli import main
from marconi_server.server.service import Service

post_fork = Service._post_fork

def wait_and_post_fork(service, arbiter, worker):
    if os.path.exists(fifo):
        with open(fifo) as end:
            end.read()
    post_fork(service, arbiter, worker)

fifo = sys.argv.pop(1)
Service._post_fork = wait_and_post_fork
sys.exit(main())
"""


def test_a_worker_that_is_stopped_before_it_listens_to_signals_stops(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    command = (sys.executable, "-c", SLOW_WORKERS, str(fifo))
    with LiveServer(tmp_path, command=command, workers=1) as server:
        (first,) = server.worker_pids()
        os.mkfifo(fifo)
        os.kill(first, signal.SIGKILL)
        with open_when_read(fifo):
            (second,) = server.worker_pids()
            os.kill(second, signal.SIGTERM)
            fifo.unlink()
        server.wait_until(
            lambda: not {first, second} & set(server.worker_pids()), 20, "does not end the worker"
        )
        assert server.is_healthy()
        server.stop()


@pytest.mark.seconds(6)
def test_a_worker_that_finds_the_store_locked_answers_503_and_recovers(tmp_path: Path) -> None:
    config = "[drivers:storage:sqlite]\ntimeout = 1\n"
    with LiveServer(tmp_path, config=config, workers=1) as server:
        (worker,) = server.worker_pids()
        with closing(sqlite3.connect(server.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            os.kill(worker, signal.SIGKILL)
            answer = requests.put(f"{server.url}/v1/queues/q", timeout=60)
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "30"
            other.execute("ROLLBACK")
        server.wait_until(
            lambda: requests.put(f"{server.url}/v1/queues/q", timeout=60).status_code in {201, 204},
            30,
            "does not recover",
        )
        assert "The store does not open, requests get 503" in server.log()
        assert "Traceback" not in server.log()
        server.stop()


def test_a_worker_that_finds_the_store_ruined_answers_503_and_boots_once(tmp_path: Path) -> None:
    with LiveServer(tmp_path, workers=1) as server:
        (worker,) = server.worker_pids()
        for suffix in ("-wal", "-shm"):
            Path(f"{server.database}{suffix}").unlink(missing_ok=True)
        server.database.write_bytes(b"not a database any more " * 1000)
        os.kill(worker, signal.SIGKILL)
        for _ in range(2):
            answer = requests.put(f"{server.url}/v1/queues/q", timeout=60)
            assert answer.status_code == 503
        assert server.log().count("Booting worker") == 2
        assert f"{server.database} is not a database" in server.log()
        assert "Traceback" not in server.log()
        server.stop()
