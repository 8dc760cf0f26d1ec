"""The engines as growth and endurance need them: with several databases at once."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from bson import ObjectId

from bench import mongodb
from bench.points import Point, prepare
from marconi_server.storage.contract import Store
from marconi_server.storage.mongodb.engine import random_id
from marconi_server.storage.mongodb.schema import Document
from marconi_server.storage.sqlite.driver import SQLiteOptions, SQLiteStore
from tests.mongodb.replica_set import ReplicaSet

_COPIES: Final = 500
"""Queues that are copied at once."""


class Engine(Protocol):
    """An engine with databases by name."""

    def store(self, name: str) -> AbstractContextManager[Store]:
        """Open our driver on a database, which is made if need be."""

    def options(self, name: str) -> list[str]:
        """Return the options of a server on a database."""

    def fill(self, name: str, store: Store, point: Point) -> None:
        """Fill a new database, which the store has open, as a point says."""

    def size(self, name: str) -> int:
        """Return the bytes that a database takes of the disk; it is open."""

    def leftovers(self, name: str) -> int:
        """Return how many messages still have a place in it, though they are gone."""


class SQLite:
    """SQLite: each database is a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def store(self, name: str) -> AbstractContextManager[Store]:
        """See `Engine`."""
        return closing(SQLiteStore.open(SQLiteOptions(database=str(self._file(name)))))

    def options(self, name: str) -> list[str]:
        """See `Engine`."""
        return ["--embedded", str(self._file(name))]

    def fill(self, _name: str, store: Store, point: Point) -> None:
        """See `Engine`."""
        prepare(store, point)

    def size(self, name: str) -> int:
        """See `Engine`; with the file of its log."""
        return sum(path.stat().st_size for path in self._folder.glob(f"{name}.db*"))

    def leftovers(self, _name: str) -> int:
        """See `Engine`; a deletion removes the row."""
        return 0

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.db"


class MongoDB:
    """MongoDB: one server for all databases."""

    def __init__(self, folder: Path, replica_set: ReplicaSet) -> None:
        self._folder = folder
        self._replica_set = replica_set

    def store(self, name: str) -> AbstractContextManager[Store]:
        """See `Engine`."""
        return mongodb.opened(self._replica_set, name)

    def options(self, name: str) -> list[str]:
        """See `Engine`."""
        config = self._folder / f"{name}.conf"
        config.write_text(mongodb.configuration(self._replica_set, name))
        return ["--config-file", str(config)]

    def fill(self, name: str, store: Store, point: Point) -> None:
        """See `Engine`; all queues but the first are copies of it, as to make one takes a while."""
        prepare(store, replace(point, queues=1))
        with self._replica_set.client() as client:
            database = client[name]
            queue = database["queues"].find_one({"name": point.queue(0)})
            assert queue is not None
            messages = database["messages"].find({"queue": queue["_id"]}).to_list()
            for start in range(1, point.queues, _COPIES):
                numbers = range(start, min(start + _COPIES, point.queues))
                ids = {random_id(): point.queue(number) for number in numbers}
                database["messages"].insert_many(
                    [copy for new in ids for copy in _copies(messages, queue["_id"], new)]
                )
                database["queues"].insert_many(
                    [{**queue, "_id": new, "name": name} for new, name in ids.items()]
                )

    def size(self, name: str) -> int:
        """See `Engine`; compressed, as MongoDB stores it, with indexes and without its log."""
        with self._replica_set.client() as client:
            client.admin.command("fsync")  # else it has not written all of it yet
            stats = client[name].command("dbStats")
        return int(stats["storageSize"] + stats["indexSize"])

    def leftovers(self, name: str) -> int:
        """See `Engine`; one document is the head of the queue."""
        with self._replica_set.client() as client:
            return max(0, client[name]["messages"].estimated_document_count() - 1)


def _copies(messages: list[Document], queue: ObjectId, new: ObjectId) -> Iterator[Document]:
    """Give the messages of a queue, its head with them, as those of a new one."""
    for each in messages:
        yield {**each, "_id": new if each["_id"] == queue else ObjectId(), "queue": new}


@contextmanager
def _sqlite(folder: Path) -> Iterator[Engine]:
    yield SQLite(folder)


@contextmanager
def _mongodb(folder: Path) -> Iterator[Engine]:
    with mongodb.running(folder) as replica_set:
        yield MongoDB(folder, replica_set)


ENGINES: Final[dict[str, Callable[[Path], AbstractContextManager[Engine]]]] = {
    "sqlite": _sqlite,
    "mongodb": _mongodb,
}
"""Run an engine with its files in a folder."""
