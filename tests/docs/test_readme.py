"""README.md does what it says: its commands are run here as a reader types them."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.docs.markdown import CHECKOUT, page
from tests.docs.walkthrough import URL, steps, walk
from tests.support.programs import find

SET_UP_SECONDS = 300.0
"""Bound of the wait for a new virtual environment and all packages."""

STOP_SECONDS = 45.0

PROGRAMS = ("sh", "curl", "grep")
"""What the page uses of a machine, beside Python; a compiler is not among it."""

COMPILERS = ("cc", "gcc", "c++", "g++", "c99", "clang", "ld", "make", "rustc", "cargo")

NOT_IN_A_CLONE = shutil.ignore_patterns(
    ".git", ".venv", ".tox", ".*_cache", ".hypothesis", "__pycache__", "build", "*.egg-info"
)

README = page("README.md")
RUN, TEST = (block.text for block in README.blocks() if block.heading == "Set-up")


@dataclass(frozen=True)
class Reader:
    """Someone who followed the set-up: where, on what machine, and which URL came out."""

    clone: Path
    environment: dict[str, str]
    url: str


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Run the first command in a fresh clone, on a machine without anything else."""
    clone = tmp_path_factory.mktemp("reader") / "clone"
    shutil.copytree(CHECKOUT, clone, ignore=NOT_IN_A_CLONE)
    home = tmp_path_factory.mktemp("home")
    programs = tmp_path_factory.mktemp("programs")
    for name in PROGRAMS:
        (programs / name).symlink_to(find(name))
    (programs / "python3").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    # No package may come as anything but a wheel; pip reads this as `--only-binary=:all:`.
    environment = {"HOME": str(home), "PATH": str(programs), "PIP_ONLY_BINARY": ":all:"}
    # Where this machine has its packages from.
    environment |= {name: os.environ[name] for name in os.environ if name.startswith("PIP_")}
    log = home / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["sh", "-c", RUN],
            cwd=clone,
            env=environment | {"OS_DRIVERS_TRANSPORT_WSGI__PORT": "0"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = announced_url(process, log)
        assert (home / ".local/state/marconi/marconi.db").exists()
        yield Reader(clone, environment, url)
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
        process.wait(STOP_SECONDS)
        assert "Traceback" not in log.read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def announced_url(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Wait until the server says where it listens."""
    deadline = time.monotonic() + SET_UP_SECONDS
    while True:
        said = log.read_text()
        if found := re.search(r"The queue server listens on (\S+)\n", said):
            return found[1]
        assert process.poll() is None, said
        assert time.monotonic() < deadline, said
        time.sleep(0.1)


def test_the_set_up_needs_no_compiler(reader: Reader) -> None:
    programs = reader.environment["PATH"]
    assert [name for name in COMPILERS if shutil.which(name, path=programs)] == []
    with urlopen(f"{reader.url}/v1/health", timeout=STOP_SECONDS) as answer:
        assert answer.status == 204


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
    last = (CHECKOUT / ".ci" / "run").read_text().rstrip("\n").rpartition("\n")[2]
    assert f"{last}\n" == TEST


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
