"""Producers, claimers and followers at work on live servers, all at the same time."""

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from itertools import count
from threading import Event
from types import TracebackType
from typing import Any, Protocol, Self

from tests.live.client import LIMIT, RecordingClient
from tests.live.history import Claim, Deletion, History, Outcome, Page, Post

QUEUES = ("hot", "warm", "cold")
SHARES = (8, 1, 1)
"""How the work is spread over the queues."""

CLAIM_TTL = 300
"""Seconds: longer than any load, so that an abandoned claim stays live to the end."""

CATCH_UP_SECONDS = 60.0
"""Bound of the time that a follower needs to the end of the queues when all is over."""

PAUSE_SECONDS = 0.01
"""How long a client waits that found nothing to do, or no server."""

LULL_SECONDS = 0.3
"""How long a producer rests after a burst of about `BURST` posts, so that claimers catch up."""

BURST = 20

LEAST_PER_SECOND = 25
"""Fewer acknowledged posts, or other requests of a kind, prove nothing."""

ENOUGH_SECONDS = 180.0
"""Bound of the time that a load goes on until it was enough."""

VALUES = (
    None,
    True,
    -1.5e300,
    9007199254740993,
    '\u0000 \u00e9 \u6f22 \U0001f600 "\\',
    {"$set": {"a.b": [[], {}, ""]}},
)
"""What a body may hold besides the numbers that make it unique."""

DEEDS = {"delete": 12, "renew": 2, "delete many": 2, "release": 2, "part": 2, "abandon": 1}
"""What a claimer does with a claim, and how often."""


class Target(Protocol):
    """What clients connect to: a server, or a balancer in front of some."""

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""

    @property
    def failures(self) -> Sequence[int]:
        """The statuses above 500 by which it says that it cannot serve just now."""


