"""Scopes and queues see nothing of each other (spec 6.10)."""

# ruff: noqa: D102 - a test's name says what it shows

import pytest

from marconi_server.storage.conformance.support import BoundQueue, Cases, ids_of
from marconi_server.storage.contract import Store
from marconi_server.storage.errors import ClaimNotFound, MessageNotFound, QueueNotFound

# Pairs of projects that some way of storing them could take for the same.
LOOK_ALIKES = [
    (None, "None"),
    (None, "null"),
    (None, "-"),
    ("1", "01"),
    ("1", "1.0"),
    ("10", "1e1"),
    ("480924", "480925"),
    ("abc", "ABC"),
    ("abc", "a.c"),
    ("abc", "a*"),
    ("abc", "a%"),
    ("abc", "a_c"),
    ("abc", "abc "),
    ("a/b", "a"),
    ("two words", "two  words"),
    ("x" * 256, "x" * 255 + "y"),
    ("é", "e\u0301"),
    ("(", "["),
    ("$where", "where"),
]


class IsolationCases(Cases):
    """The same queue name in two projects, and two queues in one."""

    @pytest.fixture(params=LOOK_ALIKES, ids=lambda pair: f"{pair[0]!s:.9}-{pair[1]!s:.9}")
    def projects(self, request: pytest.FixtureRequest) -> tuple[str | None, str | None]:
        """Two projects."""
        pair: tuple[str | None, str | None] = request.param
        return pair

    def test_projects_are_apart(
        self, store: Store, projects: tuple[str | None, str | None]
    ) -> None:
        mine, theirs = (BoundQueue(store, project) for project in projects)
        mine.create()
        assert not store.queues.exists(theirs.project, theirs.name)
        assert _names(store, theirs.project) == []
        theirs.create()
        store.queues.create(theirs.project, "only-theirs")

        my_ids, their_ids = mine.post_numbers(2), theirs.post_numbers(3)
        store.queues.set_metadata(mine.project, mine.name, b'{"mine": 1}')
        their_claim = theirs.claim(limit=1)

        assert _names(store, mine.project) == ["queue"]
        assert _names(store, theirs.project) == ["only-theirs", "queue"]
        assert store.queues.metadata(theirs.project, theirs.name) == b"{}"
        assert (mine.ids(), theirs.ids()) == (my_ids, their_ids)
        assert (mine.counts(), theirs.counts()) == ((2, 0), (2, 1))
        assert ids_of(mine.claim()) == my_ids

        mine.drop()
        assert _names(store, theirs.project) == ["only-theirs", "queue"]
        assert theirs.ids() == their_ids
        assert theirs.read_claim(their_claim.id) == their_claim

    def test_names_cannot_be_confused_with_projects(self, store: Store) -> None:
        queues = [
            BoundQueue(store, project, name).create()
            for project, name in (
                ("a", "b_c"),
                ("a_b", "c"),
                ("a/b", "c"),
                ("a", "c"),
                ("b", "c"),
                (None, "c"),
                (None, "a"),
                ("c", "a"),
            )
        ]
        ids = [queue.post(b"1") for queue in queues]
        assert [queue.ids() for queue in queues] == ids

    @pytest.mark.parametrize(
        ("project", "name"),
        [("other", "queue"), (None, "queue"), ("project", "other"), ("project", "missing")],
    )
    def test_ids_of_another_queue_are_unknown(
        self, store: Store, queue: BoundQueue, project: str | None, name: str
    ) -> None:
        ids = queue.post_numbers(3)
        claim = queue.claim(limit=1)
        elsewhere = BoundQueue(store, project, name)
        if name != "missing":
            elsewhere.create().post_numbers(1)
            elsewhere.claim()

        for message_id in ids:
            with pytest.raises(MessageNotFound):
                elsewhere.get(message_id)
            elsewhere.delete(message_id)
            elsewhere.delete(message_id, claim.id)
        assert elsewhere.get_many(*ids) == []
        elsewhere.delete_many(*ids)
        with pytest.raises(ClaimNotFound):
            elsewhere.read_claim(claim.id)
        with pytest.raises(ClaimNotFound):
            elsewhere.renew(claim.id, ttl=3000)
        elsewhere.release(claim.id)

        assert queue.ids() == ids
        assert queue.read_claim(claim.id) == claim

    def test_another_project_changes_nothing(self, store: Store, queue: BoundQueue) -> None:
        ids = queue.post_numbers(2)
        elsewhere = BoundQueue(store, project="other")
        for change in (
            lambda: elsewhere.post(b"1"),
            lambda: store.queues.set_metadata("other", "queue", b'{"a": 1}'),
            elsewhere.stats,
        ):
            with pytest.raises(QueueNotFound):
                change()
        elsewhere.drop()
        assert elsewhere.try_claim() is None
        assert elsewhere.page().items == []
        assert elsewhere.page("1").items == []
        assert queue.ids() == ids
        assert store.queues.metadata(queue.project, queue.name) == b"{}"

    def test_a_marker_of_another_queue_shows_only_this_one(
        self, store: Store, queue: BoundQueue
    ) -> None:
        other = BoundQueue(store, name="other").create()
        other.post_numbers(2)
        ids = queue.post_numbers(4)
        for page in (other.page(), other.page(limit=1), queue.page(limit=2)):
            shown = [message.id for message in queue.page(page.marker).items]
            assert set(shown) <= set(ids)


def _names(store: Store, project: str | None) -> list[str]:
    page = store.queues.list(project, marker=None, limit=100, detailed=False)
    return [queue.name for queue in page.items]
