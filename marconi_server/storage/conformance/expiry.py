"""The life of messages: expiry, and what claims do to it (spec 6.2, 6.6, 6.7)."""

# ruff: noqa: D102 - a test's name says what it shows

import pytest

from marconi_server.storage.conformance.clock import ManualClock
from marconi_server.storage.conformance.support import INSTANT, BoundQueue, Cases, ids_of
from marconi_server.storage.contract import Page
from marconi_server.storage.errors import ClaimNotFound, MessageNotFound


class ExpiryCases(Cases):
    """Messages that no claim touched."""

    @pytest.mark.parametrize("ttl", [60, 61, 1_209_600])
    def test_visible_to_the_last_instant_and_then_gone(
        self, clock: ManualClock, queue: BoundQueue, ttl: int
    ) -> None:
        (message_id,) = queue.post(b"1", ttl=ttl)
        _assert_dies_at(clock, queue, message_id, ttl)

    def test_on_every_way_to_a_message(self, clock: ManualClock, queue: BoundQueue) -> None:
        long = queue.post_numbers(1, ttl=300)
        claim = queue.claim(ttl=60, grace=60)
        queue.release(claim.id)
        short = queue.post_numbers(2, ttl=60)
        long += queue.post_numbers(1, ttl=300)
        short += queue.post_numbers(1, ttl=60)
        clock.advance(60)

        assert queue.ids() == queue.free_ids() == long
        assert [message.id for message in queue.get_many(*short, *long)] == long
        for message_id in short:
            with pytest.raises(MessageNotFound):
                queue.get(message_id)
            queue.delete(message_id)
            queue.delete(message_id, claim.id)
        queue.delete_many(*short)
        assert queue.counts() == (2, 0)
        assert ids_of(queue.claim(limit=10)) == long

    def test_all_expired(self, clock: ManualClock, queue: BoundQueue) -> None:
        queue.post_numbers(3, ttl=60)
        clock.advance(60)
        assert queue.page() == Page([], None)
        assert queue.counts() == (0, 0)
        assert queue.try_claim() is None
        new = queue.post_numbers(1)
        assert queue.ids() == new

    def test_ttl_as_reported_does_not_shrink(self, clock: ManualClock, queue: BoundQueue) -> None:
        (message_id,) = queue.post(b"1", ttl=60)
        clock.advance(59)
        message = queue.get(message_id)
        assert (message.ttl, message.age) == (60, 59)

    def test_a_queue_does_not_expire(self, clock: ManualClock, queue: BoundQueue) -> None:
        queue.post(b"1", ttl=60)
        clock.advance(10 * 366 * 86400)
        assert queue.store.queues.exists(queue.project, queue.name)
        assert queue.post(b"1") == queue.ids()


