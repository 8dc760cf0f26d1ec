"""What clients see when an operator changes the contents of MongoDB under a running server.

Each of the things that mongosh and a restore can do to each collection, followed by each operation of
the API: the answer is what the operation answers anyway, or a 404 or 503, with one line in the log.
Then the queue is created (or is there), and all is well: nothing is skipped, counts are right.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from bson import ObjectId
from pymongo.database import Database

from marconi_server.config.settings import Settings
from marconi_server.storage.conformance import ManualClock
from marconi_server.storage.mongodb.driver import MongoDBStore
from marconi_server.storage.mongodb.schema import (
    ASIDE,
    FLOOR,
    LEASE,
    MESSAGE_INDEXES,
    NEVER,
    QUEUE_INDEXES,
    SCHEMA,
)
from marconi_server.wsgi import build_app
from tests.api.client import C1, C2, Answer, Client, Queue, id_of
from tests.mongodb.deployment import Deployment

Contents = Database[dict[str, Any]]

COLLECTIONS = ("queues", "messages", "housekeeping")

# What an operator puts in place of a value, by accident or by the ways of a shell.
NONSENSE: tuple[Any, ...] = (
    None,
    "nonsense",
    -1,
    2.5,
    float("nan"),
    True,
    2**63 - 1,
    [],
    [{"expires": 5}],
    {"a": 1},
    ObjectId(),
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

    def __init__(self, mongodb: Deployment, database: str, contents: Contents) -> None:
        self.contents = contents
        self.clock = ManualClock()
        options = MongoDBStore.Options(
            uri=mongodb.uri, database=database, max_clock_skew=0, sweep_interval=3600
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


@pytest.fixture(scope="module")
def world(mongodb: Deployment) -> Iterator[World]:
    with mongodb.database() as database, mongodb.client() as client:
        world = World(mongodb, database, client[database])
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
    "delete one": (lambda s: s.queue.client.delete(f"{s.queue.messages}/{s.ids[4]}"), {204}),
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


def _head(world: World, scene: Scene) -> dict[str, Any]:
    return {"_id": world.queue_id(scene)}


def _messages(world: World, scene: Scene) -> dict[str, Any]:
    return {"queue": world.queue_id(scene), "position": {"$gt": 0}}


def _set_fields(world: World, scene: Scene, collection: str, field: str, value: Any) -> None:
    """Change a field of the head or the document of a queue, or of its messages in turn."""
    queue_id = world.queue_id(scene)
    change = {"$unset": {field: True}} if value is MISSING else {"$set": {field: value}}
    documents = world.contents[collection]
    if collection == "queues":
        documents.update_one({"_id": queue_id}, change)
        return
    for found in documents.find({"queue": queue_id, "position": {"$gt": 0}}, sort=["position"]):
        # PERF: a document cannot be changed to this by MongoDB if its claim is no object.
        documents.update_one({"_id": found["_id"]}, change)


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


def _restore_one(collection: str) -> Damage:
    def restore(world: World, scene: Scene) -> None:
        """Restore one of the collections from before the queue was deleted and made anew."""
        backup = world.contents[collection].find().to_list()
        scene.queue.post_n(3)
        assert scene.queue.client.delete(scene.queue.path).status == 204
        scene.queue.client.create("q")
        scene.queue.post_n(1)
        world.contents[collection].delete_many({})
        world.contents[collection].insert_many(backup)

    return restore


def _capped(collection: str) -> Damage:
    def replace(world: World, _: Scene) -> None:
        world.contents[collection].drop()
        world.contents.create_collection(collection, capped=True, size=100_000)

    return replace


DAMAGES: dict[str, Damage] = {
    "drop the database": lambda w, _: w.contents.client.drop_database(w.contents.name),
    **{f"drop {name}": lambda w, _, n=name: w.contents[n].drop() for name in COLLECTIONS},
    **{f"empty {name}": lambda w, _, n=name: w.contents[n].delete_many({}) for name in COLLECTIONS},
    **{
        f"rename {name}": lambda w, _, n=name: w.contents[n].rename(f"{n}_{uuid4().hex}")
        for name in COLLECTIONS
    },
    **{
        f"drop the indexes of {name}": lambda w, _, n=name: w.contents[n].drop_indexes()
        for name in COLLECTIONS
    },
    **{
        f"drop index {index.document['name']}": (
            lambda w, _, c=collection, i=index.document["name"]: w.contents[c].drop_index(i)
        )
        for collection, indexes in (("queues", QUEUE_INDEXES), ("messages", MESSAGE_INDEXES))
        for index in indexes
    },
    "delete the head": lambda w, s: w.contents.messages.delete_one(_head(w, s)),
    "delete the messages": lambda w, s: w.contents.messages.delete_many(_messages(w, s)),
    **{f"delete message {n}": lambda w, s, n=n: _delete_message(w, s, n) for n in (0, 2, 4)},
    "delete the queue": lambda w, s: w.contents.queues.delete_one(_head(w, s)),
    "delete the lease": lambda w, _: w.contents.housekeeping.delete_one({"_id": LEASE}),
    "delete the floor": lambda w, _: w.contents.housekeeping.delete_one({"_id": FLOOR}),
    "delete the version": lambda w, _: w.contents.housekeeping.delete_one({"_id": SCHEMA}),
    "expire everything": lambda w, _: w.contents.messages.update_many({}, {"$set": {"expires": 0}}),
    "free everything": lambda w, _: w.contents.messages.update_many({}, {"$unset": {"claim": 1}}),
    "claim nothing": lambda w, _: w.contents.messages.update_many({}, {"$set": {"claim": None}}),
    "restore an older dump": _restore,
    **{f"restore {name} alone": _restore_one(name) for name in COLLECTIONS},
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
