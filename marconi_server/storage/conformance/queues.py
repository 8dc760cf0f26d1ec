"""Creating, finding, listing and deleting queues."""

# ruff: noqa: D102 - a test's name says what it shows

import pytest

from marconi_server.storage.conformance.clock import ManualClock
from marconi_server.storage.conformance.support import BoundQueue, Cases, Harness
from marconi_server.storage.contract import Page, Queue, Store
from marconi_server.storage.errors import (
    ClaimNotFound,
    MessageNotFound,
    QueueNotFound,
)

MORE_THAN_A_CLOCK_TICK = 5000
"""Messages of one batch: more than a clock that counts positions would give in one instant."""


class QueueCases(Cases):
    """The life of a queue."""

    def test_create_tells_whether_it_created(self, store: Store) -> None:
        assert store.queues.create("project", "queue") is True
        assert store.queues.create("project", "queue") is False

    def test_create_leaves_an_existing_queue_as_it_is(
        self, store: Store, queue: BoundQueue
    ) -> None:
        store.queues.set_metadata(queue.project, queue.name, b'{"a": 1}')
        posted = queue.post_numbers(3)
        claim = queue.claim(limit=1)

        assert store.queues.create(queue.project, queue.name) is False

        assert store.queues.metadata(queue.project, queue.name) == b'{"a": 1}'
        assert queue.ids() == posted
        assert queue.read_claim(claim.id) == claim

    def test_exists(self, store: Store, queue: BoundQueue) -> None:
        assert store.queues.exists(queue.project, queue.name) is True
        assert store.queues.exists(queue.project, "other") is False

    def test_names_are_case_sensitive(self, store: Store) -> None:
        BoundQueue(store, name="queue").create()
        assert not store.queues.exists("project", "QUEUE")
        BoundQueue(store, name="QUEUE").create().post(b"1")
        assert BoundQueue(store, name="queue").ids() == []

    @pytest.mark.parametrize(
        "name",
        ["9", "-", "_underscore", "Nice-Boat_2", "i" * 64, "NULL", "a.b", ".a", "a.", "..."],
    )
    def test_every_name_of_the_specification(self, store: Store, name: str) -> None:
        queue = BoundQueue(store, name=name).create()
        assert store.queues.exists("project", name)
        (message_id,) = queue.post(b"1")
        assert queue.get(message_id).body == b"1"

    def test_delete_takes_everything_with_it(self, store: Store, queue: BoundQueue) -> None:
        store.queues.set_metadata(queue.project, queue.name, b'{"a": 1}')
        ids = queue.post_numbers(3)
        claim = queue.claim(limit=1)

        queue.drop()

        assert not store.queues.exists(queue.project, queue.name)
        assert _names(store) == []
        with pytest.raises(QueueNotFound):
            store.queues.metadata(queue.project, queue.name)
        with pytest.raises(QueueNotFound):
            queue.stats()
        _assert_gone(queue, ids, claim.id)

    def test_delete_is_idempotent(self, store: Store, queue: BoundQueue) -> None:
        queue.drop()
        queue.drop()
        store.queues.delete(queue.project, "never")
        assert not store.queues.exists(queue.project, queue.name)

    def test_delete_leaves_other_queues_alone(self, store: Store, queue: BoundQueue) -> None:
        other = BoundQueue(store, name="other").create()
        ids = other.post_numbers(3)
        claim = other.claim(limit=1)
        queue.post_numbers(3)

        queue.drop()

        assert _names(store) == ["other"]
        assert other.ids() == ids
        assert other.read_claim(claim.id) == claim
        assert other.counts() == (2, 1)

    def test_a_recreated_queue_is_new(self, store: Store, queue: BoundQueue) -> None:
        store.queues.set_metadata(queue.project, queue.name, b'{"a": 1}')
        old = queue.post_numbers(3)
        claim = queue.claim(limit=1)

        queue.drop()
        queue.create()

        assert store.queues.metadata(queue.project, queue.name) == b"{}"
        assert queue.counts() == (0, 0)
        _assert_gone(queue, old, claim.id)
        new = queue.post_numbers(3)
        assert queue.ids() == new
        assert queue.counts() == (3, 0)
        _assert_gone(queue, old, claim.id, left=new)

    def test_a_recreated_queue_starts_above_all_earlier_positions(self, queue: BoundQueue) -> None:
        for _ in range(3):
            queue.post_numbers(MORE_THAN_A_CLOCK_TICK)
            marker = queue.follow(limit=1000)[-1].marker
            queue.drop()
            queue.create()
            new = queue.post_numbers(2)
            assert [message.id for message in queue.page(marker).items] == new

    def test_a_recreated_queue_starts_above_also_if_the_clock_was_set_back(
        self, harness: Harness, clock: ManualClock, queue: BoundQueue
    ) -> None:
        queue.post_numbers(10)
        marker = queue.page().marker
        queue.drop()
        queue.store.close()

        earlier = harness.open(ManualClock(clock() - 86400))
        queue = BoundQueue(earlier).create()
        new = queue.post_numbers(2)
        assert [message.id for message in queue.page(marker).items] == new
        earlier.close()

    def test_message_ids_are_not_used_again_after_recreation(self, queue: BoundQueue) -> None:
        seen = set(queue.post_numbers(500))
        for _ in range(3):
            queue.drop()
            queue.create()
            new = queue.post_numbers(500)
            assert seen.isdisjoint(new)
            seen.update(new)

    def test_operations_on_a_missing_queue(self, store: Store) -> None:
        store.queues.create("project", "source")
        source = BoundQueue(store, name="source")
        (message_id,) = source.post(b"1")
        claim_id = source.claim().id
        missing = BoundQueue(store, name="missing")

        for raises_not_found in (
            lambda: store.queues.metadata("project", "missing"),
            lambda: store.queues.set_metadata("project", "missing", b"{}"),
            lambda: missing.stats(),
            lambda: missing.post(b"1"),
        ):
            with pytest.raises(QueueNotFound):
                raises_not_found()
        _assert_gone(missing, [message_id], claim_id)
        assert not store.queues.exists("project", "missing"), "nothing creates a queue by the way"
        assert _names(store) == ["source"]
        assert source.counts() == (0, 1)


