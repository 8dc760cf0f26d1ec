"""Claims in SQLite.

One live claim (P4): a message row names at most one claim, and naming it happens in the one
write transaction of the moment, on messages that are free in that same transaction.
"""

import secrets
import sqlite3
from typing import Any

from marconi_server.storage.contract import Claim, Claims, Message
from marconi_server.storage.errors import ClaimNotFound
from marconi_server.storage.sqlite.operations import (
    MESSAGE,
    QUEUE_ID,
    SALT,
    Operations,
    free_messages,
    mint_claim_id,
    mint_message_id,
    parse_claim_id,
    read_messages,
    scope,
)

_NEXT_NUMBER = "SELECT coalesce(max(id), 0) + 1 FROM claim"

_OLDEST_FREE = free_messages(
    f"message.rowid, position, {SALT}, message.ttl, created, message.expires, body"
)

# Row by row: one UPDATE over a sub-select with RETURNING goes through temporary tables
# and takes ten times as long.
_MARK = """
    UPDATE message SET claim_id = ?, claim_count = claim_count + 1, ttl = ?, expires = ?
    WHERE rowid = ?
"""

_INSERT = f"INSERT INTO claim VALUES (:number, :secret, {QUEUE_ID}, :ttl, :now, :now + :ttl * 1000)"  # noqa: S608

_LIVE = f"""
    claim.id = :number AND claim.secret = :secret AND claim.queue_id = {QUEUE_ID}
        AND claim.expires > :now
"""

_GET = f"""
    SELECT claim.ttl, max(:now - started, 0) / 1000, {MESSAGE}
    FROM claim CROSS JOIN message ON message.claim_id = claim.id
    WHERE {_LIVE} AND message.expires > :now
    ORDER BY position
"""  # noqa: S608

_RENEW = f"""
    UPDATE claim SET ttl = :ttl, started = :now, expires = :now + :ttl * 1000 WHERE {_LIVE}
"""  # noqa: S608

_LENGTHEN = """
    UPDATE message SET ttl = max(ttl, :life), expires = :until
    WHERE claim_id = :number AND expires < :until
"""

_END = f"DELETE FROM claim WHERE {_LIVE}"  # noqa: S608
_FREE = "UPDATE message SET claim_id = NULL WHERE claim_id = :number"


class SQLiteClaims(Operations, Claims):
    """See `marconi_server.storage.contract.Claims`."""

    def create(
        self, project: str | None, queue: str, *, ttl: int, grace: int, limit: int
    ) -> Claim | None:
        life = ttl + grace
        secret = secrets.randbits(48)
        values = {
            "project": scope(project),
            "queue": queue,
            "ttl": ttl,
            "limit": limit,
            "secret": secret,
        }

        def work(connection: sqlite3.Connection, now: int) -> Claim | None:
            values["now"] = now
            rows = connection.execute(_OLDEST_FREE, values).fetchall()
            if not rows:
                return None
            (number,) = connection.execute(_NEXT_NUMBER).fetchone()
            values["number"] = number
            connection.execute(_INSERT, values)
            end = now + life * 1000
            marks = []
            messages = []
            for rowid, position, salt, message_ttl, created, expires, body in rows:
                if expires < end:
                    message_ttl, expires = max(message_ttl, life), end
                marks.append((number, message_ttl, expires, rowid))
                age = max(now - created, 0) // 1000
                messages.append(Message(mint_message_id(position, salt), message_ttl, age, body))
            connection.executemany(_MARK, marks)
            return Claim(mint_claim_id(number, secret), ttl, 0, messages)

        return self.writer.write(work, rows=limit)

    def get(self, project: str | None, queue: str, claim_id: str) -> Claim:
        rows = []
        if values := _identify(project, queue, claim_id):
            rows = self.reader.read(_GET, values | {"now": self.now()})
        if not rows:
            raise ClaimNotFound(claim_id=claim_id, queue=queue)
        ttl, age, *_ = rows[0]
        return Claim(claim_id, ttl, age, read_messages(row[2:] for row in rows))

    def renew(
        self, project: str | None, queue: str, claim_id: str, *, ttl: int, grace: int
    ) -> None:
        values = _identify(project, queue, claim_id)
        if values is None:
            raise ClaimNotFound(claim_id=claim_id, queue=queue)
        life = ttl + grace

        def work(connection: sqlite3.Connection, now: int) -> None:
            values.update(ttl=ttl, life=life, now=now, until=now + life * 1000)
            if connection.execute(_RENEW, values).rowcount == 0:
                raise ClaimNotFound(claim_id=claim_id, queue=queue)
            connection.execute(_LENGTHEN, values)

        self.writer.write(work)

    def release(self, project: str | None, queue: str, claim_id: str) -> None:
        values = _identify(project, queue, claim_id)
        if values is None:
            return

        def work(connection: sqlite3.Connection, now: int) -> None:
            if connection.execute(_END, values | {"now": now}).rowcount:
                connection.execute(_FREE, values)

        self.writer.write(work)


def _identify(project: str | None, queue: str, claim_id: str) -> dict[str, Any] | None:
    """Return the parameters of `_LIVE`, or `None` for an id that we cannot have minted."""
    parsed = parse_claim_id(claim_id)
    if parsed is None:
        return None
    number, secret = parsed
    return {"project": scope(project), "queue": queue, "number": number, "secret": secret}
