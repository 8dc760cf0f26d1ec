"""Measure what becomes of memory and disk as many messages come and go.

Memory is that of each worker of a server under load. Disk is that of a database in which all
messages come, all go, and as many come and go again.

Exit status: 0, or 2 if it could not be measured.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Final

from bench import options, wrk
from bench.cases import CASES, HEADERS, PROJECT, QUEUE, fill
from bench.endurance_report import markdown
from bench.engines import ENGINES, Engine
from bench.points import claims
from bench.results import Endurance, Life, Memory, Space
from bench.run import run
from bench.servers import BenchError, Server, serve, server_options
from marconi_server.config.settings import Wsgi

_MIX: Final = ("cycle1", "list10", "cycle10", "stats")
"""The cases that take turns; together they leave as many messages as there were."""

_CONNECTIONS: Final = 32
_TIMEOUT: Final = 10
_IN_QUEUE: Final = 10_000
_SWEEP_SECONDS: Final = 900.0


def _parser() -> argparse.ArgumentParser:
    parser = options.parser("endurance", __doc__)
    options.add_engines(parser)
    options.add_counts(
        parser,
        (
            ("--requests", 2_000_000, "requests to a server"),
            ("--messages", 1_000_000, "messages that come and go"),
            ("--workers", Wsgi.workers, "worker processes of a server"),
            ("--seconds", 5, "load between two looks at memory"),
        ),
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Measure endurance; return the exit status. Errors are those of `parse` and `run`."""
    arguments = options.parse(_parser(), argv)
    run(
        "endurance",
        arguments,
        lambda **head: Endurance(
            lives=[_live(name, arguments) for name in arguments.engines], **head
        ),
        markdown,
        on_mongodb="mongodb" in arguments.engines,
    )
    return 0


def _live(name: str, arguments: argparse.Namespace) -> Life:
    with (
        tempfile.TemporaryDirectory(prefix="marconi-bench-", dir=arguments.folder) as fresh,
        ENGINES[name](Path(fresh)) as engine,
    ):
        space = []
        for each in _come_and_go(engine, arguments.messages):
            print(f"{name}, {each.step}: {each.size:,} bytes", file=sys.stderr, flush=True)
            space.append(each)
        memory = []
        for sample in _under_load(engine, Path(fresh), arguments):
            print(f"{name}: {sample}", file=sys.stderr, flush=True)
            memory.append(sample)
    return Life(engine=name, memory=memory, space=space)


def _come_and_go(engine: Engine, count: int) -> Iterator[Space]:
    name = "disk"
    with engine.store(name) as store:
        store.queues.create(PROJECT, QUEUE)
        yield Space("empty", engine.size(name))
        for turn in ("first", "second"):
            fill(store, count)
            yield Space(f"{turn} time full", engine.size(name))
            for ids in claims(store, QUEUE, count):
                store.messages.delete_many(PROJECT, QUEUE, ids)
            _wait_until_removed(engine, name)
            yield Space(f"{turn} time all gone", engine.size(name))
    with engine.store(name):
        yield Space("opened again", engine.size(name))


def _wait_until_removed(engine: Engine, name: str) -> None:
    """Wait for the sweeper, in the background of our own store.

    :raises BenchError: it does not come to an end
    """
    deadline = time.monotonic() + _SWEEP_SECONDS
    while left := engine.leftovers(name):
        if time.monotonic() > deadline:
            raise BenchError(f"{left} messages that are gone were not removed.")
        time.sleep(1)


def _under_load(engine: Engine, folder: Path, arguments: argparse.Namespace) -> Iterator[Memory]:
    """Put load on a server until it has answered so many requests."""
    name = "memory"
    with engine.store(name) as store:
        fill(store, _IN_QUEUE)
    loads = {case.name: case.load for case in CASES}
    flags = [*engine.options(name), *server_options(arguments.workers, Wsgi.threads)]
    with serve("marconi_server", flags, folder / "server.log") as server:
        done = 0
        yield _memory(server, done)
        for case in cycle(_MIX):
            outcome, _ = wrk.run(
                server.url,
                loads[case],
                HEADERS,
                connections=_CONNECTIONS,
                threads=1,
                seconds=arguments.seconds,
                timeout=_TIMEOUT,
            )
            if outcome.errors:
                raise BenchError(f"{case}: {outcome.complaint}\n{server.log()}")
            done += outcome.requests
            yield _memory(server, done)
            if done >= arguments.requests:
                return


def _memory(server: Server, requests: int) -> Memory:
    return Memory(requests=requests, workers=server.workers_memory())
