"""What clients see, and what is lost, when the disk or the file fails: nothing is lost.

Every case breaks the file of a running server for real, sees 503 with a clear line in the log,
heals it, and finds the service back without a restart and every acknowledged message there.
"""

import fcntl
import json
import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.support.live import LiveServer

IMPATIENT = "[drivers:storage:sqlite]\ntimeout = 1\n"
HEADERS = {"Client-ID": "tester", "Content-Type": "application/json"}
MESSAGES = "/v1/queues/q/messages"


class Client:
    """A client that keeps account of what was acknowledged."""

    def __init__(self, server: LiveServer) -> None:
        self._server = server
        self.acknowledged: list[str] = []
        assert self.request("PUT", "/v1/queues/q")[0] in (201, 204)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        connection: HTTPConnection | None = None,
    ) -> tuple[int, Any, Any]:
        """Make a request, on a fresh connection if none is given.

        Returns status, headers and document.
        """
        used = connection or self.connect()
        try:
            used.request(method, path, None if body is None else json.dumps(body), HEADERS)
            response = used.getresponse()
            content = response.read()
            document = json.loads(content) if content else None
            return response.status, response.headers, document
        finally:
            if connection is None:
                used.close()

    def connect(self) -> HTTPConnection:
        """Return an open connection."""
        connection = HTTPConnection("127.0.0.1", self._server.port, timeout=20)
        connection.connect()
        return connection

    def post(self, size: int = 100, *, connection: HTTPConnection | None = None) -> int:
        """Post one message and return the status."""
        body = f"{len(self.acknowledged)}:".ljust(size, "x")
        message = {"ttl": 300, "body": body}
        status, headers, document = self.request("POST", MESSAGES, [message], connection=connection)
        if status == 201:
            self.acknowledged.append(body)
        else:
            assert status == 503, document
            assert headers["Retry-After"] == "30"
            assert "Location" not in headers
            assert document["title"] == "Service temporarily unavailable"
        return status

    def is_served(self) -> bool:
        """Post and read by each worker: each finds its own way back."""
        served = set()
        with ExitStack() as stack:
            # While they are open they spread over the workers, which chance need not do.
            connections = [stack.enter_context(closing(self.connect())) for _ in range(10)]
            for connection in connections:
                if self.post(connection=connection) != 201:
                    return False
                status, headers, _ = self.request(
                    "GET", f"{MESSAGES}?echo=true", connection=connection
                )
                if status != 200:
                    return False
                # What comes before the number of a request is its worker's own.
                served.add(headers["X-Openstack-Request-Id"].rpartition("-")[0])
        return len(served) == len(self._server.worker_pids())

    def everything(self) -> list[str]:
        """Read the whole queue by its links."""
        found: list[str] = []
        path = f"{MESSAGES}?limit=20&echo=true"
        while True:
            status, _, page = self.request("GET", path)
            if status == 204:
                return found
            assert status == 200, page
            found += [message["body"] for message in page["messages"]]
            path = page["links"][0]["href"]


def check_recovered(server: LiveServer, client: Client, cause: str) -> None:
    """The service is back, lost nothing, and the log says what was wrong, once a request."""
    server.wait_until(client.is_served, 20, "does not recover")
    assert client.post() == 201
    assert client.everything() == client.acknowledged
    assert server.is_healthy()
    log = server.log()
    assert "Traceback" not in log
    lines = [line for line in log.splitlines() if re.search(cause, line)]
    assert lines, log
    assert all("WARNING" in line or "The store does not open" in line for line in lines)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with LiveServer(tmp_path, config=IMPATIENT) as server:
        wait_until_open(server)
        yield server


def wait_until_open(server: LiveServer) -> None:
    """Wait until each worker has opened the store, which makes the file if it is not there."""

    def is_open(worker: int) -> bool:  # then threads write, and sweep, beside the first one
        return len(list(Path(f"/proc/{worker}/task").iterdir())) > 2

    server.wait_until(
        lambda: all(map(is_open, server.worker_pids())), 20, "does not open the store"
    )


@pytest.fixture
def client(server: LiveServer) -> Client:
    client = Client(server)
    assert [client.post() for _ in range(10)] == [201] * 10
    return client


def missing(reason: str) -> None:
    """Skip on a laptop, fail in CI."""
    if os.environ.get("CI"):
        pytest.fail(f"CI has to provide this: {reason}")
    pytest.skip(reason)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        missing("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk(tmp_path: Path, small_disk: Path) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(1024**2))
    database = small_disk / "marconi.db"
    with LiveServer(tmp_path, config=IMPATIENT, database=database) as server:
        wait_until_open(server)
        client = Client(server)
        statuses = [client.post(size=8000) for _ in range(200)]
        assert statuses[0] == 201
        assert statuses[-1] == 503
        assert client.everything() == client.acknowledged  # reading goes on
        filler.unlink()
        check_recovered(server, client, "disk is full|SQLITE_FULL|disk I/O error")


def test_a_file_that_must_not_grow(server: LiveServer, client: Client) -> None:
    pids = server.worker_pids()
    unlimited = resource.RLIM_INFINITY
    for pid in pids:  # the kernel refuses writes behind this offset
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (400_000, unlimited))
    statuses = [client.post(size=8000) for _ in range(100)]
    assert statuses[-1] == 503
    assert client.everything() == client.acknowledged
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
    check_recovered(server, client, "SQLITE_IOERR_WRITE|SQLITE_FULL")
    assert server.worker_pids() == pids


