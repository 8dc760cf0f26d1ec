"""Who is measured: each contender takes a case and gives one measurement of it."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from bench import machine, threads, wrk
from bench.cases import EMPTY_LOAD, HEADERS, QUEUE_PATH, Case, Load, fill
from bench.report import Measurement
from bench.servers import Server, serve
from marconi_server.storage.sqlite.driver import SQLiteOptions, SQLiteStore


@dataclass(frozen=True)
class Plan:
    """How a case is measured; times in seconds."""

    connections: int
    seconds: int
    warm_up: int
    workers: int
    threads: int
    load_threads: int
    timeout: int


Contender = Callable[[Case, Plan, Path], Measurement]
"""Measures a case once, with files in an empty folder of its own."""


def marconi(case: Case, plan: Plan, folder: Path) -> Measurement:
    """Measure `marconi-server --embedded`."""
    database = folder / "marconi.db"
    with _filled(database, case, plan):
        pass  # the server opens the file by itself
    with serve("marconi_server", _options(database, plan), folder / "server.log") as server:
        if not case.cycle:
            return _measure(server, case.load, plan)
        return _measure_cycle(server, case.load, plan)


def empty(_case: Case, plan: Plan, folder: Path) -> Measurement:
    """Measure the empty responder under the worker class and the settings of the product."""
    options = _options(folder / "unused.db", plan)
    with serve("bench.empty", options, folder / "server.log") as server:
        return _measure(server, EMPTY_LOAD, plan)


def gthread(_case: Case, plan: Plan, folder: Path) -> Measurement:
    """Measure the empty responder under gunicorn's own threaded worker."""
    options = [*_options(folder / "unused.db", plan), "--worker-class", "gthread"]
    with serve("bench.empty", options, folder / "server.log") as server:
        return _measure(server, EMPTY_LOAD, plan)


def store(case: Case, plan: Plan, folder: Path) -> Measurement:
    """Measure the storage driver alone, in threads of this process.

    As many as a worker has, or as there are connections if these are fewer.
    """
    count = min(plan.threads, plan.connections)
    with _filled(folder / "marconi.db", case, plan) as opened:
        threads.run(opened, case.work, threads=count, seconds=plan.warm_up)
        busy = machine.busy_cpu()
        outcome = threads.run(opened, case.work, threads=count, seconds=plan.seconds)
        busy = machine.busy_cpu() - busy
    requests = len(outcome.latencies)
    return Measurement(
        requests=requests,
        seconds=outcome.seconds,
        p50=outcome.percentile(50) * 1e3,
        p99=outcome.percentile(99) * 1e3,
        errors=outcome.errors,
        complaint=outcome.complaint,
        server_cpu=outcome.cpu / max(requests, 1),
        load_cpu=None,
        others=machine.others_share(busy, outcome.cpu, outcome.seconds),
    )


CONTENDERS: Final[dict[str, Contender]] = {
    "empty": empty,
    "gthread": gthread,
    "marconi": marconi,
    "store": store,
}


@contextmanager
def _filled(database: Path, case: Case, plan: Plan) -> Iterator[SQLiteStore]:
    """Open a new store with the messages that the case needs."""
    with closing(SQLiteStore.open(SQLiteOptions(database=str(database)))) as opened:
        fill(opened, case.messages(plan.warm_up + plan.seconds))
        yield opened


def _options(database: Path, plan: Plan) -> list[str]:
    return [
        "--embedded",
        str(database),
        "--workers",
        str(plan.workers),
        "--threads",
        str(plan.threads),
    ]


def _measure(server: Server, load: Load, plan: Plan) -> Measurement:
    log = server.log()
    warm_up, _ = _load(server, load, plan, plan.warm_up)
    busy, server_cpu = machine.busy_cpu(), server.cpu()
    outcome, load_cpu = _load(server, load, plan, plan.seconds)
    busy, server_cpu = machine.busy_cpu() - busy, server.cpu() - server_cpu
    requests = max(outcome.requests, 1)
    # A server that is well has nothing to say: no fault, no worker that ended.
    news = server.log()[len(log) :]
    return Measurement(
        requests=outcome.requests,
        seconds=outcome.microseconds / 1e6,
        p50=outcome.p50 / 1e3,
        p99=outcome.p99 / 1e3,
        errors=warm_up.errors + outcome.errors + (news != ""),
        complaint=warm_up.complaint or outcome.complaint or news,
        server_cpu=server_cpu / requests,
        load_cpu=load_cpu / requests,
        others=machine.others_share(busy, server_cpu + load_cpu, outcome.microseconds / 1e6),
    )


def _load(server: Server, load: Load, plan: Plan, seconds: int) -> tuple[wrk.Outcome, float]:
    return wrk.run(
        server.url,
        load,
        connections=plan.connections,
        threads=plan.load_threads,
        seconds=seconds,
        timeout=plan.timeout,
    )


def _measure_cycle(server: Server, load: Load, plan: Plan) -> Measurement:
    """Measure a cycle, and find empty claims by what they leave behind.

    At the end of a load each connection may leave the messages of the one cycle that it was
    in. A claim that came back empty leaves those of one more.
    """
    measured = _measure(server, load, plan)
    stats = json.loads(server.get(f"{QUEUE_PATH}/stats", HEADERS))
    size = int(load.arguments[-1])
    lost = stats["messages"]["total"] // size - 2 * plan.connections  # warm-up and measurement
    if lost <= 0:
        return measured
    return replace(
        measured,
        errors=measured.errors + lost,
        complaint=measured.complaint or f"{lost} claims were empty",
    )
