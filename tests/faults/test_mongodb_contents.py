"""What clients see when an operator changes the contents of MongoDB under a running server.

Each of the things that mongosh and a restore can do to each collection, followed by each operation
of the API: the answer is what the operation answers anyway, or a 404 or 503, with one line in the
log for each thing to be said. Then the queue is created, or is there, and all is well: no reader
skips anything, counts are right.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from bson import ObjectId
from pymongo.database import Database

from marconi_server.config.settings import Settings
from marconi_server.storage.conformance import ManualClock
from marconi_server.storage.mongodb.driver import MongoDBStore
from marconi_server.storage.mongodb.schema import (
    ASIDE,
    BY_NAME,
    FLOOR,
    LEASE,
    MESSAGE_INDEXES,
    NEVER,
    QUEUE_INDEXES,
    SCHEMA,
)
from marconi_server.wsgi import build_app
from tests.api.client import C2, Answer, Client, Queue, id_of
from tests.mongodb.deployment import Deployment
from tests.mongodb.guarded import GuardedReplicaSet
from tests.storage.conftest import COMMANDS
from tests.support.live import LiveServer

Contents = Database[dict[str, Any]]

COLLECTIONS = ("queues", "messages", "housekeeping")

# What an operator puts in place of a value, by accident or by the ways of a shell.
NONSENSE: tuple[Any, ...] = (
    None,
    "nonsense",
    -1,
    float("nan"),
    True,
    2**63 - 1,
    [{"expires": 5}],
    {"a": 1},
)


@dataclass(frozen=True)
class Scene:
    """A queue with five messages, two of which are claimed, and what a follower of it has read."""

    queue: Queue
    ids: list[str]
    claim: str
    next_page: str


class World:
    """A database, a server on it, and the operator."""

    def __init__(self, uri: str, contents: Contents) -> None:
        self.contents = contents
        self.clock = ManualClock()
        options = MongoDBStore.Options(
            uri=uri, database=contents.name, max_clock_skew=0, sweep_interval=3600
        )
        self.store = MongoDBStore.open(options, self.clock)
        self.client = Client(build_app(Settings(), self.store), uuid4().hex)

    def scene(self) -> Scene:
        """Make a scene of its own; the server knows the queue well."""
        queue = Queue(self.client.of(uuid4().hex), "q")
        queue.client.create("q")
        assert queue.client.put(f"{queue.path}/metadata", {"a": 1}).status == 204
        hrefs = queue.post_n(5)
        claim, _ = queue.claimed("?limit=2", ttl=60, grace=60)
        page = queue.page("?echo=true&include_claimed=true&limit=20").json()
        assert len(page["messages"]) == 5
        (link,) = (link["href"] for link in page["links"] if link["rel"] == "next")
        return Scene(queue, [id_of(href) for href in hrefs], id_of(claim), link)

    def queue_id(self, scene: Scene) -> Any:
        found = self.contents.queues.find_one({"project": scene.queue.client.project})
        assert found is not None
        return found["_id"]

    def sweep(self) -> None:
        """Remove what is to be removed; this comes to an end, and without an error."""
        sweeper = self.store._sweeper
        for _ in range(100):
            if not (sweeper.dissolve() or sweeper.work()):
                return
        raise AssertionError("this would go on for ever")


@pytest.fixture
def world(mongodb: Deployment, mongodb_database: str) -> Iterator[World]:
    with mongodb.client() as client:
        world = World(mongodb.uri, client[mongodb_database])
        yield world
        world.store.close()


Act = Callable[[Scene], Answer]


def _message(body: Any = 1) -> list[dict[str, Any]]:
    return [{"ttl": 300, "body": body}]


OPERATIONS: dict[str, tuple[Act, set[int]]] = {
    "health": (lambda s: s.queue.client.get("/v1/health"), {204}),
    "list queues": (lambda s: s.queue.client.get("/v1/queues?detailed=true"), {200, 204}),
    "create the queue": (lambda s: s.queue.client.put(s.queue.path), {201, 204}),
    "create another": (lambda s: s.queue.client.put("/v1/queues/other"), {201}),
    "look the queue up": (lambda s: s.queue.client.get(s.queue.path), {204}),
    "delete the queue": (lambda s: s.queue.client.delete(s.queue.path), {204}),
    "metadata": (lambda s: s.queue.client.get(f"{s.queue.path}/metadata"), {200}),
    "set metadata": (lambda s: s.queue.client.put(f"{s.queue.path}/metadata", {"b": 2}), {204}),
    "stats": (lambda s: s.queue.client.get(f"{s.queue.path}/stats"), {200}),
    "post": (lambda s: s.queue.post(_message()), {201}),
    "list": (lambda s: s.queue.page("?echo=true&include_claimed=true"), {200, 204}),
    "list what is free": (lambda s: s.queue.page("?echo=true"), {200, 204}),
    "get by ids": (lambda s: s.queue.page(f"?ids={','.join(s.ids)}"), {200, 204}),
    "get one": (lambda s: s.queue.client.get(f"{s.queue.messages}/{s.ids[4]}"), {200}),
    "delete one": (lambda s: s.queue.client.delete(f"{s.queue.messages}/{s.ids[4]}"), {204, 403}),
    "delete a claimed one": (
        lambda s: s.queue.client.delete(f"{s.queue.messages}/{s.ids[0]}?claim_id={s.claim}"),
        {204, 403},
    ),
    "delete by ids": (
        lambda s: s.queue.client.delete(f"{s.queue.messages}?ids={','.join(s.ids)}"),
        {204},
    ),
    "claim": (lambda s: s.queue.client.post(s.queue.claims, {"ttl": 60, "grace": 60}), {201, 204}),
    "look at the claim": (lambda s: s.queue.client.get(f"{s.queue.claims}/{s.claim}"), {200}),
    "renew the claim": (
        lambda s: s.queue.client.patch(f"{s.queue.claims}/{s.claim}", {"ttl": 90}),
        {204},
    ),
    "release the claim": (lambda s: s.queue.client.delete(f"{s.queue.claims}/{s.claim}"), {204}),
}

Damage = Callable[[World, Scene], Any]


MISSING = object()


def _delete_message(world: World, scene: Scene, number: int) -> None:
    """Delete a message, and have its queue counted anew, as the page about MongoDB has it."""
    world.contents.messages.delete_one({"_id": ObjectId(scene.ids[number])})
    world.contents.queues.update_many({}, {"$unset": {"removed": 1}})


def _restore(world: World, scene: Scene) -> None:
    """Put an older dump over it, as `mongorestore --drop` does."""
    backup = {name: world.contents[name].find().to_list() for name in COLLECTIONS}
    scene.queue.post_n(3)
    scene.queue.client.create("younger")
    for name, documents in backup.items():
        world.contents[name].drop()
        world.contents[name].insert_many(documents)
    world.contents.queues.create_indexes(QUEUE_INDEXES)


def _restore_one(world: World, scene: Scene, name: str) -> None:
    """Restore one of the collections from before the queue was deleted and made anew."""
    backup = world.contents[name].find().to_list()
    scene.queue.post_n(3)
    assert scene.queue.client.delete(scene.queue.path).status == 204
    scene.queue.client.create("q")
    scene.queue.post_n(1)
    world.contents[name].delete_many({})
    world.contents[name].insert_many(backup)


def _drop_database(world: World, _: Scene) -> None:
    world.contents.client.drop_database(world.contents.name)


def _drop(world: World, _: Scene, name: str) -> None:
    world.contents[name].drop()


def _empty(world: World, _: Scene, name: str) -> None:
    world.contents[name].delete_many({})


def _rename(world: World, _: Scene, name: str) -> None:
    world.contents[name].rename(f"{name}_{uuid4().hex}")


def _drop_indexes(world: World, _: Scene, name: str) -> None:
    world.contents[name].drop_indexes()


def _drop_index(world: World, _: Scene, name: str, index: str) -> None:
    world.contents[name].drop_index(index)


def _delete(world: World, _: Scene, identifier: str) -> None:
    assert world.contents.housekeeping.delete_one({"_id": identifier}).deleted_count


def _change_messages(world: World, _: Scene, change: dict[str, Any]) -> None:
    world.contents.messages.update_many({}, change)


def _delete_head(world: World, scene: Scene) -> None:
    assert world.contents.messages.delete_one({"_id": world.queue_id(scene)}).deleted_count


def _delete_messages(world: World, scene: Scene) -> None:
    wanted = {"queue": world.queue_id(scene), "position": {"$gt": 0}}
    assert world.contents.messages.delete_many(wanted).deleted_count


def _delete_queue(world: World, scene: Scene) -> None:
    assert world.contents.queues.delete_one({"_id": world.queue_id(scene)}).deleted_count


INDEXES = [("queues", index.document["name"]) for index in QUEUE_INDEXES]
INDEXES += [("messages", index.document["name"]) for index in MESSAGE_INDEXES]

DAMAGES: dict[str, Damage] = {
    "drop the database": _drop_database,
    **{f"drop {name}": partial(_drop, name=name) for name in COLLECTIONS},
    **{f"empty {name}": partial(_empty, name=name) for name in COLLECTIONS},
    **{f"rename {name}": partial(_rename, name=name) for name in COLLECTIONS},
    **{f"drop indexes of {name}": partial(_drop_indexes, name=name) for name in COLLECTIONS},
    **{
        f"drop index {index}": partial(_drop_index, name=name, index=index)
        for name, index in INDEXES
    },
    **{f"delete the {name}": partial(_delete, identifier=name) for name in (FLOOR, LEASE, SCHEMA)},
    "delete the queue": _delete_queue,
    "delete the head": _delete_head,
    "delete the messages": _delete_messages,
    **{f"delete message {n}": partial(_delete_message, number=n) for n in (0, 2, 4)},
    "expire everything": partial(_change_messages, change={"$set": {"expires": 0}}),
    "claim: removed": partial(_change_messages, change={"$unset": {"claim": 1}}),
    "claim: null": partial(_change_messages, change={"$set": {"claim": None}}),
    "restore an older dump": _restore,
    **{f"restore {name} alone": partial(_restore_one, name=name) for name in COLLECTIONS},
}
"""What an operator does to a collection, or to the documents of one queue."""


def assert_answer(answer: Answer, usual: set[int], caplog: pytest.LogCaptureFixture) -> None:
    """Check the status of an answer, and that the log has a line for each thing to be said."""
    assert answer.status in usual | {404, 503}, answer
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == len(set(lines)), lines
    assert sum("storage unavailable" in line for line in lines) == (answer.status == 503), lines
    assert not any(record.exc_info or record.levelno > logging.WARNING for record in caplog.records)
    assert not any("\n" in line for line in lines)


def numbered(queue: Queue, *numbers: int) -> list[str]:
    answer = queue.post([{"ttl": 300, "body": number} for number in numbers])
    assert answer.status == 201, answer
    return [id_of(href) for href in answer.json()["resources"]]


def read_on(queue: Queue, page: str) -> list[str]:
    """Read all pages from a link on; give the ids."""
    found: list[str] = []
    while True:
        answer = queue.client.get(page, client_id=C2)
        if answer.status == 204:
            return found
        assert answer.status == 200, answer
        found += [id_of(message["href"]) for message in answer.json()["messages"]]
        (page,) = (link["href"] for link in answer.json()["links"] if link["rel"] == "next")


def assert_all_is_well(world: World, scene: Scene, *, follow: bool = True) -> None:
    """Create the queue if it is not there: then everything is as it should be."""
    queue, client = scene.queue, scene.queue.client
    assert client.put(queue.path).status in (201, 204)
    posted = numbered(queue, 1, 2, 3)
    if follow:
        assert read_on(queue, scene.next_page)[-3:] == posted, "a reader has skipped something"
    listed = read_on(queue, f"{queue.messages}?echo=true&include_claimed=true&limit=20")
    assert listed[-3:] == posted
    assert len(set(listed)) == len(listed)
    world.clock.advance(91)  # whatever was claimed is free
    world.sweep()
    stats = client.get(f"{queue.path}/stats").json()["messages"]
    assert (stats["total"], stats["claimed"]) == (len(listed), 0)
    (first,) = client.post(f"{queue.claims}?limit=1", {"ttl": 60, "grace": 60}).json()
    assert id_of(first["href"]) == listed[0]
    assert client.get(f"{queue.path}/stats").json()["messages"]["claimed"] == 1
    claim = first["href"].partition("claim_id=")[2]
    assert client.patch(f"{queue.claims}/{claim}", {"ttl": 90}).status == 204
    assert client.delete(first["href"]).status == 204
    assert client.delete(f"{queue.messages}/{posted[2]}").status == 204
    assert client.delete(f"{queue.messages}?ids={posted[1]}").status == 204
    world.sweep()
    stats = client.get(f"{queue.path}/stats").json()["messages"]
    assert stats["total"] == len(listed) - 3
    assert client.put(f"{queue.path}/metadata", {"c": 3}).status == 204
    assert client.get(f"{queue.path}/metadata").json() == {"c": 3}
    assert "q" in client.names()
    assert client.delete(queue.path).status == 204
    world.sweep()
    client.create("q")
    assert queue.listed() == []


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_operation_behind_each_damage(
    world: World, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    for name, (operation, usual) in OPERATIONS.items():
        scene = world.scene()
        DAMAGES[damage](world, scene)
        world.clock.advance(1)
        caplog.clear()
        answer = operation(scene)
        try:
            assert_answer(answer, usual, caplog)
            assert_all_is_well(world, scene, follow="restore" not in damage)
            assert not any(record.exc_info for record in caplog.records)
        except (AssertionError, KeyError) as error:
            error.add_note(f"after: {name}, which was {answer.status}; log: {caplog.messages}")
            raise


@pytest.mark.parametrize("damage", DAMAGES)
def test_creating_the_queue_behind_each_damage(world: World, damage: str) -> None:
    """Nobody has met the damage yet."""
    scene = world.scene()
    DAMAGES[damage](world, scene)
    world.clock.advance(1)
    assert_all_is_well(world, scene, follow="restore" not in damage)


# Documents that are none


FIELDS: dict[str, list[str]] = {
    "queues": ["project", "name", "metadata", "removed"],
    "head": ["queue", "position", "start", "last", "expires", "claim", "claim.expires"],
    "messages": [
        *("queue", "position", "client", "ttl", "created", "expires", "available", "claims"),
        *("claim", "claim.id", "claim.expires", "claim.ttl", "claim.started", "body"),
    ],
    "lease": ["holder", "until", "elected"],
    "floor": ["position"],
}


def set_field(world: World, scene: Scene, what: str, field: str, value: Any) -> None:
    """Change or remove a field of what belongs to a scene."""
    queue_id = world.queue_id(scene)
    collection, wanted = {
        "queues": (world.contents.queues, {"_id": queue_id}),
        "head": (world.contents.messages, {"_id": queue_id}),
        "messages": (world.contents.messages, {"queue": queue_id, "position": {"$gt": 0}}),
        "lease": (world.contents.housekeeping, {"_id": LEASE}),
        "floor": (world.contents.housekeeping, {"_id": FLOOR}),
    }[what]
    change = {"$unset": {field: 1}} if value is MISSING else {"$set": {field: value}}
    assert collection.update_many(wanted, change).matched_count


def assert_it_works(world: World, scene: Scene) -> None:
    """Create the queue if it is not there: it takes messages and gives them to consumers."""
    queue, client = scene.queue, scene.queue.client
    world.sweep()
    assert client.put(queue.path).status in (201, 204)
    posted = numbered(queue, 1, 2, 3)
    listed = read_on(queue, f"{queue.messages}?echo=true&include_claimed=true&limit=20")
    assert listed[-3:] == posted
    world.clock.advance(91)  # whatever was claimed is free
    world.sweep()
    claimed: list[str] = []
    while (answer := queue.claim(ttl=60, grace=60)).status == 201:
        claimed += [message["href"] for message in answer.json()]
    assert [id_of(href) for href in claimed[-3:]] == posted
    stats = client.get(f"{queue.path}/stats").json()["messages"]
    assert stats["total"] >= 3
    for href in claimed:
        assert client.delete(href).status == 204
    assert not set(posted) & set(map(id_of, queue.listed()))
    assert "q" in client.names()
    assert client.get(f"{queue.path}/metadata").status == 200
    assert client.delete(queue.path).status == 204
    world.sweep()
    client.create("q")
    assert queue.listed() == []


def operate(
    world: World, scene: Scene, first: int, caplog: pytest.LogCaptureFixture
) -> dict[str, int]:
    """Try all operations, beginning with one of them, and check each answer."""
    names = [*OPERATIONS]
    statuses = {}
    for name in names[first:] + names[:first]:
        operation, usual = OPERATIONS[name]
        caplog.clear()
        answer = operation(scene)
        statuses[name] = answer.status
        try:
            # Others than the first have been told of what is there no more.
            assert_answer(answer, usual | {204}, caplog)
        except AssertionError as error:
            error.add_note(f"{name} behind {statuses}; log: {caplog.messages}")
            raise
    return statuses


@pytest.mark.parametrize(
    ("what", "field"), [(what, field) for what in FIELDS for field in FIELDS[what]]
)
def test_nonsense_in_a_field(
    world: World, what: str, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    for number, value in enumerate((MISSING, *NONSENSE)):
        scene = world.scene()
        queue_id = world.queue_id(scene)
        set_field(world, scene, what, field, value)
        world.clock.advance(1)
        try:
            operate(world, scene, 5 * number % len(OPERATIONS), caplog)
            assert_it_works(world, scene)
            assert not any(record.exc_info for record in caplog.records)
        except (AssertionError, LookupError) as error:
            error.add_note(f"with {value!r}")
            raise
        world.contents.queues.delete_one({"_id": queue_id})


def whole_message(queue_id: Any) -> dict[str, Any]:
    return {
        "_id": ObjectId(),
        "queue": queue_id,
        "position": 1,
        "client": "operator",
        "ttl": 300,
        "created": 0,
        "expires": 2**60,
        "available": 0,
        "claims": 0,
        "claim": {"expires": 0},
        "body": b"1",
    }


def nonsense_in_messages(queue_id: Any) -> Iterator[dict[str, Any]]:
    whole = whole_message(queue_id)
    for position in (-1, 0, 1, 2**62, "1", None, 1.5):
        yield whole | {"_id": ObjectId(), "position": position}
    for identifier in ("text", 1, {"a": 1}, None):
        yield whole | {"_id": identifier}
    for field in whole:
        yield {key: value for key, value in whole.items() if key not in (field, "_id")}
    yield {"queue": queue_id, "position": 0, "expires": NEVER, "claim": {"expires": 0}}
    yield {"queue": queue_id, "expires": 0}
    yield {"expires": 0}
    yield {"expires": 0, "queue": {"a": 1}}
    yield {"expires": 0, "queue": [queue_id]}
    yield {}


def test_nonsense_among_messages(world: World, caplog: pytest.LogCaptureFixture) -> None:
    number = len([*nonsense_in_messages(0)])
    for index in range(number):
        scene = world.scene()
        document = [*nonsense_in_messages(world.queue_id(scene))][index]
        world.contents.messages.insert_one(document)
        try:
            operate(world, scene, index % len(OPERATIONS), caplog)
            assert_it_works(world, scene)
            assert not any(record.exc_info for record in caplog.records)
        except (AssertionError, LookupError) as error:
            error.add_note(f"with {document!r}")
            raise
        world.contents.messages.delete_one({"_id": document["_id"]})


def test_what_is_set_aside_can_be_looked_at(world: World, caplog: pytest.LogCaptureFixture) -> None:
    scene = world.scene()
    message = {"_id": ObjectId(scene.ids[3])}
    world.contents.messages.update_one(message, {"$unset": {"body": 1}})
    listed = read_on(scene.queue, f"{scene.queue.messages}?echo=true&include_claimed=true")
    assert listed == [*scene.ids[:3], scene.ids[4]]
    (line,) = caplog.messages
    assert "had documents that are no messages, which were set aside" in line
    found = world.contents.messages.find_one({"expires": ASIDE, **message})
    assert found is not None
    assert scene.queue.counts() == (2, 2, 4)


def test_nonsense_among_queues(world: World, caplog: pytest.LogCaptureFixture) -> None:
    scene = world.scene()
    project = scene.queue.client.project
    world.contents.queues.insert_many(
        [
            {"project": project},
            {"project": project, "name": 5},
            {"project": project, "name": ["a", "b"]},
            {"project": project, "name": "a b\n", "metadata": b"{}"},
            {"project": project, "name": "metadata", "metadata": "{}"},
            {"project": 5, "name": "q"},
        ]
    )
    for first in (1, 4):
        operate(world, scene, first, caplog)
    assert_it_works(world, scene)


@pytest.mark.parametrize("identifier", ["text", 5, {"a": 1}])
def test_an_impostor_of_a_queue(
    world: World, identifier: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for first in range(len(OPERATIONS)):
        scene = world.scene()
        name = {"project": scene.queue.client.project, "name": "q"}
        world.contents.queues.delete_one(name)
        world.contents.queues.insert_one({"_id": identifier, **name})
        operate(world, scene, first, caplog)
        assert_it_works(world, scene)
        world.contents.queues.delete_one({"_id": identifier})


def test_nonsense_in_housekeeping(world: World, caplog: pytest.LogCaptureFixture) -> None:
    scene = world.scene()
    world.contents.housekeeping.insert_many(
        [
            {"_id": "text", "deleted": True},
            {"_id": {"a": 1}, "deleted": True},
            {"_id": world.queue_id(scene), "deleted": True},
            {"a": 1},
        ]
    )
    world.sweep()
    assert scene.queue.counts() == (2, 3, 5), "the queue is there"
    assert world.contents.housekeeping.find_one({"deleted": True}) is None
    operate(world, scene, 0, caplog)
    assert_it_works(world, scene)


# What cannot be mended, until the operator has undone it


def _add_validator(contents: Contents, name: str) -> None:
    contents.command("collMod", name, validator={"no": {"$exists": True}})


def _remove_validator(contents: Contents, name: str) -> None:
    contents.command("collMod", name, validator={})


def _make_view(contents: Contents, name: str) -> None:
    contents[name].rename(f"{name}_before")
    contents.command("create", name, viewOn=f"{name}_before", pipeline=[])


def _make_capped(contents: Contents, name: str) -> None:
    contents[name].rename(f"{name}_before")
    contents.create_collection(name, capped=True, size=100_000)


def _make_time_series(contents: Contents, name: str) -> None:
    contents[name].rename(f"{name}_before")
    contents.create_collection(name, timeseries={"timeField": "created"})


def _rename_back(contents: Contents, name: str) -> None:
    contents[name].drop()
    contents[f"{name}_before"].rename(name)


Change = Callable[[Contents, str], None]

BLOCKED: dict[str, tuple[Change, Change]] = {
    "a validator": (_add_validator, _remove_validator),
    "a view": (_make_view, _rename_back),
    "a capped collection": (_make_capped, _rename_back),
    "a time series": (_make_time_series, _rename_back),
}
"""What an operator does, and undoes."""

INSIDE = [*OPERATIONS].index("metadata")
"""The first of the operations that want the queue to be there."""


@pytest.mark.parametrize("name", COLLECTIONS)
@pytest.mark.parametrize("change", BLOCKED)
def test_a_collection_that_takes_nothing(
    world: World, change: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    do, undo = BLOCKED[change]
    scene = world.scene()
    do(world.contents, name)
    statuses = operate(world, scene, INSIDE, caplog)
    assert 503 in statuses.values()
    undo(world.contents, name)
    assert_it_works(world, world.scene())


def _hide(contents: Contents, name: str, index: str) -> None:
    contents.command("collMod", name, index={"name": index, "hidden": True})


def _replace(contents: Contents, name: str, index: str) -> None:
    contents[name].drop_index(index)
    contents[name].create_index("other", name=index)


@pytest.mark.parametrize("change", [_hide, _replace])
@pytest.mark.parametrize(("name", "index"), INDEXES)
def test_an_index_that_cannot_be_used(
    world: World,
    change: Callable[[Contents, str, str], None],
    name: str,
    index: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = world.scene()
    change(world.contents, name, index)
    statuses = operate(world, scene, INSIDE, caplog)
    if change is _hide:
        assert 503 in statuses.values()
    world.contents[name].drop_index(index)
    assert_it_works(world, world.scene())


def test_two_queues_of_a_name(world: World, caplog: pytest.LogCaptureFixture) -> None:
    scene = world.scene()
    queues = world.contents.queues
    queues.drop_index(BY_NAME)
    twin = {"_id": ObjectId(), "project": scene.queue.client.project, "name": "q", "removed": 0}
    queues.insert_one(twin)
    assert 503 in operate(world, scene, 2, caplog).values()
    assert "an index cannot be created again: " in caplog.text
    queues.delete_one({"_id": twin["_id"]})
    assert_it_works(world, scene)


@pytest.mark.parametrize(("name", "key"), [("messages", "client"), ("messages", "claim.ttl")])
def test_a_unique_index_of_somebody_else(
    world: World, name: str, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.contents[name].create_index(
        key, name="mine", unique=True, partialFilterExpression={key: {"$exists": True}}
    )
    queue = Queue(world.client, "q")
    queue.client.create("q")
    scene = Scene(queue, [str(ObjectId()) for _ in range(5)], str(ObjectId()), "")
    operate(world, scene, 0, caplog)
    queue.client.put(queue.path)
    answers = [queue.post(_message()).status, queue.post(_message()).status]
    answers += [queue.claim().status, queue.claim().status]
    assert set(answers) <= {201, 204, 503}
    assert 503 in answers
    world.contents[name].drop_index("mine")
    assert_it_works(world, world.scene())


def test_contents_of_another_release(world: World, caplog: pytest.LogCaptureFixture) -> None:
    scene = world.scene()
    versions = world.contents.housekeeping
    for version in (2, "1", None):
        versions.update_one({"_id": SCHEMA}, {"$set": {"version": version}})
        caplog.clear()
        for method, path in (("GET", "/v1/health"), ("PUT", "/v1/queues/new")):
            assert world.client.request(method, path).status == 503
            assert f"is of schema version {version}, this server is for" in caplog.messages[-1]
    versions.update_one({"_id": SCHEMA}, {"$set": {"version": 1}})
    assert world.client.get("/v1/health").status == 204
    assert_it_works(world, scene)


@dataclass(frozen=True)
class Account:
    """The user of the server: its name and password, and where an administrator finds it."""

    users: Contents
    name: str
    password: str
    roles: list[dict[str, str]]

    def create(self) -> None:
        self.users.command("createUser", self.name, pwd=self.password, roles=self.roles)

    def drop(self) -> None:
        self.users.command("dropUser", self.name)

    def revoke(self) -> None:
        self.users.command("revokeRolesFromUser", self.name, roles=self.roles)

    def make_it_a_reader(self) -> None:
        self.revoke()
        self.users.command("grantRolesToUser", self.name, roles=[{"role": "read", "db": DATABASE}])

    def grant(self) -> None:
        self.users.command("grantRolesToUser", self.name, roles=self.roles)


DATABASE = "guarded"


@pytest.fixture
def account(guarded_mongodb: GuardedReplicaSet) -> Iterator[tuple[Account, World]]:
    """Give the user of a server, and the server."""
    with guarded_mongodb.client() as client:
        roles = [{"role": "readWrite", "db": DATABASE}]
        account = Account(client[DATABASE], f"user_{uuid4().hex}", uuid4().hex, roles)
        account.create()
        uri = guarded_mongodb.uri_of(account.name, account.password, database=DATABASE)
        world = World(uri, client[DATABASE])
        yield account, world
        world.store.close()
        client[DATABASE].command("dropAllUsersFromDatabase")
        client.drop_database(DATABASE)


@pytest.mark.parametrize(
    ("take", "give"),
    [
        (Account.drop, Account.create),
        (Account.revoke, Account.grant),
        (Account.make_it_a_reader, Account.grant),
    ],
)
def test_a_user_without_rights(
    account: tuple[Account, World],
    take: Callable[[Account], None],
    give: Callable[[Account], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    user, world = account
    scene = world.scene()
    take(user)
    for name in ("set metadata", "stats", "post", "claim"):
        operation, usual = OPERATIONS[name]
        caplog.clear()
        answer = operation(scene)
        assert_answer(answer, usual, caplog)
        assert answer.status == 503 or name == "stats"
    give(user)
    assert_it_works(world, scene)


# Whatever the server refuses, but for two codes that its fail point does not have (121, 227)


REFUSALS = {
    "Unauthorized": 13,
    "AuthenticationFailed": 18,
    "IllegalOperation": 20,
    "NamespaceNotFound": 26,
    "PathNotViable": 28,
    "CursorNotFound": 43,
    "InvalidOptions": 72,
    "NamespaceNotSharded": 118,
    "CommandNotSupportedOnView": 166,
    "QueryPlanKilled": 175,
    "DatabaseDropPending": 215,
    "OperationNotSupportedInTransaction": 263,
    "IndexBuildAborted": 276,
    "TooManyLocks": 310,
    "TenantMigrationConflict": 325,
    "AtlasError": 8000,
    "OutOfDiskSpace": 14031,
}


@pytest.mark.parametrize("code", REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_of_the_server(
    mongodb: Deployment, world: World, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    scene = world.scene()
    world.store._engine.timeout = 0.2
    with mongodb.fail_command(*COMMANDS, error_code=code):
        for name, (operation, _) in OPERATIONS.items():
            caplog.clear()
            answer = operation(scene)
            assert answer.status == 503, name
            (line,) = (each for each in caplog.messages if "could not be looked for" not in each)
            assert "storage unavailable" in line
            assert not any(record.exc_info for record in caplog.records)
    world.store._engine.timeout = 10
    assert_all_is_well(world, scene)


def test_a_running_server_whose_database_is_dropped(
    mongodb: Deployment, mongodb_database: str, tmp_path: Path
) -> None:
    """With two workers, which know the queue; the clients go on as if nothing had been."""
    config = (
        "[drivers]\nstorage = mongodb\n[drivers:storage:mongodb]\n"
        f"uri = {mongodb.uri}\ndatabase = {mongodb_database}\n"
    )
    messages = [{"ttl": 300, "body": 1}]
    with (
        mongodb.client() as client,
        LiveServer(tmp_path, config=config, embedded=False) as server,
        requests.Session() as session,
    ):
        session.headers["Client-ID"] = "shop"
        path = f"http://127.0.0.1:{server.port}/v1/queues/q"
        for _ in range(3):
            assert session.put(path).status_code == 201
            posted = [session.post(f"{path}/messages", json=messages) for _ in range(5)]
            assert {answer.status_code for answer in posted} == {201}
            total = session.get(f"{path}/stats").json()["messages"]["total"]
            assert total == 5
            client.drop_database(mongodb_database)
            assert session.post(f"{path}/messages", json=messages).status_code == 404
            assert session.delete(path).status_code == 204
        server.stop()
        assert "Traceback" not in server.log()
        assert server.log().count("They were created again.") == 2
