"""What the page on MongoDB says is so; its commands for mongosh do what they say."""

import ast
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId, json_util
from pymongo import MongoClient
from pymongo.uri_parser import parse_uri

from marconi_server.config.load import load
from marconi_server.storage.conformance import ManualClock
from marconi_server.storage.conformance.faults import ALL, Scene
from marconi_server.storage.conformance.support import BoundQueue
from marconi_server.storage.contract import Message, Page
from marconi_server.storage.mongodb import sweeper
from marconi_server.storage.mongodb.driver import MongoDBOptions, MongoDBStore
from marconi_server.storage.mongodb.schema import MESSAGE_INDEXES, QUEUE_INDEXES, SHARD_KEY
from marconi_server.storage.mongodb.startup import _DEFAULTS
from tests.docs.markdown import CHECKOUT, page
from tests.mongodb.deployment import Client, Deployment
from tests.mongodb.guarded import GuardedReplicaSet
from tests.support.process import Program
from tests.support.programs import free_port
from tests.support.waiting import PATIENCE, wait_until

PAGE = page("docs/operations/mongodb.md")


PASSWORD = "secret"


def blocks(language: str, heading: str) -> list[str]:
    found = [
        block.text
        for block in PAGE.blocks()
        if (block.language, block.heading) == (language, heading)
    ]
    assert found
    return found


def javascript(text: str) -> Any:
    """Read a literal as mongosh would."""
    text = re.sub(r"([{,]\s*)([\w$]+):", r'\1"\2":', text)
    text = re.sub(r'NumberLong\(("\d+")\)', r'{"$numberLong": \1}', text)
    text = text.replace("passwordPrompt()", f'"{PASSWORD}"')
    return json_util.loads(text)


def call(method: str, text: str) -> list[Any]:
    """Return the arguments of the one call of a method."""
    (arguments,) = re.findall(rf"{re.escape(method)}\((.*?)\)$", text, re.DOTALL | re.MULTILINE)
    values: list[Any] = javascript(f"[{arguments}]")
    return values


# Setting it up


def wait_for_primary(client: Client) -> None:
    wait_until(lambda: bool(client.admin.command("hello")["isWritablePrimary"]))


@contextmanager
def running(command: list[str], folder: Path, port: int) -> Iterator[Client]:
    """Run a server, and give a client of it alone when it takes connections."""
    with (
        MongoClient[dict[str, Any]](
            f"mongodb://127.0.0.1:{port}/?directConnection=true",
            serverSelectionTimeoutMS=int(PATIENCE * 1000),
        ) as client,
        Program(command, folder, lambda: bool(client.admin.command("ping"))),
    ):
        yield client


def test_one_member_is_all_that_it_takes_to_try(mongod: Path, tmp_path: Path) -> None:
    (_, text) = blocks("sh", "One member, to try it")
    (initiate,) = blocks("js", "One member, to try it")
    assert initiate == "rs.initiate()\n"
    folder, port = tmp_path / "db", free_port()
    text = text.replace("~/marconi-db", str(folder)).replace("27017", str(port))
    make, start = map(shlex.split, text.splitlines())
    subprocess.run(make, check=True, timeout=PATIENCE)
    start = [str(mongod), *start[1:], "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"]
    with running(start, tmp_path, port) as client:
        client.admin.command("replSetInitiate", {})
        wait_for_primary(client)
        MongoDBStore.open(MongoDBOptions(uri=f"mongodb://localhost:{port}")).close()
    assert MongoDBOptions().uri == "mongodb://localhost:27017"


def test_three_members_are_called_the_same_everywhere(tmp_path: Path) -> None:
    (settings,) = blocks("yaml", "Three members")
    (initiate,) = blocks("js", "Three members")
    (section,) = blocks("ini", "The nodes")
    (replica_set,) = call("rs.initiate", initiate)
    file = tmp_path / "marconi.conf"
    file.write_text(section)
    options = load([str(file)]).store
    uri = parse_uri(options.uri)
    assert [(member["host"], 27017) for member in replica_set["members"]] == uri["nodelist"]
    assert [member["_id"] for member in replica_set["members"]] == [0, 1, 2]
    assert replica_set["_id"] == uri["options"]["replicaSet"]
    assert f"replSetName: {replica_set['_id']}\n" in settings
    assert uri["username"] == user_of_the_service()["user"]
    assert uri["database"] is None, "a user is looked for in admin, where it is"
    assert options.database == MongoDBOptions().database


