"""A program that runs for as long as a block of code."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.support import keeper
from tests.support.block import ForABlock
from tests.support.waiting import PATIENCE, wait_until


class Process(ForABlock):
    """A program in a process group of its own, which writes a log.

    At the end of its block it is killed with all that it started. Until then it can be ended and
    started again.
    """

    stops = False
    """Whether it is told to stop before it is killed, as an operator would."""

    def __init__(self, name: str, log_file: Path) -> None:
        """`name` is what complaints call it."""
        keeper.run_folder()
        self._name = name
        self._log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None, f"{self._name} was never started"
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        """Stop it, if that is wanted, and kill what is left."""
        try:
            if self.stops and self.runs:
                os.kill(self.pid, signal.SIGTERM)
                self.wait(PATIENCE)
        finally:
            self.kill()

    def kill(self) -> None:
        """End it with SIGKILL, and all that it started, if any of them is left."""
        if self._process is not None:
            with suppress(ProcessLookupError):  # all of the group may be gone
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def wait(self, seconds: float) -> int:
        """Wait until it has ended, and return its exit status."""
        assert self._process is not None, f"{self._name} was never started"
        return self._process.wait(seconds)

    def freeze(self) -> None:
        """Stop it in its tracks: it keeps its connections, takes new ones, and is silent."""
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on, if it was frozen."""
        os.killpg(self.pid, signal.SIGCONT)

    def log(self) -> str:
        """What it has written so far, over all its starts."""
        return read(self._log_file)

    def wait_until(self, condition: Callable[[], bool], seconds: float, complaint: str) -> None:
        """Poll a condition; fail with the log when the program ends or the time is up."""

        def comes_about() -> bool:
            if condition():
                return True
            assert self.runs, f"{self._name} ended with status {self.wait(0)}\n{self.log()}"
            return False

        wait_until(comes_about, lambda: f"{self._name} {complaint}\n{self.log()}", seconds=seconds)

    def _spawn(
        self,
        command: Sequence[str],
        *,
        output: Path | None = None,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Start the program; `output` is a file for what it prints, in place of the log."""
        assert not self.runs, f"{self._name} still runs"
        run = {keeper.VARIABLE: os.environ[keeper.VARIABLE]}
        with self._log_file.open("ab") as log, (output or self._log_file).open("ab") as out:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env={**(os.environ if environment is None else environment), **run},
                cwd=cwd,
                start_new_session=True,  # Ctrl-C is for the run, which then ends its servers
            )


class Program(Process):
    """A command, and how to see that it is of use."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        is_ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`folder` is where it runs, and where its log is; `environment` adds variables."""
        name = Path(command[0]).name
        super().__init__(name, folder / f"{name}.log")
        self._command = command
        self._folder = folder
        self._is_ready = is_ready
        self._environment = {**os.environ, **(environment or {})}

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self._spawn(self._command, environment=self._environment, cwd=self._folder)
        self.wait_until(self._is_ready, PATIENCE, "is not ready")


def read(file: Path) -> str:
    """Return the text of a file, which may not be there yet."""
    return file.read_text(errors="replace") if file.exists() else ""
