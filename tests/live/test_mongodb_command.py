"""`python -m tests.mongodb up`: runs a replica set, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pymongo import MongoClient

from tests.docs.markdown import CHECKOUT
from tests.mongodb.deployment import Deployment
from tests.mongodb.replica_set import ReplicaSet
from tests.support import keeper, up
from tests.support.command import run
from tests.support.waiting import PATIENCE, wait_until

COMMAND = [sys.executable, "-m", "tests.mongodb"]

SECONDS = PATIENCE
"""Bound of every wait; it starts in about one second and ends in less."""


@pytest.fixture(autouse=True)
def replica_sets_can_run(mongodb: Deployment) -> None:
    """Skip where the tests have no program to start."""
    if not isinstance(mongodb, ReplicaSet):
        pytest.skip("the MongoDB of this run was given")


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command as a run of its own; give the process and the URI that it prints."""
    environment = {**os.environ, "TMPDIR": str(folder)}
    environment.pop(keeper.VARIABLE, None)
    with subprocess.Popen(
        [*COMMAND, "up", *arguments],
        cwd=CHECKOUT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
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
    with running(tmp_path) as (process, uri):
        assert re.fullmatch(r"mongodb://127\.0\.0\.1:\d+/\?replicaSet=marconi", uri)
        with MongoClient[dict[str, int]](uri) as client:
            client.trial.numbers.insert_one({"number": 7})
            assert client.trial.numbers.count_documents({"number": 7}) == 1
        (data,) = tmp_path.iterdir()
        assert len(keeper.processes(str(data))) == 1
        process.send_signal(number)
        assert process.wait(SECONDS) == status
        wait_until_gone(tmp_path, data)


def test_it_runs_as_many_members_as_asked_for(tmp_path: Path) -> None:
    with running(tmp_path, "--members", "3") as (process, uri):
        with MongoClient[dict[str, int]](uri) as client:
            assert len(client.admin.command("hello")["hosts"]) == 3
        (data,) = tmp_path.iterdir()
        assert len(keeper.processes(str(data))) == 3
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0
        wait_until_gone(tmp_path, data)


def test_help_says_what_it_does() -> None:
    done = run("up", "--help", command=COMMAND, cwd=CHECKOUT)
    assert done.returncode == 0
    assert "until Ctrl-C" in done.stdout
