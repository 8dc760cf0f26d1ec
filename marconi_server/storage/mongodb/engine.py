"""The connection to MongoDB: concerns, time limits, and faults made into `StorageUnavailable`.

Everything is written with write concern majority, in the journal, and read from the primary
with read concern majority, whatever the URI says; what the URI says to the contrary is refused
(`startup.py`).
"""

import logging
import os
import time
from collections.abc import Callable
from typing import Final, TypeVar

import pymongo
from bson import ObjectId
from pymongo import MongoClient, ReadPreference
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import (
    DuplicateKeyError,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from marconi_server import waiting
from marconi_server.storage.errors import StorageConflict, StorageUnavailable
from marconi_server.storage.mongodb.faults import IndexMissing, faults, summary
from marconi_server.storage.mongodb.pool import renew_connections
from marconi_server.storage.mongodb.schema import (
    FLOOR,
    LEASE,
    MESSAGE_INDEXES,
    QUEUE_INDEXES,
    SCHEMA,
    VERSION,
    Document,
)
from marconi_server.storage.mongodb.threads import Threads
from marconi_server.storage.mongodb.turns import Turns

Result = TypeVar("Result")
Session = ClientSession

log = logging.getLogger(__name__)

MAJORITY: Final = WriteConcern(w="majority", j=True)

ABANDONED_SECONDS: Final = 1.0
"""How long a transaction may wait for its next command; one of ours takes milliseconds in all."""

GOODBYE_SECONDS: Final = 1.0
"""How long the end of our sessions may take. For a server that is away pymongo would wait 30 s."""

_AUTHENTICATION_FAILED: Final = 18
_WRITE_CONFLICT: Final = 112

_NOBODY: Final = "requires authentication"
"""What is said to a connection that has authenticated itself, but whose user was removed."""


class Engine:
    """A client with our collections. One for each store, made after the fork."""

    def __init__(
        self, client: MongoClient[Document], database: str, *, timeout: float, threads: int
    ) -> None:
        self.client = client
        self.timeout = timeout
        self.is_new = False  # until `startup.prepare` has looked
        self.database = client.get_database(
            database,
            read_preference=ReadPreference.PRIMARY,
            read_concern=ReadConcern("majority"),
            write_concern=MAJORITY,
        )
        self.queues: Collection[Document] = self.database["queues"]
        self.messages: Collection[Document] = self.database["messages"]
        self.housekeeping: Collection[Document] = self.database["housekeeping"]
        # What the primary has now, maybe not yet on a majority: where a write decides anyway.
        self.latest = self.messages.with_options(read_concern=ReadConcern("local"))
        self._settled_election: ObjectId | None = None
        self._app_name = client.options.pool_options.metadata["application"]["name"]
        self.turns = Turns(
            f"{sorted(client.topology_description.server_descriptions())} {database}"
        )
        self._threads = Threads(threads, "mongodb")
        self._closed = False

    def repeat(self, work: Callable[[], Result]) -> Result:
        """Run `work`, and once more if the engine failed; each run gets half of the timeout.

        For work that is safe to repeat: whether a run whose reply was lost took effect is not
        known. Half, since a member that hangs says nothing: time has to be left for its successor.

        :raises StorageUnavailable: the engine failed twice, or the store is closed
        """
        return self.aside(lambda: self._repeat(work))

    def read(self, work: Callable[[], Result]) -> Result:
        """Run `work`, which reads with majority concern, as `repeat`, and miss nothing.

        A new primary does not know at first which of its last entries a majority has, and such a
        read passes over them, though others were answered that they are there. It knows once
        a write of its own is acknowledged: so after an election one is made, and read again.
        A router of a sharded cluster does not tell of elections; there, reads may lag for
        that moment.

        :raises StorageUnavailable: as `repeat`
        """

        def complete() -> Result:
            found = work()
            while (election := self.client.topology_description.max_election_id) not in (
                None,
                self._settled_election,
            ):
                mark = {"$set": {"elected": random_id()}}
                self.housekeeping.update_one({"_id": LEASE}, mark, upsert=True)
                self._settled_election = election
                found = work()
            return found

        return self.repeat(complete)

    def transact(self, work: Callable[[Session], Result]) -> Result:
        """Run `work` in a transaction and commit it; both more than once if need be, as `repeat`.

        :raises StorageConflict: others changed the same documents all the time
        :raises StorageUnavailable: as `repeat`
        """
        patient_until = time.monotonic() + ABANDONED_SECONDS
        conflict = False  # pymongo forgets it when the time is up

        def attempt(session: Session) -> Result:
            nonlocal conflict, patient_until
            if time.monotonic() > patient_until:
                self._abort_abandoned()
                patient_until = time.monotonic() + ABANDONED_SECONDS
            try:
                result = work(session)
            except OperationFailure as error:
                conflict = conflict or error.code == _WRITE_CONFLICT
                if error.code == _AUTHENTICATION_FAILED:  # pymongo would try until the time is up
                    raise StorageUnavailable(reason=summary(error)) from error
                raise
            conflict = False
            return result

        def run() -> Result:
            self._check_open()
            # Both runs in one session: the second aborts what the first may have left open.
            with self.client.start_session() as session:
                try:
                    return self._repeat(
                        lambda: session.with_transaction(
                            attempt, ReadConcern("snapshot"), MAJORITY, ReadPreference.PRIMARY
                        )
                    )
                except StorageUnavailable as error:
                    if conflict:
                        raise StorageConflict(
                            reason="MongoDB: others changed the same documents all the time."
                        ) from error.__cause__
                    raise

        return self.aside(run)

    def aside(self, work: Callable[[], Result]) -> Result:
        """Run `work`, which waits for the database, where waiting holds up nobody.

        That is here, in a thread of the caller's own; but a request on an event loop is put aside
        while one of our threads runs it.

        :raises StorageUnavailable: it was not finished in time, since all threads are busy
        """
        if not waiting.on_loop():
            return work()
        self._check_open()
        try:
            return self._threads.run(work, self.timeout)
        except TimeoutError as error:
            raise StorageUnavailable(
                reason=f"MongoDB did not finish a request within {self.timeout:g} seconds."
            ) from error

    def _abort_abandoned(self) -> None:
        """Abort transactions of ours that nobody goes on with.

        What a transaction has changed is locked until it ends. The server ends one whose client
        was killed only after `transactionLifetimeLimitSeconds`, a minute, in which nobody could
        post to its queue. To abort one that is merely slow does no harm: it begins again.
        """
        abandoned = {
            "type": "idleSession",
            "appName": self._app_name,
            "transaction.timeInactiveMicros": {"$gt": ABANDONED_SECONDS * 1e6},
        }
        look = {"$currentOp": {"allUsers": False, "idleSessions": True}}
        try:
            idle = self.client.admin.aggregate([look, {"$match": abandoned}]).to_list()
            if idle:
                sessions = [{"id": each["lsid"]["id"]} for each in idle]
                self.client.admin.command("killSessions", sessions)
                log.warning("%d transactions were aborted that somebody left open.", len(idle))
        except OperationFailure as error:  # some hosted services do not allow it
            log.warning("Transactions left open could not be looked for: %s", summary(error))

    def complete(self) -> None:
        """Create what is missing of collections, indexes and shared documents; idempotent.

        :raises DuplicateKeyError: there are several queues of a name, so that an index cannot be
        """
        self.queues.create_indexes(QUEUE_INDEXES)
        self.messages.create_indexes(MESSAGE_INDEXES)
        for document in (
            {"_id": FLOOR, "position": 0},
            {"_id": LEASE, "until": 0},
            {"_id": SCHEMA, "version": VERSION},  # the last: it tells that all of it was there
        ):
            try:
                self.housekeeping.update_one(
                    {"_id": document["_id"]}, {"$setOnInsert": document}, upsert=True
                )
            except DuplicateKeyError:  # another process was a moment faster
                continue

    def restore(self) -> None:
        """Create anew what somebody has removed of a database that is in use, and say so.

        :raises StorageUnavailable: as `repeat`, or it cannot be created
        """
        self.aside(lambda: self._run(self._restore))
        self._say_restored()

    def _restore(self) -> None:
        try:
            self.complete()
        except DuplicateKeyError as error:
            raise StorageUnavailable(
                reason=f"MongoDB: an index cannot be created again: {summary(error)}"
            ) from error

    def _say_restored(self) -> None:
        log.warning(
            "Somebody has removed indexes or documents of database %s. They were created again.",
            self.database.name,
        )

    def close(self) -> None:
        """Close all connections; idempotent."""
        self._closed = True
        self._threads.close()
        self.turns.close()
        with pymongo.timeout(GOODBYE_SECONDS):
            self.client.close()

    def _repeat(self, work: Callable[[], Result]) -> Result:
        def again() -> Result:
            self._abort_abandoned()  # what a plain write waits for may be one of these
            return work()

        try:
            return self._run(work)
        except IndexMissing:
            self._run(self._restore)
            result = self._run(work)
            self._say_restored()
            return result
        except StorageUnavailable as error:
            cause = error.__cause__
            if isinstance(cause, OperationFailure) and cause.code == _AUTHENTICATION_FAILED:
                raise
            was_slow = isinstance(cause, PyMongoError) and cause.timeout
            return self._run(again if was_slow else work)

    def _run(self, work: Callable[[], Result]) -> Result:
        self._check_open()
        try:
            with faults(), pymongo.timeout(self.timeout / 2):
                return work()
        except InvalidOperation:
            self._check_open()  # closed in the middle of it
            raise
        except StorageUnavailable as error:
            if _NOBODY in error.reason:
                renew_connections(self.client)
            raise

    def _check_open(self) -> None:
        if self._closed:
            raise StorageUnavailable(reason="The store is closed.")


def random_id() -> ObjectId:
    """Return an id that nobody can guess, and that says nothing about when it was made."""
    return ObjectId(os.urandom(12))
