"""Group commit: one transaction, and one wait for the disk, for all writes that wait.

Each process has one writer thread. It takes the lock between processes, begins, runs all
work that waits by then, commits, and wakes the callers. The more callers there are, the
more share a commit; nobody waits to let a group grow.

All that can take long happens in that thread: the lock, BEGIN, COMMIT. The statements between,
which only touch memory most of the time, run where the requests run (`waiting.call`).
"""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar, cast

from marconi_server import waiting
from marconi_server.storage.contract import Clock
from marconi_server.storage.errors import StorageError, StorageUnavailable
from marconi_server.storage.sqlite.engine import Engine, is_fault, unavailable

Result = TypeVar("Result")

Work = Callable[[sqlite3.Connection, int], Result]
"""A write: is given the connection inside a transaction, and now in milliseconds.

It may run more than once, each time but the last undone without a trace. It raises a
`StorageError` only before it has changed anything.
"""

LARGEST_GROUP: Final = 500
"""Writes that share a commit."""

SHORT: Final = 200
"""Rows that may change while other requests wait for the loop; about two milliseconds."""


class _Job:
    """A write that a caller waits for, and its outcome."""

    __slots__ = ("abandoned", "done", "error", "result", "rows", "taken", "work")

    def __init__(self, work: Work[Any], rows: int) -> None:
        self.work = work
        self.rows = rows
        self.result: Any = None
        self.error: BaseException | None = None
        self.taken = False
        self.abandoned = False
        self.done = waiting.signal()

    def run(self, connection: sqlite3.Connection, now: int) -> None:
        self.taken = True
        if self.abandoned:
            return
        self.error = None
        try:
            self.result = self.work(connection, now)
        except StorageError as error:
            self.error = error


class Writer:
    """Runs writes in groups. One for each process and store."""

    def __init__(self, engine: Engine, clock: Clock, *, timeout: float) -> None:
        self._engine = engine
        self._clock = clock
        self._timeout = timeout
        self._closed = False
        self._waiting: SimpleQueue[_Job | None] = SimpleQueue()
        self._connection: sqlite3.Connection | None = None
        self._thread = threading.Thread(target=self._serve, name="sqlite-writer", daemon=True)
        self._thread.start()

    def write(self, work: Work[Result], *, rows: int = 1) -> Result:
        """Run `work` in a transaction and return its result once that is on disk.

        `rows` tells about how many rows it changes.

        :raises StorageUnavailable: the engine failed, or did not answer within the timeout
        :raises StorageError: what `work` raised
        """
        if self._closed:
            raise StorageUnavailable(reason="The store is closed.")
        job = _Job(work, rows)
        self._waiting.put(job)
        if not job.done.wait(self._timeout):
            # Whichever of the two flags is set last, its owner sees the other one: a job
            # that nobody waits for any more is not begun.
            job.abandoned = True
            state = "was not finished" if job.taken else "did not begin"
            raise StorageUnavailable(
                reason=f"A write to {self._engine.path} {state} within {self._timeout:g} seconds."
            )
        if job.error is not None:
            raise job.error
        return cast(Result, job.result)

    def close(self) -> None:
        """Finish the writes that wait, refuse others, and stop the thread; idempotent."""
        self._closed = True
        self._waiting.put(None)
        self._thread.join(self._timeout)

    def _serve(self) -> None:
        while (first := self._waiting.get()) is not None:
            jobs = [first]
            try:
                with self._engine.lock:
                    self._run(jobs, growing=True)
            except OSError as error:
                self._fail(jobs, f"The lock beside {self._engine.path} failed: {error}.", error)
            for job in jobs:
                job.done.set()
        self._disconnect()

    def _grow(self, jobs: list[_Job]) -> None:
        """Let what has come in meanwhile share the commit."""
        with suppress(Empty):
            while len(jobs) < LARGEST_GROUP:
                job = self._waiting.get_nowait()
                if job is None:  # the end, which `_serve` has to see
                    self._waiting.put(None)
                    return
                jobs.append(job)

    def _run(self, jobs: list[_Job], *, growing: bool = False) -> None:
        try:
            self._transact(jobs, growing=growing)
        except StorageUnavailable as error:
            self._fail(jobs, error.reason, error.__cause__)
        except sqlite3.Error as error:
            if is_fault(error):
                self._fail(jobs, unavailable(error).reason, error)
            else:
                self._run_alone(jobs, error)
        except Exception as error:
            self._run_alone(jobs, error)

    def _run_alone(self, jobs: list[_Job], error: Exception) -> None:
        """Find the one that has a bug: it must not take the others with it."""
        self._disconnect()
        if len(jobs) == 1:
            jobs[0].error = error
        else:
            for job in jobs:
                self._run([job])

    def _fail(self, jobs: list[_Job], reason: str, cause: BaseException | None) -> None:
        self._disconnect()
        for job in jobs:  # each caller raises an exception of its own
            job.error = StorageUnavailable(reason=reason)
            job.error.__cause__ = cause

    def _transact(self, jobs: list[_Job], *, growing: bool) -> None:
        self._engine.check()
        connection = self._connection
        if connection is None:
            connection = self._connection = self._engine.connect()
        connection.execute("BEGIN IMMEDIATE")

        def run_jobs() -> None:
            now = int(self._clock() * 1000)
            for job in jobs:
                job.run(connection, now)

        if growing:
            self._grow(jobs)
        if sum(job.rows for job in jobs) <= SHORT:
            waiting.call(run_jobs)
        else:
            run_jobs()
        connection.execute("COMMIT")

    def _disconnect(self) -> None:
        """Undo the open transaction, and have the next group start with a fresh connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
