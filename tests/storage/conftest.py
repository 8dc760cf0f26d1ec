"""The harnesses of the stores under test."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from marconi_server.storage.contract import Clock, Store
from marconi_server.storage.sqlite import sweeper
from marconi_server.storage.sqlite.driver import SQLiteOptions, SQLiteStore


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
            store._writer.write(sweeper.step)
