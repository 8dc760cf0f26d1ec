"""Removing what is over, in the background and in small steps.

Nothing waits for it: every operation filters by time. It keeps the file from growing, and
the corrections of the counters and of the free messages few.
"""

import logging
import sqlite3
import threading
from collections import Counter
from typing import Final

from marconi_server.storage.contract import Clock
from marconi_server.storage.errors import StorageUnavailable
from marconi_server.storage.sqlite.operations import count, remove
from marconi_server.storage.sqlite.reader import Reader
from marconi_server.storage.sqlite.writer import Writer, each

log = logging.getLogger(__name__)

STEP: Final = 200  # rows of each kind in one step: a few milliseconds of the writer's time

_WORK_TO_DO = """
    SELECT EXISTS (SELECT 1 FROM claim WHERE expires <= :now)
        OR EXISTS (SELECT 1 FROM message WHERE expires <= :now)
        OR EXISTS (SELECT 1 FROM deleted_queue)
"""

_UNDER_EXPIRED_CLAIMS = """
    SELECT message.rowid, message.queue_id
    FROM claim CROSS JOIN message ON message.claim_id = claim.id
    WHERE claim.expires <= :now LIMIT :step
"""

_FREE = "UPDATE message SET claim_id = NULL WHERE rowid = ?"

_REMOVE_EXPIRED_CLAIMS = """
    DELETE FROM claim WHERE id IN (
        SELECT id FROM claim WHERE expires <= :now
        AND NOT EXISTS (SELECT 1 FROM message WHERE claim_id = claim.id) LIMIT :step)
"""

_EXPIRED_MESSAGES = """
    SELECT rowid, queue_id, claim_id FROM message WHERE expires <= :now LIMIT :step
"""

_MESSAGES_OF_DELETED_QUEUES = """
    SELECT message.rowid, message.queue_id, claim_id FROM deleted_queue
    CROSS JOIN message ON message.queue_id = deleted_queue.id LIMIT :step
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
                    self._writer.write(step, STEP, rows=STEP)
            except StorageUnavailable as error:
                log.warning("Expired messages were not removed: %s", error)
            except Exception:  # a defect must not end all removal; the next look may not meet it
                log.exception("Expired messages were not removed, because of a defect")

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


@each
def step(connection: sqlite3.Connection, now: int, rows: int) -> None:
    """Remove up to so many rows of each kind."""
    values = {"now": now, "step": rows}
    freed = connection.execute(_UNDER_EXPIRED_CLAIMS, values).fetchall()
    connection.executemany(_FREE, [row[:1] for row in freed])
    for queue_id, claimed in Counter(queue_id for _, queue_id in freed).items():
        count(connection, queue_id, claimed=-claimed)
    connection.execute(_REMOVE_EXPIRED_CLAIMS, values)
    remove(connection, connection.execute(_EXPIRED_MESSAGES, values))
    remove(connection, connection.execute(_MESSAGES_OF_DELETED_QUEUES, values))
    connection.execute(_FORGET_DELETED_QUEUES)
