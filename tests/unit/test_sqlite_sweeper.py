"""Removal in the background: bounded steps, nothing left over, nobody sees it."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from marconi_server.storage.conformance import ManualClock
from marconi_server.storage.contract import NewMessage
from marconi_server.storage.sqlite.driver import SQLiteOptions, SQLiteStore
from marconi_server.storage.sqlite.sweeper import STEP, Sweeper, step
from tests.support.waiting import wait_until


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[SQLiteStore]:
    """A store whose sweeper never comes by itself."""
    options = SQLiteOptions(database=str(tmp_path / "marconi.db"), sweep_interval=3600)
    store = SQLiteStore.open(options, clock)
    store.queues.create(None, "q")
    yield store
    store.close()


def rows(store: SQLiteStore, table: str) -> int:
    ((count,),) = store._reader.read(f"SELECT count(*) FROM {table}")
    return int(count)


def sweep(store: SQLiteStore) -> int:
    """Run steps until nothing is left to do; return how many it took."""
    steps = 0
    while store._sweeper.work_to_do():
        store._writer.write(step, STEP)
        steps += 1
        assert steps < 100
    return steps


def post(store: SQLiteStore, count: int, ttl: int = 300) -> None:
    store.messages.post(None, "q", "c", [NewMessage(ttl, b"1")] * count)


def test_expired_messages_go_in_bounded_steps(store: SQLiteStore, clock: ManualClock) -> None:
    post(store, 2 * STEP + 1, ttl=60)
    post(store, 3, ttl=600)
    assert not store._sweeper.work_to_do()
    clock.advance(60)
    store._writer.write(step, STEP)
    assert rows(store, "message") == STEP + 1 + 3
    assert store.queues.stats(None, "q").free == 3
    sweep(store)
    assert rows(store, "message") == 3
    assert store.queues.stats(None, "q").free == 3


def test_the_messages_of_expired_claims_are_free_without_and_after_a_sweep(
    store: SQLiteStore, clock: ManualClock
) -> None:
    post(store, 5, ttl=600)
    claim = store.claims.create(None, "q", ttl=60, grace=60, limit=3)
    assert claim is not None
    clock.advance(60)
    assert store.queues.stats(None, "q").claimed == 0
    sweep(store)
    assert rows(store, "claim") == 0
    assert rows(store, "message WHERE claim_id IS NULL") == 5
    assert store.queues.stats(None, "q").free == 5


def test_a_deleted_queue_is_removed_to_the_last_row(store: SQLiteStore) -> None:
    post(store, 2 * STEP)
    store.claims.create(None, "q", ttl=60, grace=60, limit=5)
    store.queues.set_metadata(None, "q", b'{"a": 1}')
    store.queues.delete(None, "q")
    assert rows(store, "message") == 2 * STEP  # the client did not wait for this
    sweep(store)
    for table in ("message", "claim", "metadata", "queue", "deleted_queue"):
        assert rows(store, table) == 0, table


def test_a_claim_goes_with_its_last_message(store: SQLiteStore) -> None:
    post(store, 2)
    claim = store.claims.create(None, "q", ttl=60, grace=60, limit=2)
    assert claim is not None
    for message in claim.messages:
        assert rows(store, "claim") == 1
        store.messages.delete(None, "q", message.id, claim.id)
    assert rows(store, "claim") == 0


def test_the_counters_agree_with_the_rows_after_everything(
    store: SQLiteStore, clock: ManualClock
) -> None:
    post(store, 30, ttl=60)
    post(store, 30, ttl=600)
    first = store.claims.create(None, "q", ttl=60, grace=60, limit=20)
    second = store.claims.create(None, "q", ttl=300, grace=60, limit=20)
    assert first is not None
    assert second is not None
    store.messages.delete_many(None, "q", [message.id for message in first.messages[:5]])
    store.messages.delete(None, "q", second.messages[0].id, second.id)
    clock.advance(100)
    store.claims.create(None, "q", ttl=60, grace=60, limit=10)
    store.claims.release(None, "q", second.id)
    sweep(store)
    counted = store._reader.read("SELECT total, claimed FROM queue")
    assert counted == [(rows(store, "message"), rows(store, "message WHERE claim_id NOTNULL"))]


def test_the_sweeper_comes_by_itself_and_survives_a_fault(
    tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "marconi.db"
    store = SQLiteStore.open(SQLiteOptions(database=str(path), sweep_interval=1), clock)
    store.queues.create(None, "q")
    post(store, 10, ttl=60)
    clock.advance(60)
    with caplog.at_level(logging.WARNING):
        path.rename(path.with_name("away.db"))
        wait_until(lambda: "were not removed" in caplog.text)
        path.with_name("away.db").rename(path)
        wait_until(lambda: rows(store, "message") == 0)
    store.close()
    assert not store._sweeper._thread.is_alive()


def test_a_defect_is_logged_and_is_not_the_end_of_removal(
    store: SQLiteStore,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    post(store, 10, ttl=60)
    clock.advance(60)
    with monkeypatch.context() as broken:
        broken.setattr(Sweeper, "work_to_do", lambda _self: 1 // 0)
        sweeper = Sweeper(store._reader, store._writer, clock, interval=0.01)
        wait_until(lambda: "because of a defect" in caplog.text)
    wait_until(lambda: rows(store, "message") == 0)
    sweeper.close()
    assert "ZeroDivisionError" in caplog.text
