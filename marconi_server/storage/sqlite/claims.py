"""Claims in SQLite.

One live claim (P4): a message row names at most one claim, and naming it happens in the one
write transaction of the moment, on messages that are free in that same transaction.
"""

import secrets
import sqlite3
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from marconi_server.storage.contract import Claim, Claims, Message
from marconi_server.storage.errors import ClaimNotFound
from marconi_server.storage.sqlite.operations import (
    FIND_QUEUE,
    MESSAGE,
    QUEUE_ID,
    Operations,
    by_queue,
    count,
    free_messages,
    mint_claim_id,
    mint_message_id,
    parse_claim_id,
    read_messages,
    scope,
)
from marconi_server.storage.sqlite.reader import Row
from marconi_server.storage.sqlite.writer import each

_NEXT_NUMBER = "SELECT coalesce(max(id), 0) + 1 FROM claim"

_OLDEST_FREE = free_messages(
    "message.rowid, position, claim_id, message.ttl, created, message.expires, body",
    queue_id=":queue_id",
)

# Row by row: one UPDATE over a sub-select with RETURNING goes through temporary tables
# and takes ten times as long.
_MARK = """
    UPDATE message SET claim_id = ?, claim_count = claim_count + 1, ttl = ?, expires = ?
    WHERE rowid = ?
"""

_INSERT = """
    INSERT INTO claim (id, secret, queue_id, ttl, started, expires) VALUES (?, ?, ?, ?, ?, ?)
"""

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

_END = f"DELETE FROM claim WHERE {_LIVE} RETURNING queue_id"  # noqa: S608
_FREE = "UPDATE message SET claim_id = NULL WHERE claim_id = :number"


class NewClaim(Struct):
    """A claim to make; `ttl`, and `life` of its messages (that and grace), in seconds."""

    queue: tuple[str, str]
    ttl: int
    life: int
    limit: int
    secret: int


class SQLiteClaims(Operations, Claims):
    """See `marconi_server.storage.contract.Claims`."""

    def create(
        self, project: str | None, queue: str, *, ttl: int, grace: int, limit: int
    ) -> Claim | None:
        secret = secrets.randbits(48)
        claim = NewClaim((scope(project), queue), ttl, ttl + grace, limit, secret)
        return self.writer.write(_create, claim, rows=limit)

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
        values.update(ttl=ttl, life=ttl + grace)
        if not self.writer.write(_renew, values):
            raise ClaimNotFound(claim_id=claim_id, queue=queue)

    def release(self, project: str | None, queue: str, claim_id: str) -> None:
        values = _identify(project, queue, claim_id)
        if values is not None:
            self.writer.write(_release, values)


def _create(
    connection: sqlite3.Connection, now: int, claims: Sequence[NewClaim]
) -> list[Claim | None]:
    """Make claims; gives `None` where nothing was free."""
    outcomes: list[Claim | None] = [None] * len(claims)
    (number,) = connection.execute(_NEXT_NUMBER).fetchone()
    made: list[Row] = []
    marks: list[Row] = []
    for queue, members in by_queue(claims).items():
        for queue_id, salt in connection.execute(FIND_QUEUE, queue).fetchall():
            limit = sum(claim.limit for _, claim in members)
            values = {"now": now, "queue_id": queue_id, "limit": limit}
            rows = connection.execute(_OLDEST_FREE, values).fetchall()
            taken = 0
            for index, claim in members:
                its_rows = rows[taken : taken + claim.limit]
                if not its_rows:
                    break
                taken += len(its_rows)
                until = now + claim.life * 1000
                messages = []
                for row, position, _, ttl, created, expires, body in its_rows:
                    if expires < until:
                        ttl, expires = max(ttl, claim.life), until
                    marks.append((number, ttl, expires, row))
                    age = max(now - created, 0) // 1000
                    messages.append(Message(mint_message_id(position, salt), ttl, age, body))
                end = now + claim.ttl * 1000
                made.append((number, claim.secret, queue_id, claim.ttl, now, end))
                outcomes[index] = Claim(mint_claim_id(number, claim.secret), claim.ttl, 0, messages)
                number += 1
            # What carried an expired claim is counted as claimed already.
            count(connection, queue_id, claimed=sum(row[2] is None for row in rows))
    connection.executemany(_INSERT, made)
    connection.executemany(_MARK, marks)
    return outcomes


@each
def _renew(connection: sqlite3.Connection, now: int, claim: dict[str, Any]) -> bool:
    values = claim | {"now": now, "until": now + claim["life"] * 1000}
    if connection.execute(_RENEW, values).rowcount == 0:
        return False
    connection.execute(_LENGTHEN, values)
    return True


@each
def _release(connection: sqlite3.Connection, now: int, claim: dict[str, Any]) -> None:
    for (queue_id,) in connection.execute(_END, claim | {"now": now}).fetchall():
        freed = connection.execute(_FREE, claim).rowcount
        count(connection, queue_id, claimed=-freed)


def _identify(project: str | None, queue: str, claim_id: str) -> dict[str, Any] | None:
    """Return the parameters of `_LIVE`, or `None` for an id that we cannot have minted."""
    parsed = parse_claim_id(claim_id)
    if parsed is None:
        return None
    number, secret = parsed
    return {"project": scope(project), "queue": queue, "number": number, "secret": secret}