class LengtheningCases(Cases):
    """Messages whose life a claim lengthens, if it has to."""

    @pytest.mark.parametrize(
        ("message_ttl", "age", "claim_ttl", "grace", "reported", "dies_at"),
        [
            # The rows of spec 6.6.
            (120, 0, 777, 60, 837, 837),
            (120, 0, 100, 60, 160, 160),
            (300, 0, 60, 60, 300, 300),
            (60, 5, 60, 60, 120, 125),
            (300, 250, 60, 60, 300, 370),
            # Grace reaches exactly, not quite, and just over the old end.
            (180, 0, 60, 120, 180, 180),
            (181, 0, 60, 120, 181, 181),
            (179, 0, 60, 120, 180, 180),
            (180, 0.5, 60, 120, 180, 180.5),
            # Beyond what a client may post; a claim in the last instant.
            (1_209_600, 1_209_599, 43_200, 43_200, 1_209_600, 1_295_999),
            (60, 60 - INSTANT, 60, 60, 120, 180 - INSTANT),
        ],
    )
    def test_by_a_new_claim(
        self,
        clock: ManualClock,
        queue: BoundQueue,
        message_ttl: int,
        age: float,
        claim_ttl: int,
        grace: int,
        reported: int,
        dies_at: float,
    ) -> None:
        (message_id,) = queue.post(b"1", ttl=message_ttl)
        clock.advance(age)
        claim = queue.claim(ttl=claim_ttl, grace=grace)
        assert [(m.ttl, m.age) for m in claim.messages] == [(reported, int(age))]
        _assert_reported(queue, message_id, claim.id, reported, int(age))

        clock.advance(claim_ttl - INSTANT)
        assert ids_of(queue.read_claim(claim.id)) == [message_id]
        clock.advance(INSTANT)
        assert queue.free_ids() == [message_id], "the grace has begun"
        _assert_dies_at(clock, queue, message_id, dies_at - age - claim_ttl)

    def test_each_message_for_itself(self, clock: ManualClock, queue: BoundQueue) -> None:
        short = queue.post_numbers(1, ttl=60)
        long = queue.post_numbers(1, ttl=600)
        queue.post_numbers(1, ttl=60)
        claim = queue.claim(ttl=100, grace=60, limit=2)
        assert [message.ttl for message in claim.messages] == [160, 600]
        clock.advance(60)
        assert queue.ids() == short + long
        clock.advance(100)
        assert queue.ids() == long

    def test_by_one_claim_after_the_other(self, clock: ManualClock, queue: BoundQueue) -> None:
        (message_id,) = queue.post(b"1", ttl=60)
        clock.advance(30)
        queue.claim(ttl=60, grace=60)  # until 150, reported 120
        clock.advance(60)
        claim = queue.claim(ttl=100, grace=70)  # at 90, until 260
        _assert_reported(queue, message_id, claim.id, 170, 90)
        clock.advance(100)
        claim = queue.claim(ttl=60, grace=60)  # at 190, until 310
        _assert_reported(queue, message_id, claim.id, 170, 190)
        clock.advance(60)
        _assert_dies_at(clock, queue, message_id, 60)

    def test_stays_after_release(self, clock: ManualClock, queue: BoundQueue) -> None:
        (message_id,) = queue.post(b"1", ttl=120)
        claim = queue.claim(ttl=777, grace=60)
        clock.advance(10)
        queue.release(claim.id)
        message = queue.get(message_id)
        assert (message.ttl, message.age) == (837, 10)
        _assert_dies_at(clock, queue, message_id, 827)

    @pytest.mark.parametrize(
        ("message_ttl", "renewed_at", "ttl", "grace", "reported", "dies_at"),
        [
            # The message was claimed at 0 for 60 s with 60 s of grace.
            (60, 30, 300, 0, 300, 330),
            (60, 30, 300, 100, 400, 430),
            (60, 30, 60, 60, 120, 150),
            (60, 0, 60, 60, 120, 120),
            (60, 30, 90, 0, 120, 120),
            (60, 30.5, 90, 0, 120, 120.5),
            (60, 59, 60, 0, 120, 120),
            (3600, 30, 300, 100, 3600, 3600),
            (200, 59, 80, 70, 200, 209),
        ],
    )
    def test_by_renewal(
        self,
        clock: ManualClock,
        queue: BoundQueue,
        message_ttl: int,
        renewed_at: float,
        ttl: int,
        grace: int,
        reported: int,
        dies_at: float,
    ) -> None:
        (message_id,) = queue.post(b"1", ttl=message_ttl)
        claim = queue.claim(ttl=60, grace=60)
        clock.advance(renewed_at)
        queue.renew(claim.id, ttl=ttl, grace=grace)
        _assert_reported(queue, message_id, claim.id, reported, int(renewed_at))
        _assert_dies_at(clock, queue, message_id, dies_at - renewed_at)

    def test_renewal_lengthens_only_the_claimed(
        self, clock: ManualClock, queue: BoundQueue
    ) -> None:
        ids = queue.post_numbers(3, ttl=60)
        claim = queue.claim(ttl=60, grace=60, limit=1)
        other = queue.claim(ttl=60, grace=60, limit=1)
        queue.renew(claim.id, ttl=600, grace=60)
        assert [message.ttl for message in queue.page().items] == [660, 120, 60]
        clock.advance(60)
        assert queue.ids() == ids[:2]
        assert queue.free_ids() == ids_of(other)
        clock.advance(60)
        assert queue.ids() == ids[:1]

    def test_a_shorter_renewal_shortens_no_life(
        self, clock: ManualClock, queue: BoundQueue
    ) -> None:
        (message_id,) = queue.post(b"1", ttl=60)
        claim = queue.claim(ttl=600, grace=60)
        queue.renew(claim.id, ttl=60, grace=0)
        _assert_reported(queue, message_id, claim.id, 660, 0)
        _assert_dies_at(clock, queue, message_id, 660)

    def test_a_failed_renewal_lengthens_nothing(
        self, clock: ManualClock, queue: BoundQueue
    ) -> None:
        (message_id,) = queue.post(b"1", ttl=100)
        claim = queue.claim(ttl=60, grace=60)
        clock.advance(60)
        with pytest.raises(ClaimNotFound):
            queue.renew(claim.id, ttl=600)
        _assert_dies_at(clock, queue, message_id, 60)

    def test_claiming_without_messages_left_to_take_lengthens_nothing(
        self, clock: ManualClock, queue: BoundQueue
    ) -> None:
        (message_id,) = queue.post(b"1", ttl=60)
        queue.claim(ttl=60, grace=60)
        assert queue.try_claim(ttl=6000, grace=60) is None
        _assert_dies_at(clock, queue, message_id, 120)


def _assert_reported(queue: BoundQueue, message_id: str, claim_id: str, ttl: int, age: int) -> None:
    """Check what is reported of a claimed message, on every way to it."""
    expected = [(message_id, ttl, age)]
    for messages in (
        [queue.get(message_id)],
        queue.get_many(message_id),
        queue.page().items,
        queue.read_claim(claim_id).messages,
    ):
        assert [(message.id, message.ttl, message.age) for message in messages] == expected


def _assert_dies_at(clock: ManualClock, queue: BoundQueue, message_id: str, seconds: float) -> None:
    """Check that the only message left lives for so many seconds from now, to the instant."""
    clock.advance(seconds - INSTANT)
    assert queue.get(message_id).id == message_id
    assert queue.get_many(message_id) == [queue.get(message_id)]
    assert queue.ids() == [message_id]
    assert sum(queue.counts()) == 1
    clock.advance(INSTANT)
    with pytest.raises(MessageNotFound):
        queue.get(message_id)
    assert queue.get_many(message_id) == []
    assert queue.ids() == []
    assert queue.counts() == (0, 0)
    assert queue.try_claim() is None