def user_of_the_service() -> dict[str, Any]:
    (text,) = blocks("js", "Users")
    assert text.startswith("use admin\n")
    (user,) = call("db.createUser", text)
    return dict(user)


def test_the_rights_are_enough_for_every_operation(
    guarded_mongodb: GuardedReplicaSet, caplog: pytest.LogCaptureFixture
) -> None:
    database = MongoDBOptions().database
    with guarded_mongodb.user("admin", user_of_the_service()["roles"]) as uri:
        options = MongoDBOptions(uri=uri, sweep_interval=3600, max_clock_skew=0)
        store = MongoDBStore.open(options, ManualClock())
        queue = BoundQueue(store).create()
        scene = Scene(queue, queue.post_numbers(5), queue.claim(limit=2).id)
        for operation in ALL.values():
            operation(scene)
        while store._sweeper.work():
            pass
        store._engine._abort_abandoned()
        store.close()
    with guarded_mongodb.client() as client:
        client.drop_database(database)
    assert caplog.messages == []


# What the page says of the driver


def test_the_indexes_are_those_of_the_schema() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| ([^|]*) \| [^|]+ \|$", PAGE.text, re.MULTILINE)
    written = [
        (collection, name, re.findall(r"`([\w.]+)`", keys)) for collection, name, keys in rows
    ]
    indexes = [("queues", index.document) for index in QUEUE_INDEXES]
    indexes += [("messages", index.document) for index in MESSAGE_INDEXES]
    assert written == [
        (collection, index["name"], list(index["key"])) for collection, index in indexes
    ]
    for (_, _, keys), (_, index) in zip(rows, indexes, strict=True):
        assert ("(unique)" in keys) == index.get("unique", False)
        assert ("only where" in keys) == ("partialFilterExpression" in index)


def test_the_shard_key_is_that_of_the_schema() -> None:
    (text,) = blocks("js", "Sharding")
    (database,) = call("sh.enableSharding", text)
    collection, key = call("sh.shardCollection", text)
    assert (database, collection) == ("marconi", "marconi.messages")
    assert key == SHARD_KEY
    keys = [list(index.document["key"]) for index in MESSAGE_INDEXES]
    assert any(fields[: len(key)] == list(key) for fields in keys), "it needs an index"
    assert not any(index.document.get("unique") for index in MESSAGE_INDEXES), (
        "an index that is unique would have to begin with the shard key"
    )


def test_the_figures_are_those_of_the_driver() -> None:
    options = MongoDBOptions()
    for words in (
        f"`timeout` seconds ({options.timeout})",
        f"`connections` requests ({options.connections})",
        f"`sweep_interval` ({options.sweep_interval} s)",
        f"`max_clock_skew` ({options.max_clock_skew} s)",
        f"`appName` is `{_DEFAULTS['appName']}`",
        f"`heartbeatFrequencyMS` is {_DEFAULTS['heartbeatFrequencyMS']}",
        f"goes on after {sweeper.LEASE_SECONDS} s",
        {1000: "a thousand in each step"}[sweeper.STEP],
        {60: "compares them every minute"}[sweeper.CLOCK_SECONDS],
    ):
        assert words in PAGE.text


def test_the_sizes_are_those_of_real_documents(mongodb: Deployment, mongodb_database: str) -> None:
    (text,) = blocks("js", "Size")
    rows = re.findall(r"^\| ([\d,]+) \| ([\d,]+) \|", PAGE.text, re.MULTILINE)
    sizes = {int(body.replace(",", "")): int(size.replace(",", "")) for body, size in rows}
    assert len(sizes) == 3
    options = MongoDBOptions(uri=mongodb.uri, database=mongodb_database, sweep_interval=3600)
    store = MongoDBStore.open(options)
    queue = BoundQueue(store).create()
    with mongodb.client() as client:
        messages = client[mongodb_database].messages
        for body, size in sizes.items():
            ids = queue.post(*[b'"' + b"x" * (body - 2) + b'"'] * 1000, client="client-1")
            (storage,) = messages.aggregate(*call("db.messages.aggregate", text))
            statistics = storage["storageStats"]
            assert statistics["count"] == 1001
            assert abs(statistics["avgObjSize"] - size) <= 20
            assert {"storageSize", "totalIndexSize"} < statistics.keys()
            queue.delete_many(*ids)
            while store._sweeper.remove_messages():
                pass
    store.close()


