"""The guided page leads from nothing to two nodes with Keystone and MongoDB behind HAProxy.

Its commands are run here as they stand there, but for the ports: in one shell, and in several that
are lost in the middle.
"""

import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.markdown import CHECKOUT, page
from tests.docs.test_readme import NOT_IN_A_CLONE, RUN
from tests.docs.walkthrough import END, Step, Varying, compare, script, steps
from tests.keystone.server import MISSING
from tests.support import keeper
from tests.support.programs import find
from tests.support.waiting import wait_until

PAGE = page("docs/operations/two-nodes.md")

BLOCKS = [block for block in PAGE.blocks() if block.language != ""]  # the drawing has none

SECONDS = 900.0
"""Bound of the wait for the whole page, which takes a tenth of it on an idle machine."""

MARK = "--- environment ---"

ENVIRONMENT = f"echo '{MARK}'; export -p | grep -v ' _='; declare -F; echo '{MARK}'"
"""Shows what a shell has of variables for others, and of functions."""

VARYING: list[Varying] = [
    (re.compile(r"^Configuration file is valid\n", re.MULTILINE), ""),  # HAProxy 3 is silent
    (re.compile(r"/\S*/marconi-trial"), "<trial>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "<address>"),
    (re.compile(r"^marconi-server \S+, Python \S+$", re.MULTILINE), "<versions>"),
    (re.compile(r"(?<=database marconi, ).*"), "<contents>"),
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


class Reader:
    """Somebody who follows the page in a clone, on ports of his own."""

    def __init__(self, folder: Path, part: str, ports: Sequence[int]) -> None:
        self.home = folder / "home"
        self.trial = self.home / "marconi-trial"
        self._clone = self.home / "clone"
        self._part = part
        self._ports = dict(zip(("127.0.0.1:8888", "8881", "8882"), ports, strict=True))
        make_clone(self._clone)
        # The Python of the tests is that of the machine.
        self._environment = {
            "HOME": str(self.home),
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            keeper.VARIABLE: part,
            **{name: os.environ[name] for name in os.environ if name.startswith("PIP_")},
        }

    @contextmanager
    def shell(self, wanted: Sequence[Step], cwd: Path | None = None) -> Iterator["Shell"]:
        """Enter steps into a shell; it ends when all are done, if one of them ends it."""
        # -m: as in a terminal, each job is a group of processes. The shell in the shell, too.
        commands = f"set -emu\n{ENVIRONMENT}\n{script(wanted)}{ENVIRONMENT}\n"
        commands = commands.replace("/env\n\necho", "/env\nset -emu\n\necho")
        for shown, port in self._ports.items():
            commands = commands.replace(shown, f"127.0.0.1:{port}" if ":" in shown else str(port))
        folder = Path(tempfile.mkdtemp(dir=self.home.parent))
        with (folder / "output").open("wb") as stdout, (folder / "errors").open("wb") as stderr:
            process = subprocess.Popen(
                ["bash"],
                cwd=cwd or self._clone,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        assert process.stdin is not None
        with process.stdin:
            process.stdin.write(commands.encode())
            process.stdin.flush()
            yield Shell(process, folder)
        process.wait(SECONDS)

    def follow(self, wanted: Sequence[Step], cwd: Path | None = None) -> str:
        """Enter steps into a shell that ends with them, and compare what is answered."""
        with self.shell(wanted, cwd) as shell:
            pass
        assert shell.process.returncode == 0, f"{shell.output()}\n{shell.errors()}"
        _, before, output, after, _ = shell.output().split(f"{MARK}\n")
        assert before == after, "the shell is not what it was"
        compare(wanted, output, VARYING)
        return output

    def follow_and_be_lost(self, wanted: Sequence[Step], cwd: Path | None = None) -> None:
        """Enter steps into a shell, and lose its terminal when they are done."""
        done, nobody = self.home.parent / "done", self.home.parent / "nobody"
        last = Step(f"mkfifo {nobody}; touch {done}; read < {nobody}", "", "")
        with self.shell([*wanted, last], cwd) as shell:
            wait_until(
                lambda: done.exists() or shell.process.poll() is not None,
                lambda: f"{shell.output()}\n{shell.errors()}",
                seconds=SECONDS,
            )
            assert done.exists(), f"{shell.output()}\n{shell.errors()}"
            done.unlink()
            nobody.unlink()
            # A shell passes it on to its jobs.
            for process in keeper.processes(self._part):
                with suppress(ProcessLookupError):
                    if os.getsid(process) == shell.process.pid:
                        os.kill(process, signal.SIGHUP)
        _, _, output = shell.output().split(f"{MARK}\n")
        compare(wanted, output.rpartition(END)[0] + END, VARYING)

    def running(self) -> set[int]:
        """Return the processes of the trial."""
        return keeper.processes(self._part)


@dataclass(frozen=True)
class Shell:
    """A shell, and the folder of what it wrote."""

    process: "subprocess.Popen[bytes]"
    folder: Path

    def output(self) -> str:
        return (self.folder / "output").read_text()

    def errors(self) -> str:
        return (self.folder / "errors").read_text()


@pytest.fixture
def reader(tmp_path_factory: pytest.TempPathFactory, part: str, mongod: Path) -> Iterator[Reader]:
    find("haproxy")
    if missing := [name for name in ("keystone", "openstackclient") if not installed(name)]:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{MISSING} ({missing})")
    with held_ports(3) as ports:
        # By a short name: the path of HAProxy's socket may have 97 characters.
        yield Reader(tmp_path_factory.mktemp("trial"), part, ports)


def between(first: str, end: str | None = None) -> list[Step]:
    """Return the steps of the sections from one heading to before another."""
    headings = [block.heading for block in BLOCKS]
    return steps(BLOCKS[headings.index(first) : None if end is None else headings.index(end)])


INSTALL, *PREPARE = between("What you need", "MongoDB")

ENTER = PREPARE[-1]
"""How to come into a shell of the trial."""


@pytest.mark.seconds(120)
def test_the_whole_page(reader: Reader) -> None:
    assert "apt-get install" in INSTALL.command
    output = reader.follow([*PREPARE, *between("MongoDB")])
    acknowledged, lost = (
        [int(count) for count in re.findall(rf"^ +(\d+) {status}$", output, re.MULTILINE)]
        for status in (201, 502)
    )
    (stored,) = (int(count) for count in re.findall(r'^"total": (\d+)$', output, re.MULTILINE))
    assert acknowledged[0] <= stored <= acknowledged[0] + sum(lost)
    assert reader.running() == set(), "what the page takes down is not all that it started"
    assert not reader.trial.exists()


@pytest.mark.seconds(120)
def test_it_can_be_interrupted_and_gone_on_with_in_any_shell(reader: Reader) -> None:
    reader.follow_and_be_lost([*PREPARE, *between("MongoDB", "Kill the other one")])
    assert reader.running()
    reader.follow_and_be_lost([ENTER, *between("Kill the other one", "Upgrade")], reader.home)
    reader.follow([ENTER, *between("Take it down")], reader.home)
    assert reader.running() == set()
    assert not reader.trial.exists()


@pytest.mark.seconds(120)
def test_it_can_be_begun_again_and_taken_down_in_the_middle(reader: Reader, part: str) -> None:
    """As after a restart of the machine, with all files still there."""
    beginning = [*PREPARE, *between("MongoDB", "Stop a node while requests go on")]
    reader.follow_and_be_lost(beginning)
    keeper.kill_all(part)
    assert reader.trial.exists()
    reader.follow_and_be_lost([ENTER, *between("MongoDB", "Stop a node while requests go on")])
    # And once more, while everything runs.
    again = [*PREPARE, *between("MongoDB", "Register the server")]
    again += [*between("The configuration", "First messages")]
    reader.follow([*again, *between("Take it down")])
    assert reader.running() == set()
    assert not reader.trial.exists()


def installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


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
