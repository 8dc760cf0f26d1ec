"""The metadata document of a queue."""

# ruff: noqa: D102 - a test's name says what it shows

import pytest

from marconi_server.storage.conformance.support import BoundQueue, Cases
from marconi_server.storage.contract import LARGEST_METADATA, Store
from marconi_server.storage.errors import QueueNotFound


class MetadataCases(Cases):
    """Setting and reading metadata."""

    def test_a_new_queue_has_an_empty_object(self, store: Store, queue: BoundQueue) -> None:
        assert store.queues.metadata(queue.project, queue.name) == b"{}"

    def test_set_replaces_the_whole_document(self, store: Store, queue: BoundQueue) -> None:
        large = b'{"c": "' + b"x" * 4_000_000 + b'"}'
        for document in (b'{"a": 1}', b'{"b": 2}', b'{"b": 2}', large, b"{}", large, large):
            store.queues.set_metadata(queue.project, queue.name, document)
            assert store.queues.metadata(queue.project, queue.name) == document

    @pytest.mark.parametrize(
        "document",
        [
            b' {\n"spaced" :\t1 }\n',
            b'{"a": 1, "a": 2}',
            b'{"_leading": 1, "a.b": 2, "$set": 3, "#$%^&": 4, "": 5}',
            '{"键": "值 \U0001f600"}'.encode(),
            b'{"escapes": "\\u0000\\ud800\\/"}',
            b'{"number": 1.0000000000000000000000001e999}',
            b'{"long": "' + b"x" * 65_000 + b'"}',
            b'{"longest": "' + b"x" * (LARGEST_METADATA - 15) + b'"}',
        ],
        ids=["spaces", "twice", "odd keys", "unicode", "escapes", "number", "long", "longest"],
    )
    def test_comes_back_byte_for_byte(
        self, store: Store, queue: BoundQueue, document: bytes
    ) -> None:
        store.queues.set_metadata(queue.project, queue.name, document)
        assert store.queues.metadata(queue.project, queue.name) == document
        page = store.queues.list(queue.project, marker=None, limit=10, detailed=True)
        assert [listed.metadata for listed in page.items] == [document]

    def test_of_each_queue_for_itself(self, store: Store, queue: BoundQueue) -> None:
        other = BoundQueue(store, name="other").create()
        store.queues.set_metadata(queue.project, queue.name, b'{"a": 1}')
        assert store.queues.metadata(other.project, other.name) == b"{}"

    def test_of_a_missing_queue(self, store: Store) -> None:
        with pytest.raises(QueueNotFound):
            store.queues.metadata("project", "missing")
        with pytest.raises(QueueNotFound):
            store.queues.set_metadata("project", "missing", b"{}")
        assert not store.queues.exists("project", "missing")

    def test_has_no_effect_on_messages(self, store: Store, queue: BoundQueue) -> None:
        store.queues.set_metadata(queue.project, queue.name, b'{"_default_message_ttl": 60}')
        (message_id,) = queue.post(b"1", ttl=300)
        assert queue.get(message_id).ttl == 300
