"""What an operation on MongoDB does when any of its commands fails, on a real server.

Each operation is first watched while nothing fails. Then it runs again, in an equal scene,
once for each of its commands, which is made to fail. If that is all, nobody notices. If all later
commands fail, too, the operation raises `StorageUnavailable`, and has done all or nothing.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast
from uuid import uuid4

import pytest
from pymongo import MongoClient, common

from marconi_server.storage.conformance import ManualClock
from marconi_server.storage.conformance.faults import ALL, Operation, Scene
from marconi_server.storage.conformance.support import BoundQueue
from marconi_server.storage.errors import ClaimNotFound, QueueNotFound, StorageUnavailable
from marconi_server.storage.mongodb import startup
from marconi_server.storage.mongodb.driver import MongoDBOptions, MongoDBStore
from tests.mongodb.deployment import Deployment
from tests.mongodb.sabotage import Command, Fault, Saboteur
from tests.support.waiting import wait_until

APP_NAME = "marconi-server"

INSTEAD: dict[str, Fault] = {
    "not primary": {"error_code": 10107},
    "interrupted": {"error_code": 11601},
    "closed connection": {"close_connection": True},
}
"""What happens to a command in place of its effect."""

AFTERWARDS: dict[str, Fault] = {
    "no majority in time": {
        "write_concern_error": {"code": 64, "errmsg": "waiting for replication timed out"}
    },
    "stepped down": {"write_concern_error": {"code": 189, "errmsg": "Primary stepped down"}},
}
"""What a command answers although the primary did it: its reply is as good as lost."""

LASTING: dict[str, Fault] = {
    "interrupted": INSTEAD["interrupted"],
    "closed connection": INSTEAD["closed connection"],
    "hangs": {"block_ms": 1000},
    "no majority in time": AFTERWARDS["no majority in time"],
}
"""What may go on for ever. That of two of them is found out only when the time is up."""

QUICK = ("interrupted", "no majority in time")

SLOW = ("post", "claim")
"""The operations that are tried with those that are not quick: a transaction, and one without."""

IMPATIENT = 1.0
"""The timeout while the engine is out of order, in seconds."""

BOUND = 30.0
"""What no operation takes with that timeout, on any machine; in seconds."""

ATTEMPTS = 5


class World:
    """A database with two stores: one is sound, the commands of the other are made to fail."""

    def __init__(self, mongodb: Deployment, database: str) -> None:
        self.mongodb = mongodb
        self._options = MongoDBOptions(
            uri=mongodb.uri, database=database, max_clock_skew=0, sweep_interval=3600
        )
        self.clock = ManualClock()
        self.saboteur = Saboteur(mongodb)
        self.sound = self.open()
        self.victim = self.open(event_listeners=[self.saboteur])
        self.victim.queues.exists(None, "any")  # the first read does more than the others

    def open(self, **settings: Any) -> MongoDBStore:
        """Open a store; `settings` are of its client."""
        # A server that only seems to be down says nothing new by itself: it has to be asked.
        settings |= {"serverMonitoringMode": "poll", "heartbeatFrequencyMS": 500}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(startup, "MongoClient", partial(MongoClient, **settings))
            return MongoDBStore.open(self._options, self.clock)

    def close(self) -> None:
        self.victim.close()
        self.sound.close()

    def scene(self) -> Scene:
        """Make a scene that equals all others, in a project of its own, as the victim sees it."""
        queue = BoundQueue(self.sound, project=uuid4().hex).create()
        self.sound.queues.set_metadata(queue.project, queue.name, b'{"a": 1}')
        scene = Scene(queue, queue.post_numbers(5), queue.claim(limit=2).id)
        return through(self.victim, scene)

    def state(self, scene: Scene, *also: object) -> str:
        """Return all that can be seen of a scene, in a text that is the same for equal scenes."""
        queue = through(self.sound, scene).queue
        stats = claim = None
        try:
            stats = queue.stats()
            claim = queue.read_claim(scene.claim_id)
        except (QueueNotFound, ClaimNotFound):
            pass
        queues = queue.store.queues.list(queue.project, marker=None, limit=100, detailed=True)
        return canonical(queues, queue.page().items, queue.free_ids(), stats, claim, *also)

    def settle(self) -> None:
        """Wait until the server has done what somebody asked for who did not wait for it."""
        asked = {"appName": APP_NAME, "active": True}
        pipeline: list[dict[str, Any]] = [{"$currentOp": {}}, {"$match": asked}]
        with self.mongodb.client() as client:
            wait_until(lambda: not list(client.admin.aggregate(pipeline)))

    @contextmanager
    def impatient(self, seconds: float) -> Iterator[None]:
        """Let the victim give up soon."""
        engine = self.victim._engine
        timeout, engine.timeout = engine.timeout, seconds
        try:
            yield
        finally:
            engine.timeout = timeout

    @contextmanager
    def left_open(self, scene: Scene) -> Iterator[None]:
        """Have all that belongs to a scene locked, by a transaction that nobody goes on with."""
        named = {"project": scene.queue.project, "name": scene.queue.name}
        with (
            MongoClient[dict[str, Any]](self._options.uri, appname=APP_NAME) as client,
            client.start_session() as session,
        ):
            database = client[self._options.database]
            session.start_transaction()
            touch = {"$set": {"touched": True}}
            queue = database.queues.find_one_and_update(named, touch, session=session)
            assert queue is not None
            database.messages.update_many({"queue": queue["_id"]}, touch, session=session)
            yield


def through(store: MongoDBStore, scene: Scene) -> Scene:
    """Return the scene as it is seen through a store."""
    return replace(scene, queue=BoundQueue(store, scene.queue.project, scene.queue.name))


def canonical(*values: object) -> str:
    """Return the text of values, with ids named by the order in which they first appear."""
    text = re.sub(r"(marker|created)=('\d+'|[\d.]+)", r"\1=...", "\n".join(map(repr, values)))
    ids = re.compile(r"\b[0-9a-f]{24}\b")
    names = {id: f"#{number}" for number, id in enumerate(dict.fromkeys(ids.findall(text)))}
    return ids.sub(lambda match: names[match[0]], text)


@pytest.fixture(scope="module")
def world(mongodb: Deployment) -> Iterator[World]:
    with mongodb.database() as database, pytest.MonkeyPatch.context() as patch:
        # Otherwise a client waits for half a second before it looks at a server again.
        patch.setattr(common, "MIN_HEARTBEAT_INTERVAL", 0.01)
        world = World(mongodb, database)
        yield world
        world.close()


# More operations, and more states of the world, than the conformance suite has.


def sound(scene: Scene, world: World) -> BoundQueue:
    return through(world.sound, scene).queue


def leave_alone(scene: Scene, world: World) -> None:
    """Nothing is to be prepared."""


def let_claims_expire(scene: Scene, world: World) -> None:
    sound(scene, world).renew(scene.claim_id, ttl=1, grace=60)
    world.clock.advance(2)


def create_anew(scene: Scene, world: World) -> None:
    """Make the queue another one than the victim remembers."""
    scene.queue.page()
    queue = sound(scene, world)
    queue.drop()
    queue.create().post_numbers(3)


def delete_some(scene: Scene, world: World) -> None:
    sweep(world.sound)
    sound(scene, world).delete_many(*scene.ids[1:4])


def delete_another_queue(scene: Scene, world: World) -> None:
    sweep(world.sound)
    other = BoundQueue(world.sound, scene.queue.project, "other").create()
    other.post_numbers(3)
    other.drop()


def sweep(store: MongoDBStore) -> None:
    sweeper = store._sweeper
    while sweeper.dissolve() or sweeper.remove_messages() or sweeper.remove_queues():
        pass


def victim(scene: Scene) -> MongoDBStore:
    return cast(MongoDBStore, scene.queue.store)


Preparation = Callable[[Scene, World], None]

ACTS: dict[str, tuple[Preparation, Operation]] = {
    **{name: (leave_alone, operation) for name, operation in ALL.items()},
    "claim what was claimed": (let_claims_expire, lambda s: s.queue.claim(limit=4)),
    "post to a new queue of the name": (create_anew, lambda s: s.queue.post_numbers(2)),
    "claim from a new queue of the name": (create_anew, lambda s: s.queue.claim(limit=2)),
    "list a new queue of the name": (create_anew, lambda s: s.queue.page()),
    "delete from a new queue of the name": (create_anew, lambda s: s.queue.delete(s.ids[0])),
    "remove messages": (delete_some, lambda s: victim(s)._sweeper.remove_messages()),
    "remove a queue": (delete_another_queue, lambda s: victim(s)._sweeper.remove_queues()),
}

each_act = pytest.mark.parametrize("act", ACTS)


@dataclass(frozen=True)
class Rehearsal:
    """What an operation does while nothing fails, in texts of `World.state`."""

    before: str
    after: str
    twice: str
    result: str
    commands: list[Command]

    def numbers(self, fault: str) -> list[int]:
        """Return the numbers of the commands that can have the fault."""
        return [
            number
            for number, command in enumerate(self.commands)
            if command.has_write_concern or fault not in AFTERWARDS
        ]


def prepared(world: World, preparation: Preparation) -> Scene:
    scene = world.scene()
    preparation(scene, world)
    return scene


def rehearse(world: World, act: str) -> Rehearsal:
    preparation, operation = ACTS[act]
    scene = prepared(world, preparation)
    before = world.state(scene)
    with world.saboteur.watching() as watch:
        result = operation(scene)
    assert watch.commands, "an operation that does nothing"
    after, with_result = world.state(scene), world.state(scene, result)
    operation(scene)
    return Rehearsal(before, after, world.state(scene), with_result, watch.commands)


def apart(fault: str) -> pytest.MarkDecorator:
    """Let those with one fault be together, and maybe in another process than the others."""
    return pytest.mark.group(f"commands, {fault}")


@each_act
@pytest.mark.parametrize(
    "fault", [pytest.param(fault, marks=apart(fault)) for fault in INSTEAD | AFTERWARDS]
)
def test_nobody_notices_that_a_command_failed(world: World, act: str, fault: str) -> None:
    preparation, operation = ACTS[act]
    rehearsal = rehearse(world, act)
    once = {**(INSTEAD | AFTERWARDS)[fault], "times": 1, "app_name": APP_NAME}
    for number in rehearsal.numbers(fault):
        scene = prepared(world, preparation)
        with world.saboteur.watching(number, once) as watch:
            result = operation(scene)
        assert watch.failed == 1, "nothing was tested"
        assert world.state(scene, result) == rehearsal.result, (number, watch.names)


@pytest.mark.parametrize(
    ("act", "fault"),
    [
        pytest.param(act, fault, marks=apart(f"{fault} again"))
        for act in ACTS
        for fault in LASTING
        if act in SLOW or fault in QUICK
    ],
)
def test_all_or_nothing_is_done_if_commands_go_on_failing(
    world: World, act: str, fault: str
) -> None:
    rehearsal = rehearse(world, act)
    for number in rehearsal.numbers(fault):
        # On a busy machine the time may be up before the command is sent.
        hit = any(fails_from(world, act, rehearsal, fault, number) for _ in range(ATTEMPTS))
        assert hit, "nothing was tested"


def fails_from(world: World, act: str, rehearsal: Rehearsal, fault: str, number: int) -> bool:
    """Check an operation whose commands fail from one on; tell whether any command did."""
    preparation, operation = ACTS[act]
    also = {command.name for command in rehearsal.commands} | {"abortTransaction"}
    lasting = {**LASTING[fault], "app_name": APP_NAME}
    scene = prepared(world, preparation)
    began = time.monotonic()
    with (
        world.impatient(IMPATIENT),
        world.saboteur.watching(number, lasting, sorted(also)) as watch,
    ):
        try:
            result = operation(scene)
        except StorageUnavailable:
            failed = True
        else:
            failed = False
    assert time.monotonic() < began + BOUND, (number, watch.names)
    world.settle()
    if failed:
        state = world.state(scene)
        assert state in (rehearsal.before, rehearsal.after), (number, watch.names)
    else:  # it made sure by reading
        assert fault in AFTERWARDS
        assert world.state(scene, result) == rehearsal.result, (number, watch.names)
        state = rehearsal.after
    operation(scene)
    expected = rehearsal.after if state == rehearsal.before else rehearsal.twice
    assert world.state(scene) == expected, (number, watch.names)
    return watch.failed > 0


@pytest.mark.parametrize(
    "act", ["delete claimed message", "renew claim", "set metadata", "delete queue"]
)
def test_nobody_waits_long_for_a_transaction_that_was_left_open(world: World, act: str) -> None:
    """The server itself ends it after a minute or two. More of it: `test_mongodb_transactions`."""
    preparation, operation = ACTS[act]
    rehearsal = rehearse(world, act)
    scene = prepared(world, preparation)
    with world.left_open(scene), world.impatient(4.0):
        result = operation(scene)
        assert world.state(scene, result) == rehearsal.result


@pytest.mark.parametrize("fault", INSTEAD)
def test_a_store_opens_or_is_unavailable(world: World, fault: str) -> None:
    once = {**INSTEAD[fault], "times": 1, "app_name": APP_NAME}
    with world.saboteur.watching() as rehearsal:
        world.open(event_listeners=[world.saboteur]).close()
    for number in range(len(rehearsal.commands)):
        with world.saboteur.watching(number, once) as watch, suppress(StorageUnavailable):
            world.open(event_listeners=[world.saboteur]).close()
        assert watch.failed == 1, "nothing was tested"
        world.open().close()
