"""Results do not depend on when a driver removes what is over.

Each case looks before rows are removed, while they are, and afterwards.
"""

# ruff: noqa: D102 - a test's name says what it shows

from collections.abc import Callable
from threading import Event

import pytest

from marconi_server.storage.conformance.clock import ManualClock
from marconi_server.storage.conformance.support import (
    BoundQueue,
    Cases,
    Harness,
    ids_of,
    together,
)
from marconi_server.storage.contract import Page, Store
from marconi_server.storage.errors import ClaimNotFound, MessageClaimed, MessageNotFound

MANY = 1000
"""More rows than a driver removes in one step."""


class HousekeepingCases(Cases):
    """Removal of expired messages, ended claims and deleted queues."""

    def test_expired_messages(
        self, harness: Harness, clock: ManualClock, queue: BoundQueue
    ) -> None:
        expired = queue.post_numbers(MANY, ttl=60)
        lasting = queue.post_numbers(3, ttl=600)
        expired += queue.post_numbers(MANY, ttl=60)
        lasting += queue.post_numbers(2, ttl=600)
        clock.advance(60)

        def check() -> None:
            assert queue.ids() == queue.free_ids() == lasting
            assert queue.pages(limit=2) == [lasting[:2], lasting[2:4], lasting[4:]]
            stats = queue.stats()
            assert (stats.free, stats.claimed) == (5, 0)
            assert stats.oldest is not None
            assert stats.newest is not None
            assert (stats.oldest.id, stats.newest.id) == (lasting[0], lasting[4])
            with pytest.raises(MessageNotFound):
                queue.get(expired[-1])
            claim = queue.claim(limit=10)
            assert ids_of(claim) == lasting
            queue.release(claim.id)

        _check_throughout(harness, queue.store, check)

    def test_deleting_while_expired_messages_are_removed(
        self, harness: Harness, clock: ManualClock, queue: BoundQueue
    ) -> None:
        expired = queue.post_numbers(MANY, ttl=60)
        lasting = queue.post_numbers(20, ttl=600)
        clock.advance(60)

        def check() -> None:
            queue.delete(expired[0])
            queue.delete_many(*expired[:50])
            assert queue.counts() == (20, 0)
            assert queue.ids() == lasting

        _check_throughout(harness, queue.store, check)

    def test_expired_claims(self, harness: Harness, clock: ManualClock, queue: BoundQueue) -> None:
        ids = queue.post_numbers(MANY, ttl=6000)
        ended = [queue.claim(ttl=60, limit=MANY // 10) for _ in range(5)]
        live = queue.claim(ttl=600, limit=2)
        held = ids_of(live)
        free = [message_id for message_id in ids if message_id not in held]
        clock.advance(60)

        def check() -> None:
            assert queue.free_ids() == free
            assert queue.ids() == ids
            assert queue.counts() == (MANY - 2, 2)
            assert ids_of(queue.read_claim(live.id)) == held
            with pytest.raises(ClaimNotFound):
                queue.read_claim(ended[0].id)
            with pytest.raises(ClaimNotFound):
                queue.renew(ended[1].id, ttl=600)
            queue.release(ended[2].id)
            with pytest.raises(MessageClaimed):
                queue.delete(ids[0], ended[0].id)
            with pytest.raises(MessageClaimed):
                queue.delete(held[0], ended[0].id)
            claim = queue.claim(limit=5)
            assert ids_of(claim) == ids[:5]
            queue.release(claim.id)

        _check_throughout(harness, queue.store, check)
        queue.delete(ids[0])
        assert queue.counts() == (MANY - 3, 2)

    def test_a_message_claimed_again_before_its_old_claim_is_removed(
        self, harness: Harness, clock: ManualClock, queue: BoundQueue
    ) -> None:
        ids = queue.post_numbers(10, ttl=6000)
        old = queue.claim(ttl=60, limit=8)
        clock.advance(60)
        new = queue.claim(ttl=600, limit=4)
        harness.sweep(queue.store)
        assert queue.read_claim(new.id) == new
        assert queue.free_ids() == ids[4:]
        assert queue.counts() == (6, 4)
        with pytest.raises(ClaimNotFound):
            queue.read_claim(old.id)

    def test_live_things_stay(
        self, harness: Harness, clock: ManualClock, queue: BoundQueue
    ) -> None:
        ids = queue.post_numbers(4, ttl=60)
        lengthened = queue.claim(ttl=100, grace=100, limit=2)
        clock.advance(59)
        harness.sweep(queue.store)
        assert queue.ids() == ids
        queue.renew(lengthened.id, ttl=200, grace=60)
        clock.advance(100)
        harness.sweep(queue.store)
        assert ids_of(queue.read_claim(lengthened.id)) == ids[:2]
        assert queue.counts() == (0, 2)
        clock.advance(100)
        harness.sweep(queue.store)
        assert queue.free_ids() == ids[:2]
        assert queue.counts() == (2, 0)
        assert queue.store.queues.exists(queue.project, queue.name)

    def test_a_deleted_queue(self, harness: Harness, store: Store, queue: BoundQueue) -> None:
        old = queue.post_numbers(2 * MANY)
        claim = queue.claim(limit=MANY // 2)
        other = BoundQueue(store, name="other").create()
        others = other.post_numbers(3)
        queue.drop()

        def check() -> None:
            assert not store.queues.exists(queue.project, queue.name)
            assert queue.page() == Page([], None)
            assert queue.get_many(*old[:10]) == []
            assert queue.try_claim() is None
            with pytest.raises(ClaimNotFound):
                queue.read_claim(claim.id)
            assert other.ids() == others
            assert other.counts() == (3, 0)

        _check_throughout(harness, store, check)
        queue.create()
        assert queue.page() == Page([], None)
        assert queue.counts() == (0, 0)

    def test_a_recreated_queue(self, harness: Harness, store: Store, queue: BoundQueue) -> None:
        old = queue.post_numbers(2 * MANY)
        claim = queue.claim(limit=MANY // 2)
        marker = queue.page(limit=MANY).marker
        queue.drop()
        queue.create()
        new = queue.post_numbers(5)
        held = queue.claim(limit=2)

        def check() -> None:
            assert queue.ids() == new
            assert [message.id for message in queue.page(marker).items] == new
            assert queue.counts() == (3, 2)
            assert queue.get_many(*old[:10]) == []
            assert queue.read_claim(held.id) == held
            with pytest.raises(ClaimNotFound):
                queue.read_claim(claim.id)
            queue.delete_many(*old[:10])
            queue.release(claim.id)

        _check_throughout(harness, store, check)

    def test_ids_and_markers_outlive_all_rows(
        self, harness: Harness, clock: ManualClock, queue: BoundQueue
    ) -> None:
        seen: set[str] = set()
        claims: set[str] = set()
        marker = None
        for _ in range(4):
            ids = queue.post_numbers(3, ttl=60)
            claim_id = queue.claim(ttl=60, grace=60).id
            page = queue.page(marker)
            assert [message.id for message in page.items] == ids, "positions are not used again"
            assert seen.isdisjoint(ids)
            assert claim_id not in claims
            for old in claims:
                with pytest.raises(ClaimNotFound):
                    queue.read_claim(old)
            seen.update(ids)
            claims.add(claim_id)
            marker = page.marker
            clock.advance(120)
            harness.sweep(queue.store)
            assert queue.page(marker) == queue.page() == Page([], None)
            assert queue.get_many(*seen) == []

    def test_nothing_to_do(self, harness: Harness, queue: BoundQueue) -> None:
        ids = queue.post_numbers(3)
        claim = queue.claim(limit=1)
        harness.sweep(queue.store)
        harness.sweep(queue.store)
        assert queue.ids() == ids
        assert queue.read_claim(claim.id) == claim


def _check_throughout(harness: Harness, store: Store, check: Callable[[], None]) -> None:
    check()
    done = Event()

    def sweep() -> None:
        try:
            harness.sweep(store)
        finally:
            done.set()

    def watch() -> None:
        while not done.is_set():
            check()

    together(sweep, watch)
    check()
