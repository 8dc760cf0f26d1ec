"""Queues, metadata and stats in MongoDB."""

import logging
import re
from collections.abc import Sequence
from typing import Final

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from marconi_server.storage.contract import Clock, Page, Queue, Queues, QueueStats
from marconi_server.storage.errors import QueueNotFound, StorageUnavailable
from marconi_server.storage.mongodb import mending
from marconi_server.storage.mongodb.counts import count_queue
from marconi_server.storage.mongodb.engine import Engine, Session, random_id
from marconi_server.storage.mongodb.groups import Groups, Job
from marconi_server.storage.mongodb.operations import (
    Operations,
    QueueGone,
    QueueIds,
    named,
    scope,
)
from marconi_server.storage.mongodb.schema import (
    BY_NAME,
    FLOOR,
    QUEUE_ID,
    SCHEMA,
    Document,
    Documents,
    counts_positions,
    first_position,
    head_of,
    new_head,
    other_version,
)

log = logging.getLogger(__name__)

_EMPTY = b"{}"

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]+")

_Stats = Job[None, QueueStats]


class MongoDBQueues(Operations, Queues):
    """See `marconi_server.storage.contract.Queues`."""

    def __init__(self, engine: Engine, queue_ids: QueueIds, clock: Clock) -> None:
        super().__init__(engine, queue_ids, clock)
        self._stats: Groups[ObjectId, None, QueueStats] = Groups(
            self._stats_group, engine.aside, timeout=engine.timeout
        )

    def create(self, project: str | None, queue: str) -> bool:
        if (found := self._find(project, queue, {"_id": True})) is not None:
            self.queue_ids.remember(project, queue, found["_id"])
            return False
        queue_id = random_id()
        try:
            if self._insert(project, queue, queue_id):
                self.queue_ids.remember(project, queue, queue_id)
                return True
        except DuplicateKeyError:
            pass
        # By somebody else, or by a run of ours whose reply was lost.
        found = self._find(project, queue, {"_id": True})
        if found is None and self._remove_impostors(project, queue):
            return self.create(project, queue)
        return found is not None and found["_id"] == queue_id

    def _insert(self, project: str | None, queue: str, queue_id: ObjectId) -> bool:
        """Insert a queue; return `False` if there is one of its name.

        :raises DuplicateKeyError: there is something else of its name
        """
        new = {"$setOnInsert": {"_id": queue_id, "removed": 0}}

        def work(session: Session) -> bool:
            # The snapshot that shows that an earlier queue of this name is gone shows the floor
            # that its deletion has raised, too.
            floor = self._floor(session)
            # The hint is for the case that somebody has dropped the collection: without its
            # index there could be two queues of a name.
            inserted = self.engine.queues.update_one(
                named(project, queue), new, upsert=True, hint=BY_NAME, session=session
            )
            if inserted.matched_count == 0:
                position = max(floor, first_position(self.now()))
                self.engine.messages.insert_one(new_head(queue_id, position), session=session)
            return inserted.matched_count == 0

        try:
            return self.engine.transact(work)
        except _Emptied:
            self.engine.restore()
            return self.engine.transact(work)

    def _floor(self, session: Session) -> int:
        """Return the position below which deleted queues were.

        :raises _Emptied: somebody has removed it all
        :raises StorageUnavailable: somebody has put there what another release has written
        """
        wanted = {"_id": {"$in": [FLOOR, SCHEMA]}}
        found = self.engine.housekeeping.find(wanted, session=session).to_list()
        shared = {each["_id"]: each for each in found}
        if SCHEMA not in shared:
            raise _Emptied
        if other := other_version(shared[SCHEMA]):
            raise StorageUnavailable(reason=f"Database {self.engine.database.name} {other}")
        floor = shared.get(FLOOR, {}).get("position")
        return floor if isinstance(floor, int) else 0

    def _remove_impostors(self, project: str | None, queue: str) -> bool:
        """Remove what has the name of a queue and is none; tell whether there was any."""
        wanted = named(project, queue) | {"_id": {"$not": QUEUE_ID}}
        removed = self.engine.repeat(
            lambda: self.engine.queues.delete_many(wanted, hint=BY_NAME).deleted_count
        )
        if removed:
            log.warning("Queue %r of project %r was none, and was replaced.", queue, project)
        return removed > 0

    def exists(self, project: str | None, queue: str) -> bool:
        return self._find(project, queue, {"_id": True}) is not None

    def delete(self, project: str | None, queue: str) -> None:
        def work(session: Session) -> None:
            found = self.engine.queues.find_one_and_delete(
                named(project, queue), hint=BY_NAME, session=session
            )
            if found is None:
                return
            queue_id = found["_id"]
            head = self.engine.messages.find_one_and_delete(head_of(queue_id), session=session)
            if head is not None and counts_positions(head):
                last = head["last"]
            else:  # somebody has removed it, or changed it
                last = mending.last_position(self.engine, queue_id, {}, session)
            self.engine.housekeeping.update_one(
                {"_id": FLOOR}, {"$max": {"position": last}}, upsert=True, session=session
            )
            self.engine.housekeeping.update_one(
                {"_id": queue_id}, {"$set": {"deleted": True}}, upsert=True, session=session
            )

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
                hint=BY_NAME,
            )
            return cursor.sort("name").to_list()

        found = self.engine.read(work)
        items = [
            Queue(each["name"], _metadata(each) if detailed else None)
            for each in found
            if _is_name(each["name"])
        ]
        return Page(items, items[-1].name if items else None)

    def metadata(self, project: str | None, queue: str) -> bytes:
        found = self._find(project, queue, {"name": True, "metadata": True})
        if found is None:
            raise QueueNotFound(queue=queue, project=project)
        return _metadata(found)

    def set_metadata(self, project: str | None, queue: str, metadata: bytes) -> None:
        result = self.engine.repeat(
            lambda: self.engine.queues.update_one(
                named(project, queue), {"$set": {"metadata": metadata}}, hint=BY_NAME
            )
        )
        if result.matched_count == 0:
            raise QueueNotFound(queue=queue, project=project)

    def stats(self, project: str | None, queue: str) -> QueueStats:
        return self.on_queue(project, queue, lambda queue_id: self._stats.do(queue_id, None))

    def _stats_group(self, queue_id: ObjectId, requests: Sequence[_Stats]) -> None:
        """Count once for all that ask at the same time."""
        now = self.now()

        def work(session: Session) -> QueueStats:
            found = self.engine.queues.find_one({"_id": queue_id}, session=session)
            if found is None:
                raise QueueGone
            return count_queue(self.engine, found, now, session)

        stats = self.engine.transact(work)
        for each in requests:
            each.result = stats

    def _find(self, project: str | None, queue: str, fields: Document) -> Document | None:
        return self.engine.read(
            lambda: self.engine.queues.find_one(named(project, queue), fields, hint=BY_NAME)
        )


class _Emptied(Exception):
    """What was created when the store was opened is not there."""


def _is_name(value: object) -> bool:
    """Tell whether a queue can have this name; others were not given by this service."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _metadata(queue: Document) -> bytes:
    metadata = queue.get("metadata", _EMPTY)
    if isinstance(metadata, bytes):
        return metadata
    log.warning("The metadata of queue %r cannot be read, and are taken for {}.", queue["name"])
    return _EMPTY
