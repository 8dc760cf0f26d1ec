"""Queues, metadata and stats in SQLite."""

import secrets
import sqlite3

from marconi_server.storage.contract import MessageStamp, Page, Queue, Queues, QueueStats
from marconi_server.storage.errors import QueueNotFound
from marconi_server.storage.sqlite.operations import Operations, mint_message_id, scope
from marconi_server.storage.sqlite.writer import each

_CREATE = """
    INSERT INTO queue (project, name, salt, last_position)
    SELECT ?, ?, ?, position FROM position_floor WHERE TRUE
    ON CONFLICT (project, name) DO NOTHING
"""

_EXISTS = "SELECT 1 FROM queue WHERE project = ? AND name = ?"

_DELETE = "DELETE FROM queue WHERE project = ? AND name = ? RETURNING id, last_position"
_RAISE_FLOOR = "UPDATE position_floor SET position = max(position, ?)"
_FORGET_METADATA = "DELETE FROM metadata WHERE queue_id = ?"
_LEAVE_TO_SWEEPER = "INSERT INTO deleted_queue VALUES (?)"

_LIST = """
    SELECT name FROM queue
    WHERE project = ? AND name > ? ORDER BY name LIMIT ?
"""

_LIST_DETAILED = """
    SELECT name, coalesce(document, x'7b7d')
    FROM queue LEFT JOIN metadata ON queue_id = id
    WHERE project = ? AND name > ? ORDER BY name LIMIT ?
"""

_METADATA = """
    SELECT coalesce(document, x'7b7d')
    FROM queue LEFT JOIN metadata ON queue_id = id
    WHERE project = ? AND name = ?
"""

_SET_METADATA = """
    INSERT OR REPLACE INTO metadata (queue_id, document)
    SELECT id, ? FROM queue WHERE project = ? AND name = ?
"""

# The counters, less what has expired and was not swept yet. A message never expires before its
# claim, so what carries an expired claim is the only thing counted wrongly as claimed.
_STATS = """
    SELECT queue.total - (SELECT count(*) FROM message INDEXED BY message_expiry
                          WHERE expires <= :now AND queue_id = queue.id),
           queue.claimed - (SELECT count(*) FROM claim JOIN message ON claim_id = claim.id
                            WHERE claim.expires <= :now AND claim.queue_id = queue.id),
           queue.salt,
           oldest.position, oldest.created, newest.position, newest.created
    FROM queue
    LEFT JOIN message AS oldest ON oldest.rowid = (
        SELECT rowid FROM message WHERE queue_id = queue.id AND expires > :now
        ORDER BY position LIMIT 1)
    LEFT JOIN message AS newest ON newest.rowid = (
        SELECT rowid FROM message WHERE queue_id = queue.id AND expires > :now
        ORDER BY position DESC LIMIT 1)
    WHERE queue.project = :project AND queue.name = :queue
"""


class SQLiteQueues(Operations, Queues):
    """See `marconi_server.storage.contract.Queues`."""

    def create(self, project: str | None, queue: str) -> bool:
        return self.writer.write(_create, (scope(project), queue, secrets.token_hex(4)))

    def exists(self, project: str | None, queue: str) -> bool:
        return bool(self.reader.read(_EXISTS, (scope(project), queue)))

    def delete(self, project: str | None, queue: str) -> None:
        self.writer.write(_delete, (scope(project), queue))

    def list(
        self, project: str | None, *, marker: str | None, limit: int, detailed: bool
    ) -> Page[Queue]:
        rows = self.reader.read(
            _LIST_DETAILED if detailed else _LIST, (scope(project), marker or "", limit)
        )
        return Page([Queue(*row) for row in rows], rows[-1][0] if rows else None)

    def metadata(self, project: str | None, queue: str) -> bytes:
        for (document,) in self.reader.read(_METADATA, (scope(project), queue)):
            return bytes(document)
        raise QueueNotFound(queue=queue, project=project)

    def set_metadata(self, project: str | None, queue: str, metadata: bytes) -> None:
        if not self.writer.write(_set_metadata, (metadata, scope(project), queue)):
            raise QueueNotFound(queue=queue, project=project)

    def stats(self, project: str | None, queue: str) -> QueueStats:
        now = self.now()
        rows = self.reader.read(_STATS, {"now": now, "project": scope(project), "queue": queue})
        if not rows:
            raise QueueNotFound(queue=queue, project=project)
        total, claimed, salt, oldest, oldest_created, newest, newest_created = rows[0]
        if oldest is None:
            return QueueStats(claimed=0, free=0)

        def stamp(position: int, created: int) -> MessageStamp:
            age = max(now - created, 0) // 1000
            return MessageStamp(mint_message_id(position, salt), created / 1000, age)

        return QueueStats(
            claimed=claimed,
            free=total - claimed,
            oldest=stamp(oldest, oldest_created),
            newest=stamp(newest, newest_created),
        )


@each
def _create(connection: sqlite3.Connection, _now: int, queue: tuple[str, str, str]) -> bool:
    return connection.execute(_CREATE, queue).rowcount == 1


@each
def _delete(connection: sqlite3.Connection, _now: int, queue: tuple[str, str]) -> None:
    for queue_id, position in connection.execute(_DELETE, queue).fetchall():
        connection.execute(_RAISE_FLOOR, (position,))
        connection.execute(_FORGET_METADATA, (queue_id,))
        connection.execute(_LEAVE_TO_SWEEPER, (queue_id,))


@each
def _set_metadata(
    connection: sqlite3.Connection, _now: int, document: tuple[bytes, str, str]
) -> bool:
    return connection.execute(_SET_METADATA, document).rowcount == 1
