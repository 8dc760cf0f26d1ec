"""Measure the server beside what limits it, and write the figures down.

Other commands: growth, endurance, profile, report; `python -m bench growth --help` and so on.

Exit status: 0, or 1 if any answer was wrong or missing, or 2 if it could not be measured.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import product
from pathlib import Path

from bench import guard, options, report, results
from bench.cases import Case
from bench.contenders import AT_FIXED_RATES, CONTENDERS, ON_MONGODB
from bench.measure import Plan
from bench.results import Contest, Measurement, Row
from bench.run import run
from marconi_server.config.settings import Wsgi
from tests.keystone import server as keystone


def _parser() -> argparse.ArgumentParser:
    parser = options.parser("", __doc__)
    add = parser.add_argument
    options.add_cases(parser, "measure")
    options.add_names(parser, "--contenders", CONTENDERS, "whom to measure")
    add(
        "--baseline",
        choices=CONTENDERS,
        default=results.BASELINE,
        metavar="NAME",
        help="whom to compare the others with (%(default)s)",
    )
    add(
        "--connections",
        nargs="+",
        type=options.count,
        default=[32],
        metavar="N",
        help="connections of the load tool, several to measure each (32)",
    )
    add(
        "--rates",
        nargs="*",
        type=options.count,
        default=[50, 80],
        metavar="PERCENT",
        help="shares of its maximum at which the latency of each server is measured as well,"
        " none to leave that out (50 80)",
    )
    options.add_counts(
        parser,
        (
            ("--seconds", 5, "length of a measurement"),
            ("--warm-up", 1, "seconds of load before it"),
            ("--rounds", 3, "measurements of each row"),
            ("--workers", Wsgi.workers, "worker processes of a server"),
            ("--threads", Wsgi.threads, "threads of a worker"),
            ("--load-threads", 1, "threads of wrk"),
            ("--timeout", 2, "seconds after which an answer counts as an error"),
        ),
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the contest; return the exit status. Errors are those of `parse` and `run`."""
    arguments = options.parse(_parser(), argv)
    if "keystone" in arguments.contenders and not keystone.INSTALLED:
        raise options.Unfit(f"{keystone.MISSING}, or leave this contender out (--contenders)")
    if "granian" in arguments.contenders and find_spec("granian") is None:
        raise options.Unfit("granian is missing; install the extra bench, or leave it out")
    before = guard.last_shares(results.FOLDER, arguments.baseline)
    result = run(
        "contest",
        arguments,
        lambda **head: Contest(rows=list(_measure(arguments)), baseline=arguments.baseline, **head),
        report.markdown,
        on_mongodb=not ON_MONGODB.isdisjoint(arguments.contenders),
        server=f"{arguments.workers} workers of {arguments.threads} threads",
        rounds=f"{arguments.rounds} of {arguments.seconds} s",
    )
    for line in guard.fallen(result, before):
        print(f"SLOWER {line}")
    for line in report.complaints(result.rows):
        print(f"INVALID {line}", file=sys.stderr)
    return options.INVALID if any(row.errors for row in result.rows) else 0


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
        plans = {name: plan for name in CONTENDERS if name in arguments.contenders}
        rows = [
            Row(case.name, connections, name, rounds)
            for name, rounds in _rounds(case, plans, arguments)
        ]
        yield from rows
        maxima = {
            row.contender: row.rate
            for row in rows
            if row.contender in AT_FIXED_RATES and not row.errors
        }
        for percent in arguments.rates:
            rates = {name: maximum * percent / 100 for name, maximum in maxima.items()}
            plans = {name: replace(plan, rate=rate) for name, rate in rates.items()}
            for name, rounds in _rounds(case, plans, arguments):
                yield Row(case.name, connections, name, rounds, percent, rates[name])


def _rounds(
    case: Case, plans: dict[str, Plan], arguments: argparse.Namespace
) -> list[tuple[str, list[Measurement]]]:
    """Measure contenders, each by its plan, in turn; return the rounds of each."""
    rounds: dict[str, list[Measurement]] = {name: [] for name in plans}
    for number in range(arguments.rounds):
        # Back and forth, so that nobody always has the same place behind somebody.
        for name in list(plans)[:: -1 if number % 2 else 1]:
            rounds[name].append(_measure_once(case, plans[name], name, arguments.folder))
    return list(rounds.items())


def _measure_once(case: Case, plan: Plan, name: str, folder: Path) -> Measurement:
    with tempfile.TemporaryDirectory(prefix="marconi-bench-", dir=folder) as fresh:
        measured = CONTENDERS[name](case, plan, Path(fresh))
    asked = "" if plan.rate is None else f" of {plan.rate:,.0f}/s"
    print(
        f"{case.name}, {plan.connections} connections, {name}: {measured.rate:,.0f}/s{asked}, "
        f"others {measured.others:.0%} {measured.complaint}".rstrip(),
        file=sys.stderr,
        flush=True,
    )
    return measured
