"""The keeper of a run: whatever ends the run, nothing is left of it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.markdown import CHECKOUT
from tests.support import keeper
from tests.support.waiting import PATIENCE, wait_until

# One process with the environment of the run, one whose child has it, and one that is known by its
# folder alone, as nginx is.
RUN = """
import subprocess, sys
from tests.support import keeper
folder = keeper.run_folder()
(folder / "data").write_text("what is stored")
subprocess.Popen(["sleep", "600"])
subprocess.Popen(["sh", "-c", "sleep 600; true"], start_new_session=True)
subprocess.Popen(["sleep", "600"], env={}, cwd=folder)
print(folder, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("end", ["exit", "exception", signal.SIGINT, signal.SIGKILL], ids=str)
def test_nothing_is_left(tmp_path: Path, end: str | signal.Signals) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(CHECKOUT)}
    del environment[keeper.VARIABLE]
    with subprocess.Popen(
        [sys.executable, "-c", RUN + ("1 / 0" if end == "exception" else "")],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        folder = run.stdout.readline().strip()
        wait_until(lambda: len(keeper.processes(folder)) == 4)
        if isinstance(end, signal.Signals):
            run.send_signal(end)
        run.stdin.close()
    wait_until(lambda: not keeper.processes(folder) and not list(tmp_path.iterdir()))


def test_a_part_ends_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"part-{os.getpid()}"
    monkeypatch.setenv(keeper.VARIABLE, str(keeper.run_folder()))  # as it is again afterwards
    with subprocess.Popen(["sleep", "600"]) as other:
        keeper.enter(name)
        part = str(keeper.run_folder())
        with subprocess.Popen(["sleep", "600"]) as one:
            wait_until(lambda: keeper.processes(part) == {one.pid})
            keeper.kill_all(part)
            assert one.wait(PATIENCE) == -signal.SIGKILL
        assert other.poll() is None
        other.kill()
    os.rmdir(part)
