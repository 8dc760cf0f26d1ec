"""Removal in MongoDB: in small steps, by one process at a time, exactly counted."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from marconi_server.storage.conformance import ManualClock
from marconi_server.storage.conformance.support import INSTANT, BoundQueue, ids_of, together
from marconi_server.storage.contract import Store
from marconi_server.storage.mongodb import sweeper as module
from marconi_server.storage.mongodb.driver import MongoDBStore
from marconi_server.storage.mongodb.operations import QueueIds
from marconi_server.storage.mongodb.schema import LEASE
from marconi_server.storage.mongodb.sweeper import LEASE_SECONDS, Sweeper
from tests.mongodb.deployment import Deployment
from tests.storage.conftest import COMMANDS, OUT_OF_DISK_SPACE, MongoDBHarness
from tests.support.waiting import wait_until

STEP = 3


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEP", STEP)


@pytest.fixture
def stores(mongodb_harness: MongoDBHarness, clock: ManualClock) -> Iterator[list[MongoDBStore]]:
    """Two nodes whose sweepers do not come by themselves."""
    stores = [mongodb_harness.open(clock) for _ in range(2)]
    yield stores
    for store in stores:
        store.close()


@pytest.fixture
def store(stores: list[MongoDBStore]) -> MongoDBStore:
    return stores[0]


@pytest.fixture
def queue(store: MongoDBStore) -> BoundQueue:
    return BoundQueue(store).create()


def documents(store: Store, **wanted: Any) -> int:
    """Count the messages that are stored, visible or not."""
    assert isinstance(store, MongoDBStore)
    return store._engine.messages.count_documents({"position": {"$gt": 0}, **wanted})


def sweeper_of(
    store: MongoDBStore, clock: ManualClock, *, interval: float, max_clock_skew: float
) -> Sweeper:
    """Give the store one more sweeper."""
    return Sweeper(
        store._engine,
        QueueIds(store._engine),
        clock,
        interval=interval,
        max_clock_skew=max_clock_skew,
    )


def sweep(sweeper: Sweeper) -> int:
    """Sweep until nothing is left to do, and return the number of steps."""
    steps = 0
    while sweeper.dissolve() or sweeper.work():
        steps += 1
        assert steps < 100, "this would go on for ever"
    return steps


def test_one_process_removes_and_another_takes_over_when_it_is_gone(
    stores: list[MongoDBStore], queue: BoundQueue, clock: ManualClock
) -> None:
    first, second = (store._sweeper for store in stores)
    queue.post_numbers(3 * STEP, ttl=60)
    clock.advance(60)
    assert first.work()
    assert not second.work()
    assert documents(queue.store) == 2 * STEP
    clock.advance(LEASE_SECONDS - 1)
    assert first.work()  # and so it has the lease for longer
    clock.advance(LEASE_SECONDS - 1)
    assert not second.work()
    assert documents(queue.store) == STEP
    clock.advance(1)
    assert second.work()
    assert not first.work()
    assert documents(queue.store) == 0


@pytest.mark.parametrize(
    "change",
    [
        None,
        {"$unset": {"until": True}},
        {"$set": {"until": "tomorrow"}},
        {"$set": {"until": 2**62}},
        {"$set": {"until": float("nan")}},
    ],
)
def test_a_lease_that_somebody_has_changed_is_nobodys(
    stores: list[MongoDBStore], queue: BoundQueue, clock: ManualClock, change: Any
) -> None:
    """Or that was taken by a clock which was wrong."""
    first, second = (store._sweeper for store in stores)
    assert not first.work()
    queue.post_numbers(1, ttl=60)
    clock.advance(60)
    leases = queue.store._engine.housekeeping  # type: ignore[attr-defined]
    if change is None:
        leases.delete_one({"_id": LEASE})
    else:
        leases.update_one({"_id": LEASE}, change)
    assert second.work()
    assert documents(queue.store) == 0
    assert not first.work()


def test_what_is_no_message_is_removed_too_when_it_is_over(
    store: MongoDBStore, queue: BoundQueue
) -> None:
    engine = store._engine
    queue.delete_many(*queue.post_numbers(2))
    engine.queues.update_one({}, {"$set": {"removed": "all"}})
    engine.messages.insert_many([{"expires": 0}, {"expires": 0, "queue": {"a": 1}}])
    assert sweep(store._sweeper) == 2
    assert engine.messages.count_documents({"position": {"$ne": 0}}) == 0
    assert queue.counts() == (0, 0)


def test_a_queue_that_was_restored_keeps_its_messages(
    store: MongoDBStore, queue: BoundQueue
) -> None:
    ids = queue.post_numbers(2)
    deleted = store._engine.queues.find_one({})
    assert deleted is not None
    store._engine.housekeeping.insert_one({"_id": deleted["_id"], "deleted": True})
    sweep(store._sweeper)
    assert queue.ids() == ids
    assert store._engine.housekeeping.find_one({"deleted": True}) is None


def test_removal_is_counted(store: MongoDBStore, queue: BoundQueue, clock: ManualClock) -> None:
    other = BoundQueue(store, name="other").create()
    queue.post_numbers(5, ttl=60)
    other.post_numbers(4, ttl=60)
    ids = queue.post_numbers(6, ttl=600)
    other.post_numbers(1, ttl=600)
    claim = queue.claim(limit=7)
    queue.delete(ids[0], claim.id)
    queue.delete_many(*ids[4:])
    clock.advance(120)
    before = queue.stats(), other.stats()
    assert (before[0].free, before[0].claimed) == (2, 6)
    assert (before[1].free, before[1].claimed) == (1, 0)
    while store._sweeper.work():
        assert (queue.stats(), other.stats()) == before
    assert documents(store) == 9
    assert (queue.stats(), other.stats()) == before


def test_nothing_is_removed_twice_from_the_count(
    stores: list[MongoDBStore], queue: BoundQueue, clock: ManualClock
) -> None:
    """Two may sweep at the same time, when the clock of one is ahead."""
    queue.post_numbers(20, ttl=60)
    queue.post_numbers(1, ttl=600)
    clock.advance(60)

    def remove(sweeper: Sweeper) -> Callable[[], None]:
        def work() -> None:
            while sweeper.remove_messages():
                pass

        return work

    together(*(remove(store._sweeper) for store in stores))
    assert documents(queue.store) == 1
    assert queue.counts() == (1, 0)


def test_removal_waits_for_nodes_whose_clock_may_be_behind(
    store: MongoDBStore, queue: BoundQueue, clock: ManualClock
) -> None:
    sweeper = sweeper_of(store, clock, interval=3600, max_clock_skew=2)
    queue.post_numbers(1, ttl=60)
    clock.advance(60)
    assert queue.ids() == []
    clock.advance(2 - INSTANT)
    assert not sweeper.remove_messages()
    clock.advance(INSTANT)
    assert sweeper.remove_messages()
    sweeper.close()


def test_messages_of_expired_claims_are_freed_where_they_were_seen(
    stores: list[MongoDBStore], queue: BoundQueue, clock: ManualClock
) -> None:
    first, second = (store._sweeper for store in stores)
    queue.post_numbers(3 * STEP)
    queue.claim(ttl=60, limit=2 * STEP)
    assert not first.dissolve()
    clock.advance(60)
    assert not first.dissolve(), "nobody has seen that they expired"
    assert queue.claim(ttl=60, limit=1)
    assert not second.dissolve()
    freed = [first.dissolve(), documents(queue.store, **{"claim.expires": {"$gt": 0}})]
    assert freed == [True, STEP]
    while first.dissolve():
        pass
    assert documents(queue.store, **{"claim.expires": {"$gt": 0}}) == 1
    assert queue.counts() == (3 * STEP - 1, 1)


def test_a_claim_that_is_live_is_never_dissolved(
    store: MongoDBStore, queue: BoundQueue, clock: ManualClock
) -> None:
    queue.post_numbers(3)
    queue.claim(ttl=60, limit=1)
    clock.advance(60)
    claim = queue.claim(ttl=60, limit=2)
    assert store._sweeper._expired_claims
    sweep(store._sweeper)
    assert ids_of(queue.read_claim(claim.id)) == ids_of(claim)
    assert queue.counts() == (1, 2)


def test_a_deleted_queue_of_a_node_that_died_is_removed_by_another(
    stores: list[MongoDBStore], queue: BoundQueue, clock: ManualClock
) -> None:
    first, second = stores
    queue.post_numbers(3 * STEP)
    queue.claim(limit=STEP)
    queue.drop()
    queue.create().post_numbers(2)
    assert first._sweeper.work()
    assert documents(second) == 2 * STEP + 2
    clock.advance(LEASE_SECONDS)
    assert sweep(second._sweeper) == 3  # the last one for the note that there is such a queue
    assert documents(second) == 2
    assert second._engine.housekeeping.count_documents({"deleted": True}) == 0
    assert queue.counts() == (2, 0)


def test_it_comes_by_itself_also_after_a_fault(
    mongodb: Deployment,
    store: MongoDBStore,
    queue: BoundQueue,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = store._engine
    queue.post_numbers(2 * STEP, ttl=60)
    clock.advance(60)
    engine.timeout = 0.2
    with mongodb.fail_command(*COMMANDS, error_code=OUT_OF_DISK_SPACE):
        sweeper = sweeper_of(store, clock, interval=0.01, max_clock_skew=0)
        wait_until(lambda: "Expired messages were not removed: " in caplog.text)
        engine.timeout = 10
    wait_until(lambda: documents(store) == 0)
    sweeper.close()
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_a_defect_is_logged_and_is_not_the_end_of_removal(
    store: MongoDBStore,
    queue: BoundQueue,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue.post_numbers(2 * STEP, ttl=60)
    clock.advance(60)
    with monkeypatch.context() as broken:
        broken.setattr(Sweeper, "work", lambda _self: 1 // 0)
        sweeper = sweeper_of(store, clock, interval=0.01, max_clock_skew=0)
        wait_until(lambda: "because of a defect" in caplog.text)
    wait_until(lambda: documents(store) == 0)
    sweeper.close()
    assert "ZeroDivisionError" in caplog.text


def test_it_says_that_a_clock_has_gone_wrong(
    store: MongoDBStore, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock(time.time() + 3600)
    sweeper = sweeper_of(store, clock, interval=0.01, max_clock_skew=1)
    wait_until(lambda: "The clock of this host and that of the MongoDB primary" in caplog.text)
    sweeper.close()
    (record,) = caplog.records
    assert record.levelno == logging.ERROR


def test_it_stops_with_the_store(store: MongoDBStore) -> None:
    assert store._sweeper._thread.is_alive()
    store.close()
    assert not store._sweeper._thread.is_alive()
    store.close()