class Load:
    """Clients that work on one store through one or more servers until the block ends.

    When it ends, they go on until there are `least` posts, claims, deletions and pages each,
    however busy the machine is. Then producers and claimers stop first, and the followers read on
    to the end of each queue. `drain` then reads what is left and returns the whole history. An
    exception in a client comes out of `run`, or at the end of the block.
    """

    def __init__(
        self,
        *servers: Target,
        least: float = 0,
        producers: int = 8,
        claimers: int = 8,
        followers: int = 2,
    ) -> None:
        self.clients: list[RecordingClient] = []
        self.least = least
        self._servers = servers
        self._work_over = Event()
        self._news_over = Event()
        self._workers = [
            *(self._task(_produce, f"producer-{n}", self._work_over) for n in range(producers)),
            *(self._task(_consume, f"claimer-{n}", self._work_over) for n in range(claimers)),
        ]
        self._followers = [
            self._task(_follow, f"follower-{n}", self._news_over) for n in range(followers)
        ]
        self.clerk = self._client("clerk")

    def __enter__(self) -> Self:
        for queue in QUEUES:
            self.clerk.create(queue)
        tasks = [*self._workers, *self._followers]
        self._pool = ThreadPoolExecutor(len(tasks))
        self._running: list[Future[None]] = [self._pool.submit(task) for task in tasks]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._run_until_it_was_enough()
        finally:
            self._work_over.set()
            wait(self._running[: len(self._workers)])
            self._news_over.set()
            self._pool.shutdown()
            for client in self.clients:
                client.close()
        if error is None:
            for future in self._running:
                future.result()

    def run(self, seconds: float) -> None:
        """Let the clients work for a time; raise at once what one of them raises."""
        done, _ = wait(self._running, seconds, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()

    def _run_until_it_was_enough(self) -> None:
        deadline = time.monotonic() + ENOUGH_SECONDS
        while not enough(history := self._history(), self.least):
            assert time.monotonic() < deadline, history.summary()
            self.run(LULL_SECONDS)

    def drain(self) -> History:
        """Read what is left in the queues, then claim all that is free.

        All servers have to be up and answer.
        """
        drain, sweeper = self._client("drain"), self._client("sweeper")
        for queue in QUEUES:
            link, more = None, True
            while more:
                page, link = drain.page(queue, link)
                assert page.acknowledged, page
                more = bool(page.messages)
            more = True
            while more:
                claim = sweeper.claim(queue, ttl=CLAIM_TTL, limit=LIMIT)
                assert claim.acknowledged, claim
                more = bool(claim.messages)
        drain.close()
        sweeper.close()
        return self._history(drain.name)

    def _history(self, drain: str = "") -> History:
        return History([record for client in self.clients for record in client.records], drain)

    @property
    def unavailable(self) -> int:
        """How often any client was told that it could not be served."""
        return sum(client.unavailable for client in self.clients)

    def _client(self, name: str) -> RecordingClient:
        server = self._servers[len(self.clients) % len(self._servers)]
        client = RecordingClient(name, lambda: server.port, server.failures)
        self.clients.append(client)
        return client

    def _task(
        self, work: Callable[[RecordingClient, Event], None], name: str, over: Event
    ) -> Callable[[], None]:
        client = self._client(name)
        return lambda: work(client, over)


def enough(history: History, least: float) -> bool:
    """Whether there is enough in a history to prove something."""
    return all(history.count(kind) >= least for kind in (Post, Claim, Deletion, Page))


def _produce(client: RecordingClient, over: Event) -> None:
    """Post single messages and batches of up to ten."""
    chance = random.Random(client.name)
    numbers = count()
    while not over.is_set():
        size = chance.choice((1, 1, chance.randint(2, 10)))
        bodies = [_body(client.name, next(numbers), chance) for _ in range(size)]
        post = client.post(_queue(chance), bodies)
        if post.outcome is Outcome.FAILED:
            over.wait(PAUSE_SECONDS)
        elif chance.randrange(BURST) == 0:
            over.wait(LULL_SECONDS)


def _consume(client: RecordingClient, over: Event) -> None:
    """Claim up to five messages, and mostly delete them."""
    chance = random.Random(client.name)
    while not over.is_set():
        claim = client.claim(_queue(chance), ttl=CLAIM_TTL, limit=chance.randint(1, 5))
        if not claim.messages:
            over.wait(PAUSE_SECONDS)
            continue
        (deed,) = chance.choices(tuple(DEEDS), tuple(DEEDS.values()))
        if deed == "renew":
            client.renew(claim, ttl=2 * CLAIM_TTL)
        if deed in ("delete", "renew"):
            for message in claim.messages:
                client.delete(claim, message)
        if deed == "delete many":
            client.delete_many(claim.queue, claim.messages)
        if deed == "part":
            client.delete(claim, claim.messages[0])
        if deed in ("part", "release"):
            client.release(claim)


def _follow(client: RecordingClient, over: Event) -> None:
    """Read all queues by their `next` links, to the end of each when it is over."""
    links: dict[str, str | None] = dict.fromkeys(QUEUES)
    deadline = None
    while True:
        if over.is_set() and deadline is None:
            deadline = time.monotonic() + CATCH_UP_SECONDS
        pages = []
        for queue in QUEUES:
            page, links[queue] = client.page(queue, links[queue])
            pages.append(page)
        if deadline is not None:
            if all(page.acknowledged and page.has_room for page in pages):
                return
            assert time.monotonic() < deadline, "the queues have no end"
        if not any(page.messages for page in pages):
            time.sleep(PAUSE_SECONDS)


def _queue(chance: random.Random) -> str:
    (queue,) = chance.choices(QUEUES, SHARES)
    return queue


def _body(name: str, number: int, chance: random.Random) -> dict[str, Any]:
    text = "x" * chance.choice((0, 10, 100, 1000))
    return {"from": name, "number": number, "text": text, "value": chance.choice(VALUES)}
