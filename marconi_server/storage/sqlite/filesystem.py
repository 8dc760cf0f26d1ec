"""What the embedded store needs of the file system: a fair lock, and a local disk."""

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

# Types in /proc/self/mountinfo whose locks or shared memory do not reach other hosts.
_NETWORK: Final = frozenset(
    [
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "fuse.ceph",
        "fuse.glusterfs",
        "fuse.s3fs",
        "fuse.sshfs",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "smb3",
        "smbfs",
    ]
)
_OCTAL: Final = re.compile(r"\\([0-7]{3})")


def network_filesystem(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str | None:
    """Return the type of the network file system that `folder` is on, if it is on one.

    Where the system does not tell (no `/proc`), the answer is `None`.
    """
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    place = folder.resolve()
    depth, kind = -1, ""
    for line in lines:
        left, _, right = line.partition(" - ")
        # Blanks and the like are octal escapes in this file, see proc(5).
        point = Path(_OCTAL.sub(lambda code: chr(int(code[1], 8)), left.split(" ")[4]))
        if place.is_relative_to(point) and len(point.parts) >= depth:
            depth, kind = len(point.parts), right.split(" ")[0]
    return kind if kind in _NETWORK else None


class FileLock:
    """A lock between processes whose waiters sleep in the kernel and wake at once.

    SQLite's own waiting is a sleep that gets longer and polls; under several writing
    processes that ruins the slowest answers. A process that dies lets go of the lock.
    One thread at a time holds it; another may release it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = -1

    def open(self) -> None:
        """Open the lock file, creating it if need be.

        :raises OSError: it cannot be opened
        """
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def acquire(self) -> None:
        """Wait for the lock.

        :raises OSError: the lock file is lost
        """
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def acquire_now(self) -> bool:
        """Take the lock unless another process has it; tell whether it is ours.

        :raises OSError: the lock file is lost
        """
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Let go of the lock; idempotent.

        :raises OSError: the lock file is lost
        """
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *exception: object) -> None:
        self.release()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Hold the lock, or fail if it cannot be had within so many seconds; for rare use.

        :raises TimeoutError: another process has it
        """
        end = time.monotonic() + seconds
        while not self.acquire_now():
            if time.monotonic() > end:
                raise TimeoutError
            time.sleep(0.01)
        try:
            yield
        finally:
            self.release()

    def close(self) -> None:
        """Let go of the lock and the file; idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
