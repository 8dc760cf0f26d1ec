"""Nothing is left of a run, neither processes nor files, also when it is killed.

A run has a folder, whose path is in the environment of all processes that it starts, and that
these start. Its keeper is a process beside it. It is told by the end of its standard input that
the run is over, which comes also when that is killed. It kills every process with that path in its
environment, or whose working directory is in that folder, and removes the folder.
"""

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

VARIABLE = "MARCONI_RUN_FOLDER"
"""The environment variable by which processes of a run are known."""

END_SECONDS = 300.0
"""Bound of the wait for the end of what was killed."""


def run_folder() -> Path:
    """Return the folder of this run, for files that shall go with it; the first call begins it."""
    if VARIABLE not in os.environ:
        folder = tempfile.mkdtemp(prefix="marconi-run-")
        # -I -S: it needs nothing that is installed, and starts faster without.
        keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, folder],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        os.environ[VARIABLE] = folder
        atexit.register(_end, keeper)
    return Path(os.environ[VARIABLE])


def enter(name: str) -> None:
    """Let what this process starts from now on be in a part of the run with a folder of its own."""
    folder = run_folder() / name
    folder.mkdir()
    os.environ[VARIABLE] = str(folder)


def _end(keeper: "subprocess.Popen[bytes]") -> None:
    os.environ.pop(VARIABLE)
    assert keeper.stdin is not None
    keeper.stdin.close()
    keeper.wait(END_SECONDS)


def processes(folder: str) -> set[int]:
    """Return the ids of all processes of the run, or part of one, with this folder.

    The one that began it is not among them: what it puts in its environment is for others.
    """
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or it is none of ours
            # Some programs, like nginx, put something else in the place of their environment.
            if any(f"{path}/".startswith(f"{folder}/") for path in _folders(process)):
                found.add(int(process.name))
    return found


def _folders(process: Path) -> Iterator[str]:
    """Give the folder of the run that a process is of, if it is of one, and the one it is in."""
    for entry in (process / "environ").read_bytes().split(b"\0"):
        name, _, value = os.fsdecode(entry).partition("=")
        if name == VARIABLE:
            yield value
    yield os.readlink(process / "cwd")


def kill_all(folder: str) -> None:
    """Kill all processes of the run, or part of one, with this folder."""
    while running := processes(folder):
        for process in running:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.01)


def main(folder: str) -> None:
    sys.stdin.buffer.read()
    kill_all(folder)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(sys.argv[1])
