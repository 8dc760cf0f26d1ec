"""Free messages in MongoDB: what is remembered of claims never hides one that has expired."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from pymongo import MongoClient
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from marconi_server.storage.conformance import ManualClock
from marconi_server.storage.conformance.support import BoundQueue
from marconi_server.storage.mongodb import startup
from marconi_server.storage.mongodb.driver import MongoDBStore
from tests.storage.conftest import MongoDBHarness

AHEAD = 30
"""Seconds for which a look at the claims of a queue holds good."""


class Finds(CommandListener):
    """Counts the queries for messages, and does something before one of them."""

    def __init__(self) -> None:
        self.count = 0
        self.before: dict[int, Callable[[], object]] = {}

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name == "find" and event.command["find"] == "messages":
            self.count += 1
            self.before.pop(self.count, lambda: None)()

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Not of interest."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Not of interest."""


@pytest.fixture
def finds() -> Finds:
    return Finds()


@pytest.fixture
def store(
    mongodb_harness: MongoDBHarness,
    clock: ManualClock,
    finds: Finds,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[MongoDBStore]:
    """A node whose queries are watched."""
    monkeypatch.setattr(startup, "MongoClient", partial(MongoClient, event_listeners=[finds]))
    store = mongodb_harness.open(clock)
    monkeypatch.undo()
    yield store
    store.close()


@pytest.fixture
def other(mongodb_harness: MongoDBHarness, clock: ManualClock) -> Iterator[MongoDBStore]:
    """Another node."""
    store = mongodb_harness.open(clock)
    yield store
    store.close()


def queries(finds: Finds, work: Callable[[], object]) -> int:
    before = finds.count
    work()
    return finds.count - before


def test_most_reads_are_one_query(store: MongoDBStore, clock: ManualClock, finds: Finds) -> None:
    queue = BoundQueue(store).create()
    queue.post_numbers(3)
    assert queries(finds, lambda: queue.free_ids()) == 2
    assert queries(finds, lambda: queue.free_ids()) == 1
    assert queries(finds, lambda: queue.claim(limit=1)) == 1
    clock.advance(AHEAD - 1)
    assert queries(finds, lambda: queue.free_ids()) == 1
    clock.advance(1)
    assert queries(finds, lambda: queue.free_ids()) == 2


def test_the_shortest_claim_of_another_node_made_after_the_look_ends_in_time(
    store: MongoDBStore, other: MongoDBStore, clock: ManualClock
) -> None:
    queue = BoundQueue(store).create()
    ids = queue.post_numbers(2, ttl=600)
    assert queue.free_ids() == ids
    BoundQueue(other).claim(ttl=60, limit=1)
    assert queue.free_ids() == ids[1:]
    for _ in range(59):
        clock.advance(1)
        assert queue.free_ids() == ids[1:]
    clock.advance(1)
    assert queue.free_ids() == ids


def test_a_claim_that_is_there_at_the_look_ends_in_time(
    store: MongoDBStore, other: MongoDBStore, clock: ManualClock
) -> None:
    queue = BoundQueue(store).create()
    ids = queue.post_numbers(2, ttl=600)
    BoundQueue(other).claim(ttl=60, limit=1)
    clock.advance(58)
    assert queue.free_ids() == ids[1:]  # looks, less than its usual time before the end
    clock.advance(2)
    assert queue.free_ids() == ids


def test_a_clock_that_was_set_back_is_no_reason_to_look_no_more(
    store: MongoDBStore, other: MongoDBStore, clock: ManualClock, finds: Finds
) -> None:
    queue = BoundQueue(store).create()
    queue.post_numbers(1, ttl=6000)
    queue.free_ids()
    clock._now -= 3600
    assert queries(finds, lambda: queue.free_ids()) == 2


def test_a_message_that_is_dissolved_between_two_queries_is_there_once(
    store: MongoDBStore, other: MongoDBStore, clock: ManualClock, finds: Finds
) -> None:
    queue = BoundQueue(store).create()
    ids = queue.post_numbers(3, ttl=600)
    BoundQueue(other).claim(ttl=60, limit=1)
    clock.advance(60)
    (head,) = other._engine.messages.find({"position": 0})
    other._sweeper.expired_claims_seen(head["_id"])
    dissolved: list[bool] = []
    finds.before[finds.count + 3] = lambda: dissolved.append(other._sweeper.dissolve())
    assert queue.free_ids() == ids
    assert dissolved == [True]
    assert queries(finds, lambda: queue.free_ids()) == 2, "the claim is still there"


def test_no_more_than_so_many_queues_are_remembered(
    store: MongoDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marconi_server.storage.mongodb.free._KNOWN_QUEUES", 2)
    for name in "abcde":
        BoundQueue(store, name=name).create().free_ids()
        assert len(store._free._none_expire) <= 2
