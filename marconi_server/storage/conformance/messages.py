"""Posting and reading messages: order, batches, bodies."""

# ruff: noqa: D102 - a test's name says what it shows

import pytest

from marconi_server.storage.conformance.clock import ManualClock
from marconi_server.storage.conformance.support import INSTANT, BoundQueue, Cases, flat
from marconi_server.storage.contract import LARGEST_BODY, Message, NewMessage, Store
from marconi_server.storage.errors import MessageNotFound, QueueNotFound

BODIES = {
    "integer": b"1",
    "large integer": b"9007199254740993",
    "exact number": b"0.10000000000000000000000000000000000001",
    "overflow": b"-1E400",
    "string": b'"x"',
    "empty string": b'""',
    "quotes": b'"it\'s; -- \\" %s ? :a $1"',
    "null": b"null",
    "true": b"true",
    "array": b"[1, [2, []]]",
    "object": b'{"$set": 1, "a.b": 2, "": 3}',
    "key twice": b'{"a": 1, "a": 2}',
    "spaces": b' \n{ "a" :\t1 }\r\n ',
    "raw unicode": '"日本 \U0001f600 \u2028"'.encode(),
    "escapes": b'"\\u0000 \\ud800 \\ud83d\\ude00 \\/ \\u0041"',
    "delete character": b'"\x7f"',
    "deep": b"[" * 5000 + b"]" * 5000,
    "one megabyte": b'"' + b"x" * 1024**2 + b'"',
    "the largest": b'"' + b"x" * (LARGEST_BODY - 2) + b'"',
}


class MessageCases(Cases):
    """Posting, and reading one or many."""

    def test_post_returns_an_id_for_each_message_in_order(self, queue: BoundQueue) -> None:
        ids = queue.post(b'"a"', b'"b"', b'"c"')
        assert len(ids) == len(set(ids)) == 3
        assert [queue.get(message_id).body for message_id in ids] == [b'"a"', b'"b"', b'"c"']

    def test_a_new_message(self, queue: BoundQueue) -> None:
        (message_id,) = queue.post(b'{"a": 1}', ttl=1234)
        expected = Message(id=message_id, ttl=1234, age=0, body=b'{"a": 1}')
        assert queue.get(message_id) == expected
        assert queue.get_many(message_id) == [expected]
        assert queue.page().items == [expected]

    def test_each_message_of_a_batch_has_its_own_ttl(
        self, store: Store, clock: ManualClock, queue: BoundQueue
    ) -> None:
        batch = [NewMessage(300, b"1"), NewMessage(60, b"2"), NewMessage(1_209_600, b"3")]
        ids = store.messages.post(queue.project, queue.name, "poster", batch)
        assert [queue.get(message_id).ttl for message_id in ids] == [300, 60, 1_209_600]
        clock.advance(60)
        assert queue.ids() == [ids[0], ids[2]]
        clock.advance(240)
        assert queue.ids() == [ids[2]]

    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    def test_a_body_comes_back_byte_for_byte(self, queue: BoundQueue, body: bytes) -> None:
        (message_id,) = queue.post(body)
        assert queue.get(message_id).body == body
        assert queue.get_many(message_id)[0].body == body
        assert queue.page().items[0].body == body
        claim = queue.claim()
        assert claim.messages[0].body == body
        assert queue.read_claim(claim.id).messages[0].body == body

    def test_all_bodies_in_one_batch(self, queue: BoundQueue) -> None:
        queue.post(*BODIES.values())
        assert [message.body for message in queue.page().items] == list(BODIES.values())

    def test_equal_messages_are_different_messages(self, queue: BoundQueue) -> None:
        ids = queue.post(b"1", b"1") + queue.post(b"1")
        assert len(set(ids)) == 3
        assert queue.ids() == ids

    def test_batches_stand_in_the_order_of_posting(self, queue: BoundQueue) -> None:
        ids = [queue.post_numbers(count) for count in (3, 1, 5, 2)]
        assert queue.ids() == flat(ids)

    def test_time_does_not_make_the_order(self, clock: ManualClock, queue: BoundQueue) -> None:
        early = queue.post(b"1", ttl=600)
        clock.advance(100)
        late = queue.post(b"2", b"3", ttl=60)
        same_instant = queue.post(b"4", ttl=300)
        assert queue.ids() == early + late + same_instant

    def test_a_large_batch(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(12_000)  # as many as fit into a request of 256 KiB
        assert len(set(ids)) == 12_000
        assert queue.ids() == ids
        assert queue.counts() == (12_000, 0)

    def test_many_small_batches(self, queue: BoundQueue) -> None:
        ids = [message_id for _ in range(50) for message_id in queue.post(b"1", b"2")]
        assert queue.ids() == ids

    def test_queues_do_not_share_messages(self, store: Store, queue: BoundQueue) -> None:
        other = BoundQueue(store, name="other").create()
        ids: dict[str, list[str]] = {"queue": [], "other": []}
        for _ in range(3):
            ids["queue"] += queue.post(b"1", b"2")
            ids["other"] += other.post(b"3", b"4")
        assert queue.ids() == ids["queue"]
        assert other.ids() == ids["other"]

    def test_post_to_a_missing_queue(self, store: Store) -> None:
        missing = BoundQueue(store, name="missing")
        with pytest.raises(QueueNotFound):
            missing.post(b"1")
        assert not store.queues.exists("project", "missing")
        assert missing.create().ids() == []

    def test_age_is_whole_seconds_since_posting(
        self, clock: ManualClock, queue: BoundQueue
    ) -> None:
        (message_id,) = queue.post(b"1")
        for step, age in ((1 - INSTANT, 0), (INSTANT, 1), (4, 5), (1 - INSTANT, 5), (INSTANT, 6)):
            clock.advance(step)
            assert queue.get(message_id).age == age
            assert queue.get_many(message_id)[0].age == age
            assert queue.page().items[0].age == age
        assert queue.claim().messages[0].age == 6

    def test_get_of_an_unknown_message(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(2)
        queue.delete(ids[0])
        with pytest.raises(MessageNotFound):
            queue.get(ids[0])
        with pytest.raises(MessageNotFound):
            queue.get("unknown")

    def test_get_returns_claimed_messages(self, queue: BoundQueue) -> None:
        (message_id,) = queue.post(b"1")
        queue.claim()
        assert queue.get(message_id).body == b"1"
        assert queue.get_many(message_id) == [queue.get(message_id)]

    def test_get_many_is_in_queue_order_and_has_each_once(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(3) + queue.post_numbers(2)
        asked = [ids[4], ids[1], "unknown", ids[3], ids[1], "", ids[4]]
        assert [message.id for message in queue.get_many(*asked)] == [ids[1], ids[3], ids[4]]

    def test_get_many_of_nothing(self, store: Store, queue: BoundQueue) -> None:
        queue.post_numbers(2)
        assert queue.get_many() == []
        assert queue.get_many("unknown", "") == []
        assert BoundQueue(store, name="missing").get_many("unknown") == []

    def test_get_many_of_a_thousand(self, queue: BoundQueue) -> None:
        ids = queue.post_numbers(1500)
        assert [message.id for message in queue.get_many(*reversed(ids[:1000]))] == ids[:1000]
