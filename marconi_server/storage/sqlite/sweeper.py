"""Removing what is over, in the background and in small steps.

Nothing waits for it: every operation filters by time. It keeps the file from growing, and
the corrections of the counters and of the free messages few.
"""

import logging
import sqlite3
import threading
from typing import Final

from marconi_server.storage.contract import Clock
from marconi_server.storage.errors import StorageUnavailable
from marconi_server.storage.sqlite.reader import Reader
from marconi_server.storage.sqlite.writer import Writer

log = logging.getLogger(__name__)

STEP: Final = 200  # rows of each kind in one step: a few milliseconds of the writer's time

_WORK_TO_DO = """
    SELECT EXISTS (SELECT 1 FROM claim WHERE expires <= :now)
        OR EXISTS (SELECT 1 FROM message WHERE expires <= :now)
        OR EXISTS (SELECT 1 FROM deleted_queue)
"""

_FREE_OF_EXPIRED_CLAIMS = """
    UPDATE message SET claim_id = NULL WHERE rowid IN (
        SELECT message.rowid FROM claim CROSS JOIN message ON message.claim_id = claim.id
        WHERE claim.expires <= :now LIMIT :step)
"""

_REMOVE_EXPIRED_CLAIMS = """
    DELETE FROM claim WHERE id IN (
        SELECT id FROM claim WHERE expires <= :now
        AND NOT EXISTS (SELECT 1 FROM message WHERE claim_id = claim.id) LIMIT :step)
"""

_REMOVE_EXPIRED_MESSAGES = """
    DELETE FROM message WHERE rowid IN (
        SELECT rowid FROM message WHERE expires <= :now LIMIT :step)
"""

_REMOVE_MESSAGES_OF_DELETED_QUEUES = """
    DELETE FROM message WHERE rowid IN (
        SELECT message.rowid FROM deleted_queue
        CROSS JOIN message ON message.queue_id = deleted_queue.id LIMIT :step)
"""

_FORGET_DELETED_QUEUES = """
    DELETE FROM deleted_queue
    WHERE NOT EXISTS (SELECT 1 FROM message WHERE queue_id = deleted_queue.id)
"""


class Sweeper:
    """A thread that looks once per `interval` seconds, and works until nothing is left."""

    def __init__(self, reader: Reader, writer: Writer, clock: Clock, *, interval: float) -> None:
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="sqlite-sweeper", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._stop.wait(self._interval):
            try:
                while self.work_to_do() and not self._stop.is_set():
                    self._writer.write(step, rows=STEP)
            except StorageUnavailable as error:
                log.warning("Expired messages were not removed: %s", error)

    def work_to_do(self) -> bool:
        """Tell whether there is anything to remove; reads only.

        :raises StorageUnavailable: the engine failed
        """
        ((answer,),) = self._reader.read(_WORK_TO_DO, {"now": int(self._clock() * 1000)})
        return bool(answer)

    def close(self) -> None:
        """Stop after the current step; idempotent."""
        self._stop.set()
        self._thread.join()


def step(connection: sqlite3.Connection, now: int) -> None:
    """Remove up to `STEP` rows of each kind; the `Work` of a writer."""
    values = {"now": now, "step": STEP}
    connection.execute(_FREE_OF_EXPIRED_CLAIMS, values)
    connection.execute(_REMOVE_EXPIRED_CLAIMS, values)
    connection.execute(_REMOVE_EXPIRED_MESSAGES, values)
    connection.execute(_REMOVE_MESSAGES_OF_DELETED_QUEUES, values)
    connection.execute(_FORGET_DELETED_QUEUES)
