"""The guided page leads from nothing to two nodes with Keystone and MongoDB behind HAProxy.

Its commands are run here as they stand there, in one shell, but for the ports.
"""

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.docs.markdown import CHECKOUT, page
from tests.docs.test_readme import NOT_IN_A_CLONE, RUN
from tests.docs.walkthrough import Varying, compare, script, steps
from tests.keystone.server import MISSING
from tests.support import keeper
from tests.support.programs import find

PAGE = page("docs/operations/two-nodes.md")

BLOCKS = [block for block in PAGE.blocks() if block.language != ""]  # the drawing has none

SECONDS = 900.0
"""Bound of the wait for the whole page, which takes a tenth of it on an idle machine."""

VARYING: list[Varying] = [
    (re.compile(r"^Configuration file is valid\n", re.MULTILINE), ""),  # HAProxy 3 is silent
    (re.compile(r"/\S*/marconi-trial"), "<trial>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "<address>"),
    # Lines of the logs.
    (
        re.compile(r"\[\d\d/[A-Z][a-z]{2}/\d{4}[\d:.]+\]|^\d{4}-\d\d-\d\dT\S+", re.MULTILINE),
        "<now>",
    ),
    (re.compile(r"\bnode[12] [\d/]+ 204 \d+\b.*\{"), "<node, times, sizes, counts> {"),
    (re.compile(r"\d\.\d{6} s\b"), "<seconds>"),
    # How many requests the client made; of one the answer may have got lost.
    (re.compile(r"^ +\d+ 502\n", re.MULTILINE), ""),
    (re.compile(r"^ +\d+ (?=201$)", re.MULTILINE), "<count> "),
    (re.compile(r'(?<="total": )\d+'), "<count>"),
]


@pytest.fixture
def part() -> Iterator[str]:
    """Give a part of the run for what the reader starts, all of which ends with the test."""
    folder = tempfile.mkdtemp(prefix="reader-", dir=keeper.run_folder())
    yield folder
    keeper.kill_all(folder)


@contextmanager
def held_ports(number: int) -> Iterator[list[int]]:
    """Give ports on which only those can listen who are told of them."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            each.bind(("127.0.0.1", 0))
        yield [each.getsockname()[1] for each in sockets]


def make_clone(clone: Path) -> None:
    """Copy the checkout, and put beside it what pip would otherwise have to fetch.

    All but our own package is found in the environment of the tests, so that it takes seconds to
    install. That the packages can be fetched is shown by tox, which has done so.
    """
    shutil.copytree(CHECKOUT, clone, ignore=NOT_IN_A_CLONE)
    packages = Path(sysconfig.get_path("purelib"))
    mine = clone / ".venv" / packages.relative_to(sys.prefix)
    mine.mkdir(parents=True)
    (mine / "fetched.pth").write_text(f"{packages}\n")
    scripts = Path(sysconfig.get_path("scripts"))
    (clone / ".venv" / "bin").mkdir()
    for name in ("keystone-manage", "openstack", "pip"):
        text = (scripts / name).read_text().replace(str(scripts), str(clone / ".venv" / "bin"))
        (clone / ".venv" / "bin" / name).write_text(text)
        (clone / ".venv" / "bin" / name).chmod(0o755)


@pytest.mark.seconds(120)
def test_the_whole_page(tmp_path: Path, part: str, mongod: Path) -> None:
    find("haproxy")
    if missing := [name for name in ("keystone", "openstackclient") if not installed(name)]:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{MISSING} ({missing})")
    home = tmp_path / "home"
    clone = home / "clone"
    make_clone(clone)
    first, *rest = steps(BLOCKS)
    assert "apt-get install" in first.command
    # -m: as in a terminal, each job is a group of processes.
    commands = f"set -emu\n{script(rest)}"
    with held_ports(3) as (balancer, *nodes):
        commands = commands.replace("127.0.0.1:8888", f"127.0.0.1:{balancer}")
        for shown, port in zip(("8881", "8882"), nodes, strict=True):
            commands = commands.replace(shown, str(port))
        output = run(commands, clone, home, part)
    compare(rest, output, VARYING)
    acknowledged, lost = (
        [int(count) for count in re.findall(rf"^ +(\d+) {status}$", output, re.MULTILINE)]
        for status in (201, 502)
    )
    (stored,) = (int(count) for count in re.findall(r'^"total": (\d+)$', output, re.MULTILINE))
    assert acknowledged[0] <= stored <= acknowledged[0] + sum(lost)
    assert keeper.processes(part) == set(), "what the page takes down is not all that it started"
    assert not (home / "marconi-trial").exists()


def installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def run(commands: str, clone: Path, home: Path, part: str) -> str:
    """Run commands in a shell, and return what they write to standard output."""
    file = home.parent / "commands"
    file.write_text(commands)
    # The Python of the tests is that of the machine.
    environment = {"HOME": str(home), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    environment |= {name: os.environ[name] for name in os.environ if name.startswith("PIP_")}
    environment[keeper.VARIABLE] = part
    output, errors = home.parent / "output", home.parent / "errors"
    with output.open("wb") as stdout, errors.open("wb") as stderr:
        done = subprocess.run(
            ["bash", str(file)],
            cwd=clone,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            timeout=SECONDS,
            check=False,
        )
    assert done.returncode == 0, f"{output.read_text()}\n{errors.read_text()}"
    return output.read_text()


def test_ci_installs_what_the_page_installs() -> None:
    (command,) = re.findall(r"^sudo apt-get install (.*)$", PAGE.text, re.MULTILINE)
    missing = re.findall(r"missing\+=\((.*?)\)", (CHECKOUT / ".ci" / "run").read_text())
    assert set(command.split()) <= set(" ".join(missing).split())


def test_the_extras_are_those_that_tox_installs() -> None:
    """As the README has the rest of the line."""
    install, upgrade = re.findall(r"^.*pip install .*$", PAGE.text, re.MULTILINE)
    plain, extras = re.fullmatch(r"(.*) '\.\[(.*)\]'", install).groups()  # type: ignore[union-attr]
    assert RUN.startswith(f"{plain} . && ")
    assert upgrade in install
    (installed,) = re.findall(
        r"^\[testenv:tests\]\n(?:.*\n)*?extras = (.*)$",
        (CHECKOUT / "tox.ini").read_text(),
        re.MULTILINE,
    )
    assert set(extras.split(",")) <= set(installed.split(", "))
