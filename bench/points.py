"""What growth is measured on: stores that differ in one thing, and how they are filled."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from bench.cases import BODY_SIZE, GRACE, PROJECT, QUEUE, TTL, bodies, fill
from bench.servers import BenchError
from marconi_server.storage.contract import Store

_CLAIM: Final = 1000
"""Messages in each claim of those that lie in front."""

_THREADS: Final = 16
_POOL_BYTES: Final = 4 * 1024**2


@dataclass(frozen=True)
class Point:
    """A store: `queues` with so many free messages in each, and `claimed` ones before them.

    `size` is what is asked about; `body` is in bytes.
    """

    size: int
    queues: int = 1
    free: int = 1000
    claimed: int = 0
    body: int = BODY_SIZE

    def queue(self, number: int) -> str:
        """Return the name of one of the queues."""
        return f"{QUEUE}-{number}"

    def pool(self) -> list[bytes]:
        """Return the bodies of its messages, again and again."""
        return bodies(self.body, max(16, min(256, _POOL_BYTES // self.body)))


@dataclass(frozen=True)
class Question:
    """What is asked: what becomes of latencies as `size` grows."""

    title: str
    unit: str
    points: tuple[Point, ...]


QUESTIONS: Final = {
    "messages": Question(
        "A queue gets longer",
        "messages in the queue",
        tuple(Point(size, free=size) for size in (1_000, 10_000, 100_000, 1_000_000)),
    ),
    "claimed": Question(
        "Claimed messages lie in front",
        "claimed messages before 1,000 free ones",
        tuple(Point(size, claimed=size) for size in (0, 10_000, 100_000)),
    ),
    "queues": Question(
        "There are more queues",
        "queues of 10 messages",
        tuple(Point(size, queues=size, free=10) for size in (1, 1_000, 100_000)),
    ),
    "bodies": Question(
        "Messages get larger",
        "bytes in the body of each of 1,000 messages",
        tuple(Point(size, body=size) for size in (100, 1024, 16 * 1024, 200_000)),
    ),
}
"""By the name that the command takes."""


def prepare(store: Store, point: Point) -> None:
    """Fill a new store as a point says."""
    pool = point.pool()

    def one(number: int) -> None:
        fill(store, point.claimed + point.free, queue=point.queue(number), pool=pool)
        claim_in_front(store, point.queue(number), point.claimed)

    # From threads, as commits of many small queues would wait for the disk one by one.
    with ThreadPoolExecutor(_THREADS) as threads:
        for _ in threads.map(one, range(point.queues)):
            pass


def claim_in_front(store: Store, queue: str, count: int) -> None:
    """Claim so many messages of a queue."""
    for _ in claims(store, queue, count):
        pass


def claims(store: Store, queue: str, count: int) -> Iterator[list[str]]:
    """Claim so many messages, in parts; give the ids of each part.

    :raises BenchError: there are fewer
    """
    for start in range(0, count, _CLAIM):
        size = min(_CLAIM, count - start)
        claim = store.claims.create(PROJECT, queue, ttl=TTL, grace=GRACE, limit=size)
        if claim is None or len(claim.messages) < size:
            raise BenchError(f"Of {count} messages only {start} and some could be claimed.")
        yield [message.id for message in claim.messages]
