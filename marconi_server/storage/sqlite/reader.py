"""Reading: each statement on its own snapshot, never waiting for the writer (WAL mode)."""

import sqlite3
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from marconi_server import waiting
from marconi_server.storage.errors import StorageUnavailable
from marconi_server.storage.sqlite.engine import Engine, is_fault, unavailable

_INSTRUCTIONS: Final = 10_000
"""Of SQLite's machine; a read of less than twice as many is short: about a millisecond."""

_LONG_READS: Final = 2
"""Long reads of an event loop that run at the same time."""

_CHECKED: Final = 0.01
"""Seconds for which reads of an event loop trust that the file is still the one at its path."""

Row = tuple[Any, ...]


class _Connection:
    """A connection for reads, which gives up those that take long if it is `limited`."""

    __slots__ = ("connection", "ticks")

    def __init__(self, connection: sqlite3.Connection, *, limited: bool) -> None:
        self.connection = connection
        self.ticks = 0
        if limited:
            connection.set_progress_handler(self._tick, _INSTRUCTIONS)

    def _tick(self) -> int:
        # SQLite counts on from one run of a statement to the next, so the first tick of a
        # read says nothing about its length.
        self.ticks += 1
        return self.ticks > 1


_Pool = deque[_Connection]


class Reader:
    """Runs reads on idle connections, one at a time on each. One for each process and store."""

    def __init__(self, engine: Engine, *, timeout: float) -> None:
        self._engine = engine
        self._timeout = timeout
        self._check_again = 0.0  # on a loop
        self._short: _Pool = deque()
        self._long: _Pool = deque()
        self._aside = ThreadPoolExecutor(_LONG_READS, thread_name_prefix="sqlite-reader")

    def read(self, statement: str, parameters: Any = ()) -> list[Row]:
        """Run one statement on its own snapshot and return all rows.

        On an event loop a statement that turns out to be long is begun again in a thread, and the
        loop goes on: a client that lists a million messages of its own holds up nobody else.

        :raises StorageUnavailable: the engine failed, or the statement took too long
        """
        if waiting.on_loop():
            # PERF: to ask the system takes a quarter of the time of a short read. Writes ask it
            # always, and what is read meanwhile is of a file that was the right one just before.
            now = time.monotonic()
            if now >= self._check_again:
                self._engine.check()
                self._check_again = now + _CHECKED
            rows = self._read(self._short, statement, parameters)
            return self._read_aside(statement, parameters) if rows is None else rows
        self._engine.check()
        rows = self._read(self._long, statement, parameters)
        assert rows is not None  # only short reads are given up
        return rows

    def _read(self, pool: "_Pool", statement: str, parameters: Any) -> list[Row] | None:
        """Read on a connection of the pool; `None` if that takes more than the pool allows."""
        try:
            used = pool.pop()
        except IndexError:
            used = _Connection(self._engine.connect(), limited=pool is self._short)
        used.ticks = 0
        try:
            rows: list[Row] = used.connection.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
                pool.append(used)
                return None
            used.connection.close()
            if is_fault(error):
                raise unavailable(error) from error
            raise
        pool.append(used)
        return rows

    def _read_aside(self, statement: str, parameters: Any) -> list[Row]:
        done = waiting.signal()
        future = self._aside.submit(self._read, self._long, statement, parameters)
        future.add_done_callback(lambda _: done.set())
        if not done.wait(self._timeout):
            future.cancel()
            raise StorageUnavailable(
                reason=f"A read of {self._engine.path} took more than {self._timeout:g} seconds."
            )
        rows = future.result()
        assert rows is not None
        return rows

    def close(self) -> None:
        """Close the idle connections; idempotent."""
        self._aside.shutdown()
        for pool in (self._short, self._long):
            while pool:
                pool.pop().connection.close()
