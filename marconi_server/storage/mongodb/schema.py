"""Collections, documents and indexes, and which query each index serves.

Times are milliseconds since the epoch, lives (ttl) are seconds, positions count the messages
of a queue. All names are whole words: a page of `db.messages.find()` explains itself.

`queues`: one document for each queue, which says that it exists.

    {_id, project, name, metadata?, removed?}

`removed` counts its messages whose documents are gone; where it is missing, they are to be counted
anew (`mending.py`). `project` is "" for "no project". The `_id` is random, so that the queues of
a sharded cluster spread over it.

`messages`: the messages, and one head for each queue. All of a queue are on one shard.

    {_id, queue, position, client, ttl, created, expires, available, claims, claim, body}
        claim: {expires: 0}, or {id, expires, ttl, started}
    {_id: queue, queue, position: 0, start, last, expires: NEVER, claim: {expires: 0}}

A message is visible while `expires` is later than now, and free while `claim.expires` is not.
Deleting it sets `expires` to 0, a moment gone by, and `claim.expires` to NEVER, which takes it out
of the way of claims; its document is removed later, as those of expired messages are. The head
hands out positions: the queue was given those after `start` up to `last`. A new queue starts at the
time in microseconds, or at the floor, should that be higher: so it is above all earlier ones of its
name, also if the database has forgotten them.
`available` and `claims` (how often it was claimed) are kept for delays and dead letters.

What is no such document, since somebody else wrote it, is set aside when it is met: its `expires`
becomes ASIDE, which no query finds.

`housekeeping`: what the sweepers of all nodes share.

    {_id: "floor", position}       no deleted queue ever had a position above this one
    {_id: "lease", holder, until, elected}
                                   which sweeper works now; the rest is for `Engine.read`
    {_id: "schema", version}       how the documents are laid out: as this page says, or otherwise
    {_id: queue, deleted: true}    a deleted queue, some messages of which may still be there
"""

from typing import Any, Final

from bson import ObjectId
from pymongo import ASCENDING, IndexModel

Document = dict[str, Any]
Documents = list[Document]

NEVER: Final = 2**63 - 1
ASIDE: Final = "set aside: no message of the queue server"

FLOOR: Final = "floor"
LEASE: Final = "lease"
SCHEMA: Final = "schema"

VERSION: Final = 1
"""Version of what this page says. Documents of another one need a migration."""

BY_ID: Final = "_id_"
BY_NAME: Final = "project_name"
BY_POSITION: Final = "queue_position"
BY_CLAIM_EXPIRY: Final = "queue_claim_expires_position"
BY_CLAIM: Final = "queue_claim_id"
BY_EXPIRY: Final = "expires_queue"

QUEUE_INDEXES: Final = [
    # Every look-up of a queue, and listing by name. Makes sure that there is one of a name.
    IndexModel([("project", ASCENDING), ("name", ASCENDING)], name=BY_NAME, unique=True),
]

MESSAGE_INDEXES: Final = [
    # Listing with include_claimed; the oldest and the newest message; removing a deleted queue.
    IndexModel([("queue", ASCENDING), ("position", ASCENDING)], name=BY_POSITION),
    # Free messages in queue order: claiming and listing never walk over what is claimed. Those
    # under an expired claim; counting those under a live one.
    IndexModel(
        [("queue", ASCENDING), ("claim.expires", ASCENDING), ("position", ASCENDING)],
        name=BY_CLAIM_EXPIRY,
    ),
    # The messages of a claim. Messages that were not claimed are not in it.
    IndexModel(
        [("queue", ASCENDING), ("claim.id", ASCENDING)],
        name=BY_CLAIM,
        partialFilterExpression={"claim.id": {"$exists": True}},
    ),
    # Expired and deleted messages: removal, and what stats leave out.
    IndexModel([("expires", ASCENDING), ("queue", ASCENDING)], name=BY_EXPIRY),
]

