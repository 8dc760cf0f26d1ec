"""A remembered id of a queue that was deleted, and perhaps created anew, through another node."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from bson import ObjectId

from marconi_server.storage.conformance import ManualClock
from marconi_server.storage.conformance.support import BoundQueue, ids_of
from marconi_server.storage.errors import (
    ClaimNotFound,
    MessageClaimed,
    MessageNotFound,
    QueueNotFound,
)
from marconi_server.storage.mongodb import operations
from marconi_server.storage.mongodb.driver import MongoDBStore
from tests.storage.conftest import MongoDBHarness


@dataclass
class Nodes:
    """A queue as it is seen by two nodes; `mine` remembers the id of one that is gone."""

    mine: BoundQueue
    other: BoundQueue
    old_ids: list[str]
    old_claim: str


def remembered(queue: BoundQueue) -> ObjectId | None:
    assert isinstance(queue.store, MongoDBStore)
    ids = queue.store.messages.queue_ids  # type: ignore[attr-defined]
    found: ObjectId | None = ids.known(queue.project, queue.name)
    return found


@pytest.fixture(params=[False, True], ids=["not yet removed", "removed"])
def gone(request: pytest.FixtureRequest, mongodb_harness: MongoDBHarness) -> Iterator[Nodes]:
    """A queue that is gone, together with its messages or before them."""
    stores = [mongodb_harness.open(ManualClock()) for _ in range(2)]
    mine, other = (BoundQueue(store) for store in stores)
    mine.create()
    ids = mine.post(b"1", b"2", b"3")
    claim = mine.claim(limit=1)
    known = remembered(mine)
    assert known is not None
    other.drop()
    if request.param:
        mongodb_harness.sweep(other.store)
    assert remembered(mine) == known
    yield Nodes(mine, other, ids, claim.id)
    for store in stores:
        store.close()


@pytest.fixture
def anew(gone: Nodes) -> Nodes:
    """The same, and another queue of its name."""
    gone.other.create()
    return gone


# The queue is gone


def test_it_has_no_messages(gone: Nodes) -> None:
    assert gone.mine.page().items == []
    assert gone.mine.page(include_claimed=False).items == []
    assert gone.mine.try_claim() is None
    assert gone.mine.get_many(*gone.old_ids) == []
    for message_id in gone.old_ids:
        with pytest.raises(MessageNotFound):
            gone.mine.get(message_id)
    with pytest.raises(ClaimNotFound):
        gone.mine.read_claim(gone.old_claim)
    with pytest.raises(ClaimNotFound):
        gone.mine.renew(gone.old_claim)


def test_nothing_is_posted_to_it(gone: Nodes) -> None:
    with pytest.raises(QueueNotFound):
        gone.mine.post(b"4")
    assert remembered(gone.mine) is None


def test_deleting_from_it_is_no_error(gone: Nodes) -> None:
    claimed, free, other = gone.old_ids
    gone.mine.delete(claimed)
    gone.mine.delete(free, gone.old_claim)
    gone.mine.delete_many(other)
    gone.mine.release(gone.old_claim)


# Another one has its name


def test_a_new_empty_queue_is_empty(anew: Nodes) -> None:
    assert anew.mine.page().items == []
    assert anew.mine.page(include_claimed=False).items == []
    assert anew.mine.try_claim() is None
    assert anew.mine.counts() == (0, 0)


@pytest.mark.parametrize("include_claimed", [False, True])
def test_listing_shows_the_messages_of_the_new_queue(anew: Nodes, include_claimed: bool) -> None:
    ids = anew.other.post(b"4", b"5")
    page = anew.mine.page(include_claimed=include_claimed)
    assert [message.id for message in page.items] == ids


def test_claiming_takes_messages_of_the_new_queue(anew: Nodes) -> None:
    ids = anew.other.post(b"4", b"5")
    claim = anew.mine.claim()
    assert ids_of(claim) == ids
    assert ids_of(anew.other.read_claim(claim.id)) == ids


def test_getting_finds_messages_of_the_new_queue_alone(anew: Nodes) -> None:
    (new,) = anew.other.post(b"4")
    assert anew.mine.get(new).body == b"4"
    assert [message.id for message in anew.mine.get_many(*anew.old_ids, new)] == [new]


def test_an_old_message_is_not_found_in_the_new_queue(anew: Nodes) -> None:
    with pytest.raises(MessageNotFound):
        anew.mine.get(anew.old_ids[0])


def test_posting_goes_to_the_new_queue(anew: Nodes) -> None:
    (first,) = anew.other.post(b"4")
    (second,) = anew.mine.post(b"5")
    assert anew.other.ids() == [first, second]


def test_deleting_without_a_claim(anew: Nodes) -> None:
    first, second = anew.other.post(b"4", b"5")
    anew.mine.delete(first)
    assert anew.other.ids() == [second]


def test_deleting_with_a_claim(anew: Nodes) -> None:
    first, second = anew.other.post(b"4", b"5")
    claim = anew.other.claim(limit=1)
    anew.mine.delete(first, claim.id)
    assert anew.other.ids() == [second]


@pytest.mark.parametrize("with_claim", [False, True], ids=["no claim", "old claim"])
def test_a_claimed_message_is_kept(anew: Nodes, with_claim: bool) -> None:
    (new,) = anew.other.post(b"4")
    anew.other.claim()
    with pytest.raises(MessageClaimed):
        anew.mine.delete(new, anew.old_claim if with_claim else None)
    assert anew.other.ids() == [new]


def test_deleting_an_old_message_touches_nothing(anew: Nodes) -> None:
    (new,) = anew.other.post(b"4")
    anew.mine.delete(anew.old_ids[1])
    anew.mine.delete_many(*anew.old_ids)
    assert anew.other.ids() == [new]
    assert anew.other.counts() == (1, 0)


def test_deleting_several(anew: Nodes) -> None:
    first, second, third = anew.other.post(b"4", b"5", b"6")
    anew.other.claim(limit=1)
    anew.mine.delete_many(first, anew.old_ids[0], third)
    assert anew.other.ids() == [second]


def test_claims_of_the_new_queue(anew: Nodes) -> None:
    anew.other.post(b"4")
    claim = anew.other.claim(ttl=100)
    assert anew.mine.read_claim(claim.id).ttl == 100
    anew.mine.renew(claim.id, ttl=200)
    assert anew.other.read_claim(claim.id).ttl == 200
    anew.mine.release(claim.id)
    assert anew.other.counts() == (1, 0)
    with pytest.raises(ClaimNotFound):
        anew.mine.read_claim(anew.old_claim)


def test_the_new_id_is_remembered(anew: Nodes) -> None:
    old = remembered(anew.mine)
    anew.mine.post(b"4")
    assert remembered(anew.mine) not in (None, old)


def test_a_queue_whose_document_somebody_has_removed_is_forgotten(
    mongodb_harness: MongoDBHarness,
) -> None:
    """Its head is still there, so that nothing else would tell."""
    mine, other = (BoundQueue(mongodb_harness.open(ManualClock())) for _ in range(2))
    ids = mine.create().post(b"1")
    assert other.ids() == ids
    assert isinstance(mine.store, MongoDBStore)
    mine.store._engine.queues.delete_many({})
    new = mine.create().post(b"2")
    assert mine.ids() == new
    other.ids()  # what was used lately is looked at
    assert isinstance(other.store, MongoDBStore)
    other.store._sweeper._queue_ids.check()
    assert remembered(other) is None
    assert other.ids() == new
    assert other.post(b"3") == mine.ids()[1:]
    for each in (mine, other):
        each.store.close()


def test_what_is_remembered_does_not_grow_for_ever(
    mongodb_harness: MongoDBHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "_KNOWN_QUEUES", 3)
    store = mongodb_harness.open(ManualClock())
    for number in range(10):
        queue = BoundQueue(store, name=f"queue-{number}").create()
        queue.post(b"1")
        assert remembered(queue) is not None
        assert len(store.messages.queue_ids._known) <= 3  # type: ignore[attr-defined]
    store.close()
