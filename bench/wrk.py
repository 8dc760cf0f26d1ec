"""Load over HTTP by wrk."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from bench import machine
from bench.cases import Load
from bench.outcome import Outcome
from bench.servers import BenchError

LUA: Final = Path(__file__).resolve().parent / "lua"

MISSING: Final = "wrk is missing; install it: apt-get install wrk"

_GRACE_SECONDS: Final = 30.0


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
    url: str,
    load: Load,
    headers: Mapping[str, str],
    *,
    connections: int,
    threads: int,
    seconds: int,
    timeout: int,
) -> tuple[Outcome, float]:
    """Put load on a server; return the outcome and the seconds of CPU that wrk used.

    `timeout` is in seconds; an answer that takes longer is an error.

    :raises BenchError: wrk failed
    """
    command = ["wrk", "-t", str(threads), "-c", str(connections), "-d", f"{seconds}s"]
    command += ["--timeout", f"{timeout}s", "-s", str(LUA / load.script)]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    command += [url + load.path, "--", *load.arguments]
    before = machine.children_cpu()
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
    return parse(done.stdout), machine.children_cpu() - before
