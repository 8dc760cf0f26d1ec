"""Collections, documents and indexes, and which query each index serves.

Times are milliseconds since the epoch, lives (ttl) are seconds, positions count the messages
of a queue. All names are whole words: a page of `db.messages.find()` explains itself.

`queues`: one document for each queue, which says that it exists.

    {_id, project, name, metadata?, removed}

`removed` counts its messages whose documents are gone. `project` is "" for "no project". The
`_id` is random, so that the queues of a sharded cluster spread over it.

`messages`: the messages, and one head for each queue. All of a queue are on one shard.

    {_id, queue, position, client, ttl, created, expires, available, claims, claim, body}
        claim: {expires: 0}, or {id, expires, ttl, started}
    {_id: queue, queue, position: 0, start, last, expires: NEVER, claim: {expires: 0}}

A message is visible while `expires` is later than now, and free while `claim.expires` is not.
Deleting it sets `expires` to 0, a moment gone by, and `claim.expires` to NEVER, which takes it out
of the way of claims; its document is removed later, as those of expired messages are. The head
hands out positions: the queue was given those after `start` up to `last`.
`available` and `claims` (how often it was claimed) are kept for delays and dead letters.

`housekeeping`: what the sweepers of all nodes share.

    {_id: "floor", position}       no deleted queue ever had a position above this one
    {_id: "lease", holder, until, elections}
                                   which sweeper works now; the rest is for `Engine.read`
    {_id: "schema", version}       how the documents are laid out: as this page says, or otherwise
    {_id: queue, deleted: true}    a deleted queue, some messages of which may still be there
"""

from typing import Final

from pymongo import ASCENDING, IndexModel

NEVER: Final = 2**63 - 1

FLOOR: Final = "floor"
LEASE: Final = "lease"
SCHEMA: Final = "schema"

VERSION: Final = 1
"""Version of what this page says. Documents of another one need a migration."""

BY_ID: Final = "_id_"
BY_POSITION: Final = "queue_position"
BY_CLAIM_EXPIRY: Final = "queue_claim_expires_position"
BY_CLAIM: Final = "queue_claim_id"
BY_EXPIRY: Final = "expires_queue"

QUEUE_INDEXES: Final = [
    # Every look-up of a queue, and listing by name. Makes sure that there is one of a name.
    IndexModel([("project", ASCENDING), ("name", ASCENDING)], name="project_name", unique=True),
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
