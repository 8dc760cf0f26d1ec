"""Group commit: one transaction, and one wait for the disk, for all writes that wait.

Who has the lock between processes does all work that waits by then in one transaction, lets go of
the lock, waits for the disk, and wakes the callers. The more callers there are, the more share a
commit. Nobody waits to let a group grow, except that a loop first looks whether more has arrived
than it has read.

What can take long happens in the one writer thread of a process: waiting for the lock and for the
disk. The transaction itself only touches memory most of the time, and runs where the requests run:
the interpreter's lock need not change hands while others wait for ours. A loop that finds the lock
free does not even ask the thread for it (`_commit_here`).
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar, cast

from marconi_server import waiting
from marconi_server.storage.contract import Clock
from marconi_server.storage.errors import StorageUnavailable
from marconi_server.storage.sqlite.engine import Engine, is_fault, unavailable
from marconi_server.storage.sqlite.wal import WriteAheadLog

Item = TypeVar("Item")
Result = TypeVar("Result")

Batch = Callable[[sqlite3.Connection, int, Sequence[Item]], Sequence[Result]]
"""Writes of one kind, done together: is given the connection inside a transaction, now in
milliseconds, and what each caller wants; returns what each gets, as if they had come one
after the other. May run more than once, each time but the last undone without a trace.
"""

LARGEST_GROUP: Final = 500
"""Writes that share a commit."""

SHORT: Final = 200
"""Rows that may change while other requests wait for the loop; about two milliseconds."""

_PAUSE: Final = 0.01
"""Seconds between two attempts while another program, which knows no lock of ours, writes."""

_CHECKPOINT: Final = "PRAGMA wal_checkpoint(PASSIVE)"


def each(work: Callable[[sqlite3.Connection, int, Item], Result]) -> Batch[Item, Result]:
    """Make a batch of a function that does one write."""

    def batch(connection: sqlite3.Connection, now: int, items: Sequence[Item]) -> Sequence[Result]:
        return [work(connection, now, item) for item in items]

    return batch


class _Job:
    """A write that a caller waits for, and its outcome."""

    __slots__ = ("abandoned", "batch", "done", "item", "outcome", "rows", "taken")

    def __init__(self, batch: Batch[Any, Any], item: Any, rows: int) -> None:
        self.batch = batch
        self.item = item
        self.rows = rows
        self.outcome: Any = None  # what the caller gets, or an exception for it
        self.taken = False
        self.abandoned = False
        self.done = waiting.signal()


class _Group:
    """Writes that share a transaction, and how far the loop has brought it."""

    __slots__ = ("committed", "error", "jobs")

    def __init__(self, jobs: list[_Job]) -> None:
        self.jobs = jobs
        self.committed = False  # not on disk so far
        self.error: Exception | None = None  # what it failed with, and nothing of it is left


class Writer:
    """Runs writes in groups. One for each process and store."""

    def __init__(self, engine: Engine, clock: Clock, *, timeout: float) -> None:
        self._engine = engine
        self._clock = clock
        self._timeout = timeout
        self._closed = False
        # On a loop only: what its requests write until the thread gets it, how many these were
        # at the end of the last turn, and whether the thread has what it got before.
        self._arrived: list[_Job] = []
        self._gathered = 0
        self._busy = False
        self._waiting: SimpleQueue[_Group | None] = SimpleQueue()
        self._turn = threading.Lock()  # of the loop or the thread; guards what follows
        self._connection: sqlite3.Connection | None = None
        self._log = WriteAheadLog(engine.path)
        self._mover = ThreadPoolExecutor(1, thread_name_prefix="sqlite-checkpoint")
        self._moving: Future[None] | None = None
        self._doubtful = False  # whether commits may be missing on disk that no sync mends
        self._thread = threading.Thread(target=self._serve, name="sqlite-writer", daemon=True)
        self._thread.start()

    def write(self, batch: Batch[Item, Result], item: Item, *, rows: int = 1) -> Result:
        """Have `batch` run on the item in a transaction; return the result once it is on disk.

        `rows` tells about how many rows it changes; a large row counts as several.

        :raises StorageUnavailable: the engine failed, or did not answer within the timeout
        """
        if self._closed:
            raise StorageUnavailable(reason="The store is closed.")
        job = _Job(batch, item, rows)
        if waiting.on_loop():
            self._arrived.append(job)
            if len(self._arrived) == 1:
                waiting.after_turn(self._gather)
        else:
            self._waiting.put(_Group([job]))
        if not job.done.wait(self._timeout):
            # Whichever of the two flags is set last, its owner sees the other one: a job
            # that nobody waits for any more is not begun.
            job.abandoned = True
            state = "was not finished" if job.taken else "did not begin"
            raise StorageUnavailable(
                reason=f"A write to {self._engine.path} {state} within {self._timeout:g} seconds."
            )
        if isinstance(job.outcome, Exception):
            raise job.outcome
        return cast(Result, job.outcome)

    def close(self) -> None:
        """Finish the writes that wait, refuse others, and stop the thread; idempotent."""
        self._closed = True
        self._waiting.put(None)
        self._thread.join(self._timeout)
        self._mover.shutdown()

    def _gather(self) -> None:
        """Begin a group of the loop, once the thread is free and a turn brings no more.

        PERF: requests that were just answered are followed by others of the same clients. To
        look for these costs less than a commit for each half of them.
        """
        if self._busy:  # `_finish` comes back here
            return
        if self._gathered < len(self._arrived) < LARGEST_GROUP:
            self._gathered = len(self._arrived)
            waiting.after_turn(self._gather)
            return
        group, self._arrived, self._gathered = _Group(self._arrived), [], 0
        self._busy = True
        self._commit_here(group)
        self._waiting.put(group)

    def _commit_here(self, group: _Group) -> None:
        """Commit a group on the loop, unless that would make the loop wait.

        What is left goes to the thread: to wait for the disk, to deal with an error, or all of it.

        PERF: the thread is woken once for each group and not twice. Other processes get the lock
        all the same: none takes it again before its wait for the disk is over.
        """
        if not _is_short(group.jobs) or not self._turn.acquire(blocking=False):
            return
        try:
            connection = self._connection
            if connection is None or self._doubtful or self._log.is_long():
                return
            self._engine.check()
            with self._or_undo():
                if self._engine.lock.acquire_now():
                    self._transact(connection, group.jobs)
                    group.committed = True
        except Exception as error:
            # Another program that writes is nothing to fail for: the thread waits for it.
            if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_BUSY:
                group.error = error
        finally:
            self._turn.release()

    def _finish(self, jobs: list[_Job]) -> None:
        for job in jobs:
            job.done.set()
        self._busy = False
        if self._arrived:
            waiting.after_turn(self._gather)

    def _serve(self) -> None:
        while (group := self._waiting.get()) is not None:
            with self._turn:
                self._run(group, growing=True)
            waiting.soon(partial(self._finish, group.jobs))
        self._disconnect()

    def _grow(self, jobs: list[_Job]) -> None:
        """Let what has come in meanwhile share the commit."""
        with suppress(Empty):
            while len(jobs) < LARGEST_GROUP:
                more = self._waiting.get_nowait()
                # The end, or what the loop has begun: either is for `_serve` to see.
                if more is None or more.committed or more.error is not None:
                    self._waiting.put(more)
                    return
                jobs += more.jobs

    def _run(self, group: _Group, *, growing: bool = False) -> None:
        """Bring a group to its end, from wherever it is."""
        jobs = group.jobs
        try:
            if group.error is not None:
                raise group.error
            if not group.committed:
                self._engine.check()
            with self._or_undo():
                if not group.committed:
                    self._commit(jobs, growing=growing)
                self._sync()
        except StorageUnavailable as error:
            self._fail(jobs, error.reason, error.__cause__)
        except OSError as error:
            self._fail(jobs, f"The lock beside {self._engine.path} failed: {error}.", error)
        except sqlite3.Error as error:
            if is_fault(error):
                self._fail(jobs, unavailable(error).reason, error)
            else:
                self._run_alone(jobs, error)
        except Exception as error:
            self._run_alone(jobs, error)

    def _run_alone(self, jobs: list[_Job], error: Exception) -> None:
        """Find the one that has a bug: it must not take the others with it."""
        if len(jobs) == 1:
            jobs[0].outcome = error
        else:
            for job in jobs:
                self._run(_Group([job]))

    def _fail(self, jobs: list[_Job], reason: str, cause: BaseException | None) -> None:
        for job in jobs:  # each caller raises an exception of its own
            job.outcome = StorageUnavailable(reason=reason)
            job.outcome.__cause__ = cause

    @contextmanager
    def _or_undo(self) -> Iterator[None]:
        """Leave neither transaction nor lock behind if what is done with it fails."""
        try:
            yield
        except BaseException:
            self._disconnect()
            self._engine.lock.release()
            raise

    def _commit(self, jobs: list[_Job], *, growing: bool) -> None:
        """Do the jobs in one transaction, as soon as the lock and other programs let us."""
        is_moved = self._log.is_long() and self._most_is_moved()
        self._engine.lock.acquire()
        connection = self._connection or self._connect()
        if self._doubtful or is_moved:
            self._checkpoint(connection)
        if growing:
            self._grow(jobs)
        transact = partial(self._transact, connection, jobs)
        is_short = _is_short(jobs)
        end = time.monotonic() + self._timeout
        while True:
            try:
                return waiting.call(transact) if is_short else transact()
            except sqlite3.OperationalError as error:
                began = connection.in_transaction
                if began or error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
                time.sleep(_PAUSE)

    def _transact(self, connection: sqlite3.Connection, jobs: list[_Job]) -> None:
        """Do the jobs in one transaction, and let go of the lock, which is ours."""
        now = int(self._clock() * 1000)
        connection.execute("BEGIN IMMEDIATE")
        _do(jobs, connection, now)
        connection.execute("COMMIT")
        self._engine.lock.release()  # PERF: here, not when the thread gets to run again

    def _sync(self) -> None:
        if self._doubtful:  # that of another group failed, after this one was committed
            raise StorageUnavailable(reason=f"The disk failed to write {self._log.path}.")
        try:
            self._log.sync()
        except OSError as error:
            # What the system could not write it may take for written from now on, so that
            # to ask again would prove nothing: the pages have to go another way.
            self._doubtful = True
            reason = f"The disk failed to write {self._log.path}: {error}."
            raise StorageUnavailable(reason=reason) from error

    def _most_is_moved(self) -> bool:
        """Have most of the log moved into the database while writing goes on; tell when it is.

        :raises sqlite3.Error: it failed
        """
        if self._moving is None:
            self._moving = self._mover.submit(self._move)
        if not self._moving.done():
            return False
        moving, self._moving = self._moving, None
        moving.result()
        return True

    def _move(self) -> None:
        with closing(self._engine.connect()) as connection:
            connection.execute(_CHECKPOINT)

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        """Move the log, or what is left of it, into the database; the lock is ours.

        :raises StorageUnavailable: a sync of it failed, and a reader keeps us from moving all
        """
        busy, pages, moved = connection.execute(_CHECKPOINT).fetchone()
        if self._doubtful and (busy or moved < pages):
            raise StorageUnavailable(reason=f"{self._log.path}, which failed, is still in use.")
        self._doubtful = False

    def _connect(self) -> sqlite3.Connection:
        connection = self._connection = self._engine.connect()
        connection.execute("PRAGMA busy_timeout = 0")  # we wait ourselves, not on the loop
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        return connection

    def _disconnect(self) -> None:
        """Undo the open transaction, and have the next group start with a fresh connection."""
        self._log.close()
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _is_short(jobs: list[_Job]) -> bool:
    return sum([job.rows for job in jobs]) <= SHORT


def _do(jobs: list[_Job], connection: sqlite3.Connection, now: int) -> None:
    """Do the jobs, those of one kind together."""
    kinds: dict[Batch[Any, Any], list[_Job]] = {}
    for job in jobs:
        job.taken = True
        if not job.abandoned:
            kinds.setdefault(job.batch, []).append(job)
    for batch, members in kinds.items():
        outcomes = batch(connection, now, [job.item for job in members])
        for job, outcome in zip(members, outcomes, strict=True):
            job.outcome = outcome
