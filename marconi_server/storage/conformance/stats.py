"""Counting messages (spec 6.9)."""

# ruff: noqa: D102 - a test's name says what it shows

import pytest

from marconi_server.storage.conformance.clock import ManualClock
from marconi_server.storage.conformance.support import INSTANT, BoundQueue, Cases, ids_of
from marconi_server.storage.contract import MessageStamp, QueueStats, Store
from marconi_server.storage.errors import QueueNotFound


class StatsCases(Cases):
    """Counts, the oldest and the newest message."""

    def test_of_an_empty_queue(self, queue: BoundQueue) -> None:
        assert queue.stats() == QueueStats(claimed=0, free=0, oldest=None, newest=None)

    def test_of_a_missing_queue(self, store: Store) -> None:
        with pytest.raises(QueueNotFound):
            BoundQueue(store, name="missing").stats()

    def test_counts_free_messages_of_every_client(self, queue: BoundQueue) -> None:
        queue.post_numbers(3, client="one")
        queue.post_numbers(4, client="two")
        assert queue.counts() == (7, 0)

    def test_of_each_queue_for_itself(self, store: Store, queue: BoundQueue) -> None:
        other = BoundQueue(store, name="other").create()
        other.post_numbers(3)
        other.claim(limit=1)
        assert queue.stats() == QueueStats(claimed=0, free=0)

    def test_oldest_and_newest(self, clock: ManualClock, queue: BoundQueue) -> None:
        first = clock()
        oldest, _ = queue.post_numbers(2)
        clock.advance(2.5)
        second = clock()
        _, newest = queue.post_numbers(2)
        clock.advance(1.75)

        stats = queue.stats()
        _assert_stamp(stats.oldest, oldest, created=first, age=4)
        _assert_stamp(stats.newest, newest, created=second, age=1)

    def test_one_message_is_both(self, clock: ManualClock, queue: BoundQueue) -> None:
        (only,) = queue.post(b"1")
        stats = queue.stats()
        assert stats.oldest == stats.newest
        _assert_stamp(stats.oldest, only, created=clock(), age=0)

    def test_claimed_messages_are_counted_apart(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(20)
        queue.claim(limit=15)
        stats = queue.stats()
        assert (stats.free, stats.claimed) == (5, 15)
        assert stats.oldest is not None
        assert stats.newest is not None
        assert (stats.oldest.id, stats.newest.id) == (ids[0], ids[-1])

    def test_a_claim_does_not_change_when_a_message_was_made(
        self, clock: ManualClock, queue: BoundQueue
    ) -> None:
        posted = clock()
        (only,) = queue.post(b"1", ttl=60)
        clock.advance(10)
        claim = queue.claim(ttl=600, grace=60)
        clock.advance(10)
        queue.renew(claim.id, ttl=900)
        _assert_stamp(queue.stats().oldest, only, created=posted, age=20)

    def test_release_makes_free(self, queue: BoundQueue) -> None:
        queue.post_numbers(5)
        claim = queue.claim(limit=3)
        queue.release(claim.id)
        assert queue.counts() == (5, 0)
        queue.release(claim.id)
        assert queue.counts() == (5, 0)

    def test_expiry_of_a_claim_makes_free(self, clock: ManualClock, queue: BoundQueue) -> None:
        queue.post_numbers(5, ttl=600)
        queue.claim(ttl=60, limit=3)
        clock.advance(60 - INSTANT)
        assert queue.counts() == (2, 3)
        clock.advance(INSTANT)
        assert queue.counts() == (5, 0)
        queue.claim(ttl=60, limit=4)
        assert queue.counts() == (1, 4)

    def test_a_renewed_claim_goes_on_counting(self, clock: ManualClock, queue: BoundQueue) -> None:
        queue.post_numbers(5, ttl=600)
        claim = queue.claim(ttl=60, limit=3)
        clock.advance(30)
        queue.renew(claim.id, ttl=60)
        clock.advance(60 - INSTANT)
        assert queue.counts() == (2, 3)
        clock.advance(INSTANT)
        assert queue.counts() == (5, 0)

    def test_deletion_is_counted(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(8)
        claim = queue.claim(limit=4)
        queue.delete(ids[7])
        assert queue.counts() == (3, 4)
        queue.delete(ids[0], claim.id)
        assert queue.counts() == (3, 3)
        queue.delete_many(ids[1], ids[6], ids[6], "unknown")
        assert queue.counts() == (2, 2)
        queue.delete(ids[7])
        queue.delete(ids[0], claim.id)
        queue.delete_many(ids[1], ids[6])
        assert queue.counts() == (2, 2), "what is deleted again is not counted again"
        stats = queue.stats()
        assert stats.oldest is not None
        assert stats.newest is not None
        assert (stats.oldest.id, stats.newest.id) == (ids[2], ids[5])

    def test_back_to_nothing(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(4)
        queue.claim(limit=2)
        queue.delete_many(*ids)
        assert queue.stats() == QueueStats(claimed=0, free=0)

    def test_expired_messages_are_not_counted(self, clock: ManualClock, queue: BoundQueue) -> None:
        queue.post_numbers(2, ttl=60)
        lasting = queue.post_numbers(3, ttl=300)
        queue.post_numbers(4, ttl=90)
        clock.advance(60 - INSTANT)
        assert queue.counts() == (9, 0)
        clock.advance(INSTANT)
        assert queue.counts() == (7, 0)
        clock.advance(30)
        stats = queue.stats()
        assert (stats.free, stats.claimed) == (3, 0)
        assert stats.oldest is not None
        assert stats.newest is not None
        assert (stats.oldest.id, stats.newest.id) == (lasting[0], lasting[-1])
        clock.advance(210)
        assert queue.stats() == QueueStats(claimed=0, free=0)

    def test_deleting_expired_messages_is_not_counted(
        self, clock: ManualClock, queue: BoundQueue
    ) -> None:
        expired = queue.post_numbers(3, ttl=60)
        queue.post_numbers(2, ttl=300)
        clock.advance(60)
        queue.delete(expired[0])
        queue.delete_many(*expired)
        assert queue.counts() == (2, 0)

    def test_a_claim_and_its_messages_expire_one_after_the_other(
        self, clock: ManualClock, queue: BoundQueue
    ) -> None:
        queue.post_numbers(3, ttl=60)
        queue.post_numbers(2, ttl=600)
        assert len(ids_of(queue.claim(ttl=100, grace=60, limit=4))) == 4
        clock.advance(100 - INSTANT)
        assert queue.counts() == (1, 4)
        clock.advance(INSTANT)
        assert queue.counts() == (5, 0)
        clock.advance(60)
        assert queue.counts() == (2, 0)
        clock.advance(440)
        assert queue.counts() == (0, 0)


def _assert_stamp(stamp: MessageStamp | None, message_id: str, created: float, age: int) -> None:
    assert stamp is not None
    assert stamp.id == message_id
    assert stamp.age == age
    # A driver may keep milliseconds.
    assert stamp.created == pytest.approx(created, abs=0.001)
