"""What the three groups of operations share: the reader, the writer, the clock, the ids."""

from collections.abc import Iterable
from typing import Final

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


def free_messages(columns: str, condition: str = "TRUE") -> str:
    """Return the one definition of "free": a SELECT of `columns`, which include `position`.

    The oldest :limit free messages at the time :now. Most are in the index of messages without
    a claim; the few whose claim has expired, but was not dissolved yet, come by that claim.
    """
    return f"""
        SELECT {columns} FROM message INDEXED BY message_free
        WHERE queue_id = {QUEUE_ID} AND claim_id IS NULL AND message.expires > :now
            AND ({condition})
        UNION ALL
        SELECT {columns} FROM claim INDEXED BY claim_expiry
        CROSS JOIN message INDEXED BY message_claim ON message.claim_id = claim.id
        WHERE claim.expires <= :now AND claim.queue_id = {QUEUE_ID} AND message.expires > :now
            AND ({condition})
        ORDER BY position LIMIT :limit
    """  # noqa: S608 - made of this package's own text


class Operations:
    """Base of the groups of operations."""

    def __init__(self, reader: Reader, writer: Writer, clock: Clock) -> None:
        self.reader = reader
        self.writer = writer
        self._clock = clock

    def now(self) -> int:
        """Return the time in milliseconds since the epoch."""
        return int(self._clock() * 1000)


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


def parse_marker(marker: str | None) -> int | None:
    """Return the position to go on from, or `None` for a marker that makes no sense."""
    if marker is None:
        return 0
    if not (marker.isascii() and marker.isdecimal() and len(marker) <= 19):
        return None
    position = int(marker)
    return position if position <= _LARGEST else None
