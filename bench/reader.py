"""Find out what it costs to read a request: the CPU of the HTTP parser, in this process.

Prints a table: microseconds for each request, the lowest and the median of the rounds. Without
sockets; whatever else the machine does makes it dearer, so the lowest is the steadiest figure.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, Final, Protocol

from bench.cases import BODIES, HEADERS, QUEUE_PATH
from bench.client import request
from bench.options import add_counts
from bench.tables import table
from marconi_server.config.settings import Limits
from marconi_server.server.http1 import Reader

_RECEIVED: Final = 64 * 1024  # at once, as a connection does

_MAX_BODY: Final = Limits().max_message_size

_MESSAGE: Final = b'[{"ttl": 300, "body": ' + BODIES[0] + b"}]"
_LARGE: Final = bytes(_MAX_BODY)


class AnyReader(Protocol):
    """What is measured."""

    def feed(self, data: bytes) -> None:
        """Take bytes."""

    def next(self) -> Any:
        """Return a request or nothing."""


def _chunked(body: bytes, size: int) -> bytes:
    parts = (body[start : start + size] for start in range(0, len(body), size))
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    headers = {**HEADERS, "Transfer-Encoding": "chunked"}
    return request("POST", f"{QUEUE_PATH}/messages", headers) + chunks + b"0\r\n\r\n"


REQUESTS: Final = {
    "empty": request("GET", "/", HEADERS),
    "curl": request("GET", QUEUE_PATH, {"User-Agent": "curl/7.88.1", "Accept": "*/*"}),
    "post of 1 KB": request("POST", f"{QUEUE_PATH}/messages", HEADERS, _MESSAGE),
    "the same, chunked": _chunked(_MESSAGE, len(_MESSAGE)),
    "256 KB": request("POST", f"{QUEUE_PATH}/messages", HEADERS, _LARGE),
    "the same in chunks of 8 KB": _chunked(_LARGE, 8192),
    "a head of 100 KB": request("GET", f"{QUEUE_PATH}/messages?ids={'0' * 102_400}", HEADERS),
    "4 KB in chunks of a byte": _chunked(_LARGE[:4096], 1),
}
"""As the load tool sends them, with a token; what `empty` is asked, and other kinds."""


def cost(make: Callable[[], AnyReader], data: bytes, count: int) -> float:
    """Return the seconds of CPU that a new reader needs for each of so many requests."""
    pieces = [data[start : start + _RECEIVED] for start in range(0, len(data), _RECEIVED)]
    reader = make()
    found = None
    before = time.process_time()
    for _ in range(count):
        for piece in pieces:
            reader.feed(piece)
            found = reader.next()
    spent = time.process_time() - before
    assert found is not None
    return spent / count


def main(argv: Sequence[str]) -> int:
    """Measure the reader; return the exit status.

    :raises SystemExit: argparse ends the process in this way
    """
    parser = argparse.ArgumentParser(prog="python -m bench reader", description=__doc__)
    add_counts(parser, (("--rounds", 9, "measurements of each request"),))
    rounds = parser.parse_args(argv).rounds
    base = {f"wsgi.{number}": number for number in range(14)}  # about what a worker has in it
    lines = []
    for name, data in REQUESTS.items():
        once = cost(lambda: Reader(base, _MAX_BODY), data, 1)
        count = max(1, int(0.05 / once))
        costs = [cost(lambda: Reader(base, _MAX_BODY), data, count) for _ in range(rounds)]
        figures = (min(costs), median(costs))
        lines.append([name, f"{len(data):,}", *(f"{figure * 1e6:,.2f}" for figure in figures)])
    print(table(["request", "bytes", "lowest µs", "median µs"], lines, ("request",)))
    return 0
