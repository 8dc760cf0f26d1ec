"""The connection to MongoDB: concerns, time limits, and faults made into `StorageUnavailable`.

Everything is written with write concern majority, in the journal, and read from the primary
with read concern majority, whatever the URI says; what the URI says to the contrary is refused
(`startup.py`).
"""

import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import pymongo
from bson import ObjectId
from pymongo import MongoClient, ReadPreference
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    ExecutionTimeout,
    InvalidOperation,
    OperationFailure,
    ProtocolError,
    PyMongoError,
    WriteConcernError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from marconi_server import waiting
from marconi_server.storage.errors import StorageConflict, StorageUnavailable
from marconi_server.storage.mongodb.schema import LEASE
from marconi_server.storage.mongodb.threads import Threads
from marconi_server.storage.mongodb.turns import Turns

Result = TypeVar("Result")
Document = dict[str, Any]
Documents = list[Document]
Session = ClientSession

log = logging.getLogger(__name__)

MAJORITY: Final = WriteConcern(w="majority", j=True)

ABANDONED_SECONDS: Final = 1.0
"""How long a transaction may wait for its next command; one of ours takes milliseconds in all."""

GOODBYE_SECONDS: Final = 1.0
"""How long the end of our sessions may take. For a server that is away pymongo would wait 30 s."""

_FAULTS: Final = (ConnectionFailure, ExecutionTimeout, ProtocolError, WriteConcernError)

_WRITE_CONFLICT: Final = 112

_WRONG_COMMANDS: Final = frozenset({2, 9, 14, 40, 52, 53, 54, 56, 57, 66, 72, 73, 263, 11000})
"""Codes with which a server refuses a command that is wrong in itself: BadValue, FailedToParse,
TypeMismatch, ConflictingUpdateOperators and the like, and DuplicateKey, which is dealt with where
it can happen. Those are bugs of ours."""

_ADDED: Final = re.compile(r" \(configured timeouts: [^)]*\)|, (Timeout|full error): .*", re.DOTALL)

_FIRST_ASSERTION: Final = 15_000
"""From here on codes are of assertions about the command, too."""


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
                self.housekeeping.update_one({"_id": LEASE}, {"$inc": {"elections": 1}})
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
        except StorageUnavailable:
            return self._run(again)

    def _run(self, work: Callable[[], Result]) -> Result:
        self._check_open()
        try:
            with faults(), pymongo.timeout(self.timeout / 2):
                return work()
        except InvalidOperation:
            self._check_open()  # closed in the middle of it
            raise

    def _check_open(self) -> None:
        if self._closed:
            raise StorageUnavailable(reason="The store is closed.")


@contextmanager
def faults() -> Iterator[None]:
    """Turn failures of the engine into `StorageUnavailable`; leave bugs as they are."""
    try:
        yield
    except PyMongoError as error:
        if not is_fault(error):
            raise
        raise StorageUnavailable(reason=summary(error)) from error


def is_fault(error: PyMongoError) -> bool:
    """Tell whether the engine failed, rather than was asked for something wrong."""
    if isinstance(error, _FAULTS) or error.timeout:
        return True
    if isinstance(error, BulkWriteError):
        failed = error.details.get("writeErrors") or error.details.get("writeConcernErrors") or []
        return all(_is_fault_code(each.get("code")) for each in failed)
    return isinstance(error, OperationFailure) and _is_fault_code(error.code)


def summary(error: PyMongoError) -> str:
    """Return the text of an error in one line, without the settings and states that are added."""
    return " ".join(_ADDED.sub("", str(error)).split())


def random_id() -> ObjectId:
    """Return an id that nobody can guess, and that says nothing about when it was made."""
    return ObjectId(os.urandom(12))


def _is_fault_code(code: int | None) -> bool:
    return code is None or (code not in _WRONG_COMMANDS and code < _FIRST_ASSERTION)
