"""One measurement: warm up, put load on, and note what it cost."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from msgspec.structs import replace

from bench import machine, paced, threads, wrk
from bench.cases import HEADERS, QUEUE_PATH, Case, Load, Work
from bench.outcome import Outcome
from bench.results import Measurement
from bench.servers import Server

Cpu = Callable[[], float]
"""Gives the seconds of CPU that something has used so far."""


@dataclass(frozen=True)
class Plan:
    """How a case is measured; times in seconds.

    With a `rate`, so many requests begin in each second; without, as many as the connections take.
    """

    connections: int
    seconds: int
    warm_up: int
    workers: int
    threads: int
    load_threads: int
    timeout: int
    rate: float | None = None

    @property
    def all_seconds(self) -> int:
        """How long there is load."""
        return self.warm_up + self.seconds


class _Meter:
    """Notes how long a block runs, and how much CPU is used meanwhile, for each gauge.

    The first gauge is of all that the machine does, the others are of parts of it.
    """

    def __init__(self, *gauges: Cpu) -> None:
        self._gauges = (machine.busy_cpu, *gauges)
        self.used: list[float] = []
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._start = time.perf_counter()
        self._before = [gauge() for gauge in self._gauges]
        return self

    def __exit__(self, *_: object) -> None:
        now = [gauge() for gauge in self._gauges]
        self.used = [after - before for after, before in zip(now, self._before, strict=True)]
        self.seconds = time.perf_counter() - self._start

    @property
    def others(self) -> float:
        """The share of all CPU that went to what has no gauge."""
        busy, *own = self.used
        return machine.others_share(busy, sum(own), self.seconds)


def case_of_server(
    server: Server,
    case: Case,
    plan: Plan,
    headers: Mapping[str, str] = HEADERS,
    database: Cpu | None = None,
) -> Measurement:
    """Measure a case, and find the empty claims of a cycle by what they leave behind.

    At the end of a load each connection may leave the messages of the one cycle that it was
    in. A claim that came back empty leaves those of one more.
    """
    measured = load_of_server(server, case.load, plan, headers, database)
    if not case.cycle:
        return measured
    stats = json.loads(server.get(f"{QUEUE_PATH}/stats", dict(headers)))
    size = int(case.load.arguments[-1])
    lost = stats["messages"]["total"] // size - 2 * plan.connections  # warm-up and measurement
    if lost <= 0:
        return measured
    return replace(
        measured,
        errors=measured.errors + lost,
        complaint=measured.complaint or f"{lost} claims were empty",
    )


def load_of_server(
    server: Server,
    load: Load,
    plan: Plan,
    headers: Mapping[str, str] = HEADERS,
    database: Cpu | None = None,
) -> Measurement:
    """Measure a server under a load; `database` is the CPU of its database, if it has one."""
    log = server.log()
    warm_up, _ = _put_load(server, load, plan, headers, plan.warm_up)
    gauges = [machine.children_cpu, server.cpu, *([database] if database else [])]
    with _Meter(*gauges) as meter:
        outcome, load_cpu = _put_load(server, load, plan, headers, plan.seconds)
    _, _, server_cpu, *database_cpu = meter.used
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
        others=meter.others,
        database_cpu=sum(database_cpu) / requests if database_cpu else None,
    )


def _put_load(
    server: Server, load: Load, plan: Plan, headers: Mapping[str, str], seconds: int
) -> tuple[Outcome, float]:
    if plan.rate is not None:
        return paced.run(
            server.port,
            load,
            headers,
            connections=plan.connections,
            rate=plan.rate,
            seconds=seconds,
            timeout=plan.timeout,
        )
    return wrk.run(
        server.url,
        load,
        headers,
        connections=plan.connections,
        threads=plan.load_threads,
        seconds=seconds,
        timeout=plan.timeout,
    )


def work_of_threads(
    work: Callable[[], Work], plan: Plan, database: Cpu | None = None
) -> Measurement:
    """Measure work without HTTP, by as many threads of this process as there are connections."""
    threads.run(work, threads=plan.connections, seconds=plan.warm_up)
    with _Meter(time.process_time, *([database] if database else [])) as meter:
        outcome = threads.run(work, threads=plan.connections, seconds=plan.seconds)
    _, own_cpu, *database_cpu = meter.used
    requests = max(len(outcome.latencies), 1)
    return Measurement(
        requests=len(outcome.latencies),
        seconds=outcome.seconds,
        p50=outcome.percentile(50) * 1e3,
        p99=outcome.percentile(99) * 1e3,
        errors=outcome.errors,
        complaint=outcome.complaint,
        server_cpu=own_cpu / requests,
        load_cpu=None,
        others=meter.others,
        database_cpu=sum(database_cpu) / requests if database_cpu else None,
    )
