"""Listing messages in pages, with markers (spec 6.3 and 6.4)."""

# ruff: noqa: D102 - a test's name says what it shows

from marconi_server.storage.conformance.clock import ManualClock
from marconi_server.storage.conformance.support import BoundQueue, Cases
from marconi_server.storage.contract import Page, Store


class PagingCases(Cases):
    """Pages, markers and filters."""

    def test_an_empty_queue(self, queue: BoundQueue) -> None:
        assert queue.page() == Page([], None)

    def test_a_missing_queue(self, store: Store) -> None:
        assert BoundQueue(store, name="missing").page() == Page([], None)
        assert BoundQueue(store, name="missing").page("1") == Page([], None)

    def test_ten_messages_in_pages_of_three(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(10)
        assert queue.pages(limit=3) == [ids[0:3], ids[3:6], ids[6:9], ids[9:10]]

    def test_a_page_has_a_marker_exactly_if_it_has_items(self, queue: BoundQueue) -> None:
        queue.post_numbers(4)
        first = queue.page(limit=2)
        second = queue.page(first.marker, limit=2)
        third = queue.page(second.marker, limit=2)
        assert first.marker is not None
        assert second.marker is not None
        assert third == Page([], None)

    def test_reading_moves_nothing(self, queue: BoundQueue) -> None:
        queue.post_numbers(5)
        first = queue.page(limit=2)
        assert queue.page(limit=2) == first
        second = queue.page(first.marker, limit=2)
        assert queue.page(first.marker, limit=2) == second

    def test_new_messages_appear_behind_the_last_marker(self, queue: BoundQueue) -> None:
        queue.post_numbers(3)
        marker = queue.page().marker
        assert queue.page(marker) == Page([], None)
        for count in (1, 2):
            new = queue.post_numbers(count)
            page = queue.page(marker)
            assert [message.id for message in page.items] == new
            marker = page.marker

    def test_a_marker_outlives_its_message(self, clock: ManualClock, queue: BoundQueue) -> None:
        ids = queue.post_numbers(2) + queue.post_numbers(2, ttl=60) + queue.post_numbers(4)
        first = queue.page(limit=2)
        queue.delete_many(*ids[:2])
        assert [message.id for message in queue.page(first.marker).items] == ids[2:]

        second = queue.page(first.marker, limit=2)
        clock.advance(60)
        assert [message.id for message in queue.page(second.marker).items] == ids[4:]

        third = queue.page(second.marker, limit=2, include_claimed=False)
        queue.claim(limit=2)
        behind = queue.page(third.marker, include_claimed=False)
        assert [message.id for message in behind.items] == ids[6:]

    def test_a_marker_outlives_all_messages(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(3)
        marker = queue.page().marker
        queue.delete_many(*ids)
        assert queue.page(marker) == Page([], None)
        new = queue.post_numbers(2)
        assert [message.id for message in queue.page(marker).items] == new

    def test_claimed_messages_are_left_out_unless_asked_for(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(12)
        claim = queue.claim(limit=10)
        assert queue.free_ids() == ids[10:]
        assert queue.ids() == ids
        queue.release(claim.id)
        assert queue.free_ids() == ids

    def test_all_claimed(self, queue: BoundQueue) -> None:
        queue.post(b"1")
        queue.claim()
        assert queue.page(include_claimed=False) == Page([], None)

    def test_the_poster_is_left_out_if_asked_for(self, queue: BoundQueue) -> None:
        one = queue.post_numbers(2, client="one")
        two = queue.post_numbers(3, client="two")
        assert [message.id for message in queue.page(exclude_client="one").items] == two
        assert [message.id for message in queue.page(exclude_client="two").items] == one
        assert [message.id for message in queue.page(exclude_client="ONE").items] == one + two
        assert queue.page().items == queue.page(exclude_client="third").items

    def test_client_ids_are_compared_exactly(self, queue: BoundQueue) -> None:
        clients = ["1", "01", "1.0", "a", "A", "a ", "%", "_", "é", "x" * 500]
        for client in clients:
            queue.post(b"1", client=client)
        for client in clients:
            assert len(queue.page(exclude_client=client).items) == len(clients) - 1

    def test_the_limit_counts_matching_messages_only(self, queue: BoundQueue) -> None:
        theirs = []
        for _ in range(6):
            queue.post_numbers(3, client="mine")
            theirs += queue.post(b"1", client="theirs")
        first = queue.page(limit=4, exclude_client="mine")
        assert [message.id for message in first.items] == theirs[:4]
        second = queue.page(first.marker, limit=4, exclude_client="mine")
        assert [message.id for message in second.items] == theirs[4:]

    def test_both_filters_together(self, queue: BoundQueue) -> None:
        ids = [queue.post(b"1", client=client)[0] for client in ("a", "b", "a", "b", "a", "b")]
        queue.claim(limit=3)
        page = queue.page(exclude_client="a", include_claimed=False)
        assert [message.id for message in page.items] == [ids[3], ids[5]]

    def test_a_marker_means_the_same_under_other_filters(self, queue: BoundQueue) -> None:
        ids = [queue.post(b"1", client=client)[0] for client in ("a", "b", "a", "b", "a", "b")]
        marker = queue.page(limit=1, exclude_client="a").marker
        assert [message.id for message in queue.page(marker).items] == ids[2:]

    def test_expired_messages_take_no_room_on_a_page(
        self, clock: ManualClock, queue: BoundQueue
    ) -> None:
        lasting = []
        for _ in range(3):
            queue.post_numbers(5, ttl=60)
            lasting += queue.post(b"1", ttl=300)
        clock.advance(60)
        assert queue.pages(limit=2) == [lasting[:2], lasting[2:]]

    def test_limits(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(30)
        for limit in (1, 20, 29, 30, 31, 1000):
            assert [message.id for message in queue.page(limit=limit).items] == ids[:limit]
