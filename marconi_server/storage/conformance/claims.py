"""Claiming, reading, renewing and releasing (spec 6.5 and 6.7)."""

# ruff: noqa: D102 - a test's name says what it shows

import pytest

from marconi_server.storage.conformance.clock import ManualClock
from marconi_server.storage.conformance.support import INSTANT, BoundQueue, Cases, ids_of
from marconi_server.storage.contract import Claim, Store
from marconi_server.storage.errors import ClaimNotFound


class ClaimCases(Cases):
    """The life of a claim."""

    def test_takes_the_oldest_free_messages_in_order(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(5)
        assert ids_of(queue.claim(limit=2)) == ids[:2]
        assert ids_of(queue.claim(limit=2)) == ids[2:4]
        assert ids_of(queue.claim(limit=2)) == ids[4:]
        assert queue.try_claim(limit=2) is None

    def test_a_new_claim(self, clock: ManualClock, queue: BoundQueue) -> None:
        (message_id,) = queue.post(b'{"a": 1}', ttl=3600)
        clock.advance(5.5)
        claim = queue.claim(ttl=120, grace=60)
        assert (claim.ttl, claim.age) == (120, 0)
        (message,) = claim.messages
        assert message.id == message_id
        assert (message.ttl, message.age, message.body) == (3600, 5, b'{"a": 1}')
        assert queue.read_claim(claim.id) == claim

    def test_ids_are_all_different(self, clock: ManualClock, queue: BoundQueue) -> None:
        queue.post_numbers(20, ttl=100_000)
        first = {queue.claim(limit=1, ttl=60).id for _ in range(20)}
        clock.advance(60)
        second = {queue.claim(limit=1, ttl=60).id for _ in range(20)}
        assert len(first | second) == 40

    def test_nothing_to_claim(self, store: Store, queue: BoundQueue) -> None:
        assert queue.try_claim() is None
        missing = BoundQueue(store, name="missing")
        assert missing.try_claim() is None
        assert not store.queues.exists(missing.project, missing.name)

    def test_everything_claimed(self, queue: BoundQueue) -> None:
        queue.post_numbers(3)
        queue.claim()
        assert queue.try_claim() is None

    def test_takes_as_many_as_allowed(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(1500)
        assert ids_of(queue.claim(limit=1000)) == ids[:1000]
        assert ids_of(queue.claim(limit=1000)) == ids[1000:]

    def test_fills_up_behind_claimed_messages(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(6)
        first = queue.claim(limit=2)
        second = queue.claim(limit=2)
        queue.release(first.id)
        assert ids_of(queue.claim(limit=3)) == [ids[0], ids[1], ids[4]]
        assert ids_of(queue.read_claim(second.id)) == ids[2:4]

    def test_takes_messages_of_every_poster(self, queue: BoundQueue) -> None:
        ids = queue.post(b"1", client="one") + queue.post(b"2", client="two")
        assert ids_of(queue.claim()) == ids

    def test_hides_its_messages_from_other_claims_and_listings_only(
        self, queue: BoundQueue
    ) -> None:
        ids = queue.post_numbers(3)
        queue.claim(limit=2)
        assert queue.free_ids() == ids[2:]
        assert queue.ids() == ids
        assert [message.id for message in queue.get_many(*ids)] == ids

    def test_new_messages_do_not_join_a_claim(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(2)
        claim = queue.claim(limit=10)
        new = queue.post_numbers(1)
        assert ids_of(queue.read_claim(claim.id)) == ids
        assert ids_of(queue.claim(limit=10)) == new

    def test_of_each_queue_for_itself(self, store: Store, queue: BoundQueue) -> None:
        other = BoundQueue(store, name="other").create()
        ids, others = queue.post_numbers(2), other.post_numbers(2)
        assert ids_of(queue.claim()) == ids
        assert queue.try_claim() is None
        assert ids_of(other.claim()) == others

    def test_age_is_whole_seconds_since_the_claim(
        self, clock: ManualClock, queue: BoundQueue
    ) -> None:
        queue.post(b"1")
        clock.advance(10)
        claim = queue.claim()
        for step, age in ((1 - INSTANT, 0), (INSTANT, 1), (41, 42)):
            clock.advance(step)
            read = queue.read_claim(claim.id)
            assert (read.age, read.messages[0].age) == (age, 10 + age)

    def test_unknown_claims(self, store: Store, queue: BoundQueue) -> None:
        queue.post_numbers(2)
        claim = queue.claim(limit=1)
        other = BoundQueue(store, name="other").create()
        missing = BoundQueue(store, name="missing")
        for place, claim_id in ((queue, "unknown"), (other, claim.id), (missing, claim.id)):
            _assert_unknown(place, claim_id)
            place.release(claim_id)
        assert queue.read_claim(claim.id) == claim

    def test_ends_on_the_instant(self, clock: ManualClock, queue: BoundQueue) -> None:
        ids = queue.post_numbers(2, ttl=600)
        claim = queue.claim(ttl=60)
        clock.advance(60 - INSTANT)
        assert ids_of(queue.read_claim(claim.id)) == ids
        assert queue.free_ids() == []
        assert queue.try_claim() is None
        clock.advance(INSTANT)
        _assert_unknown(queue, claim.id)
        assert queue.free_ids() == ids
        assert ids_of(queue.claim()) == ids

    def test_claims_end_each_in_its_time(self, clock: ManualClock, queue: BoundQueue) -> None:
        ids = queue.post_numbers(3, ttl=6000)
        long = queue.claim(ttl=180, limit=1)
        short = queue.claim(ttl=60, limit=1)
        middle = queue.claim(ttl=120, limit=1)
        clock.advance(60)
        _assert_unknown(queue, short.id)
        assert queue.free_ids() == [ids[1]]
        clock.advance(60)
        _assert_unknown(queue, middle.id)
        assert queue.free_ids() == ids[1:]
        assert ids_of(queue.read_claim(long.id)) == [ids[0]]
        clock.advance(60)
        assert ids_of(queue.claim()) == ids

    def test_an_old_claim_has_no_hold_on_a_claimed_again_message(
        self, clock: ManualClock, queue: BoundQueue
    ) -> None:
        ids = queue.post_numbers(2, ttl=600)
        old = queue.claim(ttl=60)
        clock.advance(60)
        new = queue.claim(ttl=60, limit=1)
        _assert_unknown(queue, old.id)
        queue.release(old.id)
        assert ids_of(queue.read_claim(new.id)) == ids[:1]
        assert queue.free_ids() == ids[1:]


class RenewalCases(Cases):
    """Renewing a claim."""

    def test_starts_again_with_the_new_ttl(self, clock: ManualClock, queue: BoundQueue) -> None:
        ids = queue.post_numbers(2, ttl=6000)
        claim = queue.claim(ttl=60)
        clock.advance(30)
        queue.renew(claim.id, ttl=120, grace=60)
        read = queue.read_claim(claim.id)
        assert (read.id, read.ttl, read.age, ids_of(read)) == (claim.id, 120, 0, ids)
        clock.advance(120 - INSTANT)
        read = queue.read_claim(claim.id)
        assert (read.ttl, read.age, ids_of(read)) == (120, 119, ids)
        assert queue.try_claim() is None
        assert queue.free_ids() == []
        clock.advance(INSTANT)
        _assert_unknown(queue, claim.id)
        assert queue.free_ids() == ids

    def test_may_shorten(self, clock: ManualClock, queue: BoundQueue) -> None:
        ids = queue.post_numbers(2, ttl=6000)
        claim = queue.claim(ttl=3000)
        queue.renew(claim.id, ttl=60)
        assert queue.read_claim(claim.id).ttl == 60
        clock.advance(60 - INSTANT)
        assert queue.try_claim() is None
        clock.advance(INSTANT)
        _assert_unknown(queue, claim.id)
        assert ids_of(queue.claim()) == ids

    def test_up_to_the_last_instant(self, clock: ManualClock, queue: BoundQueue) -> None:
        queue.post(b"1", ttl=6000)
        claim = queue.claim(ttl=60)
        for _ in range(3):
            clock.advance(60 - INSTANT)
            queue.renew(claim.id, ttl=60)
        clock.advance(60)
        _assert_unknown(queue, claim.id)

    def test_of_an_ended_claim_takes_nothing(self, clock: ManualClock, queue: BoundQueue) -> None:
        ids = queue.post_numbers(3, ttl=6000)
        expired = queue.claim(ttl=60, limit=1)
        released = queue.claim(ttl=600, limit=1)
        queue.release(released.id)
        clock.advance(60)
        for claim in (expired, released):
            with pytest.raises(ClaimNotFound):
                queue.renew(claim.id, ttl=600)
        assert queue.free_ids() == ids

    def test_of_one_claim_leaves_the_others(self, clock: ManualClock, queue: BoundQueue) -> None:
        ids = queue.post_numbers(4, ttl=6000)
        one, two = queue.claim(ttl=60, limit=2), queue.claim(ttl=60, limit=2)
        clock.advance(30)
        queue.renew(one.id, ttl=60)
        read = queue.read_claim(two.id)
        assert (read.ttl, read.age) == (60, 30)
        clock.advance(30)
        _assert_unknown(queue, two.id)
        assert ids_of(queue.read_claim(one.id)) == ids[:2]

    def test_keeps_what_is_left(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(3)
        claim = queue.claim()
        queue.delete(ids[0], claim.id)
        queue.renew(claim.id, ttl=120)
        assert ids_of(queue.read_claim(claim.id)) == ids[1:]


class ReleaseCases(Cases):
    """Releasing a claim."""

    def test_frees_at_once_in_the_old_places(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(5)
        queue.claim(limit=1)
        claim = queue.claim(limit=2)
        queue.release(claim.id)
        _assert_unknown(queue, claim.id)
        assert queue.free_ids() == ids[1:]
        assert queue.ids() == ids
        assert ids_of(queue.claim(limit=3)) == ids[1:4]

    def test_is_idempotent(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(2)
        claim = queue.claim()
        queue.release(claim.id)
        new = queue.claim()
        queue.release(claim.id)
        assert ids_of(queue.read_claim(new.id)) == ids
        assert queue.free_ids() == []

    def test_of_one_claim_leaves_the_others(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(4)
        one, two = queue.claim(limit=2), queue.claim(limit=2)
        queue.release(one.id)
        assert queue.read_claim(two.id) == two
        assert queue.free_ids() == ids[:2]

    def test_through_another_queue_has_no_effect(self, store: Store, queue: BoundQueue) -> None:
        queue.post(b"1")
        claim = queue.claim()
        BoundQueue(store, name="other").create().release(claim.id)
        BoundQueue(store, name="missing").release(claim.id)
        assert queue.read_claim(claim.id) == claim

    def test_does_not_bring_back_deleted_messages(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(3)
        claim = queue.claim()
        queue.delete(ids[1], claim.id)
        queue.release(claim.id)
        assert queue.free_ids() == [ids[0], ids[2]]

    def test_a_message_can_be_claimed_again_and_again(self, queue: BoundQueue) -> None:
        (message_id,) = queue.post(b"1")
        for _ in range(5):
            claim: Claim = queue.claim()
            assert ids_of(claim) == [message_id]
            queue.release(claim.id)


def _assert_unknown(queue: BoundQueue, claim_id: str) -> None:
    with pytest.raises(ClaimNotFound):
        queue.read_claim(claim_id)
    with pytest.raises(ClaimNotFound):
        queue.renew(claim_id)
