"""Two stores that are open on the same data at once are as one."""

# ruff: noqa: D102 - a test's name says what it shows

from collections.abc import Iterator

import pytest

from marconi_server.storage.conformance.clock import ManualClock
from marconi_server.storage.conformance.support import (
    BoundQueue,
    Cases,
    Harness,
    claim_all,
    flat,
    ids_of,
    together,
)
from marconi_server.storage.errors import (
    ClaimNotFound,
    MessageClaimed,
    MessageNotFound,
    QueueNotFound,
)


class SeveralStoresCases(Cases):
    """What one does, the other sees at once."""

    @pytest.fixture
    def other(
        self, harness: Harness, clock: ManualClock, queue: BoundQueue
    ) -> Iterator[BoundQueue]:
        """The same queue through another store, which was used before."""
        store = harness.open(clock)
        other = BoundQueue(store, queue.project, queue.name)
        assert other.ids() == []
        yield other
        store.close()

    def test_queues_and_metadata(self, queue: BoundQueue, other: BoundQueue) -> None:
        assert not other.store.queues.create("project", "queue")
        other.store.queues.set_metadata("project", "queue", b'{"a": 1}')
        assert queue.store.queues.metadata("project", "queue") == b'{"a": 1}'
        other.drop()
        assert not queue.store.queues.exists("project", "queue")
        with pytest.raises(QueueNotFound):
            queue.post(b"1")
        other.create()
        ids = queue.post(b"1")
        assert other.ids() == ids

    def test_messages(self, queue: BoundQueue, other: BoundQueue) -> None:
        ids = []
        for _ in range(3):
            ids += queue.post_numbers(2)
            ids += other.post_numbers(3)
            assert queue.ids() == other.ids() == ids
            assert queue.stats() == other.stats()
        marker = queue.page(limit=4).marker
        assert [message.id for message in other.page(marker).items] == ids[4:]
        other.delete(ids[0])
        queue.delete_many(*ids[1:3])
        with pytest.raises(MessageNotFound):
            queue.get(ids[0])
        assert queue.ids() == other.ids() == ids[3:]

    def test_claims(self, queue: BoundQueue, other: BoundQueue, clock: ManualClock) -> None:
        ids = queue.post_numbers(6, ttl=6000)
        mine, theirs = queue.claim(ttl=60, limit=2), other.claim(ttl=60, limit=2)
        assert (ids_of(mine), ids_of(theirs)) == (ids[:2], ids[2:4])
        assert other.read_claim(mine.id) == mine
        with pytest.raises(MessageClaimed):
            other.delete(ids[0])
        with pytest.raises(MessageClaimed):
            other.delete(ids[0], theirs.id)
        other.delete(ids[0], mine.id)
        assert ids_of(queue.read_claim(mine.id)) == [ids[1]]
        clock.advance(30)
        other.renew(mine.id, ttl=600)
        queue.release(theirs.id)
        with pytest.raises(ClaimNotFound):
            other.read_claim(theirs.id)
        clock.advance(30)
        assert ids_of(queue.read_claim(mine.id)) == [ids[1]]
        assert queue.free_ids() == other.free_ids() == ids[2:]

    def test_closing_one_leaves_the_other(self, queue: BoundQueue, other: BoundQueue) -> None:
        other.post(b"1")
        other.store.close()
        queue.post(b"2")
        assert [message.body for message in queue.page().items] == [b"1", b"2"]

    def test_one_claim_for_each_message(self, queue: BoundQueue, other: BoundQueue) -> None:
        ids = queue.post_numbers(120)

        taken = together(
            *(lambda through=through: claim_all(through, limit=4) for through in [queue, other] * 3)
        )
        assert sorted(flat(taken)) == sorted(ids)
        assert queue.counts() == other.counts() == (0, 120)

    def test_order_is_one(self, queue: BoundQueue, other: BoundQueue) -> None:
        def post(through: BoundQueue) -> list[list[str]]:
            return [through.post_numbers(3) for _ in range(10)]

        posted = together(
            *(lambda through=through: post(through) for through in [queue, other] * 3)
        )
        ids = queue.ids()
        assert other.ids() == ids
        assert len(ids) == 180
        for batches in posted:
            places = [ids.index(message_id) for batch in batches for message_id in batch]
            assert places == sorted(places), "each poster's messages stand in its order"
            for batch in batches:
                first = ids.index(batch[0])
                assert ids[first : first + 3] == batch

    def test_exactly_one_creator(self, queue: BoundQueue, other: BoundQueue) -> None:
        names = [f"new-{n}" for n in range(10)]

        def create(through: BoundQueue) -> list[bool]:
            return [through.store.queues.create("project", name) for name in names]

        created = together(
            *(lambda through=through: create(through) for through in [queue, other] * 2)
        )
        assert [sum(each) for each in zip(*created, strict=True)] == [1] * len(names)
