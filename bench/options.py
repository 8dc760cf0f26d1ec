"""What the commands have in common: their options, and what they refuse to measure."""

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench import machine, mongodb, results, wrk
from bench.cases import CASES, Case
from bench.engines import ENGINES
from tests.mongodb import search

INVALID: Final = 1
FAILED: Final = 2

MEMORY: Final = ("tmpfs", "ramfs")
"""File systems without a disk, where a durable commit costs nothing."""


class Unfit(Exception):
    """It cannot be measured here; the text says what to do."""


def count(text: str) -> int:
    """Read an option that is a whole number above zero.

    :raises argparse.ArgumentTypeError: it is none
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def add_counts(parser: argparse.ArgumentParser, options: Sequence[tuple[str, int, str]]) -> None:
    """Add options that are whole numbers: name, default, help."""
    for name, default, text in options:
        parser.add_argument(
            name, type=count, default=default, metavar="N", help=f"{text} (%(default)s)"
        )


def add_cases(parser: argparse.ArgumentParser, doing: str) -> None:
    """Add the argument that chooses among the cases; `doing` tells what is done with them."""
    parser.add_argument(
        "cases",
        nargs="*",
        type=_case,
        default=CASES,
        metavar="case",
        help=f"what to {doing}: {', '.join(case.name for case in CASES)} (all)",
    )


def _case(name: str) -> Case:
    for case in CASES:
        if case.name == name:
            return case
    raise argparse.ArgumentTypeError(f"there is no case {name!r}")


def add_engines(parser: argparse.ArgumentParser) -> None:
    """Add the option that chooses among the engines."""
    parser.add_argument(
        "--engines",
        nargs="+",
        choices=ENGINES,
        default=list(ENGINES),
        metavar="NAME",
        help=f"where messages are: {', '.join(ENGINES)} (all)",
    )


def add_places(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where things are."""
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("/var/tmp"),
        help="where databases are made and thrown away, on the disk to measure (%(default)s)",
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=results.FOLDER,
        metavar="FOLDER",
        help="where the report goes (bench/results)",
    )


def check(folder: Path, *, on_mongodb: bool, with_wrk: bool) -> None:
    """Make sure that databases in a folder can be measured.

    :raises Unfit: they cannot
    """
    if not folder.is_dir():
        raise Unfit(f"{folder} is not a folder; name another with --folder")
    if (kind := machine.filesystem(folder)) in MEMORY:
        raise Unfit(f"{folder} is in memory ({kind}); name another with --folder")
    if with_wrk and not wrk.available():
        raise Unfit(wrk.MISSING)
    if on_mongodb:
        try:
            search.mongod()
        except search.NoMongoDB as missing:
            raise Unfit(str(missing)) from missing


def now() -> str:
    """Return the time as results have it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def conditions(folder: Path, *, on_mongodb: bool, **more: str) -> dict[str, str]:
    """Describe what is measured on."""
    described: Mapping[str, str] = machine.describe(folder)
    return {**described, **({"MongoDB": mongodb.version()} if on_mongodb else {}), **more}


def command(name: str, arguments: Sequence[str]) -> str:
    """Return the command line that repeats a run."""
    return shlex.join(["python", "-m", "bench", *filter(None, [name]), *arguments])


def fail(reason: object) -> int:
    """Say why nothing was measured; return the exit status."""
    print(f"bench: {reason}", file=sys.stderr)
    return FAILED
