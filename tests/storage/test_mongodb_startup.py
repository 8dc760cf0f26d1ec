"""What a start with MongoDB refuses, on real servers, and the line that says what to do."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from traceback import format_exception
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from marconi_server.storage.conformance import ManualClock
from marconi_server.storage.conformance.support import BoundQueue, together
from marconi_server.storage.contract import Clock
from marconi_server.storage.errors import StorageUnavailable, StorageUnusable
from marconi_server.storage.mongodb import startup
from marconi_server.storage.mongodb.driver import MongoDBOptions, MongoDBStore
from marconi_server.storage.mongodb.engine import Engine
from marconi_server.storage.mongodb.schema import BY_POSITION, SCHEMA, VERSION
from tests.mongodb.deployment import Deployment
from tests.mongodb.guarded import GuardedReplicaSet
from tests.mongodb.servers import Servers, Standalone

PASSWORD = "hunter2"

SECONDS = 20.0
"""So long a start may take to say what is wrong, which takes three; pymongo waits for thirty."""


def refusal(uri: str, database: str = "marconi", clock: Clock = time.time, **options: Any) -> str:
    """Try to open a store, which has to be refused; return the line that says why."""
    began = time.monotonic()
    with pytest.raises((StorageUnusable, StorageUnavailable)) as caught:
        MongoDBStore.open(MongoDBOptions(uri=uri, database=database, **options), clock)
    assert time.monotonic() - began < SECONDS
    line = str(caught.value)
    assert "\n" not in line
    assert PASSWORD not in line + "".join(format_exception(caught.value))
    return line


def opens(uri: str, database: str, clock: Clock = time.time, **options: Any) -> None:
    store = MongoDBStore.open(MongoDBOptions(uri=uri, database=database, **options), clock)
    try:
        queue = BoundQueue(store, name=f"queue-{uuid4()}").create()
        queue.post(b"1")
        queue.drop()
    finally:
        store.close()


def with_option(uri: str, option: str) -> str:
    return f"{uri}{'&' if '?' in uri else '/?'}{option}"


# The URI


@pytest.mark.parametrize(
    ("option", "weakness"),
    [
        ("w=1", "write concern w=1"),
        ("w=0", "write concern w=0"),
        ("w=2", "write concern w=2"),
        ("journal=false", "write concern journal=false"),
        ("readPreference=secondary", "read preference secondary"),
        ("readPreference=primaryPreferred", "read preference primaryPreferred"),
        ("readConcernLevel=local", "read concern local"),
        ("readConcernLevel=available", "read concern available"),
    ],
)
def test_a_uri_that_weakens_a_promise(mongodb: Deployment, option: str, weakness: str) -> None:
    line = refusal(with_option(mongodb.uri, option))
    assert f"has {weakness}." in line
    assert "Remove that" in line


@pytest.mark.parametrize(
    "option",
    ["w=majority", "journal=true", "readPreference=primary", "readConcernLevel=majority",
     "retryWrites=false", "maxPoolSize=1", "wTimeoutMS=1", "appName=another"],
)  # fmt: skip
def test_other_options_are_left_to_the_operator(
    mongodb: Deployment, mongodb_shared: str, option: str
) -> None:
    opens(with_option(mongodb.uri, option), mongodb_shared)


FORM = "where characters such as / ? # @ in a user or password are percent-encoded"


@pytest.mark.parametrize(
    ("uri", "cause"),
    [
        ("", "does not begin with mongodb:// or mongodb+srv://"),
        (f"u:{PASSWORD}@host", "does not begin with mongodb://"),
        (f"mongodb:/u:{PASSWORD}@host/", "does not begin with mongodb://"),
        (f"MongoDB://u:{PASSWORD}@host/", "does not begin with mongodb://"),
        (f"http://u:{PASSWORD}@host", "does not begin with mongodb://"),
        ("mongodb://", FORM),
        (f"mongodb://u:{PASSWORD}", FORM),
        (f"mongodb://u:{PASSWORD}@host:port/", FORM),
        (f"mongodb://host:{PASSWORD}/", FORM),
        (f"mongodb://u:{PASSWORD}@host:70000/", "Port must be an integer between 0 and 65535"),
        (f"mongodb://u:{PASSWORD}@host/?tls", "key=value"),
        (f"mongodb://u:{PASSWORD}@host/?tsl=true", "Unknown option"),
        (f"mongodb://u:{PASSWORD}@host/?tls=yes", "tls must be 'true' or 'false'"),
        (f"mongodb://u:{PASSWORD}@host/?tlsCAFile=/no/such.pem", "/no/such.pem"),
        (f"mongodb://u:{PASSWORD}@host/?replicaSet=a&replicaSet=b", "Duplicate URI option"),
        (f"mongodb://u:{PASSWORD}/x@host", FORM),
        (f"mongodb://u:1/{PASSWORD}@host/", FORM),
        (f"mongodb://u:1/{PASSWORD} @host/x", FORM),
        (f"mongodb://u:{PASSWORD}:x@host", "must be escaped"),
        (f"mongodb://u:{PASSWORD}%x@host", "must be escaped"),
        (f"mongodb://u:{PASSWORD}@x@host", FORM),
        (f"mongodb://u:{PASSWORD}@host/?maxPoolSize={PASSWORD}", "must be an integer"),
        (f"mongodb+srv://u:{PASSWORD}@127.0.0.1/", "an IP address"),
    ],
)
def test_a_uri_that_cannot_be_understood(uri: str, cause: str) -> None:
    line = refusal(uri)
    assert cause in line
    assert "option uri of [drivers:storage:mongodb]" in line


# Who listens there


def test_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "CONNECT_SECONDS", 0.5)  # it is the same after three
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    line = refusal(f"mongodb://u:{PASSWORD}@127.0.0.1:{port}/")
    assert f"mongodb://u:***@127.0.0.1:{port}/" in line
    assert "Connection refused" in line
    assert "--embedded needs no database" in line


def test_a_port_that_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        line = refusal(f"mongodb://u:{PASSWORD}@127.0.0.1:{port}/")
    assert f"mongodb://u:***@127.0.0.1:{port}/" in line
    assert "does not answer as it should" in line


@pytest.fixture(scope="module")
def standalone(mongod: Path) -> Iterator[Standalone]:
    with Standalone(mongod) as server:
        yield server


def test_a_server_that_is_no_replica_set(standalone: Standalone) -> None:
    line = refusal(standalone.uri)
    assert "standalone" in line
    assert "--replSet marconi" in line
    assert "rs.initiate()" in line


def test_a_replica_set_that_nobody_has_initiated(
    mongod: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(startup, "CONNECT_SECONDS", 0.5)
    member = ["--replSet", "marconi"]
    with Servers(mongod, 1, uri="mongodb://{}".format, options=lambda _: member) as server:
        line = refusal(server.uri)
    assert "has no primary" in line
    assert "rs.initiate()" in line


@pytest.mark.parametrize(("wire_version", "is_refused"), [(8, True), (9, False), (25, False)])
def test_a_server_that_is_too_old(wire_version: int, is_refused: bool) -> None:
    """The one check without a server, since there is no old one that pip could install."""
    hello = {"maxWireVersion": wire_version, "setName": "marconi"}
    admin = SimpleNamespace(command=lambda name: {"hello": hello}[name])
    engine = cast(Engine, SimpleNamespace(client=SimpleNamespace(admin=admin)))
    if not is_refused:
        startup._check_server(engine)
        return
    with pytest.raises(StorageUnusable, match=r"older than 4\.4\. Use 4\.4 or newer"):
        startup._check_server(engine)


# Users


def test_a_user_with_the_rights_that_the_documentation_gives(
    guarded_mongodb: GuardedReplicaSet,
) -> None:
    roles = [{"role": "readWrite", "db": "marconi"}]
    with guarded_mongodb.user("marconi", roles) as uri:
        opens(uri, "marconi")


@pytest.mark.parametrize("roles", [[], [{"role": "read", "db": "marconi"}]])
def test_a_user_with_too_few_rights(guarded_mongodb: GuardedReplicaSet, roles: list[Any]) -> None:
    with guarded_mongodb.user("marconi", roles) as uri:
        line = refusal(uri)
    user, password = uri.removeprefix("mongodb://").partition("@")[0].split(":")
    assert f"{user}:***@" in line
    assert password not in line
    assert "lacks rights: not authorized on marconi to execute command " in line
    assert 'grantRolesToUser("USER", [{role: "readWrite", db: "marconi"}])' in line


def test_a_wrong_password(guarded_mongodb: GuardedReplicaSet) -> None:
    with guarded_mongodb.user("marconi", ["readWrite"]) as uri:
        user = uri.removeprefix("mongodb://").partition(":")[0]
        line = refusal(guarded_mongodb.uri_of(user, PASSWORD, database="marconi"))
    assert f"{user}:***@" in line
    assert "refuses this user" in line
    assert "user, password or authSource" in line


def test_no_password(guarded_mongodb: GuardedReplicaSet) -> None:
    line = refusal(f"mongodb://{guarded_mongodb.members[0].address}/?replicaSet=marconi")
    assert "without a password" in line
    assert "Put user and password into option uri" in line


# The clock


@pytest.mark.parametrize("seconds", [2.0, -2.0, 3600.0])
def test_a_clock_that_is_off(mongodb: Deployment, mongodb_shared: str, seconds: float) -> None:
    line = refusal(mongodb.uri, mongodb_shared, lambda: time.time() + seconds)
    assert f"differ by {abs(seconds):.1f} s" in line
    assert "NTP" in line


def test_a_clock_that_is_off_within_bounds(mongodb: Deployment, mongodb_shared: str) -> None:
    opens(mongodb.uri, mongodb_shared, lambda: time.time() + 2, max_clock_skew=10)


def test_a_clock_that_nobody_wants_to_be_checked(mongodb: Deployment, mongodb_shared: str) -> None:
    opens(mongodb.uri, mongodb_shared, ManualClock(), max_clock_skew=0)


# The database


@pytest.mark.parametrize("name", ["admin", "config", "local", "", "a.b", "a b", "a/b", "x" * 64])
def test_a_name_that_no_database_of_ours_can_have(mongodb: Deployment, name: str) -> None:
    line = refusal(mongodb.uri, name)
    assert f"Option database of [drivers:storage:mongodb] is {name!r}." in line
    assert "up to 63 letters" in line


@pytest.mark.parametrize(
    ("name", "keys"), [("mine", ["queue", "position"]), (BY_POSITION, ["queue"])]
)
def test_another_index_in_place_of_ours(
    mongodb: Deployment, mongodb_database: str, name: str, keys: list[str]
) -> None:
    with mongodb.client() as client:
        client[mongodb_database].messages.create_index(keys, name=name)
        line = refusal(mongodb.uri, mongodb_database)
        assert f"Database {mongodb_database} has another index in place of ours" in line
        assert name in line
        assert "Drop that index" in line
        client[mongodb_database].messages.drop_index(name)
    opens(mongodb.uri, mongodb_database)


def test_documents_of_another_release(mongodb: Deployment, mongodb_database: str) -> None:
    with mongodb.client() as client:
        client[mongodb_database].housekeeping.insert_one({"_id": SCHEMA, "version": VERSION + 1})
    line = refusal(mongodb.uri, mongodb_database)
    assert f"Database {mongodb_database} is of schema version {VERSION + 1}" in line
    assert f"this server is for version {VERSION}" in line
    assert "choose another database" in line


def test_the_queues_of_another_program(mongodb: Deployment, mongodb_database: str) -> None:
    with mongodb.client() as client:
        client[mongodb_database].queues.insert_many([{"n": "a"}, {"n": "b"}])
    line = refusal(mongodb.uri, mongodb_database)
    assert f"Database {mongodb_database} has a collection queues that is not ours" in line
    assert "option database of [drivers:storage:mongodb]" in line


def test_stores_that_open_at_the_same_time(mongodb: Deployment, mongodb_database: str) -> None:
    """No process is in another one's way while it makes indexes and documents."""
    together(*[lambda: opens(mongodb.uri, mongodb_database)] * 4)
