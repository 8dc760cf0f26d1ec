"""What was answered is there after the store is closed and opened again."""

# ruff: noqa: D102 - a test's name says what it shows

from collections.abc import Iterator

import pytest

from marconi_server.storage.conformance.clock import ManualClock
from marconi_server.storage.conformance.support import BoundQueue, Cases, Harness, ids_of
from marconi_server.storage.errors import ClaimNotFound


class Reopened:
    """A store that each `again` closes and opens afresh."""

    def __init__(self, harness: Harness, clock: ManualClock) -> None:
        self._harness = harness
        self._clock = clock
        self.store = harness.open(clock)

    def again(self) -> BoundQueue:
        """Close the store, open it again, and return the queue seen through it."""
        self.store.close()
        self.store = self._harness.open(self._clock)
        return BoundQueue(self.store)


class ReopeningCases(Cases):
    """Each kind of thing, written, closed and read."""

    @pytest.fixture
    def reopened(self, harness: Harness, clock: ManualClock) -> Iterator[Reopened]:
        """A store to close and open again, with one queue."""
        reopened = Reopened(harness, clock)
        BoundQueue(reopened.store).create()
        yield reopened
        reopened.store.close()

    def test_queues_and_metadata(self, reopened: Reopened) -> None:
        store = reopened.store
        store.queues.create("project", "deleted")
        store.queues.create(None, "other")
        store.queues.set_metadata("project", "queue", b'{ "a":1}')
        store.queues.delete("project", "deleted")

        store = reopened.again().store
        assert not store.queues.create("project", "queue")
        assert store.queues.metadata("project", "queue") == b'{ "a":1}'
        page = store.queues.list("project", marker=None, limit=10, detailed=False)
        assert [queue.name for queue in page.items] == ["queue"]
        assert store.queues.exists(None, "other")

    def test_messages_and_their_order(self, reopened: Reopened, clock: ManualClock) -> None:
        ids = []
        for _ in range(3):
            queue = reopened.again()
            ids += queue.post_numbers(3, ttl=600) + queue.post(b'"\xc3\xa9"', ttl=900)
            clock.advance(10)
        before = queue.page()
        queue = reopened.again()
        assert queue.page() == before
        assert [message.id for message in before.items] == ids

    def test_markers(self, reopened: Reopened) -> None:
        queue = reopened.again()
        ids = queue.post_numbers(4)
        marker = queue.page(limit=2).marker
        queue = reopened.again()
        new = queue.post_numbers(2)
        assert [message.id for message in queue.page(marker).items] == ids[2:] + new

    def test_who_posted(self, reopened: Reopened) -> None:
        reopened.again().post(b"1", client="one")
        theirs = reopened.again().post(b"2", client="two")
        queue = reopened.again()
        assert [message.id for message in queue.page(exclude_client="one").items] == theirs

    def test_claims(self, reopened: Reopened, clock: ManualClock) -> None:
        ids = reopened.again().post_numbers(5, ttl=60)
        claim = reopened.again().claim(ttl=100, grace=60, limit=2)
        clock.advance(30)
        queue = reopened.again()
        read = queue.read_claim(claim.id)
        assert (read.ttl, read.age, ids_of(read)) == (100, 30, ids[:2])
        assert [(m.ttl, m.age) for m in read.messages] == [(160, 30)] * 2
        assert ids_of(queue.claim(limit=1)) == [ids[2]]
        queue.renew(claim.id, ttl=80, grace=0)
        clock.advance(79)
        assert ids_of(reopened.again().read_claim(claim.id)) == ids[:2]
        clock.advance(1)
        with pytest.raises(ClaimNotFound):
            reopened.again().read_claim(claim.id)

    def test_deletions_and_releases(self, reopened: Reopened) -> None:
        queue = reopened.again()
        ids = queue.post_numbers(6)
        kept, released = queue.claim(limit=2), queue.claim(limit=2)
        queue.delete(ids[0], kept.id)
        queue.delete_many(ids[3], ids[4])
        queue.release(released.id)
        queue = reopened.again()
        assert queue.ids() == [ids[1], ids[2], ids[5]]
        assert queue.free_ids() == [ids[2], ids[5]]
        assert queue.counts() == (2, 1)

    def test_time_goes_on_while_closed(self, reopened: Reopened, clock: ManualClock) -> None:
        queue = reopened.again()
        queue.post_numbers(2, ttl=60)
        lasting = queue.post_numbers(2, ttl=600)
        reopened.store.close()
        clock.advance(60)
        queue = reopened.again()
        assert queue.ids() == lasting
        assert queue.counts() == (2, 0)

    def test_ids_and_positions_are_not_used_again(self, reopened: Reopened) -> None:
        queue = reopened.again()
        ids = queue.post_numbers(3)
        marker = queue.page().marker
        queue.delete_many(*ids)
        queue = reopened.again()
        new = queue.post_numbers(3)
        assert set(ids).isdisjoint(new)
        assert [message.id for message in queue.page(marker).items] == new
        queue.drop()
        queue = reopened.again().create()
        newest = queue.post_numbers(3)
        assert set(ids + new).isdisjoint(newest)
        assert [message.id for message in queue.page(marker).items] == newest
