"""Making a queue whole again that somebody else has changed in the database.

With mongosh, or a restore of a part, documents are removed, changed and added that this service
relies on. Nobody looks for that: a request that meets it mends what it met, and goes on. As long as
nobody else writes to the database, nothing of this runs.

What can be read as a message is kept. What cannot is set aside, for somebody to look at.
"""

from collections.abc import Sequence

from bson import ObjectId

from marconi_server.storage.mongodb.engine import Engine, Session
from marconi_server.storage.mongodb.schema import (
    ASIDE,
    BY_ID,
    BY_POSITION,
    CLAIM,
    MESSAGE,
    POSITION,
    Document,
    counts_positions,
    first_position,
    head_of,
    is_head,
    new_head,
)

_SET_ASIDE: Document = {"$set": {"expires": ASIDE}}

_COUNT_ANEW: Document = {"$unset": {"removed": True}}


def mend_head(engine: Engine, queue_id: ObjectId, now: int) -> bool | None:
    """Give a queue a new head if it has none, or one that does not count.

    Its positions go on above those of all its messages, and of those that it has lost. The
    time this takes does not grow with the queue.

    :returns: whether there was anything to mend; `None` if there is no such queue
    """

    def work(session: Session) -> bool | None:
        if engine.queues.find_one({"_id": queue_id}, {"_id": True}, session=session) is None:
            return None
        in_its_place = {"queue": queue_id, "position": 0, "_id": {"$ne": queue_id}}
        others = engine.messages.update_many(
            in_its_place, _SET_ASIDE, hint=BY_POSITION, session=session
        )
        head = engine.messages.find_one(head_of(queue_id), session=session) or {}
        if is_head(head):
            return others.matched_count > 0
        position = max(last_position(engine, queue_id, head, session), first_position(now))
        engine.messages.delete_many({"_id": queue_id}, hint=BY_ID, session=session)
        engine.messages.insert_one(new_head(queue_id, position), session=session)
        engine.queues.update_one({"_id": queue_id}, _COUNT_ANEW, hint=BY_ID, session=session)
        return True

    return engine.transact(work)


def last_position(engine: Engine, queue_id: ObjectId, head: Document, session: Session) -> int:
    """Return the last position that a queue was given, as far as its head or a message tells."""
    newest = engine.messages.find(
        {"queue": queue_id, "position": POSITION},
        {"position": True},
        sort=[("position", -1)],
        limit=1,
        hint=BY_POSITION,
        session=session,
    ).to_list()
    known = [each["position"] for each in newest]
    if counts_positions(head):
        known.append(head["last"])
    return max(known, default=0)


def set_aside(engine: Engine, queue_id: ObjectId, ids: Sequence[object]) -> bool:
    """Set aside those documents of a queue that are no messages, and free those under no claim.

    :returns: whether there were any
    """
    named = {"_id": {"$in": list(ids)}, "queue": queue_id}

    def work(session: Session) -> bool:
        no_messages = engine.messages.update_many(
            {**named, "$nor": [MESSAGE]}, _SET_ASIDE, hint=BY_ID, session=session
        )
        if no_messages.matched_count:
            engine.queues.update_one({"_id": queue_id}, _COUNT_ANEW, hint=BY_ID, session=session)
        no_claims = engine.messages.update_many(
            {**named, "$nor": [CLAIM]},
            {"$set": {"claim": {"expires": 0}}},
            hint=BY_ID,
            session=session,
        )
        return no_messages.matched_count + no_claims.matched_count > 0

    return engine.transact(work)
