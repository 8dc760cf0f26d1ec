"""Measure the server beside what limits it, and write the figures down.

Exit status: 0, or 1 if any answer was wrong or missing, or 2 if it could not be measured.
"""

import argparse
import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Final, NoReturn

from bench import machine, report, wrk
from bench.cases import CASES, Case
from bench.contenders import CONTENDERS, Plan
from bench.report import Measurement, Result, Row
from bench.servers import ROOT, BenchError
from marconi_server.settings import Wsgi

INVALID: Final = 1
FAILED: Final = 2

MEMORY: Final = ("tmpfs", "ramfs")
"""File systems without a disk, where a durable commit costs nothing."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    add = parser.add_argument
    add(
        "cases",
        nargs="*",
        type=_case,
        default=CASES,
        metavar="case",
        help=f"what to measure: {', '.join(case.name for case in CASES)} (all)",
    )
    add(
        "--contenders",
        nargs="+",
        choices=CONTENDERS,
        default=list(CONTENDERS),
        metavar="NAME",
        help=f"whom to measure: {', '.join(CONTENDERS)} (all)",
    )
    add(
        "--connections",
        nargs="+",
        type=_count,
        default=[32],
        metavar="N",
        help="connections of the load tool, several to measure each (32)",
    )
    for name, default, text in (
        ("--seconds", 5, "length of a measurement"),
        ("--warm-up", 1, "seconds of load before it"),
        ("--rounds", 3, "measurements of each row"),
        ("--workers", Wsgi.workers, "worker processes of a server"),
        ("--threads", Wsgi.threads, "threads of a worker, and of the bare store"),
        ("--load-threads", 1, "threads of wrk"),
        ("--timeout", 2, "seconds after which an answer counts as an error"),
    ):
        add(name, type=_count, default=default, metavar="N", help=f"{text} (%(default)s)")
    add(
        "--folder",
        type=Path,
        default=Path("/var/tmp"),
        help="where databases are made and thrown away, on the disk to measure (%(default)s)",
    )
    add(
        "--results",
        type=Path,
        default=ROOT / "bench" / "results",
        metavar="FOLDER",
        help="where the report goes (bench/results)",
    )
    return parser


def _case(name: str) -> Case:
    for case in CASES:
        if case.name == name:
            return case
    raise argparse.ArgumentTypeError(f"there is no case {name!r}")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; return its exit status.

    :raises SystemExit: argparse ends the process in this way
    """
    arguments = _parser().parse_args(argv)
    if not arguments.folder.is_dir():
        return _fail(f"{arguments.folder} is not a folder; name another with --folder")
    if (kind := machine.filesystem(arguments.folder)) in MEMORY:
        return _fail(f"{arguments.folder} is in memory ({kind}); name another with --folder")
    if not wrk.available():
        return _fail(wrk.MISSING)
    started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = {
        **machine.describe(arguments.folder),
        "server": f"{arguments.workers} workers of {arguments.threads} threads",
        "rounds": f"{arguments.rounds} of {arguments.seconds} s",
    }
    try:
        rows = list(_measure(arguments))
    except BenchError as error:
        return _fail(str(error))
    command = shlex.join(["python", "-m", "bench", *(sys.argv[1:] if argv is None else argv)])
    result = Result(started=started, command=command, conditions=conditions, rows=rows)
    path = report.write(result, arguments.results)
    print(report.table(rows))
    print(f"\nWritten to {path} and beside it as .json")
    for line in report.complaints(rows):
        print(f"INVALID {line}", file=sys.stderr)
    return INVALID if any(row.errors for row in rows) else 0


def _fail(reason: str) -> int:
    print(f"bench: {reason}", file=sys.stderr)
    return FAILED


def _measure(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measure row after row; the contenders of a case take turns, so that drift hits all."""
    for connections, case in product(arguments.connections, arguments.cases):
        plan = Plan(
            connections=connections,
            seconds=arguments.seconds,
            warm_up=arguments.warm_up,
            workers=arguments.workers,
            threads=arguments.threads,
            load_threads=arguments.load_threads,
            timeout=arguments.timeout,
        )
        rounds: dict[str, list[Measurement]] = {
            name: [] for name in CONTENDERS if name in arguments.contenders
        }
        for number in range(arguments.rounds):
            # Back and forth, so that nobody always has the same place behind somebody.
            for name in list(rounds)[:: -1 if number % 2 else 1]:
                rounds[name].append(_measure_once(case, plan, name, arguments.folder))
        for name, measurements in rounds.items():
            yield Row(case.name, connections, name, measurements)


def _measure_once(case: Case, plan: Plan, name: str, folder: Path) -> Measurement:
    with tempfile.TemporaryDirectory(prefix="marconi-bench-", dir=folder) as fresh:
        measured = CONTENDERS[name](case, plan, Path(fresh))
    print(
        f"{case.name}, {plan.connections} connections, {name}: {measured.rate:,.0f}/s, "
        f"others {measured.others:.0%} {measured.complaint}".rstrip(),
        file=sys.stderr,
        flush=True,
    )
    return measured


def _terminate(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    # Also when it is told to stop, it ends its servers first.
    signal.signal(signal.SIGTERM, _terminate)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
