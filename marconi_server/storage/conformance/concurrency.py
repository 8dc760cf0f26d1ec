"""Promises P4 and P6 to P8 while many threads use one store."""

# ruff: noqa: D102 - a test's name says what it shows

from threading import Event

import pytest

from marconi_server.storage.conformance.clock import ManualClock
from marconi_server.storage.conformance.support import (
    PATIENCE,
    BoundQueue,
    Cases,
    claim_all,
    flat,
    ids_of,
    together,
)
from marconi_server.storage.contract import Store
from marconi_server.storage.errors import ClaimNotFound, MessageClaimed, QueueNotFound

THREADS = 8
BATCH = 3


class ConcurrentPostingCases(Cases):
    """Many post at the same time, while others read."""

    def test_one_order_with_whole_batches(self, queue: BoundQueue) -> None:
        posted = together(
            *(lambda: [queue.post_numbers(BATCH) for _ in range(15)] for _ in range(THREADS))
        )
        ids = queue.ids()
        assert len(ids) == len(set(ids)) == THREADS * 15 * BATCH
        for batches in posted:
            _assert_batches_in_order(ids, batches)
        assert queue.counts() == (len(ids), 0)

    def test_what_was_posted_later_stands_later(self, queue: BoundQueue) -> None:
        def post_and_look() -> None:
            for _ in range(10):
                before = queue.ids()
                new = queue.post_numbers(BATCH)
                ids = queue.ids()
                assert ids[: len(before)] == before, "nothing moves, nothing slips in between"
                assert min(ids.index(message_id) for message_id in new) >= len(before)

        together(*[post_and_look] * 4)

    def test_a_batch_becomes_visible_at_once(self, queue: BoundQueue) -> None:
        done = Event()

        def post() -> None:
            for _ in range(40):
                queue.post_numbers(BATCH)

        def read() -> None:
            while not done.is_set():
                bodies = [message.body for message in queue.page().items]
                assert bodies == [b"0", b"1", b"2"] * (len(bodies) // BATCH)
                assert queue.counts()[0] % BATCH == 0

        def post_all() -> None:
            try:
                together(*[post] * 4)
            finally:
                done.set()

        together(post_all, read, read)
        assert queue.counts() == (4 * 40 * BATCH, 0)

    def test_a_follower_never_skips_or_repeats(self, queue: BoundQueue) -> None:
        done = Event()

        def post_all() -> list[str]:
            try:
                together(
                    *(
                        lambda: [queue.post_numbers(n % 4 + 1) for n in range(20)]
                        for _ in range(THREADS)
                    )
                )
            finally:
                done.set()
            return []

        def follow(limit: int) -> list[str]:
            seen: list[str] = []
            markers: list[str | None] = [None]
            while True:
                last_look = done.is_set()
                page = queue.page(markers[-1], limit=limit)
                seen += [message.id for message in page.items]
                if page.items:
                    assert page.marker not in markers, "this would go on for ever"
                    markers.append(page.marker)
                if last_look and not page.items:
                    return seen

        _, one, two = together(post_all, lambda: follow(1), lambda: follow(7))
        ids = queue.ids()
        assert len(ids) == THREADS * 50
        assert one == ids
        assert two == ids


class ConcurrentClaimCases(Cases):
    """Many claim, release and delete at the same time."""

    def test_one_claim_for_each_message(self, clock: ManualClock, queue: BoundQueue) -> None:
        ids = queue.post_numbers(200, ttl=6000)
        for limit in (1, 3, 20):
            taken = together(*(lambda: claim_all(queue, limit=limit) for _ in range(THREADS)))  # noqa: B023
            assert sorted(flat(taken)) == sorted(ids)
            assert queue.counts() == (0, 200)
            assert queue.free_ids() == []
            clock.advance(300)  # all of these claims end, and each message is free again

    def test_claims_while_others_post(self, queue: BoundQueue) -> None:
        done = Event()

        def post_all() -> list[str]:
            try:
                batches = together(
                    *(lambda: [queue.post_numbers(BATCH) for _ in range(15)] for _ in range(4))
                )
            finally:
                done.set()
            return flat(flat(batches))

        def claim_on() -> list[str]:
            taken: list[str] = []
            while True:
                last_look = done.is_set()
                claim = queue.try_claim(limit=5)
                assert claim is None or claim.messages, "this would go on for ever"
                taken += ids_of(claim)
                if last_look and claim is None:
                    return taken

        posted, *taken = together(post_all, *[claim_on] * 4)
        assert sorted(flat(taken)) == sorted(posted)

    def test_claim_release_and_claim_again(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(30)

        def work() -> None:
            for _ in range(10):
                if claim := queue.try_claim(limit=4):
                    assert ids_of(queue.read_claim(claim.id)) == ids_of(claim)
                    queue.renew(claim.id)
                    assert ids_of(queue.read_claim(claim.id)) == ids_of(claim)
                    queue.release(claim.id)
                    with pytest.raises(ClaimNotFound):
                        queue.read_claim(claim.id)

        together(*[work] * THREADS)
        assert queue.free_ids() == ids
        assert queue.counts() == (30, 0)

    def test_claim_and_delete_until_nothing_is_left(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(160)

        def work() -> list[str]:
            deleted: list[str] = []
            while claim := queue.try_claim(limit=3):
                assert len(deleted) < len(ids), "this would go on for ever"
                for message_id in ids_of(claim):
                    queue.delete(message_id, claim.id)
                    deleted.append(message_id)
            return deleted

        deleted = together(*[work] * THREADS)
        assert sorted(flat(deleted)) == sorted(ids)
        assert queue.ids() == []
        assert queue.counts() == (0, 0)

    def test_a_message_is_either_deleted_or_claimed(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(100)

        def delete_all() -> list[str]:
            deleted = []
            for message_id in ids:
                try:
                    queue.delete(message_id)
                except MessageClaimed:
                    continue
                deleted.append(message_id)
            return deleted

        deleted, *claimed = together(
            delete_all, lambda: claim_all(queue, limit=1), lambda: claim_all(queue, limit=2)
        )
        assert sorted(deleted + flat(claimed)) == sorted(ids)
        assert sorted(queue.ids()) == sorted(flat(claimed))
        assert queue.counts() == (0, 100 - len(deleted))


class ConcurrentQueueCases(Cases):
    """Many create queues, and one deletes a queue that others use."""

    def test_exactly_one_creator(self, store: Store) -> None:
        for n in range(5):
            created = together(
                *(lambda: store.queues.create("project", f"new-{n}") for _ in range(THREADS))  # noqa: B023
            )
            assert sorted(created) == [False] * (THREADS - 1) + [True]

    def test_nothing_appears_in_a_recreated_queue(self, queue: BoundQueue) -> None:
        for _ in range(5):
            deletion_begun, recreated = Event(), Event()
            queue.post_numbers(20)

            def post() -> list[list[str]]:
                old: list[list[str]] = []
                new: list[list[str]] = []
                while len(new) < 3:
                    was_recreated = recreated.is_set()  # noqa: B023
                    try:
                        batch = queue.post_numbers(BATCH)
                    except QueueNotFound:
                        assert not was_recreated
                        assert recreated.wait(PATIENCE)  # noqa: B023
                        continue
                    if was_recreated:
                        new.append(batch)
                    elif not deletion_begun.is_set():  # noqa: B023
                        old.append(batch)
                return [flat(old), flat(new)]

            def claim() -> list[list[str]]:
                claims = []
                while not recreated.is_set():  # noqa: B023
                    claim = queue.try_claim(limit=2)
                    if claim and not deletion_begun.is_set():  # noqa: B023
                        claims.append(claim.id)
                return [claims, []]

            def replace() -> list[list[str]]:
                try:
                    old = queue.ids()
                    deletion_begun.set()  # noqa: B023
                    queue.drop()
                    queue.create()
                finally:
                    recreated.set()  # noqa: B023
                return [old, []]

            *posters, claimer, replacer = together(post, post, claim, replace)
            old = set(replacer[0] + flat(poster[0] for poster in posters))
            ids = queue.ids()
            assert old.isdisjoint(ids)
            assert queue.get_many(*old) == []
            for _, new in posters:
                _assert_batches_in_order(
                    ids, [new[i : i + BATCH] for i in range(0, len(new), BATCH)]
                )
            for claim_id in claimer[0]:
                with pytest.raises(ClaimNotFound):
                    queue.read_claim(claim_id)
            assert sum(queue.counts()) == len(ids)
            assert len(ids) % BATCH == 0
            queue.drop()
            queue.create()

    def test_metadata_is_set_as_a_whole(self, store: Store, queue: BoundQueue) -> None:
        documents = [b'"' + letter * 5000 + b'"' for letter in (b"a", b"b", b"c")]

        done = Event()

        def write(document: bytes) -> None:
            for _ in range(10):
                store.queues.set_metadata(queue.project, queue.name, document)

        def write_all() -> None:
            try:
                together(*(lambda document=document: write(document) for document in documents))
            finally:
                done.set()

        def read() -> None:
            while not done.is_set():
                assert store.queues.metadata(queue.project, queue.name) in [b"{}", *documents]

        together(write_all, read)
        assert store.queues.metadata(queue.project, queue.name) in documents


def _assert_batches_in_order(ids: list[str], batches: list[list[str]]) -> None:
    """Check that each batch is contiguous, and that they stand in the order given."""
    places = {message_id: place for place, message_id in enumerate(ids)}
    last = -1
    for batch in batches:
        first = places[batch[0]]
        assert ids[first : first + len(batch)] == batch
        assert first > last
        last = first
