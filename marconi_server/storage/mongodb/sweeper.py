"""Removing what is over, in the background and in small steps.

Nothing waits for it: every operation filters by time. It keeps the collections from growing, and
what stats have to count, and claims to sort, small.

Each process has a sweeper. One of all, which holds a lease, removes messages: so they are not in
each other's way, and what a node that died has left is not forgotten.
"""

import logging
import threading
import time
from collections import Counter
from typing import Final

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError

from marconi_server.storage.contract import Clock
from marconi_server.storage.errors import StorageUnavailable, StorageUnusable
from marconi_server.storage.mongodb.engine import Engine, Session, random_id
from marconi_server.storage.mongodb.operations import QueueIds
from marconi_server.storage.mongodb.schema import (
    BY_CLAIM_EXPIRY,
    BY_EXPIRY,
    BY_ID,
    BY_POSITION,
    COUNTS_REMOVED,
    LEASE,
)
from marconi_server.storage.mongodb.startup import check_clock

log = logging.getLogger(__name__)

STEP: Final = 1000  # documents in one step: some ten milliseconds of the server's time
LEASE_SECONDS: Final = 15
CLOCK_SECONDS: Final = 60


class Sweeper:
    """A thread that looks once per `interval` seconds, and works until nothing is left."""

    def __init__(
        self,
        engine: Engine,
        queue_ids: QueueIds,
        clock: Clock,
        *,
        interval: float,
        max_clock_skew: float,
    ) -> None:
        """`max_clock_skew` in seconds: so much later it removes, as nodes may lag behind."""
        self._engine = engine
        self._queue_ids = queue_ids
        self._clock = clock
        self._interval = interval
        self._max_clock_skew = max_clock_skew
        self._holder = random_id()
        self._expired_claims: set[ObjectId] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="mongodb-sweeper", daemon=True)
        self._thread.start()

    def expired_claims_seen(self, queue_id: ObjectId) -> None:
        """Note a queue in which messages carry expired claims."""
        self._expired_claims.add(queue_id)

    def _serve(self) -> None:
        next_look_at_clock = 0.0
        while not self._stop.wait(self._interval):
            try:
                self._queue_ids.check()
                while not self._stop.is_set() and (self.dissolve() or self.work()):
                    pass
                if time.monotonic() >= next_look_at_clock:
                    next_look_at_clock = time.monotonic() + CLOCK_SECONDS
                    self._look_at_clock()
            except StorageUnavailable as error:
                log.warning("Expired messages were not removed: %s", error)
            except Exception:  # a defect must not end all removal; the next look may not meet it
                log.exception("Expired messages were not removed, because of a defect")

    def _look_at_clock(self) -> None:
        """Say so if the clock has gone wrong since the start."""
        try:
            self._engine.repeat(
                lambda: check_clock(self._engine, self._clock, max_clock_skew=self._max_clock_skew)
            )
        except StorageUnusable as error:
            log.error("%s", error)

    def work(self) -> bool:
        """Remove one step's worth if this sweeper has the lease; tell whether there was any."""
        return self._take_lease() and (self.remove_messages() or self.remove_queues())

    def dissolve(self) -> bool:
        """Free messages under expired claims that were seen; tell whether there were any."""
        for queue_id in list(self._expired_claims):
            if self._dissolve_in(queue_id):
                return True
            self._expired_claims.discard(queue_id)
        return False

    def _dissolve_in(self, queue_id: ObjectId) -> bool:
        engine = self._engine
        # Or somebody has put something else in place of a claim.
        expired = {"queue": queue_id, "claim.expires": {"$ne": 0, "$not": {"$gt": self._now()}}}
        found = engine.repeat(
            lambda: engine.latest.find(
                expired, {"_id": True}, limit=STEP, batch_size=STEP, hint=BY_CLAIM_EXPIRY
            ).to_list()
        )
        if found:
            wanted = {"_id": {"$in": [each["_id"] for each in found]}, **expired}
            free = {"$set": {"claim": {"expires": 0}}}
            engine.repeat(lambda: engine.messages.update_many(wanted, free, hint=BY_ID))
        return bool(found)

    def remove_messages(self) -> bool:
        """Remove a step's worth of messages that are over, and count them for their queues."""
        over = {"expires": {"$lte": self._now() - int(self._max_clock_skew * 1000)}}

        def work(session: Session) -> bool:
            found = self._engine.messages.find(
                over, {"queue": True}, limit=STEP, batch_size=STEP, hint=BY_EXPIRY, session=session
            ).to_list()
            if not found:
                return False
            self._engine.messages.delete_many(
                {"_id": {"$in": [each["_id"] for each in found]}}, hint=BY_ID, session=session
            )
            queues = Counter(
                each["queue"] for each in found if isinstance(each.get("queue"), ObjectId)
            )
            updates = [
                UpdateOne({"_id": queue_id, **COUNTS_REMOVED}, {"$inc": {"removed": count}})
                for queue_id, count in queues.items()
            ]
            if updates:
                self._engine.queues.bulk_write(updates, ordered=False, session=session)
            return True

        return self._engine.transact(work)

    def remove_queues(self) -> bool:
        """Remove a step's worth of messages of a deleted queue; tell whether there was one."""
        engine = self._engine
        deleted = engine.read(lambda: engine.housekeeping.find_one({"deleted": True}))
        if deleted is None:
            return False
        if engine.read(lambda: engine.queues.find_one({"_id": deleted["_id"]}, {"_id": True})):
            # Somebody has restored a part of the database: the queue is there again.
            engine.repeat(lambda: engine.housekeeping.delete_one({"_id": deleted["_id"]}))
            return True
        of_queue = {"queue": deleted["_id"]}
        found = engine.read(
            lambda: engine.messages.find(
                of_queue, {"_id": True}, limit=STEP, batch_size=STEP, hint=BY_POSITION
            ).to_list()
        )
        ids = [each["_id"] for each in found]
        if ids:
            engine.repeat(
                lambda: engine.messages.delete_many({"_id": {"$in": ids}, **of_queue}, hint=BY_ID)
            )
        else:
            engine.repeat(lambda: engine.housekeeping.delete_one({"_id": deleted["_id"]}))
        return True

    def _take_lease(self) -> bool:
        now = self._now()
        # Whoever has the lease has it at most that long. Beyond that it is nobody's: somebody has
        # removed or changed it, or it was taken by a clock that was wrong.
        held = {"$gt": now, "$lte": now + 2 * LEASE_SECONDS * 1000}
        try:
            self._engine.repeat(
                lambda: self._engine.housekeeping.update_one(
                    {"_id": LEASE, "$or": [{"holder": self._holder}, {"until": {"$not": held}}]},
                    {"$set": {"holder": self._holder, "until": now + LEASE_SECONDS * 1000}},
                    upsert=True,
                )
            )
        except DuplicateKeyError:  # it is somebody else's
            return False
        return True

    def _now(self) -> int:
        return int(self._clock() * 1000)

    def close(self) -> None:
        """Stop after the current step; idempotent."""
        self._stop.set()
        self._thread.join()
