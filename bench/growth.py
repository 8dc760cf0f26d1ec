"""Measure what becomes of latencies as there is more of something.

For each question there are stores that differ in one thing. They are filled first, and then
measured in turn, so that what slows the machine slows all. Each is asked by one thread of this
process, and then through HTTP by one connection, so that nothing waits for others.

Exit status: 0, or 2 if it could not be measured.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import Final

from bench import options
from bench.client import Connection
from bench.engines import ENGINES, Engine
from bench.growth_report import markdown
from bench.points import QUESTIONS, Point
from bench.results import Growth, GrowthRow, Latency
from bench.run import run
from bench.servers import serve, server_options
from bench.subjects import OPERATIONS, OfServer, OfStore, Subject, sample
from marconi_server.config.settings import Wsgi

_ANSWER_SECONDS: Final = 60.0


def _parser() -> argparse.ArgumentParser:
    parser = options.parser("growth", __doc__)
    parser.add_argument(
        "questions",
        nargs="*",
        type=options.among({name: name for name in QUESTIONS}, "question"),
        default=list(QUESTIONS),
        metavar="question",
        help=f"what grows: {', '.join(QUESTIONS)} (all)",
    )
    options.add_engines(parser)
    options.add_counts(
        parser,
        (
            ("--rounds", 5, "measurements of each store"),
            ("--samples", 200, "operations of each kind in a measurement"),
            # Until the log of SQLite has its size, a commit makes it longer and takes longer.
            ("--warm-up", 250, "operations of each kind before all of them"),
            ("--largest", max(each.size for each in _points()), "leave out what is larger"),
        ),
    )
    return parser


def _points() -> Iterator[Point]:
    for question in QUESTIONS.values():
        yield from question.points


def main(argv: Sequence[str]) -> int:
    """Measure growth; return the exit status. Errors are those of `parse` and `run`."""
    arguments = options.parse(_parser(), argv)
    run(
        "growth",
        arguments,
        lambda **head: Growth(rows=list(_measure(arguments)), **head),
        markdown,
        on_mongodb="mongodb" in arguments.engines,
        with_wrk=False,
        rounds=f"{arguments.rounds} of {arguments.samples} operations of each kind",
    )
    return 0


def _measure(arguments: argparse.Namespace) -> Iterator[GrowthRow]:
    for engine_name in arguments.engines:
        for question in arguments.questions:
            points = [
                point for point in QUESTIONS[question].points if point.size <= arguments.largest
            ]
            # An engine for each question, so that no question finds what another one left.
            with (
                tempfile.TemporaryDirectory(prefix="marconi-bench-", dir=arguments.folder) as fresh,
                ENGINES[engine_name](Path(fresh)) as engine,
            ):
                for level, latencies in _levels(engine, points, Path(fresh), arguments):
                    for point in points:
                        for operation in OPERATIONS:
                            rounds = [each[operation] for each in latencies[point]]
                            yield GrowthRow(
                                question, engine_name, level, operation, point.size, rounds
                            )
            print(f"{engine_name}, {question}: measured", file=sys.stderr, flush=True)


Latencies = dict[Point, list[dict[str, Latency]]]
"""The rounds of each point, by operation."""


def _levels(
    engine: Engine, points: Sequence[Point], folder: Path, arguments: argparse.Namespace
) -> Iterator[tuple[str, Latencies]]:
    with ExitStack() as stack:
        subjects: dict[Point, Subject] = {}
        for point in points:
            store = stack.enter_context(engine.store(_name(point)))
            engine.fill(_name(point), store, point)
            print(f"{point} is filled", file=sys.stderr, flush=True)
            subjects[point] = OfStore(store)
        yield "store", _in_turn(subjects, arguments)
    with ExitStack() as stack:
        subjects = {}
        for point in points:
            flags = [*engine.options(_name(point)), *server_options(1, Wsgi.threads)]
            log = folder / f"{_name(point)}.log"
            server = stack.enter_context(serve("marconi_server", flags, log))
            connection = Connection(server.port, timeout=_ANSWER_SECONDS)
            subjects[point] = OfServer(stack.enter_context(closing(connection)))
        yield "HTTP", _in_turn(subjects, arguments)


def _name(point: Point) -> str:
    return f"size{point.size}"


def _in_turn(subjects: dict[Point, Subject], arguments: argparse.Namespace) -> Latencies:
    """Measure each point in each round, back and forth."""
    os.sync()  # what filling has left for the disk to do
    random = Random(0)
    latencies: Latencies = {point: [] for point in subjects}
    for point, subject in subjects.items():
        sample(subject, point, arguments.warm_up, random)
    for number in range(arguments.rounds):
        for point in list(subjects)[:: -1 if number % 2 else 1]:
            seconds = sample(subjects[point], point, arguments.samples, random)
            latencies[point].append({name: latency(each) for name, each in seconds.items()})
    return latencies


def latency(seconds: Sequence[float]) -> Latency:
    """Return the percentiles of a round."""
    percentiles = quantiles(seconds, n=100, method="inclusive")
    return Latency(p50=percentiles[49] * 1e3, p99=percentiles[98] * 1e3)
