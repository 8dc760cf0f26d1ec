"""What the three groups of operations share: the engine, the clock, ids of queues and messages."""

from collections.abc import Callable
from typing import Final, TypeVar

from bson import ObjectId

from marconi_server.storage.contract import Clock, Message
from marconi_server.storage.errors import QueueNotFound
from marconi_server.storage.ids import is_well_formed
from marconi_server.storage.mongodb.engine import Document, Documents, Engine

Result = TypeVar("Result")

_KNOWN_QUEUES: Final = 100_000  # about 20 MB


class QueueGone(Exception):
    """The queue of this id was deleted, as a transaction or a missing head has shown."""


class QueueIds:
    """The ids of queues, remembered, since they never change.

    A queue may be deleted, and another one of its name created, through any node at any moment.
    So a remembered id is used only where the answer of the database proves it, and never for "no".
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[tuple[str, str], ObjectId] = {}

    def find(self, project: str | None, queue: str) -> ObjectId:
        """Look the id up in the database and remember it.

        :raises QueueNotFound: no such queue
        :raises StorageUnavailable: the engine failed
        """
        key = (scope(project), queue)
        found = self._engine.read(
            lambda: self._engine.queues.find_one(
                {"project": key[0], "name": queue}, projection={"_id": True}
            )
        )
        if found is None:
            self._known.pop(key, None)
            raise QueueNotFound(queue=queue, project=project)
        if len(self._known) >= _KNOWN_QUEUES:
            self._known.clear()
        queue_id: ObjectId = found["_id"]
        self._known[key] = queue_id
        return queue_id

    def known(self, project: str | None, queue: str) -> ObjectId | None:
        """Return the remembered id, if there is one."""
        return self._known.get((scope(project), queue))


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

        :raises QueueNotFound: no such queue
        """
        known = self.queue_ids.known(project, queue)
        try:
            return work(self.queue_ids.find(project, queue) if known is None else known)
        except QueueGone:
            pass
        try:
            return work(self.queue_ids.find(project, queue))
        except QueueGone:  # deleted between the two
            raise QueueNotFound(queue=queue, project=project) from None


def scope(project: str | None) -> str:
    """Return the field value of a project; no project header can be empty."""
    return project or ""


def head_of(queue_id: ObjectId) -> Document:
    """Return the filter for the head of a queue; with the shard key, as for all messages."""
    return {"_id": queue_id, "queue": queue_id}


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
    """
    if not documents or documents[0]["_id"] != queue_id:
        raise QueueGone
    return documents[1:]


def position_of(document: Document) -> int:
    """Return the position of a message, which is 0 for the head of a queue."""
    position: int = document["position"]
    return position
