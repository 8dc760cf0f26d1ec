"""The database file: opening it, checking it, naming its faults."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from marconi_server.storage.errors import StorageUnavailable, StorageUnusable
from marconi_server.storage.sqlite import schema
from marconi_server.storage.sqlite.filesystem import FileLock, network_filesystem

OLDEST_SQLITE: Final = (3, 37)  # the first with STRICT tables
_NORMAL: Final = 1  # of PRAGMA synchronous; that commits are on disk is up to wal.py

# What the engine calls an error and only a bug of ours can cause. It stays what it is.
_BUGS: Final = frozenset(
    {
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_MISUSE,
        sqlite3.SQLITE_RANGE,
    }
)


def is_fault(error: sqlite3.Error) -> bool:
    """Tell a fault of the disk or the file from a bug in a statement."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE)
    return code & 0xFF not in _BUGS  # the low byte of an extended code is the plain one


def unavailable(error: sqlite3.Error) -> StorageUnavailable:
    """Name a fault for the log."""
    name = getattr(error, "sqlite_errorname", "unknown")
    return StorageUnavailable(reason=f"SQLite failed: {error} ({name})")


class Engine:
    """One database file, opened by this process.

    A connection that saw a fault is closed by who used it, and the next one starts afresh:
    what goes away by itself needs no restart.
    """

    def __init__(self, path: Path, *, timeout: float) -> None:
        self.path = path
        self.lock = FileLock(path.with_name(path.name + ".lock"))
        self.closed = False
        self._timeout = timeout
        self._inode = -1
        self._is_new = False

    def prepare(self) -> None:
        """Create the file or check that it is one of ours.

        :raises StorageUnusable: the place or the file is unfit
        :raises StorageUnavailable: another program keeps it locked
        """
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise StorageUnusable(
                reason=f"SQLite {sqlite3.sqlite_version} is too old.",
                remedy="Use a Python with SQLite 3.37 or newer.",
            )
        self._check_place()
        try:
            self.lock.open()
            with self.lock.within(self._timeout):  # two may want to create it
                self._create_or_check()
            self._inode = self.path.stat().st_ino
        except TimeoutError as error:
            reason = f"Another process has held {self.lock.path} for {self._timeout:g} seconds."
            raise StorageUnavailable(reason=reason) from error
        except OSError as error:
            raise self._forbidden(str(error.strerror)) from error
        except sqlite3.Error as error:
            raise self._unfit(error) from error
        finally:
            if self._inode < 0:
                self.lock.close()

    def _check_place(self) -> None:
        folder = self.path.parent
        if not os.path.isdir(folder):  # also if its name is too long
            raise StorageUnusable(
                reason=f"The folder {folder} of the database does not exist.",
                remedy="Create it, or name another file with the option database"
                " in [drivers:storage:sqlite].",
            )
        if kind := network_filesystem(folder):
            raise StorageUnusable(
                reason=f"The folder {folder} is on a network file system ({kind}),"
                " where SQLite's locks cannot be trusted.",
                remedy="Put the database on a local disk, or use the mongodb driver.",
            )

    def _create_or_check(self) -> None:
        connection = self._open("rwc")
        try:
            if connection.execute("PRAGMA schema_version").fetchone() == (0,):
                schema.create(connection)
                self._is_new = True
            schema.bring_up_to_date(connection, self.path)  # before anything else is changed
            self._check_durable(connection)
            schema.note_boot(connection, schema.current_boot_id())
        finally:
            connection.close()

    def _check_durable(self, connection: sqlite3.Connection) -> None:
        (journal,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
        if (journal, synchronous) != ("wal", _NORMAL):
            raise StorageUnusable(
                reason=f"SQLite refuses durable commits on {self.path}:"
                f" its journal_mode is {journal!r} and synchronous is {synchronous!r}.",
                remedy="Put the database on a local disk that supports shared memory.",
            )
        connection.execute("BEGIN IMMEDIATE")  # proves that the file can be written
        connection.execute("ROLLBACK")

    def _unfit(self, error: sqlite3.Error) -> StorageUnusable | StorageUnavailable:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            return StorageUnusable(
                reason=f"The file {self.path} is not a database, or is damaged: {error}.",
                remedy="Name another file, or restore this one from a backup.",
            )
        if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
            return self._forbidden(str(error))
        return unavailable(error)

    def _forbidden(self, reason: str) -> StorageUnusable:
        return StorageUnusable(
            reason=f"The database {self.path} cannot be opened for writing: {reason}.",
            remedy="Give the user of the server the right to write the file and its folder.",
        )

    def describe(self) -> str:
        """Say which file this is, whether it was there, and how large it is with its log."""
        if self._is_new:
            return f"{self.path}, new"
        size = 0
        for each in (self.path, self.path.with_name(f"{self.path.name}-wal")):
            with suppress(OSError):  # the log comes and goes
                size += each.stat().st_size
        return f"{self.path}, found, {size / 1e6:.1f} MB"

    def connect(self) -> sqlite3.Connection:
        """Open one more connection to the file that was prepared.

        :raises StorageUnavailable: it cannot be opened, or is another file by now
        """
        self.check()
        try:
            return self._open("rw")
        except sqlite3.Error as error:
            raise unavailable(error) from error

    def _open(self, mode: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=self._timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        try:
            connection.execute(f"PRAGMA synchronous = {_NORMAL}")  # what is built in differs
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def check(self) -> None:
        """Refuse to go on with a file that is no longer the one at its path.

        Without this, a database that was moved away or replaced under a running server
        would go on taking messages that nobody ever finds again.

        :raises StorageUnavailable: the store is closed, or the file is gone or another one
        """
        if self.closed:
            raise StorageUnavailable(reason="The store is closed.")
        try:
            inode = os.stat(self.path).st_ino
        except OSError as error:
            raise StorageUnavailable(
                reason=f"The database {self.path} cannot be reached: {error.strerror}."
            ) from error
        if inode != self._inode:
            raise StorageUnavailable(
                reason=f"The database {self.path} was replaced while the server ran;"
                " restart the server to use the new file."
            )

    def close(self) -> None:
        """Refuse further use."""
        self.closed = True
        self.lock.close()
