"""What the groups of operations share: reader, writer, clock, ids, and the counters.

Whatever adds, removes, claims or frees messages tells `count` in the same transaction.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, Protocol, TypeVar

from marconi_server.storage.contract import Clock, Message
from marconi_server.storage.ids import is_well_formed
from marconi_server.storage.sqlite.reader import Reader, Row
from marconi_server.storage.sqlite.writer import Writer

_LARGEST: Final = 2**63 - 1  # what an SQLite integer holds

# Statements speak of the queue by the parameters :project and :queue.
QUEUE_ID: Final = "(SELECT id FROM queue WHERE project = :project AND name = :queue)"
SALT: Final = "(SELECT salt FROM queue WHERE project = :project AND name = :queue)"

# What `read_messages` takes; age is reckoned here.
MESSAGE: Final = f"position, {SALT}, message.ttl, max(:now - created, 0) / 1000, body"


FIND_QUEUE: Final = "SELECT id, salt FROM queue WHERE project = ? AND name = ?"

_COUNT: Final = "UPDATE queue SET total = total + ?, claimed = claimed + ? WHERE id = ?"

_REMOVE: Final = "DELETE FROM message WHERE rowid = ?"

# A claim without messages is unknown (spec 6.7), so nothing needs its row.
_FORGET_CLAIM: Final = """
    DELETE FROM claim WHERE id = ? AND NOT EXISTS (SELECT 1 FROM message WHERE claim_id = claim.id)
"""


def free_messages(columns: str, condition: str = "TRUE", *, queue_id: str = QUEUE_ID) -> str:
    """Return the one definition of "free": a SELECT of `columns`, which include `position`.

    The oldest :limit free messages at the time :now. Most are in the index of messages without
    a claim; the few whose claim has expired, but was not dissolved yet, come by that claim.
    """
    return f"""
        SELECT {columns} FROM message INDEXED BY message_free
        WHERE queue_id = {queue_id} AND claim_id IS NULL AND message.expires > :now
            AND ({condition})
        UNION ALL
        SELECT {columns} FROM claim INDEXED BY claim_expiry
        CROSS JOIN message INDEXED BY message_claim ON message.claim_id = claim.id
        WHERE claim.expires <= :now AND claim.queue_id = {queue_id} AND message.expires > :now
            AND ({condition})
        ORDER BY position LIMIT :limit
    """  # noqa: S608 - made of this package's own text


class OfQueue(Protocol):
    """What one caller wants of a queue, which is given as project and name."""

    queue: tuple[str, str]


Item = TypeVar("Item", bound=OfQueue)


class Operations:
    """Base of the groups of operations."""

    def __init__(self, reader: Reader, writer: Writer, clock: Clock) -> None:
        self.reader = reader
        self.writer = writer
        self._clock = clock

    def now(self) -> int:
        """Return the time in milliseconds since the epoch."""
        return int(self._clock() * 1000)


def by_queue(items: Sequence[Item]) -> dict[tuple[str, str], list[tuple[int, Item]]]:
    """Return the items of each queue, in their order, each with its place among all of them."""
    queues: dict[tuple[str, str], list[tuple[int, Item]]] = {}
    for index, item in enumerate(items):
        queues.setdefault(item.queue, []).append((index, item))
    return queues


def count(connection: sqlite3.Connection, queue_id: int, *, total: int = 0, claimed: int) -> None:
    """Add to the counters of a queue: rows of messages, and those of them that carry a claim."""
    connection.execute(_COUNT, (total, claimed, queue_id))


def remove(connection: sqlite3.Connection, rows: Iterable[tuple[int, int, int | None]]) -> None:
    """Remove messages: for each the number of its row, its queue, and the claim in its row."""
    rows = list(rows)
    connection.executemany(_REMOVE, [row[:1] for row in rows])
    total = Counter(queue_id for _, queue_id, _ in rows)
    claimed = Counter(queue_id for _, queue_id, claim in rows if claim is not None)
    for queue_id in total:
        count(connection, queue_id, total=-total[queue_id], claimed=-claimed[queue_id])
    claims = {claim for _, _, claim in rows if claim is not None}
    connection.executemany(_FORGET_CLAIM, [(claim,) for claim in claims])


def scope(project: str | None) -> str:
    """Return the column value of a project; no project header can be empty."""
    return project or ""


def mint_message_id(position: int, salt: str) -> str:
    """Mint the id of a message: 16 digits of its position, 8 of its queue's salt."""
    return f"{position:016x}{salt}"


def read_messages(rows: Iterable[Row]) -> list[Message]:
    """Make messages of rows with the columns `MESSAGE`."""
    return [
        Message(mint_message_id(position, salt), ttl, age, body)
        for position, salt, ttl, age, body in rows
    ]


def parse_message_id(identifier: str) -> tuple[int, str] | None:
    """Return position and salt, or `None` for what `mint_message_id` cannot have made."""
    if not is_well_formed(identifier):
        return None
    position = int(identifier[:16], 16)
    return (position, identifier[16:]) if position <= _LARGEST else None


def mint_claim_id(number: int, secret: int) -> str:
    """Mint the id of a claim: 12 digits of its row, 12 of its secret."""
    return f"{number:012x}{secret:012x}"


def parse_claim_id(identifier: str) -> tuple[int, int] | None:
    """Return row number and secret, or `None` for what `mint_claim_id` cannot have made."""
    if not is_well_formed(identifier):
        return None
    return int(identifier[:12], 16), int(identifier[12:], 16)
