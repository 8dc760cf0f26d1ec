"""Load over HTTP by wrk."""

import os
import resource
import shutil
import subprocess
from pathlib import Path
from typing import Final

import msgspec

from bench.cases import HEADERS, Load
from bench.servers import BenchError

LUA: Final = Path(__file__).resolve().parent / "lua"

MISSING: Final = "wrk is missing; install it: apt-get install wrk"

_GRACE_SECONDS: Final = 30.0


class Outcome(msgspec.Struct, frozen=True):
    """The line that `lua/outcome.lua` prints at the end.

    `p50` and `p99` are microseconds. `wrong` counts answers with another status than
    expected, `first_wrong` shows one; `unanswered` counts failures of connections.
    """

    requests: int
    microseconds: int
    p50: int
    p99: int
    wrong: int
    first_wrong: str
    unanswered: int
    timeouts: int

    @property
    def errors(self) -> int:
        """Everything that makes a measurement invalid; no answer at all is an error too."""
        return self.wrong + self.unanswered + self.timeouts + (self.requests == 0)

    @property
    def complaint(self) -> str:
        """What went wrong in words; empty if nothing did."""
        parts = []
        if self.wrong:
            parts.append(f"{self.wrong} wrong answers, such as: {self.first_wrong}")
        if self.unanswered:
            parts.append(f"{self.unanswered} failed connections")
        if self.timeouts:
            parts.append(f"{self.timeouts} timeouts")
        if not self.requests:
            parts.append("no answers")
        return "; ".join(parts)


def available() -> bool:
    """Tell whether wrk is installed."""
    return shutil.which("wrk") is not None


def parse(output: str) -> Outcome:
    """Find the outcome in what wrk printed.

    :raises BenchError: it is not there
    """
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            return msgspec.json.decode(line, type=Outcome)
    raise BenchError(f"wrk printed no outcome:\n{output}")


def run(
    url: str, load: Load, *, connections: int, threads: int, seconds: int, timeout: int
) -> tuple[Outcome, float]:
    """Put load on a server; return the outcome and the seconds of CPU that wrk used.

    `timeout` is in seconds; an answer that takes longer is an error.

    :raises BenchError: wrk failed
    """
    command = ["wrk", "-t", str(threads), "-c", str(connections), "-d", f"{seconds}s"]
    command += ["--timeout", f"{timeout}s", "-s", str(LUA / load.script)]
    for name, value in HEADERS.items():
        command += ["-H", f"{name}: {value}"]
    command += [url + load.path, "--", *load.arguments]
    before = _children_cpu()
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "LUA_PATH": f"{LUA}/?.lua"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds + _GRACE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"wrk did not end in time: {error}") from error
    if done.returncode != 0:
        raise BenchError(f"wrk ended with status {done.returncode}:\n{done.stdout}")
    return parse(done.stdout), _children_cpu() - before


def _children_cpu() -> float:
    """Return the seconds of CPU of all children that were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
