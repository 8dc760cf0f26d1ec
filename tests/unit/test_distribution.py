"""How tests are handed out to several processes."""

import os
import sys
from pathlib import Path

import pytest

from tests.docs.markdown import CHECKOUT
from tests.support import keeper
from tests.support.command import run

PLUGINS = ("-p", "tests.support.keeping", "-p", "tests.support.distribution")

NOTE = """
import os, pytest

def note(name):
    with open("order", "a") as order:
        print(name, os.environ["PYTEST_XDIST_WORKER"], file=order)
"""

SHARING = """
from note import *

@pytest.fixture(scope="module")
def shared():
    pass

@pytest.mark.parametrize("n", range(8))
def test_shares(shared, n):
    note("shares")
"""

ALONE = """
from note import *

@pytest.mark.parametrize("n", range(8))
def test_short(n):
    note("short")

@pytest.mark.seconds(5)
def test_long():
    note("long")

@pytest.mark.seconds(9)
def test_longest():
    note("longest")

@pytest.mark.group("chosen")
def test_chosen():
    note("chosen")
"""

CHOSEN = """
from note import *

@pytest.mark.group("chosen")
@pytest.mark.parametrize("n", range(8))
def test_chosen(n):
    note("chosen")
"""


def test_groups_stay_together_and_long_ones_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(keeper.VARIABLE)  # a run of its own
    for name, text in {
        "note": NOTE,
        "test_alone": ALONE,
        "test_chosen": CHOSEN,
        "test_sharing": SHARING,
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    environment = {"PYTHONPATH": f"{CHECKOUT}:{tmp_path}", "TMPDIR": str(tmp_path)}
    done = run(
        *("-m", "pytest", "-q", "-n", "2", f"--rootdir={tmp_path}", "-c", os.devnull),
        *(*PLUGINS, "-p", "no:cacheprovider", str(tmp_path)),
        command=[sys.executable],
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split() for line in (tmp_path / "order").read_text().splitlines()]
    for group, size in {"shares": 8, "short": 8, "chosen": 9}.items():
        assert len([line for line in lines if line[0] == group]) == size
        assert len({process for name, process in lines if name == group}) == 1, lines
    first = dict(reversed([(process, name) for name, process in lines]))
    assert set(first.values()) == {"longest", "long"}


def test_each_process_has_a_part_of_the_run() -> None:
    here = keeper.run_folder()
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is not None:
        assert here.name == worker
    assert here.is_dir()