def change_attribute(change: str, *files: Path) -> bool:
    """Make files immutable (+i) even for root, or mutable again (-i)."""
    command = ["chattr", change, *map(str, files)]
    return bool(
        shutil.which("chattr") and not subprocess.run(command, capture_output=True).returncode
    )


def test_a_read_only_file(server: LiveServer, client: Client) -> None:
    files = [server.database, Path(f"{server.database}-wal")]
    if not change_attribute("+i", *files):
        missing("making a file immutable needs root, chattr and ext4 or the like")
    try:
        assert [client.post() for _ in range(4)] == [503] * 4
    finally:
        assert change_attribute("-i", *files)
    check_recovered(server, client, "SQLITE_IOERR|SQLITE_READONLY|SQLITE_CANTOPEN")


def test_a_file_locked_by_another_program(server: LiveServer, client: Client) -> None:
    other = sqlite3.connect(server.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert client.post() == 503
    assert client.everything() == client.acknowledged  # reading goes on
    assert server.is_healthy()
    other.close()
    check_recovered(server, client, "SQLITE_BUSY|within 1 seconds")


def test_a_process_that_stands_still_with_the_lock(server: LiveServer, client: Client) -> None:
    with Path(f"{server.database}.lock").open("rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert [client.post() for _ in range(2)] == [503] * 2
        assert client.everything() == client.acknowledged
    check_recovered(server, client, "did not begin within 1 seconds")


def test_a_worker_that_stands_still(server: LiveServer, client: Client) -> None:
    """The other worker answers, and the stopped one goes on where it was."""
    stopped = server.worker_pids()[0]
    os.kill(stopped, signal.SIGSTOP)
    answered = 0
    try:
        for _ in range(20):  # the kernel gives some connections to the stopped worker
            connection = HTTPConnection("127.0.0.1", server.port, timeout=0.5)
            try:
                connection.request("GET", "/v1/health")
                answered += connection.getresponse().status == 204
            except TimeoutError:
                pass
            finally:
                connection.close()
    finally:
        os.kill(stopped, signal.SIGCONT)
    assert answered > 0
    server.wait_until(lambda: client.post() == 201, 20, "does not recover")
    assert client.everything() == client.acknowledged


def test_a_file_that_is_moved_away(server: LiveServer, client: Client, tmp_path: Path) -> None:
    away = tmp_path / "away.db"
    server.database.rename(away)
    assert client.post() == 503
    server.wait_until(  # reads look at most a hundred times a second
        lambda: client.request("GET", f"{MESSAGES}?echo=true")[0] == 503, 20, "goes on reading"
    )
    server.wait_until(lambda: not server.is_healthy(), 20, "calls itself healthy")
    assert not server.database.exists()  # none was made in its place
    away.rename(server.database)
    check_recovered(server, client, "cannot be reached: No such file")


def test_a_file_that_is_replaced(server: LiveServer, client: Client, tmp_path: Path) -> None:
    """Messages are not taken into a file that nobody will find again."""
    copy = tmp_path / "copy.db"
    shutil.copyfile(server.database, copy)
    original = tmp_path / "original.db"
    os.link(server.database, original)
    copy.rename(server.database)
    assert client.post() == 503
    assert "was replaced while the server ran; restart the server" in server.log()
    original.rename(server.database)
    check_recovered(server, client, "was replaced")


@pytest.mark.parametrize("intact", [4096, 0], ids=["behind the header", "with the header"])
def test_a_damaged_file(server: LiveServer, client: Client, intact: int) -> None:
    checkpoint = sqlite3.connect(server.database)
    assert checkpoint.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    checkpoint.close()
    sound = server.database.read_bytes()
    with server.database.open("rb+") as file:
        file.seek(intact)
        file.write(b"\xff" * (len(sound) - intact))
    for pid in server.worker_pids():  # what they remember of the file is not damaged
        os.kill(pid, signal.SIGKILL)
    server.wait_until(lambda: server._is_complete(), 20, "does not replace its workers")
    server.wait_until(lambda: client.post() == 503, 20, "does not notice")
    assert client.request("GET", f"{MESSAGES}?echo=true")[0] == 503
    with server.database.open("rb+") as file:
        file.write(sound)
    check_recovered(server, client, "SQLITE_CORRUPT|is not a database, or is damaged")
