"""README.md does what it says: its commands are run here as a reader types them."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.markdown import CHECKOUT, page
from tests.docs.walkthrough import URL, steps, walk
from tests.support.process import Process

SET_UP_SECONDS = 900.0
"""Bound of the wait for a new virtual environment and all packages."""

STOP_SECONDS = 90.0

NOT_IN_A_CLONE = shutil.ignore_patterns(
    *(".git", ".venv", ".tox", ".*_cache", ".hypothesis", ".coverage*"),
    *("__pycache__", "build", "*.egg-info"),
)

README = page("README.md")
RUN, TEST = (block.text for block in README.blocks() if block.heading == "Set-up")


class Reader(Process):
    """Someone who follows the set-up in a fresh clone, on a machine without anything else.

    url  which came out
    """

    def __init__(self, clone: Path, home: Path) -> None:
        super().__init__("the set-up", home / "log")
        self.clone = clone
        self.environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
        # Where this machine has its packages from.
        self.environment |= {
            name: value for name, value in os.environ.items() if name.startswith("PIP_")
        }
        self.url = ""

    def start(self) -> None:
        """Run the first command, and wait until the server says where it listens."""
        port = {"OS_DRIVERS_TRANSPORT_WSGI__PORT": "0"}
        self._spawn(["sh", "-c", RUN], environment=self.environment | port, cwd=self.clone)
        self.wait_until(self._is_announced, SET_UP_SECONDS, "takes too long")

    def interrupt(self) -> None:
        """Press Ctrl-C, and wait for the end."""
        os.killpg(self.pid, signal.SIGINT)
        self.wait(STOP_SECONDS)

    def _is_announced(self) -> bool:
        found = re.search(r"The queue server listens on (\S+)\n", self.log())
        if found is not None:
            self.url = found[1]
        return found is not None


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    clone = tmp_path_factory.mktemp("reader") / "clone"
    shutil.copytree(CHECKOUT, clone, ignore=NOT_IN_A_CLONE)
    home = tmp_path_factory.mktemp("home")
    with Reader(clone, home) as reader:
        assert (home / ".local/state/marconi/marconi.db").exists()
        yield reader
        reader.interrupt()
        assert "Traceback" not in reader.log()


@pytest.mark.seconds(25)
def test_what_follows_the_set_up(reader: Reader) -> None:
    blocks = [block for block in README.blocks() if block.heading != "Set-up"]
    walk(steps(blocks), reader.url, reader.clone, reader.environment)


def test_nothing_is_left_in_the_clone_that_git_would_see(reader: Reader) -> None:
    ignored = (CHECKOUT / ".gitignore").read_text().splitlines()
    new = {path.name for path in reader.clone.iterdir()} - {
        path.name for path in CHECKOUT.iterdir()
    }
    assert new <= {line.strip("/") for line in ignored} | {"marconi_server.egg-info"}


def test_ci_runs_the_test_command() -> None:
    lines = (CHECKOUT / ".ci" / "run").read_text().splitlines(keepends=True)
    assert lines.count(TEST) == 1


def test_the_commands_are_one_line_each() -> None:
    assert RUN.count("\n") == TEST.count("\n") == 1


def test_the_url_is_the_default(reader: Reader) -> None:
    assert f"`{URL}`" in README.text
    help_text = subprocess.run(
        [reader.clone / ".venv/bin/marconi-server", "--help"],
        env=reader.environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"port {URL.rpartition(':')[2]}" in help_text