SHARD_KEY: Final = {"queue": 1}
"""Shard key of `messages`. The other collections are small and need none."""

_MOST: Final = 2**62
"""Positions are below, so that to add to them never leaves the 64 bits."""

_LATEST: Final = 253_402_300_799_999
"""The last millisecond of the year 9999, the last that has a date."""

# MongoDB looks into arrays for what is compared with a value or a type.
_NO_ARRAY: Final = {"$not": {"$type": "array"}}
_INTEGER: Final = {"$type": ["int", "long"], **_NO_ARRAY}
POSITION: Final = {"$gt": 0, "$lt": _MOST, **_INTEGER}
"""What can be the position of a message, as a filter."""

QUEUE_ID: Final = {"$type": "objectId"}

GIVES_POSITIONS: Final = {"last": {"$gte": 0, "$lt": _MOST, **_INTEGER}}
"""What a head needs for posts, as a filter."""

COUNTS_REMOVED: Final = {"removed": _INTEGER}
"""Queues that know how many of their messages were removed, as a filter."""

MESSAGE: Final = {
    "_id": {"$type": "objectId"},
    "position": POSITION,
    "ttl": _INTEGER,
    "created": {"$gte": 0, "$lte": _LATEST, **_INTEGER},
    "expires": {"$type": "number", **_NO_ARRAY},
    "claims": _INTEGER,
    "body": {"$type": "binData", **_NO_ARRAY},
}
"""What is a message, but for its claim, as a filter."""

CLAIM: Final = {
    "claim": {"$type": "object", **_NO_ARRAY},
    "claim.expires": {"$type": "number", **_NO_ARRAY},
}
"""What can be claimed, and freed again, as a filter.

Nothing that `is_message` refuses passes this filter and the one above.
"""


def other_version(document: Document) -> str | None:
    """Say of the document SCHEMA that it is of another version, if it is."""
    found = document.get("version")
    if found == VERSION:
        return None
    return f"is of schema version {found}, this server is for version {VERSION}."


def first_position(now: int) -> int:
    """Return the position to which nothing has come that was posted before `now`, in ms.

    No queue takes a million messages a second, from its first on.
    """
    return now * 1000


def head_of(queue_id: ObjectId) -> Document:
    """Return the filter for the head of a queue; with the shard key, as for all messages."""
    return {"_id": queue_id, "queue": queue_id}


def new_head(queue_id: ObjectId, position: int) -> Document:
    """Return the head of a queue that was given no position above this one."""
    return head_of(queue_id) | {
        "position": 0,
        "start": position,
        "last": position,
        "expires": NEVER,
        "claim": {"expires": 0},
    }


def is_head(document: Document) -> bool:
    """Tell whether the head of a queue can be found where it is looked for, and counts."""
    claim = document.get("claim")
    return (
        document.get("position") == 0
        and document.get("expires") == NEVER
        and isinstance(claim, dict)
        and claim.get("expires") == 0
        and counts_positions(document)
    )


def counts_positions(head: Document) -> bool:
    """Tell whether a head says which positions its queue was given."""
    start, last = head.get("start"), head.get("last")
    return isinstance(start, int) and isinstance(last, int) and 0 <= last < _MOST


def is_message(document: Document) -> bool:
    """Tell whether a document of `messages` that is no head can be read as a message."""
    get = document.get
    return (
        isinstance(get("_id"), ObjectId)
        and isinstance(get("ttl"), int)
        and isinstance(get("claims"), int)
        and isinstance(get("body"), bytes)
        and isinstance(get("claim"), dict)
        and is_stamp(document)
    )


def is_stamp(document: Document) -> bool:
    """Tell whether a document of `messages` has a place and a date."""
    position, created = document.get("position"), document.get("created")
    return (
        isinstance(position, int)
        and 0 < position < _MOST
        and isinstance(created, int)
        and 0 <= created <= _LATEST
    )
