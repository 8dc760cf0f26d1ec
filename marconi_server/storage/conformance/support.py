"""What the cases share: the harness of a driver, a queue under test, threads."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from threading import Barrier, Thread
from typing import Protocol, TypeVar

import pytest

from marconi_server.storage.conformance.clock import ManualClock
from marconi_server.storage.contract import (
    Claim,
    Clock,
    Message,
    NewMessage,
    Page,
    QueueStats,
    Store,
)

Result = TypeVar("Result")

INSTANT = 0.125
"""The least time that matters to a case, in seconds; exact in binary and in milliseconds."""

PATIENCE = 60.0
"""Seconds that threads get before a case calls them stuck; never waited for in full."""


class Harness(Protocol):
    """What a driver's tests supply, afresh for each case."""

    def open(self, clock: Clock) -> Store:
        """Open the data of this case; each call gives one more store on the same data."""

    def failing(self) -> AbstractContextManager[None]:
        """Make the engine fail for all stores on this data, for real, until the exit."""

    def sweep(self, store: Store) -> None:
        """Remove all rows that have no effect any more, as the driver does by itself in time."""


class Cases:
    """Base of all cases: a clock, an open store and an empty queue."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        """Time, which stands still until a case moves it."""
        return ManualClock()

    @pytest.fixture
    def store(self, harness: Harness, clock: ManualClock) -> Iterator[Store]:
        """One store on data of its own."""
        store = harness.open(clock)
        yield store
        store.close()

    @pytest.fixture
    def queue(self, store: Store) -> "BoundQueue":
        """An empty queue."""
        return BoundQueue(store).create()


class BoundQueue:
    """A queue seen through a store: operations without the arguments that do not matter."""

    def __init__(self, store: Store, project: str | None = "project", name: str = "queue") -> None:
        self.store = store
        self.project = project
        self.name = name

    def create(self) -> "BoundQueue":
        """Create the queue, which must not exist, and return it."""
        assert self.store.queues.create(self.project, self.name)
        return self

    def drop(self) -> None:
        """Delete the queue."""
        self.store.queues.delete(self.project, self.name)

    def stats(self) -> QueueStats:
        """Return the counts."""
        return self.store.queues.stats(self.project, self.name)

    def counts(self) -> tuple[int, int]:
        """Return the numbers of free and of claimed messages."""
        stats = self.stats()
        return stats.free, stats.claimed

    def post(self, *bodies: bytes, ttl: int = 300, client: str = "poster") -> list[str]:
        """Post one batch."""
        batch = [NewMessage(ttl=ttl, body=body) for body in bodies]
        return list(self.store.messages.post(self.project, self.name, client, batch))

    def post_numbers(self, count: int, *, ttl: int = 300, client: str = "poster") -> list[str]:
        """Post one batch with the bodies 0, 1, 2 and so on."""
        return self.post(*(str(n).encode() for n in range(count)), ttl=ttl, client=client)

    def page(
        self,
        marker: str | None = None,
        *,
        limit: int = 1000,
        exclude_client: str | None = None,
        include_claimed: bool = True,
    ) -> Page[Message]:
        """List one page."""
        return self.store.messages.list(
            self.project,
            self.name,
            marker=marker,
            limit=limit,
            exclude_client=exclude_client,
            include_claimed=include_claimed,
        )

    def follow(self, *, limit: int) -> list[Page[Message]]:
        """Follow the markers from the first page to the last that is not empty."""
        pages: list[Page[Message]] = []
        markers: list[str | None] = [None]
        while (page := self.page(markers[-1], limit=limit)).items:
            assert page.marker not in markers, "this would go on for ever"
            markers.append(page.marker)
            pages.append(page)
        return pages

    def pages(self, *, limit: int) -> list[list[str]]:
        """Return the ids of all visible messages, page by page."""
        return [[message.id for message in page.items] for page in self.follow(limit=limit)]

    def ids(self) -> list[str]:
        """Return the ids of all visible messages, in order."""
        return flat(self.pages(limit=1000))

    def free_ids(self) -> list[str]:
        """Return the ids of the free messages, at most 1000, in order."""
        return [message.id for message in self.page(include_claimed=False).items]

    def get(self, message_id: str) -> Message:
        """Return one message."""
        return self.store.messages.get(self.project, self.name, message_id)

    def get_many(self, *message_ids: str) -> list[Message]:
        """Return several messages."""
        return list(self.store.messages.get_many(self.project, self.name, message_ids))

    def delete(self, message_id: str, claim_id: str | None = None) -> None:
        """Delete one message."""
        self.store.messages.delete(self.project, self.name, message_id, claim_id)

    def delete_many(self, *message_ids: str) -> None:
        """Delete several messages."""
        self.store.messages.delete_many(self.project, self.name, message_ids)

    def try_claim(self, *, ttl: int = 300, grace: int = 60, limit: int = 10) -> Claim | None:
        """Claim what is free, if anything is."""
        return self.store.claims.create(self.project, self.name, ttl=ttl, grace=grace, limit=limit)

    def claim(self, *, ttl: int = 300, grace: int = 60, limit: int = 10) -> Claim:
        """Claim what is free, which must be something."""
        claim = self.try_claim(ttl=ttl, grace=grace, limit=limit)
        assert claim is not None
        return claim

    def read_claim(self, claim_id: str) -> Claim:
        """Return a claim."""
        return self.store.claims.get(self.project, self.name, claim_id)

    def renew(self, claim_id: str, *, ttl: int = 300, grace: int = 60) -> None:
        """Renew a claim."""
        self.store.claims.renew(self.project, self.name, claim_id, ttl=ttl, grace=grace)

    def release(self, claim_id: str) -> None:
        """Release a claim."""
        self.store.claims.release(self.project, self.name, claim_id)


def flat(lists: Iterable[list[Result]]) -> list[Result]:
    """Join lists into one."""
    return [item for each in lists for item in each]


def claim_all(queue: BoundQueue, *, limit: int) -> list[str]:
    """Claim until nothing is free, and return the ids of all messages that were claimed."""
    taken: list[str] = []
    while claim := queue.try_claim(limit=limit):
        assert claim.messages, "this would go on for ever"
        assert len(taken) < 1000, "this would go on for ever"
        taken += ids_of(claim)
    return taken


def ids_of(claim: Claim | None) -> list[str]:
    """Return the ids of the messages under the claim, none for no claim."""
    return [message.id for message in claim.messages] if claim else []


def together(*actions: Callable[[], Result]) -> list[Result]:
    """Start the actions at the same time, each in a thread, and return their results in order.

    Raises what an action raised. Threads that do not end are left behind as daemons.
    """
    start = Barrier(len(actions))
    results: dict[int, Result] = {}
    errors: list[BaseException] = []

    def run(number: int, action: Callable[[], Result]) -> None:
        try:
            start.wait(PATIENCE)
            results[number] = action()
        except BaseException as error:  # carried over to the caller's thread
            errors.append(error)

    threads = [
        Thread(target=run, args=item, daemon=True, name=f"case-{item[0]}")
        for item in enumerate(actions)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    if errors:
        raise errors[0]
    assert not any(thread.is_alive() for thread in threads), "an operation does not return"
    return [results[number] for number in range(len(actions))]
