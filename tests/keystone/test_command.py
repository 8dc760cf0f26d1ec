"""`python -m tests.keystone up`: runs a Keystone, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.docs.markdown import CHECKOUT
from tests.keystone.server import INSTALLED, MISSING
from tests.support import keeper, up
from tests.support.waiting import PATIENCE, wait_until

COMMAND = [sys.executable, "-m", "tests.keystone", "up"]


@pytest.fixture(autouse=True)
def keystone_is_there() -> None:
    if not INSTALLED:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(MISSING)


@contextmanager
def running(folder: Path, *before: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run it as a run of its own; give the process, and the URL that it prints when it is up."""
    environment = {**os.environ, "TMPDIR": str(folder)}
    environment.pop(keeper.VARIABLE, None)
    with subprocess.Popen(
        [*before, *COMMAND],
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            first = process.stdout.readline().strip()
            yield process, first.removeprefix("export OS_AUTH_URL=")
        finally:
            process.kill()


def wait_until_gone(folder: Path, data: Path) -> None:
    """Wait until no file in the folder and no process of the run with that data is left."""
    wait_until(lambda: not list(folder.iterdir()) and not keeper.processes(str(data)))


@pytest.mark.parametrize(
    ("number", "status"), [*((number, 0) for number in up.ENDS), (signal.SIGKILL, -9)]
)
def test_it_runs_until_it_is_stopped_and_leaves_nothing(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    with running(tmp_path) as (process, url):
        assert requests.get(url, timeout=PATIENCE).status_code == 200
        (data,) = tmp_path.iterdir()
        assert keeper.processes(str(data))
        process.send_signal(number)
        assert process.wait(PATIENCE) == status
        wait_until_gone(tmp_path, data)


def test_it_survives_its_terminal_where_that_is_wanted(tmp_path: Path) -> None:
    with running(tmp_path, "nohup") as (process, url):
        process.send_signal(signal.SIGHUP)
        assert requests.get(url, timeout=PATIENCE).status_code == 200
        (data,) = tmp_path.iterdir()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        wait_until_gone(tmp_path, data)
