"""The app as the tests meet it: over a real store, with a clock that they move."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from marconi_server.config.settings import Limits, Settings
from marconi_server.storage.conformance import ManualClock
from marconi_server.storage.contract import Store
from marconi_server.storage.mongodb.driver import MongoDBStore
from marconi_server.storage.sqlite.driver import SQLiteStore
from marconi_server.wsgi import build_app
from tests.api.client import Client, Queue, WsgiApp
from tests.mongodb.deployment import Deployment
from tests.support.faulty import FaultyStore


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "case(*numbers): the conformance cases that a test shows")
    config.addinivalue_line("markers", "limits(**options): run with these options of [transport]")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def sqlite_store(tmp_path: Path, clock: ManualClock) -> Iterator[Store]:
    """Give a store of the test's own; it has to end its threads when it is closed."""
    threads = set(threading.enumerate())
    store = SQLiteStore.open(SQLiteStore.Options(database=str(tmp_path / "marconi.db")), clock)
    yield store
    store.close()
    assert set(threading.enumerate()) <= threads


class CurrentClock:
    """The clock of a store that serves many tests: that of the test that runs."""

    def __init__(self) -> None:
        self.clock = ManualClock()

    def __call__(self) -> float:
        return self.clock()


@pytest.fixture(scope="session")
def current_clock() -> CurrentClock:
    return CurrentClock()


@pytest.fixture(scope="session")
def shared_mongodb_store(
    mongodb: Deployment, mongodb_shared_name: str, current_clock: CurrentClock
) -> Iterator[Store]:
    options = MongoDBStore.Options(
        uri=mongodb.uri, database=mongodb_shared_name, max_clock_skew=0, sweep_interval=3600
    )
    store = MongoDBStore.open(options, current_clock)
    yield store
    store.close()


@pytest.fixture
def mongodb_store(
    shared_mongodb_store: Store,
    current_clock: CurrentClock,
    clock: ManualClock,
    mongodb_shared: str,
) -> Store:
    """Give an empty store that others have used before."""
    current_clock.clock = clock
    return shared_mongodb_store


@pytest.fixture(params=["sqlite", "mongodb"])
def store(request: pytest.FixtureRequest) -> FaultyStore:
    """Give an empty store of each kind."""
    return FaultyStore(request.getfixturevalue(f"{request.param}_store"))


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> Settings:
    """Give the defaults, with the options that the test's marker `limits` changes."""
    marker = request.node.get_closest_marker("limits")
    return replace(Settings(), limits=replace(Limits(), **(marker.kwargs if marker else {})))


@pytest.fixture
def app(settings: Settings, store: FaultyStore) -> WsgiApp:
    return build_app(settings, store)


@pytest.fixture
def client(app: WsgiApp) -> Client:
    """Give a client of the fresh project P."""
    return Client(app, uuid4().hex)


@pytest.fixture
def other(client: Client) -> Client:
    """Give a client of the fresh project P2."""
    return client.of(uuid4().hex)


@pytest.fixture
def queue(client: Client) -> Queue:
    """Give the fresh queue Q of project P."""
    queue = Queue(client, f"q-{uuid4().hex}")
    client.create(queue.name)
    return queue


@pytest.fixture
def missing(client: Client) -> Queue:
    """Give the queue Qx, which was never created."""
    return Queue(client, f"x-{uuid4().hex}")
