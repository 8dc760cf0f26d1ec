"""Posting, listing, reading and deleting messages in SQLite.

Order (P6 to P8): a batch takes its positions and inserts its messages in one transaction,
and write transactions run one after the other. So positions become visible in their order, a
batch at a time, and no reader can be given a marker beyond a message still to come.
"""

import json
import sqlite3
from collections.abc import Sequence

from marconi_server.storage.contract import Message, Messages, NewMessage, Page
from marconi_server.storage.errors import MessageClaimed, MessageNotFound, QueueNotFound
from marconi_server.storage.sqlite.operations import (
    MESSAGE,
    QUEUE_ID,
    Operations,
    free_messages,
    mint_message_id,
    parse_claim_id,
    parse_marker,
    parse_message_id,
    read_messages,
    scope,
)
from marconi_server.storage.sqlite.reader import Row

_TAKE_POSITIONS = """
    UPDATE queue SET last_position = last_position + ? WHERE project = ? AND name = ?
    RETURNING id, last_position, salt
"""

_INSERT = """
    INSERT INTO message
        (queue_id, position, client_id, ttl, created, expires, available_from, body)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""

_WANTED = "position > :marker AND (:exclude IS NULL OR client_id <> :exclude)"

_LIST_FREE = free_messages(MESSAGE, _WANTED)

_LIST_ALL = f"""
    SELECT {MESSAGE} FROM message
    WHERE queue_id = {QUEUE_ID} AND expires > :now AND {_WANTED}
    ORDER BY position LIMIT :limit
"""  # noqa: S608 - text of this module

_GET = f"""
    SELECT {MESSAGE} FROM message
    WHERE queue_id = {QUEUE_ID} AND expires > :now
        AND position IN (SELECT value FROM json_each(:positions))
    ORDER BY position
"""  # noqa: S608

_FIND = f"""
    SELECT message.rowid, claim.id, claim.secret
    FROM message LEFT JOIN claim ON claim.id = message.claim_id AND claim.expires > :now
    WHERE message.queue_id = {QUEUE_ID} AND position = :position AND message.expires > :now
        AND :salt = (SELECT salt FROM queue WHERE id = message.queue_id)
"""  # noqa: S608

_DELETE = "DELETE FROM message WHERE rowid = ?"


class SQLiteMessages(Operations, Messages):
    """See `marconi_server.storage.contract.Messages`."""

    def post(
        self,
        project: str | None,
        queue: str,
        client_id: str,
        messages: Sequence[NewMessage],
    ) -> Sequence[str]:
        count = len(messages)

        def work(connection: sqlite3.Connection, now: int) -> Sequence[str]:
            rows = connection.execute(_TAKE_POSITIONS, (count, scope(project), queue)).fetchall()
            if not rows:
                raise QueueNotFound(queue=queue, project=project)
            queue_id, last, salt = rows[0]
            first = last - count + 1
            connection.executemany(
                _INSERT,
                [
                    (queue_id, position, client_id, m.ttl, now, now + m.ttl * 1000, now, m.body)
                    for position, m in enumerate(messages, first)
                ],
            )
            return [mint_message_id(position, salt) for position in range(first, last + 1)]

        return self.writer.write(work, rows=count)

    def list(
        self,
        project: str | None,
        queue: str,
        *,
        marker: str | None,
        limit: int,
        exclude_client: str | None,
        include_claimed: bool,
    ) -> Page[Message]:
        position = parse_marker(marker)
        if position is None:
            return Page([], None)
        rows = self.reader.read(
            _LIST_ALL if include_claimed else _LIST_FREE,
            {
                "project": scope(project),
                "queue": queue,
                "now": self.now(),
                "marker": position,
                "exclude": exclude_client,
                "limit": limit,
            },
        )
        return Page(read_messages(rows), str(rows[-1][0]) if rows else None)

    def get(self, project: str | None, queue: str, message_id: str) -> Message:
        for message in self.get_many(project, queue, [message_id]):
            return message
        raise MessageNotFound(message_id=message_id, queue=queue)

    def get_many(
        self, project: str | None, queue: str, message_ids: Sequence[str]
    ) -> Sequence[Message]:
        wanted = set(message_ids)
        rows = self.reader.read(
            _GET,
            {
                "project": scope(project),
                "queue": queue,
                "now": self.now(),
                "positions": _positions(wanted),
            },
        )
        return [message for message in read_messages(rows) if message.id in wanted]

    def delete(
        self, project: str | None, queue: str, message_id: str, claim_id: str | None
    ) -> None:
        place = parse_message_id(message_id)
        claim = None if claim_id is None else parse_claim_id(claim_id)
        if place is None or (claim_id is not None and claim is None):
            return

        def work(connection: sqlite3.Connection, now: int) -> None:
            for rowid, *holder in _find(connection, now, project, queue, place):
                if tuple(holder) != (claim or (None, None)):
                    raise MessageClaimed(message_id=message_id, claim_id=claim_id)
                connection.execute(_DELETE, (rowid,))

        self.writer.write(work)

    def delete_many(self, project: str | None, queue: str, message_ids: Sequence[str]) -> None:
        places = {place for id in message_ids if (place := parse_message_id(id))}

        def work(connection: sqlite3.Connection, now: int) -> None:
            for place in places:
                for rowid, *_ in _find(connection, now, project, queue, place):
                    connection.execute(_DELETE, (rowid,))

        if places:
            self.writer.write(work, rows=len(places))


def _find(
    connection: sqlite3.Connection,
    now: int,
    project: str | None,
    queue: str,
    place: tuple[int, str],
) -> list[Row]:
    """Find the visible message at a place: its row, and number and secret of its live claim."""
    position, salt = place
    values = {
        "project": scope(project),
        "queue": queue,
        "now": now,
        "position": position,
        "salt": salt,
    }
    return connection.execute(_FIND, values).fetchall()


def _positions(message_ids: set[str]) -> str:
    places = (parse_message_id(message_id) for message_id in message_ids)
    return json.dumps([place[0] for place in places if place])
