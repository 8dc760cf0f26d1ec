"""What growth asks: the five operations, of a store or of a server through one connection."""

import json
import time
from collections.abc import Callable
from itertools import cycle, islice
from random import Random
from typing import Any, Final, Protocol, TypeVar

import msgspec

from bench.cases import CLAIM_TTL, CLIENT, GRACE, HEADERS, PROJECT, TTL
from bench.client import Answer, Connection, request
from bench.points import Point
from bench.servers import BenchError
from marconi_server.storage.contract import NewMessage, Store

OPERATIONS: Final = ("post", "list", "stats", "claim", "delete")
"""In the order in which they are done; together they leave as many messages as there were."""

Result = TypeVar("Result")


class Stopwatch:
    """Notes how long operations take: `latencies` in seconds, by operation."""

    def __init__(self) -> None:
        self.latencies: dict[str, list[float]] = {operation: [] for operation in OPERATIONS}

    def time(self, operation: str, call: Callable[[], Result]) -> Result:
        """Call something, and note how long it took."""
        start = time.perf_counter()
        result = call()
        self.latencies[operation].append(time.perf_counter() - start)
        return result


class Subject(Protocol):
    """Does an operation once. What it does beside the call that is timed does not count.

    Each raises `BenchError` if the answer is not the right one.
    """

    def post(self, queue: str, body: bytes, watch: Stopwatch) -> None:
        """Post one message."""

    def list(self, queue: str, count: int, watch: Stopwatch) -> None:
        """List ten messages, of which there are `count`."""

    def stats(self, queue: str, watch: Stopwatch) -> None:
        """Get the stats of a queue."""

    def claim(self, queue: str, watch: Stopwatch) -> Any:
        """Claim one message; return what `delete` takes."""

    def delete(self, queue: str, claimed: Any, watch: Stopwatch) -> None:
        """Delete the message with its claim."""


def sample(subject: Subject, point: Point, count: int, random: Random) -> dict[str, list[float]]:
    """Do all operations so many times, each time in one of the queues; return the latencies."""
    watch = Stopwatch()
    for body in islice(cycle(point.pool()), count):
        queue = point.queue(random.randrange(point.queues))
        subject.post(queue, body, watch)
        subject.list(queue, min(point.free, 10), watch)
        subject.stats(queue, watch)
        claimed = subject.claim(queue, watch)
        subject.delete(queue, claimed, watch)
    return watch.latencies


def _expect(right: bool, operation: str, answer: object) -> None:
    if not right:
        raise BenchError(f"{operation} was answered with {str(answer)[:500]}")


class OfStore:
    """A store, called directly."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def post(self, queue: str, body: bytes, watch: Stopwatch) -> None:
        """See `Subject`."""
        messages = [NewMessage(TTL, body)]
        post = self._store.messages.post
        ids = watch.time("post", lambda: post(PROJECT, queue, CLIENT, messages))
        _expect(len(ids) == 1, "A post", ids)

    def list(self, queue: str, count: int, watch: Stopwatch) -> None:
        """See `Subject`."""
        page = watch.time(
            "list",
            lambda: self._store.messages.list(
                PROJECT, queue, marker=None, limit=10, exclude_client=None, include_claimed=False
            ),
        )
        _expect(len(page.items) == count, "A list", page)

    def stats(self, queue: str, watch: Stopwatch) -> None:
        """See `Subject`."""
        stats = watch.time("stats", lambda: self._store.queues.stats(PROJECT, queue))
        _expect(stats.free > 0, "Stats", stats)

    def claim(self, queue: str, watch: Stopwatch) -> tuple[str, str]:
        """See `Subject`."""
        create = self._store.claims.create
        claim = watch.time(
            "claim", lambda: create(PROJECT, queue, ttl=CLAIM_TTL, grace=GRACE, limit=1)
        )
        if claim is None:
            raise BenchError("A claim was empty.")
        return claim.messages[0].id, claim.id

    def delete(self, queue: str, claimed: tuple[str, str], watch: Stopwatch) -> None:
        """See `Subject`."""
        watch.time("delete", lambda: self._store.messages.delete(PROJECT, queue, *claimed))


class OfServer:
    """A server, asked through one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def post(self, queue: str, body: bytes, watch: Stopwatch) -> None:
        """See `Subject`."""
        document = b'[{"ttl": %d, "body": %s}]' % (TTL, body)
        message = request("POST", f"/v1/queues/{queue}/messages", HEADERS, document)
        self._ask("post", message, 201, watch)

    def list(self, queue: str, count: int, watch: Stopwatch) -> None:
        """See `Subject`."""
        path = f"/v1/queues/{queue}/messages?echo=true&limit=10"
        answer = self._ask("list", request("GET", path, HEADERS), 200, watch)
        messages = msgspec.json.decode(answer.body)["messages"]
        _expect(len(messages) == count, "A list", messages)

    def stats(self, queue: str, watch: Stopwatch) -> None:
        """See `Subject`."""
        message = request("GET", f"/v1/queues/{queue}/stats", HEADERS)
        self._ask("stats", message, 200, watch)

    def claim(self, queue: str, watch: Stopwatch) -> str:
        """See `Subject`."""
        wish = json.dumps({"ttl": CLAIM_TTL, "grace": GRACE}).encode()
        message = request("POST", f"/v1/queues/{queue}/claims?limit=1", HEADERS, wish)
        answer = self._ask("claim", message, 201, watch)
        return str(msgspec.json.decode(answer.body)[0]["href"])

    def delete(self, _queue: str, claimed: str, watch: Stopwatch) -> None:
        """See `Subject`."""
        self._ask("delete", request("DELETE", claimed, HEADERS), 204, watch)

    def _ask(self, operation: str, message: bytes, status: int, watch: Stopwatch) -> Answer:
        answer = watch.time(operation, lambda: self._connection.ask(message))
        _expect(answer.status == status, f"A {operation}", answer)
        return answer
