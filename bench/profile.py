"""Find out where the time of a request goes: the CPU of the server, by layer.

py-spy looks at one worker a hundred times a second while there is load. What it finds running is
of the innermost layer that the stack shows; work in C, and in the system, is of the layer that
called it. As it stops the worker to look, rates are those of a measurement beside it.

Exit status: 0, or 2 if it could not be measured.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from bench import options, wrk
from bench.cases import HEADERS, Case, fill
from bench.engines import ENGINES
from bench.measure import Plan, load_of_server
from bench.results import Profile, ProfileRow
from bench.run import run
from bench.servers import BenchError, Server, serve, server_options
from bench.tables import page, table
from marconi_server.config.settings import Wsgi

LAYERS: Final[dict[str, tuple[str, ...]]] = {
    "loop and connections": (
        "marconi_server/server/worker.py",
        "marconi_server/server/connection.py",
        "marconi_server/server/runner.py",
    ),
    "HTTP": ("marconi_server/server/", "marconi_server/request_ids.py", "gunicorn"),
    "waiting": ("marconi_server/server/greenlets.py", "marconi_server/waiting.py"),
    "Falcon": ("falcon/",),
    "API": ("marconi_server/api/",),
    "store": ("marconi_server/storage/",),
    "pymongo": ("pymongo/", "bson/"),
}
"""Where the code of each layer is; the longest beginning that fits decides."""

OTHER: Final = "other"

_CONNECTIONS: Final = 32
_TIMEOUT: Final = 10
_SAMPLES_A_SECOND: Final = 100


def _parser() -> argparse.ArgumentParser:
    parser = options.parser("profile", __doc__)
    options.add_cases(parser, "look at")
    options.add_engines(parser)
    options.add_counts(
        parser,
        (
            ("--seconds", 5, "length of a measurement, and of a look"),
            ("--workers", Wsgi.workers, "worker processes of a server"),
        ),
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Profile the server; return the exit status. Errors are those of `parse` and `run`."""
    arguments = options.parse(_parser(), argv)
    _spy()
    run(
        "profile",
        arguments,
        lambda **head: Profile(rows=list(_profile(arguments)), **head),
        markdown,
        on_mongodb="mongodb" in arguments.engines,
    )
    return 0


def _profile(arguments: argparse.Namespace) -> Iterator[ProfileRow]:
    for name in arguments.engines:
        for case in arguments.cases:
            with tempfile.TemporaryDirectory(
                prefix="marconi-bench-", dir=arguments.folder
            ) as fresh:
                row = _profile_one(name, case, Path(fresh), arguments)
            print(f"{name}, {case.name}: {row}", file=sys.stderr, flush=True)
            yield row


def _profile_one(
    engine_name: str, case: Case, folder: Path, arguments: argparse.Namespace
) -> ProfileRow:
    seconds = arguments.seconds
    plan = Plan(
        connections=_CONNECTIONS,
        seconds=seconds,
        warm_up=1,
        workers=arguments.workers,
        threads=Wsgi.threads,
        load_threads=1,
        timeout=_TIMEOUT,
    )
    with ENGINES[engine_name](folder) as engine:
        with engine.store("profile") as store:
            fill(store, case.messages(plan.all_seconds + 2 * seconds))
        flags = [*engine.options("profile"), *server_options(plan.workers, plan.threads)]
        with serve("marconi_server", flags, folder / "server.log") as server:
            measured = load_of_server(server, case.load, plan)
            samples = _look(server, case, folder / "stacks", seconds)
    if measured.errors:
        raise BenchError(f"{case.name}: {measured.complaint}")
    return ProfileRow(
        engine=engine_name,
        case=case.name,
        rate=measured.rate,
        server_cpu=measured.server_cpu,
        samples=by_layer(samples),
    )


def _look(server: Server, case: Case, stacks: Path, seconds: int) -> str:
    """Put load on a server while py-spy looks at one of its workers; return the stacks it saw.

    :raises BenchError: it must not look, or wrk failed
    """
    look = ["record", "--pid", str(server.workers()[0]), "--format", "raw", "--nonblocking"]
    look += ["--rate", str(_SAMPLES_A_SECOND), "--duration", str(seconds), "--output", str(stacks)]
    spy = subprocess.Popen(
        [_spy(), *look],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wrk.run(
            server.url,
            case.load,
            HEADERS,
            connections=_CONNECTIONS,
            threads=1,
            seconds=seconds + 1,
            timeout=_TIMEOUT,
        )
        said, _ = spy.communicate(timeout=_TIMEOUT)
    finally:
        spy.kill()
        spy.wait()
    if not stacks.exists():
        raise BenchError(f"py-spy saw nothing (it may have to be root):\n{said}")
    return stacks.read_text()


def _spy() -> str:
    """Return the path of py-spy, which is beside the interpreter if it was installed with it.

    :raises Unfit: it is missing
    """
    path = shutil.which("py-spy", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if path is None:
        raise options.Unfit("py-spy is missing; install the extra bench")
    return path


def by_layer(stacks: str) -> dict[str, int]:
    """Return how many samples each layer has, of what py-spy writes.

    A line is a stack, its frames from the outermost to the innermost as `name (file:line)` with a
    semicolon between two of them, and the number of samples that had it.
    """
    samples: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        files = [frame.rpartition(" (")[2] for frame in reversed(stack.split(";"))]
        samples[next(filter(None, map(_layer, files)), OTHER)] += int(count)
    return {layer: samples[layer] for layer in (*LAYERS, OTHER) if layer in samples}


def _layer(file: str) -> str | None:
    """Return the layer of a file, `None` for one that works for whoever calls it."""
    fitting = [
        (len(beginning), layer)
        for layer, beginnings in LAYERS.items()
        for beginning in beginnings
        if file.startswith(beginning)
    ]
    return max(fitting)[1] if fitting else None


def markdown(result: Profile) -> str:
    """Return the report of a profile."""
    return page(result, sections(result))


def sections(result: Profile) -> dict[str, str]:
    """Return a table for each engine: microseconds of CPU for each request."""
    engines = dict.fromkeys(row.engine for row in result.rows)
    return {
        engine: _table([row for row in result.rows if row.engine == engine]) for engine in engines
    }


def _table(rows: Sequence[ProfileRow]) -> str:
    layers = [layer for layer in (*LAYERS, OTHER) if any(layer in row.samples for row in rows)]
    head = ["case", "requests/s", "server CPU µs", *layers]
    lines = [
        [
            row.case,
            f"{row.rate:,.0f}",
            f"{row.server_cpu * 1e6:.0f}",
            *(f"{row.share(layer) * row.server_cpu * 1e6:.0f}" for layer in layers),
        ]
        for row in rows
    ]
    return table(head, lines, ("case",))
