"""Counting a queue, exactly, without reading each of its messages.

The head knows how many messages there ever were, and the document of the queue how many of them
were removed. That holds as long as nobody else removes any: if the two cannot be right, the queue
is counted anew.
"""

import logging
from typing import Final

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING

from marconi_server.storage.contract import MessageStamp, QueueStats
from marconi_server.storage.mongodb.engine import Engine, Session
from marconi_server.storage.mongodb.mending import last_position
from marconi_server.storage.mongodb.operations import NoMessages, QueueGone, age
from marconi_server.storage.mongodb.schema import (
    ASIDE,
    BY_CLAIM_EXPIRY,
    BY_EXPIRY,
    BY_ID,
    BY_POSITION,
    NEVER,
    Document,
    Documents,
    counts_positions,
    head_of,
    is_stamp,
)

log = logging.getLogger(__name__)

_FIELDS: Final = {"created": True, "position": True, "start": True, "last": True}


def count_queue(engine: Engine, queue: Document, now: int, session: Session) -> QueueStats:
    """Count what a queue has in the snapshot of the session.

    :raises QueueGone: its head is missing
    :raises NoMessages: it has others than messages
    """
    queue_id, removed = queue["_id"], queue.get("removed")
    first = _at_the_end(engine, queue_id, now, ASCENDING, 2, session)
    if not first or first[0]["_id"] != queue_id or not counts_positions(first[0]):
        raise QueueGone
    head, *rest = first
    if not rest:
        return QueueStats(claimed=0, free=0)
    oldest, (newest,) = rest[0], _at_the_end(engine, queue_id, now, DESCENDING, 1, session)
    if not (is_stamp(oldest) and is_stamp(newest)):
        raise NoMessages([oldest["_id"], newest["_id"]])
    # Of all messages there ever were: those whose documents were removed, and those to be.
    over = _count(engine, {"expires": {"$lte": now}, "queue": queue_id}, BY_EXPIRY, session)
    # A message never expires before its claim.
    held = {"queue": queue_id, "claim.expires": {"$gt": now, "$lt": NEVER}}
    claimed = _count(engine, held, BY_CLAIM_EXPIRY, session)
    least = max(claimed, 1 if oldest == newest else 2)
    most = newest["position"] - oldest["position"] + 1
    total = head["last"] - head["start"] - over - (removed if isinstance(removed, int) else 0)
    if not (isinstance(removed, int) and least <= total <= most):
        total = max(_count_anew(engine, queue_id, head, session) - over, least)
        log.warning("Queue %r of project %r was counted anew.", queue["name"], queue["project"])
    return QueueStats(
        claimed=claimed,
        free=total - claimed,
        oldest=_stamp(oldest, now),
        newest=_stamp(newest, now),
    )


def _at_the_end(
    engine: Engine, queue_id: ObjectId, now: int, direction: int, number: int, session: Session
) -> Documents:
    """Return the first or the last visible messages; the head is the first of all."""
    visible = {"queue": queue_id, "position": {"$gte": 0}, "expires": {"$gt": now}}
    cursor = engine.messages.find(visible, _FIELDS, limit=number, hint=BY_POSITION, session=session)
    return cursor.sort("position", direction).to_list()


def _stamp(message: Document, now: int) -> MessageStamp:
    created = message["created"]
    return MessageStamp(str(message["_id"]), created / 1000, age(created, now))


def _count(engine: Engine, wanted: Document, index: str, session: Session) -> int:
    pipeline: Documents = [{"$match": wanted}, {"$count": "count"}]
    cursor = engine.messages.aggregate(pipeline, hint=index, session=session)
    return sum(each["count"] for each in cursor.to_list())


def _count_anew(engine: Engine, queue_id: ObjectId, head: Document, session: Session) -> int:
    """Count the messages of a queue in its index, and note it; return their number.

    Those that are over, and not removed yet, are among them.
    """
    of_queue = {"queue": queue_id, "position": {"$gt": 0}}
    unseen = {"expires": {"$in": [ASIDE, None]}, **of_queue}
    number = _count(engine, of_queue, BY_POSITION, session)
    number -= _count(engine, unseen, BY_EXPIRY, session)
    last = last_position(engine, queue_id, head, session)
    counted = {"$set": {"start": last - number, "last": last}}
    engine.messages.update_one(head_of(queue_id), counted, hint=BY_ID, session=session)
    known = {"$set": {"removed": 0}}
    engine.queues.update_one({"_id": queue_id}, known, hint=BY_ID, session=session)
    return number
