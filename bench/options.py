"""What the commands have in common: their options, and what they refuse to measure."""

import argparse
import re
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from bench import machine, results, wrk
from bench.cases import CASES
from bench.engines import ENGINES
from tests.mongodb import search

INVALID: Final = 1
FAILED: Final = 2

MEMORY: Final = ("tmpfs", "ramfs")
"""File systems without a disk, where a durable commit costs nothing."""


Thing = TypeVar("Thing")


class Unfit(Exception):
    """It cannot be measured here; the text says what to do."""


def parser(command: str, text: str | None) -> argparse.ArgumentParser:
    """Return the parser of a command, with the options that say where things are."""
    made = argparse.ArgumentParser(prog=f"python -m bench {command}".rstrip(), description=text)
    made.add_argument(
        "--folder",
        type=Path,
        default=Path("/var/tmp"),
        help="where databases are made and thrown away, on the disk to measure (%(default)s)",
    )
    made.add_argument(
        "--results",
        type=Path,
        default=results.FOLDER,
        metavar="FOLDER",
        help="where the result goes, in the place of the last one of its kind (bench/results)",
    )
    made.add_argument(
        "--name",
        type=_name,
        default="",
        help="a name for the result, if it is not to take that place: bench/results/KIND-NAME.json",
    )
    return made


def parse(made: argparse.ArgumentParser, argv: Sequence[str]) -> argparse.Namespace:
    """Read a command line; `command` of what is returned is the line that repeats the run.

    :raises SystemExit: argparse ends the process in this way
    """
    line = shlex.join([*made.prog.split(), *argv])
    return made.parse_args(argv, argparse.Namespace(command=line))


def _name(text: str) -> str:
    if not re.fullmatch(r"([a-z0-9]+(-[a-z0-9]+)*)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not of small letters, digits and hyphens")
    return text


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


def among(things: Mapping[str, Thing], what: str) -> Callable[[str], Thing]:
    """Return what reads an argument that names one of these things.

    It is not `choices`, which argparse would hold the default of several arguments to as well.
    """

    def choose(name: str) -> Thing:
        if name not in things:
            raise argparse.ArgumentTypeError(f"there is no {what} {name!r}")
        return things[name]

    return choose


def add_cases(parser: argparse.ArgumentParser, doing: str) -> None:
    """Add the argument that chooses among the cases; `doing` tells what is done with them."""
    by_name = {case.name: case for case in CASES}
    parser.add_argument(
        "cases",
        nargs="*",
        type=among(by_name, "case"),
        default=CASES,
        metavar="case",
        help=f"what to {doing}: {', '.join(by_name)} (all)",
    )


def add_names(
    parser: argparse.ArgumentParser, name: str, known: Collection[str], text: str
) -> None:
    """Add an option that chooses some of the names that are known; all if it is not given."""
    parser.add_argument(
        name,
        nargs="+",
        choices=known,
        default=list(known),
        metavar="NAME",
        help=f"{text}: {', '.join(known)} (all)",
    )


def add_engines(parser: argparse.ArgumentParser) -> None:
    """Add the option that chooses among the engines."""
    add_names(parser, "--engines", ENGINES, "where messages are")


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
