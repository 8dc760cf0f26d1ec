"""What the three groups of operations share: the engine, the clock, ids of queues and messages."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Final, TypeVar

from bson import ObjectId
from pymongo.errors import OperationFailure

from marconi_server.storage.contract import Clock, Message
from marconi_server.storage.errors import QueueNotFound, StorageUnavailable
from marconi_server.storage.ids import is_well_formed
from marconi_server.storage.mongodb import mending
from marconi_server.storage.mongodb.engine import Engine
from marconi_server.storage.mongodb.schema import (
    BY_ID,
    BY_NAME,
    QUEUE_ID,
    Document,
    Documents,
    is_message,
)

Result = TypeVar("Result")

log = logging.getLogger(__name__)

_KNOWN_QUEUES: Final = 100_000  # about 20 MB
_STEP: Final = 1000  # queues that are looked up together

_MENDS: Final = 10
"""How often one request mends a queue: each time it may meet something else."""

_PATH_NOT_VIABLE: Final = 28


class QueueGone(Exception):
    """The queue of this id was deleted, as a transaction or a missing head has shown."""


class NoMessages(Exception):
    """The queue has documents with these ids that are no messages."""

    def __init__(self, ids: Iterable[object]) -> None:
        super().__init__()
        self.ids = tuple(ids)


class QueueIds:
    """The ids of queues, remembered, since they never change.

    A queue may be deleted, and another one of its name created, through any node at any moment.
    So a remembered id is used only where the answer of the database proves it, and never for "no".
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[tuple[str, str], ObjectId] = {}
        self._used: set[tuple[str, str]] = set()

    def find(self, project: str | None, queue: str) -> ObjectId:
        """Look the id up in the database and remember it.

        :raises QueueNotFound: no such queue
        :raises StorageUnavailable: the engine failed
        """
        found = self._engine.read(
            lambda: self._engine.queues.find_one(named(project, queue), {"_id": True}, hint=BY_NAME)
        )
        if found is None:
            self._known.pop((scope(project), queue), None)
            raise QueueNotFound(queue=queue, project=project)
        queue_id: ObjectId = found["_id"]
        self.remember(project, queue, queue_id)
        return queue_id

    def remember(self, project: str | None, queue: str, queue_id: ObjectId) -> None:
        """Remember an id that the database has given or taken just now."""
        if len(self._known) >= _KNOWN_QUEUES:
            self._known.clear()
        self._known[scope(project), queue] = queue_id

    def known(self, project: str | None, queue: str) -> ObjectId | None:
        """Return the remembered id, if there is one."""
        key = (scope(project), queue)
        found = self._known.get(key)
        if found is not None:
            self._used.add(key)
        return found

    def check(self) -> None:
        """Forget queues that were used since the last check, and whose document is gone.

        Who deletes a queue deletes its head, too, which tells. Somebody who works on the database
        by hand may not.

        :raises StorageUnavailable: the engine failed
        """
        used, self._used = self._used, set()
        known = {self._known.get(key): key for key in used}
        for start in range(0, len(known), _STEP):
            self._check_some(dict(islice(known.items(), start, start + _STEP)))

    def _check_some(self, known: dict[ObjectId | None, tuple[str, str]]) -> None:
        wanted = {"_id": {"$in": list(known)}}
        found = self._engine.read(
            lambda: self._engine.queues.find(wanted, {"_id": True}, hint=BY_ID).to_list()
        )
        for queue_id in known.keys() - {each["_id"] for each in found}:
            if self._known.get(known[queue_id]) == queue_id:
                self._known.pop(known[queue_id], None)