def test_what_the_driver_says_is_explained() -> None:
    """Each warning, and each reason of a 503 that is not the database's own words."""
    for path in (CHECKOUT / "marconi_server" / "storage" / "mongodb").glob("*.py"):
        if path.name == "startup.py":  # where each line has its remedy
            continue
        for text in said_in(ast.parse(path.read_text())):
            assert text in PAGE.text, f"{path.name} says: {text}"


def said_in(tree: ast.AST) -> Iterator[str]:
    """Give the longest fixed part of each text that is logged or given as a reason."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        texts: list[ast.expr] = []
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("error", "info", "warning"):
            texts = node.args[:1]
        elif isinstance(node.func, ast.Name) and node.func.id.startswith("Storage"):
            texts = [keyword.value for keyword in node.keywords if keyword.arg == "reason"]
        for text in texts:
            parts = [part.value for part in ast.walk(text) if isinstance(part, ast.Constant)]
            pieces = [
                piece for part in parts for piece in re.split(r"%\w|MongoDB: |\.$", str(part))
            ]
            longest = max((piece.strip(" :") for piece in pieces), key=len, default="")
            if longest:
                yield longest


# A restore


def copies(client: Client, database: str) -> dict[str, list[dict[str, Any]]]:
    return {
        name: client[database][name].find().to_list()
        for name in ("queues", "messages", "housekeeping")
    }


def restore(client: Client, database: str, backup: dict[str, list[dict[str, Any]]]) -> None:
    for name, documents in backup.items():
        client[database][name].delete_many({})
        if documents:
            client[database][name].insert_many(documents)


def leap(client: Client, database: str) -> None:
    """Do what the page tells operators to do after a restore."""
    (text,) = blocks("js", "Backup and restore")
    assert text.splitlines()[0] == "use marconi"
    client[database].messages.delete_many(*call("db.messages.deleteMany", text))


def test_markers_are_good_after_a_restore(mongodb: Deployment, mongodb_database: str) -> None:
    options = MongoDBOptions(
        uri=mongodb.uri, database=mongodb_database, sweep_interval=3600, max_clock_skew=0
    )
    clock = ManualClock()
    store = MongoDBStore.open(options, clock)
    queue, dropped = (BoundQueue(store, name=name).create() for name in ("queue", "dropped"))
    before = queue.post_numbers(3)
    with mongodb.client() as client:
        backup = copies(client, mongodb_database)
        queue.post_numbers(5)
        dropped.post_numbers(5)
        marker, other_marker = (each.page().marker for each in (queue, dropped))
        dropped.drop()
        store.close()
        clock.advance(1)
        restore(client, mongodb_database, backup)

        store = MongoDBStore.open(options, clock)
        queue, dropped = (BoundQueue(store, name=name) for name in ("queue", "dropped"))
        unseen = queue.post_numbers(1)
        assert queue.page(marker).items == [], "what the page warns of"

        leap(client, mongodb_database)
        after = queue.post_numbers(2)
        assert ids(queue.page(marker)) == after
        assert queue.ids() == [*before, *unseen, *after]
        assert queue.counts() == (6, 0)
        dropped.drop()
        after = dropped.create().post_numbers(2)
        assert ids(dropped.page(other_marker)) == after
    store.close()


def test_a_queue_is_counted_anew(mongodb: Deployment, mongodb_database: str) -> None:
    (text,) = blocks("js", "Count a queue anew")
    options = MongoDBOptions(uri=mongodb.uri, database=mongodb_database, sweep_interval=3600)
    store = MongoDBStore.open(options)
    queue = BoundQueue(store).create()
    posted = queue.post_numbers(5)
    with mongodb.client() as client:
        client[mongodb_database].messages.delete_one({"_id": ObjectId(posted[2])})
        assert queue.counts() == (5, 0), "what the page warns of"
        client[mongodb_database].queues.update_many(*call("db.queues.updateMany", text))
    for _ in range(2):
        assert queue.counts() == (4, 0)
    store.close()


def ids(found: Page[Message]) -> list[str]:
    return [message.id for message in found.items]
