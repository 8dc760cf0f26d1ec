"""Posting, listing, reading and deleting messages in SQLite.

Order (P6 to P8): a batch takes its positions and inserts its messages in one transaction,
and write transactions run one after the other. So positions become visible in their order, a
batch at a time, and no reader can be given a marker beyond a message still to come.
"""

import json
import sqlite3
from collections.abc import Collection, Sequence

from msgspec import Struct

from marconi_server.storage.contract import Message, Messages, NewMessage, Page
from marconi_server.storage.errors import MessageClaimed, MessageNotFound, QueueNotFound
from marconi_server.storage.ids import parse_marker
from marconi_server.storage.sqlite.operations import (
    FIND_QUEUE,
    MESSAGE,
    QUEUE_ID,
    Operations,
    by_queue,
    free_messages,
    mint_message_id,
    parse_claim_id,
    parse_message_id,
    read_messages,
    remove,
    scope,
)
from marconi_server.storage.sqlite.reader import Row

_TAKE_POSITIONS = """
    UPDATE queue SET last_position = last_position + :count, total = total + :count
    WHERE project = :project AND name = :queue
    RETURNING id, last_position, salt
"""

_INSERT = """
    INSERT INTO message
        (queue_id, position, client_id, ttl, created, expires, available_from, body)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""

_PAGE = 4096
"""Bytes of a body that take about as long to store as a row does."""

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

# The row of a message, the claim in it, and the secret of that claim if it is live.
_FIND = """
    SELECT position, message.rowid, claim_id, secret
    FROM message LEFT JOIN claim ON claim.id = claim_id AND claim.expires > :now
    WHERE message.queue_id = :queue_id AND message.expires > :now
        AND position IN (SELECT value FROM json_each(:positions))
"""


class Post(Struct):
    """Messages to post to a queue as one batch; the queue as project and name."""

    queue: tuple[str, str]
    client_id: str
    messages: Sequence[NewMessage]


class Deletion(Struct):
    """Messages of a queue to delete, by position and salt.

    Those that are not under the live claim `claim` (number and secret, or twice `None` for "no
    claim") stay, unless it is `None`: then no claim counts.
    """

    queue: tuple[str, str]
    places: Collection[tuple[int, str]]
    claim: tuple[int | None, int | None] | None


class SQLiteMessages(Operations, Messages):
    """See `marconi_server.storage.contract.Messages`."""

    def post(
        self,
        project: str | None,
        queue: str,
        client_id: str,
        messages: Sequence[NewMessage],
    ) -> Sequence[str]:
        pages = sum(len(message.body) for message in messages) // _PAGE
        post = Post((scope(project), queue), client_id, messages)
        ids = self.writer.write(_post, post, rows=len(messages) + pages)
        if ids is None:
            raise QueueNotFound(queue=queue, project=project)
        return ids

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
        claim = (None, None) if claim_id is None else parse_claim_id(claim_id)
        if place is None or claim is None:
            return
        if not self.writer.write(_delete, Deletion((scope(project), queue), [place], claim)):
            raise MessageClaimed(message_id=message_id, claim_id=claim_id)

    def delete_many(self, project: str | None, queue: str, message_ids: Sequence[str]) -> None:
        places = {place for id in message_ids if (place := parse_message_id(id))}
        if places:
            deletion = Deletion((scope(project), queue), places, None)
            self.writer.write(_delete, deletion, rows=len(places))


def _post(
    connection: sqlite3.Connection, now: int, posts: Sequence[Post]
) -> list[Sequence[str] | None]:
    """Append batches; gives their ids, or `None` where there is no such queue."""
    outcomes: list[Sequence[str] | None] = [None] * len(posts)
    rows: list[Row] = []
    for (project, queue), members in by_queue(posts).items():
        count = sum(len(post.messages) for _, post in members)
        values = {"project": project, "queue": queue, "count": count}
        for queue_id, last, salt in connection.execute(_TAKE_POSITIONS, values).fetchall():
            position = last - count + 1
            for index, post in members:
                first, position = position, position + len(post.messages)
                rows += [
                    (queue_id, at, post.client_id, m.ttl, now, now + m.ttl * 1000, now, m.body)
                    for at, m in enumerate(post.messages, first)
                ]
                outcomes[index] = [mint_message_id(at, salt) for at in range(first, position)]
    connection.executemany(_INSERT, rows)
    return outcomes


def _delete(connection: sqlite3.Connection, now: int, deletions: Sequence[Deletion]) -> list[bool]:
    """Delete what may be deleted; tells whether that was all of it (spec 6.8)."""
    outcomes = [True] * len(deletions)
    rows: list[tuple[int, int, int | None]] = []
    for queue, members in by_queue(deletions).items():
        for queue_id, salt in connection.execute(FIND_QUEUE, queue).fetchall():
            places = {place for _, deletion in members for place in deletion.places}
            positions = json.dumps([position for position, its_salt in places if its_salt == salt])
            values = {"now": now, "queue_id": queue_id, "positions": positions}
            found = {(row[0], salt): row[1:] for row in connection.execute(_FIND, values)}
            for index, deletion in members:
                for place in deletion.places:
                    if place not in found:
                        continue
                    row, claim, secret = found[place]
                    holder = (None if secret is None else claim, secret)
                    if deletion.claim in (None, holder):
                        rows.append((row, queue_id, claim))
                        del found[place]  # for those that come after
                    else:
                        outcomes[index] = False
    remove(connection, rows)
    return outcomes


def _positions(message_ids: set[str]) -> str:
    places = (parse_message_id(message_id) for message_id in message_ids)
    return json.dumps([place[0] for place in places if place])
