"""Turns between the processes of one host, so that they do not contend at the server.

Of two transactions that want the head of the same queue at the same time the server refuses one,
which then has to begin again; and of two processes that claim at the same time one comes too late
for all that it found. What is refused is work in vain, and nobody sees to it that all get on. So
the workers of a host take turns, by locks on the bytes of a file in the folder for temporary files.

It is a courtesy: order is kept by the database alone. A process that does not get its turn
soon, since another one hangs or the file cannot be had, goes on without.
"""

import fcntl
import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 0.5
_POLL_SECONDS: Final = 0.0003

_PLACES: Final = 2**30  # pairs of bytes, which the file need not have


class Turns:
    """The turns of this process. One for each store."""

    def __init__(self, deployment: str) -> None:
        """`deployment` tells apart what the processes of a host may have to do with."""
        self._deployment = deployment.encode()
        path = Path(tempfile.gettempdir()) / f"marconi-{os.getuid()}.lock"
        self._file: int | None = None
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            log.warning("Workers of this host do not take turns at MongoDB: %s", error)

    @contextmanager
    def take(self, what: bytes) -> Iterator[None]:
        """Wait for the turn to do `what`, and keep it until the exit; one thread at a time."""
        # Who waits holds the place behind the turn, so whoever had it cannot have it again before.
        digest = hashlib.sha256(self._deployment + what).digest()
        behind = int.from_bytes(digest[:4]) % _PLACES * 2
        turn = behind + 1
        deadline = time.monotonic() + PATIENCE_SECONDS
        if self._lock(behind, deadline):
            self._lock(turn, deadline)
            self._unlock(behind)
        try:
            yield
        finally:
            self._unlock(turn)

    def close(self) -> None:
        """Let go of the file; idempotent."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _lock(self, place: int, deadline: float) -> bool:
        while (file := self._file) is not None:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    return False
                time.sleep(_POLL_SECONDS)
            except OSError:  # closed at this very moment
                return False
            else:
                return True
        return False

    def _unlock(self, place: int) -> None:
        if (file := self._file) is not None:
            with suppress(OSError):
                fcntl.lockf(file, fcntl.LOCK_UN, 1, place)