class QueueListingCases(Cases):
    """Listing queues."""

    def test_nothing_to_list(self, store: Store) -> None:
        page = store.queues.list("project", marker=None, limit=10, detailed=False)
        assert page == Page([], None)

    def test_sorted_by_bytes(self, store: Store) -> None:
        for name in ("B", "_", "a", "-", "1", "10", "2", "aa", "Z", "a-b", "a.b", "a0"):
            store.queues.create("project", name)
        names = ["-", "1", "10", "2", "B", "Z", "_", "a", "a-b", "a.b", "a0", "aa"]
        assert _names(store) == names

    def test_pages(self, store: Store) -> None:
        names = [f"q{n:02}" for n in range(13)]
        for name in reversed(names):
            store.queues.create("project", name)

        first = store.queues.list("project", marker=None, limit=10, detailed=False)
        assert first == Page([Queue(name) for name in names[:10]], "q09")
        second = store.queues.list("project", marker=first.marker, limit=10, detailed=False)
        assert second == Page([Queue(name) for name in names[10:]], "q12")
        third = store.queues.list("project", marker=second.marker, limit=10, detailed=False)
        assert third == Page([], None)

    def test_a_full_last_page_has_a_marker(self, store: Store) -> None:
        for name in ("a", "b"):
            store.queues.create("project", name)
        page = store.queues.list("project", marker=None, limit=2, detailed=False)
        assert page == Page([Queue("a"), Queue("b")], "b")

    def test_the_marker_need_not_name_a_queue(self, store: Store) -> None:
        for name in ("a", "c"):
            store.queues.create("project", name)
        assert _names(store, marker="b") == ["c"]
        assert _names(store, marker="c") == []
        assert _names(store, marker="") == ["a", "c"]
        store.queues.delete("project", "a")
        assert _names(store, marker="a") == ["c"]

    def test_detailed_includes_the_metadata(self, store: Store) -> None:
        for name in ("a", "b"):
            store.queues.create("project", name)
        store.queues.set_metadata("project", "a", b'{ "x":1}')

        detailed = store.queues.list("project", marker=None, limit=10, detailed=True)
        assert detailed.items == [Queue("a", b'{ "x":1}'), Queue("b", b"{}")]
        plain = store.queues.list("project", marker=None, limit=10, detailed=False)
        assert plain.items == [Queue("a", None), Queue("b", None)]

    def test_deleted_queues_are_not_listed(self, store: Store) -> None:
        for name in ("a", "b", "c"):
            store.queues.create("project", name)
        store.queues.delete("project", "b")
        assert _names(store) == ["a", "c"]


def _names(store: Store, marker: str | None = None) -> list[str]:
    page = store.queues.list("project", marker=marker, limit=100, detailed=False)
    return [queue.name for queue in page.items]


def _assert_gone(
    queue: BoundQueue, ids: list[str], claim_id: str, left: list[str] | None = None
) -> None:
    """Check that messages and a claim have no effect in the queue, on any way to them."""
    left = left or []
    for message_id in ids:
        with pytest.raises(MessageNotFound):
            queue.get(message_id)
        queue.delete(message_id)
        queue.delete(message_id, claim_id)
    assert queue.get_many(*ids) == []
    queue.delete_many(*ids)
    with pytest.raises(ClaimNotFound):
        queue.read_claim(claim_id)
    with pytest.raises(ClaimNotFound):
        queue.renew(claim_id)
    queue.release(claim_id)
    assert queue.ids() == left
    if not left:
        assert queue.try_claim() is None
