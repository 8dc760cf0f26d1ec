"""Queues, metadata and stats in MongoDB."""

from collections.abc import Sequence

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING
from pymongo.errors import DuplicateKeyError

from marconi_server.storage.contract import Clock, MessageStamp, Page, Queue, Queues, QueueStats
from marconi_server.storage.errors import QueueNotFound
from marconi_server.storage.mongodb.engine import Document, Documents, Engine, Session, random_id
from marconi_server.storage.mongodb.groups import Groups, Job
from marconi_server.storage.mongodb.operations import Operations, QueueIds, age, head_of, scope
from marconi_server.storage.mongodb.schema import (
    BY_CLAIM_EXPIRY,
    BY_EXPIRY,
    BY_POSITION,
    FLOOR,
    NEVER,
)

_EMPTY = b"{}"


_Stats = Job[None, QueueStats | None]


class MongoDBQueues(Operations, Queues):
    """See `marconi_server.storage.contract.Queues`."""

    def __init__(self, engine: Engine, queue_ids: QueueIds, clock: Clock) -> None:
        super().__init__(engine, queue_ids, clock)
        self._stats: Groups[tuple[str | None, str], None, QueueStats | None] = Groups(
            self._stats_group, engine.aside, timeout=engine.timeout
        )

    def create(self, project: str | None, queue: str) -> bool:
        if self.exists(project, queue):
            return False
        queue_id = random_id()
        document = {"_id": queue_id, "project": scope(project), "name": queue, "removed": 0}

        def work(session: Session) -> None:
            # The snapshot that shows that an earlier queue of this name is gone shows the floor
            # that its deletion has raised, too.
            floor = self.engine.housekeeping.find_one({"_id": FLOOR}, session=session)
            assert floor is not None
            self.engine.queues.insert_one(document, session=session)
            self.engine.messages.insert_one(_head(queue_id, floor["position"]), session=session)

        try:
            self.engine.transact(work)
        except DuplicateKeyError:  # by somebody else, or by a run of ours whose reply was lost
            found = self._find(project, queue, {"_id": True})
            return found is not None and found["_id"] == queue_id
        return True

    def exists(self, project: str | None, queue: str) -> bool:
        return self._find(project, queue, {"_id": True}) is not None

    def delete(self, project: str | None, queue: str) -> None:
        def work(session: Session) -> None:
            found = self.engine.queues.find_one_and_delete(_named(project, queue), session=session)
            if found is None:
                return
            queue_id = found["_id"]
            head = self.engine.messages.find_one_and_delete(head_of(queue_id), session=session)
            assert head is not None
            self.engine.housekeeping.update_one(
                {"_id": FLOOR}, {"$max": {"position": head["last"]}}, session=session
            )
            self.engine.housekeeping.insert_one({"_id": queue_id, "deleted": True}, session=session)

        self.engine.transact(work)

    def list(
        self, project: str | None, *, marker: str | None, limit: int, detailed: bool
    ) -> Page[Queue]:
        fields = {"_id": False, "name": True} | ({"metadata": True} if detailed else {})

        def work() -> Documents:
            cursor = self.engine.queues.find(
                {"project": scope(project), "name": {"$gt": marker or ""}},
                projection=fields,
                limit=limit,
            )
            return cursor.sort("name").to_list()

        found = self.engine.read(work)
        items = [
            Queue(each["name"], each.get("metadata", _EMPTY) if detailed else None)
            for each in found
        ]
        return Page(items, items[-1].name if items else None)

    def metadata(self, project: str | None, queue: str) -> bytes:
        found = self._find(project, queue, {"metadata": True})
        if found is None:
            raise QueueNotFound(queue=queue, project=project)
        return bytes(found.get("metadata", _EMPTY))

    def set_metadata(self, project: str | None, queue: str, metadata: bytes) -> None:
        result = self.engine.repeat(
            lambda: self.engine.queues.update_one(
                _named(project, queue), {"$set": {"metadata": metadata}}
            )
        )
        if result.matched_count == 0:
            raise QueueNotFound(queue=queue, project=project)

    def stats(self, project: str | None, queue: str) -> QueueStats:
        stats = self._stats.do((project, queue), None)
        if stats is None:
            raise QueueNotFound(queue=queue, project=project)
        return stats

    def _stats_group(self, key: tuple[str | None, str], requests: Sequence[_Stats]) -> None:
        """Count once for all that ask at the same time."""
        now = self.now()

        def work(session: Session) -> QueueStats | None:
            found = self.engine.queues.find_one(_named(*key), session=session)
            return None if found is None else self._count(found, now, session)

        stats = self.engine.transact(work)
        for each in requests:
            each.result = stats

    def _count(self, queue: Document, now: int, session: Session) -> QueueStats:
        """Count what a queue has in the snapshot of the session."""
        visible = {"queue": queue["_id"], "expires": {"$gt": now}}

        def end(direction: int, count: int) -> Documents:
            fields = {"created": True, "position": True, "start": True, "last": True}
            cursor = self.engine.messages.find(
                visible, fields, limit=count, hint=BY_POSITION, session=session
            )
            return cursor.sort("position", direction).to_list()

        def count(wanted: Document, index: str) -> int:
            pipeline: Documents = [{"$match": wanted}, {"$count": "count"}]
            cursor = self.engine.messages.aggregate(pipeline, hint=index, session=session)
            return sum(each["count"] for each in cursor.to_list())

        def stamp(message: Document) -> MessageStamp:
            created = message["created"]
            return MessageStamp(str(message["_id"]), created / 1000, age(created, now))

        head, *oldest = end(ASCENDING, 2)
        if not oldest:
            return QueueStats(claimed=0, free=0)
        (newest,) = end(DESCENDING, 1)
        # Of all messages there ever were: those whose documents were removed, and those to be.
        over = count({"expires": {"$lte": now}, "queue": queue["_id"]}, BY_EXPIRY)
        total = head["last"] - head["start"] - queue["removed"] - over
        # A message never expires before its claim.
        held = {"queue": queue["_id"], "claim.expires": {"$gt": now, "$lt": NEVER}}
        claimed = count(held, BY_CLAIM_EXPIRY)
        return QueueStats(
            claimed=claimed, free=total - claimed, oldest=stamp(oldest[0]), newest=stamp(newest)
        )

    def _find(self, project: str | None, queue: str, fields: Document) -> Document | None:
        return self.engine.read(
            lambda: self.engine.queues.find_one(_named(project, queue), projection=fields)
        )


def _named(project: str | None, queue: str) -> Document:
    return {"project": scope(project), "name": queue}


def _head(queue_id: ObjectId, position: int) -> Document:
    return head_of(queue_id) | {
        "position": 0,
        "start": position,
        "last": position,
        "expires": NEVER,
        "claim": {"expires": 0},
    }
