"""Running the command `marconi-server` where it is expected to end by itself."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.live import COMMAND
from tests.support.waiting import PATIENCE

RUN_SECONDS = PATIENCE
"""Bound of the wait for a command that is expected to end by itself."""

# Runs the rest of the command line without the powers that would let root write anywhere
# (CAP_DAC_OVERRIDE 1, CAP_DAC_READ_SEARCH 2) and listen on any port (CAP_NET_BIND_SERVICE 10).
# Who is not root has none of them, and the calls fail without effect.
_DROP = """
import ctypes, os, sys
for capability in 1, 2, 10:
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
os.execv(sys.argv[1], sys.argv[1:])
"""
AS_ORDINARY_USER = (sys.executable, "-c", _DROP, COMMAND)


def run(
    *arguments: str,
    command: Sequence[str] = (COMMAND,),
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    return subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        check=False,
    )


def refusal(*arguments: str, command: Sequence[str] = (COMMAND,)) -> str:
    """Run a start that has to be refused, and return the one line that says why."""
    done = run(*arguments, command=command)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("marconi-server: ")
    return line


@contextmanager
def open_when_read(fifo: Path) -> Iterator[int]:
    """Hold a FIFO open for writing, from the moment at which somebody reads it.

    Gives the descriptor. It has an error when nobody reads it any more.
    """
    deadline = time.monotonic() + RUN_SECONDS
    while True:
        try:
            descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
            break
        except OSError as error:
            if error.errno != errno.ENXIO:  # which is: nobody reads it yet
                raise
            assert time.monotonic() < deadline, "nobody reads it"
            time.sleep(0.02)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def write_config(folder: Path) -> Path:
    """Write a configuration file that serves from SQLite, on a free port."""
    file = folder / "marconi.conf"
    file.write_text(
        "[drivers]\nstorage = sqlite\n"
        f"[drivers:storage:sqlite]\ndatabase = {folder}/marconi.db\n"
        "[drivers:transport:wsgi]\nport = 0\n"
    )
    return file
