"""A real `marconi-server`, started for a test and gone after it."""

import os
import re
import signal
import ssl
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path

from tests.support.process import Process, read
from tests.support.waiting import PATIENCE

COMMAND = os.path.join(sysconfig.get_path("scripts"), "marconi-server")
"""The installed command."""

START_SECONDS = PATIENCE
"""Bound of the wait for a server that starts; a start takes about one second."""

STOP_SECONDS = PATIENCE
"""Bound of the wait for a server that stops: its default grace of 30 s, and more."""


class LiveServer(Process):
    """A running `marconi-server`, with its workers.

    Serves from SQLite on a free port, unless the arguments say otherwise:

    tmp_path  folder for its log and files
    config    text of a configuration file, given with `--config-file`
    args      more arguments for the command
    port      the port, 0 for a free one; `None` leaves it to the configuration
    workers   number of worker processes
    database  the SQLite file; by default `marconi.db` in `tmp_path`
    embedded  whether `--embedded` is given; if not, `config` has to choose a store
    env       more environment variables
    command   what to run in place of the installed command
    headers   sent when it is asked whether it is healthy, such as a token
    tls       what a client of a server with TLS trusts, and shows of itself

    It answers requests when it is started. One that was stopped or killed can be started again: it
    gets the same port and the same files.
    """

    failures = (503,)

    def __init__(
        self,
        tmp_path: Path,
        *,
        config: str | None = None,
        args: Sequence[str] = (),
        port: int | None = 0,
        workers: int = 2,
        database: Path | None = None,
        embedded: bool = True,
        env: Mapping[str, str] | None = None,
        command: Sequence[str] = (COMMAND,),
        headers: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="server-", dir=tmp_path))
        super().__init__("the server", self.folder / "stderr.log")
        self.config_file = self.folder / "marconi.conf"
        self.database = database or tmp_path / "marconi.db"
        self.host = "127.0.0.1"
        self.port = port or 0
        self._gives_port = port is not None
        self._tls = tls
        self._output_file = self.folder / "stdout.log"
        # Clients of tests leave connections open, and should not have to wait for their end.
        quick = {"OS_DRIVERS_TRANSPORT_WSGI__DRAIN_TIMEOUT": "1"}
        self._environment = {**os.environ, **quick, **(env or {})}
        self._headers = dict(headers or {})
        self._workers = workers
        self._arguments = [*command, "--workers", str(workers), *args]
        if embedded:
            self._arguments += ["--embedded", str(self.database)]
        if config is not None:
            self.config_file.write_text(config)
            self._arguments += ["--config-file", str(self.config_file)]

    @property
    def url(self) -> str:
        """The base URL, without a slash at the end."""
        return f"{'http' if self._tls is None else 'https'}://{self.host}:{self.port}"

    def start(self) -> None:
        """Start the server and wait until it answers; on the old port if it ran before."""
        port = ["--port", str(self.port)] if self._gives_port else []
        seen = len(self.log())
        self._spawn(
            [*self._arguments, *port], output=self._output_file, environment=self._environment
        )
        self.wait_until(lambda: self._listens(seen), START_SECONDS, "does not listen")
        self.wait_until(self._is_complete, START_SECONDS, "does not start all workers")
        self.wait_until(self.is_healthy, START_SECONDS, "does not answer")

    def stop(self) -> None:
        """Stop the server with SIGTERM; it has to end with exit status 0."""
        os.kill(self.pid, signal.SIGTERM)
        status = self.wait()
        assert status == 0, f"exit status {status}\n{self.log()}"

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """Wait until the server has ended, and return its exit status."""
        return super().wait(seconds)

    def reload(self) -> None:
        """Send SIGHUP and wait until all workers were replaced, as a refused reload also does."""
        before, seen = set(self.worker_pids()), len(self.log())
        os.kill(self.pid, signal.SIGHUP)

        def done() -> bool:
            replaced = "Hang up" in self.log()[seen:] and not before & set(self.worker_pids())
            return replaced and self._is_complete()

        self.wait_until(done, STOP_SECONDS, "does not replace its workers")
        self._listens(seen)  # if the address changed
        self.wait_until(self.is_healthy, START_SECONDS, "does not answer")

    def output(self) -> str:
        """What the server wrote to stdout so far, over all its starts."""
        return read(self._output_file)

    def worker_pids(self) -> list[int]:
        """The process ids of the workers that are alive now."""
        return children(self.pid)

    def wait_for_workers(self) -> list[int]:
        """Wait until at least one worker is alive, and return the process ids of all that are."""
        self.wait_until(lambda: bool(self.worker_pids()), START_SECONDS, "has no worker")
        return self.worker_pids()

    def is_healthy(self) -> bool:
        """Ask `/v1/health` on a connection of its own."""
        host = self.host.strip("[]")
        if self._tls is None:
            connection = HTTPConnection(host, self.port, timeout=START_SECONDS)
        else:
            connection = HTTPSConnection(host, self.port, timeout=START_SECONDS, context=self._tls)
        try:
            connection.request("GET", "/v1/health", headers=self._headers)
            return connection.getresponse().status == 204
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def _is_complete(self) -> bool:
        return len(self.worker_pids()) == self._workers

    def _listens(self, seen: int) -> bool:
        found = re.search(r"Listening at: https?://(\S+):(\d+)\s", self.log()[seen:])
        if found is None:
            return False
        # What listens on all addresses is asked on the one that stays in this machine.
        self.host = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(found[1], found[1])
        self.port = int(found[2])
        return True


def children(pid: int) -> list[int]:
    """Return the process ids of the living children of a process, in ascending order."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # pid (name) state parent ...; the name may hold blanks and parentheses
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        if int(parent) == pid and state != "Z":
            found.append(int(stat.parent.name))
    return sorted(found)