class Operations:
    """Base of the groups of operations."""

    def __init__(self, engine: Engine, queue_ids: QueueIds, clock: Clock) -> None:
        self.engine = engine
        self.queue_ids = queue_ids
        self._clock = clock

    def now(self) -> int:
        """Return the time in milliseconds since the epoch."""
        return int(self._clock() * 1000)

    def on_queue(
        self, project: str | None, queue: str, work: Callable[[ObjectId], Result]
    ) -> Result:
        """Run `work` on the queue of this name.

        `work` raises `QueueGone` if it finds that the queue of the id it was given is gone; it may
        then have changed nothing that anybody can see, and is run again on the id that is right.
        Where it is the right one, or `work` raises `NoMessages`, somebody else has changed the
        queue: it is mended, and `work` is run again.

        :raises QueueNotFound: no such queue
        :raises StorageUnavailable: the queue could not be mended, or as `work`
        """
        known = self.queue_ids.known(project, queue)
        try:
            return work(self.queue_ids.find(project, queue) if known is None else known)
        except (QueueGone, NoMessages):
            pass
        queue_id = self.queue_ids.find(project, queue)
        deadline = time.monotonic() + self.engine.timeout
        said: set[str] = set()
        for _ in range(_MENDS):
            try:
                return work(queue_id)
            except QueueGone:
                mended = mending.mend_head(self.engine, queue_id, self.now())
                if mended is None:  # deleted between the two
                    raise QueueNotFound(queue=queue, project=project) from None
                what = "had lost its head, and was given a new one"
            except NoMessages as found:
                mended = mending.set_aside(self.engine, queue_id, found.ids)
                what = "had documents that are no messages, which were set aside"
            if mended and what not in said:
                log.warning("Queue %r of project %r %s.", queue, project, what)
                said.add(what)
            if time.monotonic() > deadline:
                break
        raise StorageUnavailable(reason="MongoDB: what somebody did to a queue cannot be mended.")


def scope(project: str | None) -> str:
    """Return the field value of a project; no project header can be empty."""
    return project or ""


def named(project: str | None, queue: str) -> Document:
    """Return the filter for the document of a queue."""
    return {"project": scope(project), "name": queue, "_id": QUEUE_ID}


def read_messages(documents: Documents, now: int) -> list[Message]:
    """Make messages of documents."""
    return [
        Message(str(each["_id"]), each["ttl"], age(each["created"], now), each["body"])
        for each in documents
    ]


def age(since: int, now: int) -> int:
    """Return the whole seconds between two times in milliseconds, never negative."""
    return max(now - since, 0) // 1000


def parse_id(identifier: str) -> ObjectId | None:
    """Return the id, or `None` for what this driver cannot have minted."""
    return ObjectId(identifier) if is_well_formed(identifier) else None


def visible(now: int, exclude_client: str | None) -> Document:
    """Return the filter for what a client may see at this time; the head of a queue is with it."""
    wanted: Document = {"expires": {"$gt": now}}
    if exclude_client is not None:
        wanted["client"] = {"$ne": exclude_client}
    return wanted


def from_head_on(marker: int) -> Document:
    """Return the filter for the messages behind a position, and the head of the queue.

    The head, at position 0, comes with them, as the first: it proves that the queue is there.
    """
    if marker == 0:
        return {"position": {"$gte": 0}}
    return {"$or": [{"position": 0}, {"position": {"$gt": marker}}]}


def split_head(queue_id: ObjectId, documents: Documents) -> Documents:
    """Return documents, which are in the order of their positions, without the head.

    :raises QueueGone: the head, which comes first, is missing
    :raises NoMessages: there are others than messages among them
    """
    if not documents or documents[0]["_id"] != queue_id:
        raise QueueGone
    return checked(documents[1:])


def checked(documents: Documents) -> Documents:
    """Return documents as they are.

    :raises NoMessages: there are others than messages among them
    """
    if not all(map(is_message, documents)):
        raise NoMessages(each["_id"] for each in documents if not is_message(each))
    return documents


def position_of(document: Document) -> int:
    """Return the position of a message."""
    position: int = document["position"]
    return position


@contextmanager
def ending_claims_of(message_ids: Sequence[ObjectId]) -> Iterator[None]:
    """For an update that ends the claims of messages, if they have any.

    :raises NoMessages: something else is where a message has its claim
    """
    try:
        yield
    except StorageUnavailable as error:
        cause = error.__cause__
        if isinstance(cause, OperationFailure) and cause.code == _PATH_NOT_VIABLE:
            raise NoMessages(message_ids) from error
        raise
