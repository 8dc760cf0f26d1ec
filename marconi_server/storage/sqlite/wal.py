"""The write-ahead log: when what is in it is on disk, and when it goes into the database.

A commit at `synchronous=NORMAL` appends to the log and does not wait for the disk. We wait
ourselves, before any caller is answered, but after the lock between processes is free again:
while one process waits, another commits, and waits at the same time. That the database is
whole does not hang on this: a commit that a crash has torn is passed over, and SQLite itself
waits for the log before it moves anything out of it.
"""

import os
from pathlib import Path
from typing import Final

LONG: Final = 4000
"""Pages in the log that call for a checkpoint. A page that changes with every commit goes into
the database once in that many; to read them after a crash takes milliseconds."""

# See https://www.sqlite.org/fileformat2.html#walformat
_HEADER: Final = 32
_FRAME_HEADER: Final = 24


class WriteAheadLog:
    """The log of a database to which this process keeps a connection open.

    So long the file stays where it is. It exists once something was written.
    """

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + "-wal")
        self._file = -1

    def sync(self) -> None:
        """Wait until everything committed so far, by whichever process, is on disk.

        :raises OSError: the disk failed; what others read already may be lost in a crash
        """
        if self._file < 0:
            self._open()
        os.fdatasync(self._file)

    def _open(self) -> None:
        self._file = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)  # the file may be new, and its name not on disk yet
        finally:
            os.close(folder)

    def is_long(self) -> bool:
        """Tell whether more than `LONG` pages in it are in use.

        After a checkpoint it is written from its start again, under a new salt in its
        header; frames behind those that were written since then carry an old one.
        """
        if self._file < 0:
            return False
        header = os.pread(self._file, _HEADER, 0)
        page_size, salt = int.from_bytes(header[8:12], "big"), header[16:24]
        frame = _HEADER + LONG * (_FRAME_HEADER + page_size)
        return salt != b"" and os.pread(self._file, len(salt), frame + 8) == salt

    def close(self) -> None:
        """Let go of the file; idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
