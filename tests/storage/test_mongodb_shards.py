"""Commands on messages name their queue, by which a sharded cluster knows the one shard to ask."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from marconi_server.storage.conformance import ManualClock
from marconi_server.storage.conformance.faults import ALL, Scene
from marconi_server.storage.conformance.support import BoundQueue
from marconi_server.storage.mongodb import startup
from marconi_server.storage.mongodb.driver import MongoDBOptions, MongoDBStore
from marconi_server.storage.mongodb.schema import SHARD_KEY
from tests.mongodb.deployment import Deployment


class Recorder(CommandListener):
    """Keeps the commands on messages."""

    def __init__(self) -> None:
        self.commands: list[Mapping[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command.get(event.command_name) == "messages":
            self.commands.append(event.command)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Not of interest."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Not of interest."""


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def store(
    mongodb: Deployment,
    mongodb_shared: str,
    recorder: Recorder,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[MongoDBStore]:
    watched = partial(MongoClient, event_listeners=[recorder])
    monkeypatch.setattr(startup, "MongoClient", watched)
    options = MongoDBOptions(
        uri=mongodb.uri, database=mongodb_shared, sweep_interval=3600, max_clock_skew=0
    )
    store = MongoDBStore.open(options, ManualClock())
    recorder.commands.clear()
    yield store
    store.close()


def targets(command: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Give what each part of a command says of the documents that it is about."""
    match next(iter(command)):
        case "insert":
            yield from command["documents"]
        case "update":
            yield from (update["q"] for update in command["updates"])
        case "delete":
            yield from (delete["q"] for delete in command["deletes"])
        case "findAndModify":
            yield command["query"]
        case "find":
            yield command["filter"]
        case "aggregate":
            yield command["pipeline"][0]["$match"]
        case name:
            pytest.fail(f"{name} was not thought of")


def names_one_queue(target: Mapping[str, Any]) -> bool:
    return all(isinstance(target.get(field), ObjectId) for field in SHARD_KEY)


def test_each_operation_asks_one_shard(store: MongoDBStore, recorder: Recorder) -> None:
    queue = BoundQueue(store).create()
    scene = Scene(queue, queue.post_numbers(5), queue.claim(limit=2).id)
    for name, operation in ALL.items():
        operation(scene)
        for command in recorder.commands:
            assert all(map(names_one_queue, targets(command))), (name, command)
    kinds = {next(iter(command)) for command in recorder.commands}
    assert kinds == {"aggregate", "find", "findAndModify", "insert", "update"}


def test_only_removal_of_what_is_over_asks_all_shards(
    store: MongoDBStore, recorder: Recorder
) -> None:
    queue, other = (BoundQueue(store, name=name).create() for name in ("queue", "other"))
    queue.delete_many(*queue.post_numbers(2))
    other.post_numbers(2)
    other.drop()
    recorder.commands.clear()
    store._sweeper.remove_messages()
    for command in recorder.commands:
        assert not any(map(names_one_queue, targets(command)))
        # Without the shard key, only commands on any number of documents are allowed.
        assert all(delete["limit"] == 0 for delete in command.get("deletes", ()))
    assert [next(iter(command)) for command in recorder.commands] == ["find", "delete"]
    recorder.commands.clear()
    while store._sweeper.remove_queues():
        pass
    assert recorder.commands
    for command in recorder.commands:
        assert all(map(names_one_queue, targets(command)))
