"""Server processes: started for one measurement, gone after it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import MappingProxyType
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent

START_SECONDS: Final = 60.0
IDLE_SECONDS: Final = 0.3
POLL_SECONDS: Final = 0.02

TICK: Final = 1.0 / os.sysconf("SC_CLK_TCK")
"""Seconds in a unit of CPU time in /proc."""


class BenchError(Exception):
    """The benchmark cannot go on; the text says why."""


@dataclass(frozen=True)
class Server:
    """A running server: its address, its log, and the process group of all that belongs to it."""

    port: int
    group: int
    log_file: Path

    @property
    def url(self) -> str:
        """The base URL, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def cpu(self) -> float:
        """Return the seconds of CPU that its living processes have used."""
        return group_cpu(self.group)

    def workers(self) -> list[int]:
        """Return the process ids of the workers, in order."""
        return sorted(number for number, _ in _members(self.group) if number != self.group)

    def workers_memory(self) -> list[int]:
        """Return the bytes of memory that each worker has, in the order of their process ids."""
        return [_resident(number) for number in self.workers()]

    def log(self) -> str:
        """Return what it has written so far."""
        return self.log_file.read_text(errors="replace")

    def get(self, path: str, headers: dict[str, str]) -> bytes:
        """Send one GET and return the body of the answer.

        :raises OSError: the server cannot be reached
        :raises HTTPException: what it answers is not HTTP
        :raises BenchError: it answers that it failed
        """
        connection = HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            body = response.read()
            if response.status >= 500:
                raise BenchError(f"GET {path} was answered with {response.status}: {body!r}")
            return body
        finally:
            connection.close()


def server_options(workers: int, threads: int) -> list[str]:
    """Return the options of our server: a free port, so many processes and threads of each."""
    return ["--port", "0", "--workers", str(workers), "--threads", str(threads)]


def free_port() -> int:
    """Return a port that is free now, for what cannot find one itself."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def serve(
    module: str,
    arguments: Sequence[str],
    log: Path,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Server]:
    """Run `python -m module`, with more in its environment, and kill it at the end in any case.

    Begins when the server answers and its processes have come to rest. They are killed and
    not asked to stop: their database is thrown away as well.

    :raises BenchError: the server ends or does not answer in time
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the harness, which then ends the group
        )
    try:
        yield _wait(process, log)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # not reaped yet, so the group is still ours
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", log: Path) -> Server:
    deadline = time.monotonic() + START_SECONDS

    def poll(condition: Callable[[], bool], complaint: str) -> None:
        while not condition():
            # `waitid` leaves an ended process unreaped, for the signal at the end.
            ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
            if ended is not None or time.monotonic() > deadline:
                what = complaint if ended is None else "ended"
                raise BenchError(f"The server {what}:\n{log.read_text(errors='replace')}")
            time.sleep(POLL_SECONDS)

    def listening() -> re.Match[str] | None:
        return re.search(r"Listening at: http://\S+:(\d+)", log.read_text(errors="replace"))

    poll(lambda: listening() is not None, "does not listen")
    found = listening()
    assert found is not None  # nothing takes a line back
    server = Server(int(found[1]), process.pid, log)

    def answers() -> bool:
        try:
            server.get("/", {})
        except (OSError, HTTPException):
            return False
        return True

    def rests() -> bool:
        before = server.cpu()
        time.sleep(IDLE_SECONDS)
        return server.cpu() == before

    poll(answers, "does not answer")
    poll(rests, "does not come to rest")  # until then workers are still importing
    return server


def group_cpu(group: int) -> float:
    """Return the seconds of CPU that the living processes of a process group have used."""
    # utime and stime, see proc(5)
    return sum(int(fields[11]) + int(fields[12]) for _, fields in _members(group)) * TICK


def _members(group: int) -> Iterator[tuple[int, list[str]]]:
    """Give the id of each living process of a group, and what /proc says of it from its state."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # pid (name) state parent group ...; the name may hold blanks and parentheses
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        if int(fields[2]) == group:
            yield int(stat.parent.name), fields


def _resident(process: int) -> int:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
