"""Deleting messages, guarded by claims (the table of spec 6.8)."""

# ruff: noqa: D102 - a test's name says what it shows

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import pytest

from marconi_server.storage.conformance.clock import ManualClock
from marconi_server.storage.conformance.support import BoundQueue, Cases, ids_of
from marconi_server.storage.contract import Store
from marconi_server.storage.errors import ClaimNotFound, MessageClaimed, MessageNotFound

MALFORMED = ["", " ", "invalid", "; DROP TABLE", "é", "\x00", "x" * 100_000, "-1", "%", "a,b"]
"""What no driver mints as a claim id, the table's last column."""


@dataclass(frozen=True)
class Past:
    """A queue with a history: the message of one row, and a claim id for each column."""

    queue: BoundQueue
    message_id: str
    claim_ids: dict[str, str]


class DeletionCases(Cases):
    """Each field of the table, and what deletion leaves behind."""

    @pytest.fixture
    def free(self, clock: ManualClock, queue: BoundQueue) -> Past:
        """First row: visible, and not under a live claim any more."""
        message_id, claim_ids = _history(clock, queue)
        return Past(queue, message_id, claim_ids)

    @pytest.fixture
    def claimed(self, clock: ManualClock, queue: BoundQueue) -> Past:
        """Second row: visible, and under a live claim."""
        message_id, claim_ids = _history(clock, queue)
        claim = queue.claim(limit=1)
        assert ids_of(claim) == [message_id]
        return Past(queue, message_id, claim_ids | {"own": claim.id})

    def test_free_without_claim_id(self, free: Past) -> None:
        free.queue.delete(free.message_id)
        _assert_deleted(free.queue, free.message_id)

    @pytest.mark.parametrize("column", ["expired", "released", "other", "unknown"])
    def test_free_with_claim_id(self, free: Past, column: str) -> None:
        with pytest.raises(MessageClaimed):
            free.queue.delete(free.message_id, free.claim_ids[column])
        assert free.queue.free_ids() == [free.message_id]
        free.queue.delete(free.message_id)
        _assert_deleted(free.queue, free.message_id)

    def test_a_message_that_was_never_claimed_with_claim_id(self, queue: BoundQueue) -> None:
        queue.post(b"1")
        other = queue.claim(limit=1)
        (message_id,) = queue.post(b"2")
        with pytest.raises(MessageClaimed):
            queue.delete(message_id, other.id)
        assert queue.free_ids() == [message_id]

    @pytest.mark.parametrize("claim_id", MALFORMED)
    def test_free_with_malformed_claim_id(self, free: Past, claim_id: str) -> None:
        free.queue.delete(free.message_id, claim_id)
        assert free.queue.free_ids() == [free.message_id]

    def test_claimed_without_claim_id(self, claimed: Past) -> None:
        with pytest.raises(MessageClaimed):
            claimed.queue.delete(claimed.message_id)
        assert claimed.message_id in claimed.queue.ids()

    def test_claimed_with_its_claim_id(self, claimed: Past) -> None:
        claimed.queue.delete(claimed.message_id, claimed.claim_ids["own"])
        _assert_deleted(claimed.queue, claimed.message_id)
        claimed.queue.delete(claimed.message_id, claimed.claim_ids["own"])
        claimed.queue.delete(claimed.message_id)

    @pytest.mark.parametrize("column", ["expired", "released", "other", "unknown"])
    def test_claimed_with_another_claim_id(self, claimed: Past, column: str) -> None:
        with pytest.raises(MessageClaimed):
            claimed.queue.delete(claimed.message_id, claimed.claim_ids[column])
        own = claimed.queue.read_claim(claimed.claim_ids["own"])
        assert ids_of(own) == [claimed.message_id]

    @pytest.mark.parametrize("claim_id", MALFORMED)
    def test_claimed_with_malformed_claim_id(self, claimed: Past, claim_id: str) -> None:
        claimed.queue.delete(claimed.message_id, claim_id)
        own = claimed.queue.read_claim(claimed.claim_ids["own"])
        assert ids_of(own) == [claimed.message_id]

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda claim_id: claim_id + "0",
            lambda claim_id: claim_id[:-1],
            lambda claim_id: claim_id + "\n",
            lambda claim_id: " " + claim_id,
            lambda claim_id: claim_id + "\x00",
            lambda claim_id: f"{claim_id},{claim_id}",
        ],
        ids=["longer", "shorter", "line feed", "blank", "nul", "twice"],
    )
    def test_claimed_with_something_like_its_claim_id(
        self, claimed: Past, spoil: Callable[[str], str]
    ) -> None:
        # Whether such an id is well-formed is the driver's affair. Kept it is in any case.
        with suppress(MessageClaimed):
            claimed.queue.delete(claimed.message_id, spoil(claimed.claim_ids["own"]))
        own = claimed.queue.read_claim(claimed.claim_ids["own"])
        assert ids_of(own) == [claimed.message_id]

    @pytest.mark.parametrize("column", ["own", "expired", "released", "other", "unknown", None])
    def test_what_is_not_there_is_deleted_in_silence(
        self, clock: ManualClock, claimed: Past, column: str | None
    ) -> None:
        claim_id = claimed.claim_ids[column] if column else None
        queue = claimed.queue
        elsewhere = BoundQueue(queue.store, name="elsewhere").create()
        (foreign,) = elsewhere.post(b"1")
        other_project = BoundQueue(queue.store, project="other").create()
        (deleted,) = queue.post(b"1")
        queue.delete(deleted)
        (short_lived,) = queue.post(b"1", ttl=60)
        before = queue.ids()
        clock.advance(60)

        for message_id in (deleted, short_lived, foreign, "unknown", ""):
            queue.delete(message_id, claim_id)
        other_project.delete(claimed.message_id, claim_id)
        BoundQueue(queue.store, name="missing").delete(claimed.message_id, claim_id)

        assert [*queue.ids(), short_lived] == before
        assert elsewhere.ids() == [foreign]

    def test_after_the_claim_moved_on(self, clock: ManualClock, queue: BoundQueue) -> None:
        (message_id,) = queue.post(b"1", ttl=600)
        first = queue.claim(ttl=60)
        clock.advance(60)
        second = queue.claim(ttl=60)
        with pytest.raises(MessageClaimed):
            queue.delete(message_id, first.id)
        with pytest.raises(MessageClaimed):
            queue.delete(message_id)
        queue.delete(message_id, second.id)
        _assert_deleted(queue, message_id)

    def test_after_renewal_the_claim_id_still_deletes(
        self, clock: ManualClock, queue: BoundQueue
    ) -> None:
        (message_id,) = queue.post(b"1", ttl=600)
        claim = queue.claim(ttl=60)
        clock.advance(30)
        queue.renew(claim.id, ttl=60)
        clock.advance(45)
        queue.delete(message_id, claim.id)
        _assert_deleted(queue, message_id)

    def test_the_rest_of_the_claim_stays(self, clock: ManualClock, queue: BoundQueue) -> None:
        ids = queue.post_numbers(3)
        claim = queue.claim(ttl=300)
        clock.advance(10)
        queue.delete(ids[1], claim.id)
        rest = queue.read_claim(claim.id)
        assert (rest.ttl, rest.age, ids_of(rest)) == (300, 10, [ids[0], ids[2]])
        assert queue.ids() == [ids[0], ids[2]]
        queue.renew(claim.id)

    def test_a_claim_without_messages_is_unknown(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(2)
        claim = queue.claim()
        queue.delete(ids[0], claim.id)
        queue.delete(ids[1], claim.id)
        with pytest.raises(ClaimNotFound):
            queue.read_claim(claim.id)
        with pytest.raises(ClaimNotFound):
            queue.renew(claim.id)
        queue.release(claim.id)

    def test_many_looks_at_no_claim(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(4)
        claim = queue.claim(limit=3)
        queue.delete_many(*ids[:2])
        assert ids_of(queue.read_claim(claim.id)) == [ids[2]]
        queue.delete_many(ids[2])
        with pytest.raises(ClaimNotFound):
            queue.read_claim(claim.id)
        assert queue.ids() == [ids[3]]

    def test_many_passes_over_what_is_not_there(self, store: Store, queue: BoundQueue) -> None:
        ids = queue.post_numbers(5)
        queue.delete_many(ids[1], "unknown", ids[3], "", ids[1])
        assert queue.ids() == [ids[0], ids[2], ids[4]]
        queue.delete_many(ids[1], ids[3])
        queue.delete_many()
        BoundQueue(store, name="missing").delete_many(ids[0])
        assert queue.ids() == [ids[0], ids[2], ids[4]]

    def test_many_deletes_a_thousand(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(1500)
        queue.delete_many(*ids[:1000])
        assert queue.ids() == ids[1000:]
        assert queue.counts() == (500, 0)

    def test_deleted_messages_never_come_back(self, clock: ManualClock, queue: BoundQueue) -> None:
        ids = queue.post_numbers(3, ttl=600)
        claim = queue.claim(ttl=60, limit=2)
        queue.delete(ids[0], claim.id)
        queue.delete_many(ids[1])
        queue.release(claim.id)
        assert queue.ids() == [ids[2]]
        clock.advance(60)
        assert ids_of(queue.claim()) == [ids[2]]


def _history(clock: ManualClock, queue: BoundQueue) -> tuple[str, dict[str, str]]:
    """Give the queue one free message that had two claims, and ids of claims of each kind.

    The claim that expired is the last one: a driver may not have forgotten it by now.
    """
    queue.post(b'"other"', ttl=100_000)
    other = queue.claim(ttl=43_200)
    elsewhere = BoundQueue(queue.store, name="for-unknown-claims").create()
    elsewhere.post(b'"elsewhere"', ttl=100_000)
    unknown = elsewhere.claim(ttl=43_200)

    (message_id,) = queue.post(b'"message"', ttl=100_000)
    released = queue.claim(ttl=60)
    queue.release(released.id)
    expired = queue.claim(ttl=60)
    clock.advance(60)
    return message_id, {
        "expired": expired.id,
        "released": released.id,
        "other": other.id,
        "unknown": unknown.id,
    }


def _assert_deleted(queue: BoundQueue, message_id: str) -> None:
    with pytest.raises(MessageNotFound):
        queue.get(message_id)
    assert queue.get_many(message_id) == []
    assert message_id not in queue.ids()
