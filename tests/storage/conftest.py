"""The harnesses of the stores under test."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from marconi_server.storage.conformance import ManualClock
from marconi_server.storage.contract import Clock, Store
from marconi_server.storage.mongodb.driver import MongoDBOptions, MongoDBStore
from marconi_server.storage.sqlite import sweeper
from marconi_server.storage.sqlite.driver import SQLiteOptions, SQLiteStore
from tests.mongodb.deployment import Deployment

COMMANDS = (
    "aggregate",
    "commitTransaction",
    "delete",
    "find",
    "findAndModify",
    "insert",
    "update",
)
"""Every command of MongoDB that an operation makes."""

OUT_OF_DISK_SPACE = 14031


class SQLiteHarness:
    """One database file; moving it away is the fault."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "marconi.db"

    def open(self, clock: Clock) -> SQLiteStore:
        return SQLiteStore.open(SQLiteOptions(database=str(self._file)), clock)

    @contextmanager
    def failing(self) -> Iterator[None]:
        away = self._file.rename(self._file.with_name("away.db"))
        try:
            yield
        finally:
            away.rename(self._file)

    def sweep(self, store: Store) -> None:
        assert isinstance(store, SQLiteStore)
        while store._sweeper.work_to_do():
            store._writer.write(sweeper.step, sweeper.STEP)


class MongoDBHarness:
    """A database for the time of a case; a server whose disk is full is the fault."""

    def __init__(self, mongodb: Deployment, database: str) -> None:
        self._mongodb = mongodb
        self._database = database
        self._stores: list[MongoDBStore] = []

    def open(self, clock: Clock) -> MongoDBStore:
        # The clock of a case is not that of the server, and stands still.
        options = MongoDBOptions(
            uri=self._mongodb.uri,
            database=self._database,
            max_clock_skew=0,
            sweep_interval=3600,
        )
        store = MongoDBStore.open(options, clock)
        self._stores.append(store)
        return store

    @contextmanager
    def failing(self) -> Iterator[None]:
        engines = [store._engine for store in self._stores]
        patience = [engine.timeout for engine in engines]
        with self._mongodb.fail_command(*COMMANDS, error_code=OUT_OF_DISK_SPACE):
            for engine in engines:
                engine.timeout = 0.2
            try:
                yield
            finally:
                for engine, timeout in zip(engines, patience, strict=True):
                    engine.timeout = timeout

    def sweep(self, store: Store) -> None:
        assert isinstance(store, MongoDBStore)
        sweeper = store._sweeper
        while sweeper.dissolve() or sweeper.remove_messages() or sweeper.remove_queues():
            pass


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def mongodb_harness(mongodb: Deployment, mongodb_shared: str) -> MongoDBHarness:
    return MongoDBHarness(mongodb, mongodb_shared)
