"""Load by threads of this process, without HTTP."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import quantiles
from typing import Final

from pymongo.errors import PyMongoError

from bench.cases import Work
from marconi_server.storage.errors import StorageError

_START_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Outcome:
    """What the threads did; latencies in seconds."""

    latencies: list[float]
    seconds: float
    errors: int
    complaint: str

    def percentile(self, percent: int) -> float:
        """Return a percentile of the latencies in seconds."""
        if len(self.latencies) < 2:
            return sum(self.latencies)
        return quantiles(self.latencies, n=100, method="inclusive")[percent - 1]


def run(work: Callable[[], Work], *, threads: int, seconds: float) -> Outcome:
    """Work from that many threads; `work` is called in each for its steps."""
    barrier = threading.Barrier(threads, timeout=_START_SECONDS)

    def one() -> tuple[list[float], str]:
        latencies: list[float] = []
        steps = work()
        barrier.wait()
        start = time.perf_counter()
        end = start + seconds
        while start < end:
            try:
                right = next(steps)
            except (StorageError, PyMongoError) as error:
                return latencies, str(error)
            stop = time.perf_counter()
            if not right:
                return latencies, "a wrong answer, such as an empty claim"
            latencies.append(stop - start)
            start = stop
        return latencies, ""

    begin = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(one) for _ in range(threads)]
        outcomes = [future.result() for future in futures]
    complaints = [complaint for _, complaint in outcomes if complaint]
    return Outcome(
        latencies=[latency for latencies, _ in outcomes for latency in latencies],
        seconds=time.perf_counter() - begin,
        errors=len(complaints),
        complaint=complaints[0] if complaints else "",
    )
