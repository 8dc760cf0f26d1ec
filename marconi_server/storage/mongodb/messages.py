"""Posting, listing, reading and deleting messages in MongoDB.

Why no reader can skip (P6 to P8): a batch takes its positions from the head of the queue, and
inserts its messages, in one transaction. Of two transactions that change the same head the
second begins when the first is committed, so they are committed, and visible, in the order of their
positions; and a read with majority concern sees a point in that order.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from bson import ObjectId
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from marconi_server.storage.contract import Clock, Message, Messages, NewMessage, Page
from marconi_server.storage.errors import (
    MessageClaimed,
    MessageNotFound,
    QueueNotFound,
    StorageUnavailable,
)
from marconi_server.storage.ids import parse_marker
from marconi_server.storage.mongodb.engine import Engine, Session
from marconi_server.storage.mongodb.faults import summary
from marconi_server.storage.mongodb.free import FreeMessages
from marconi_server.storage.mongodb.groups import Groups, Job
from marconi_server.storage.mongodb.operations import (
    Operations,
    QueueGone,
    QueueIds,
    checked,
    ending_claims_of,
    from_head_on,
    parse_id,
    position_of,
    read_messages,
    split_head,
    visible,
)
from marconi_server.storage.mongodb.schema import (
    BY_ID,
    BY_POSITION,
    GIVES_POSITIONS,
    NEVER,
    Document,
    Documents,
    head_of,
)

_DUPLICATE_KEY: Final = 11000

_GONE: Final = {"$set": {"expires": 0, "claim.expires": NEVER}}
"""Makes a deleted message of a message; see `schema`."""

_Post = Job[Documents, None]
_Deletion = Job[Document, bool]
_BulkDeletion = Job[Sequence[ObjectId], None]


class MongoDBMessages(Operations, Messages):
    """See `marconi_server.storage.contract.Messages`."""

    def __init__(
        self, engine: Engine, queue_ids: QueueIds, clock: Clock, free: FreeMessages
    ) -> None:
        super().__init__(engine, queue_ids, clock)
        self._free = free
        self._posts: Groups[ObjectId, Documents, None] = Groups(
            self._post_group,
            engine.aside,
            turn=lambda queue_id: engine.turns.take(queue_id.binary + b"post"),
            weigh=_weigh,
            timeout=engine.timeout,
        )
        self._deletions: Groups[ObjectId, Document, bool] = Groups(
            self._delete_group, engine.aside, timeout=engine.timeout
        )
        self._bulk_deletions: Groups[ObjectId, Sequence[ObjectId], None] = Groups(
            self._delete_many_group, engine.aside, timeout=engine.timeout
        )

    def post(
        self,
        project: str | None,
        queue: str,
        client_id: str,
        messages: Sequence[NewMessage],
    ) -> Sequence[str]:
        # The ids are minted before the first attempt: that it took effect after all shows when
        # the second one meets them.
        documents = [
            {
                "_id": ObjectId(),
                "queue": None,
                "position": 0,
                "client": client_id,
                "ttl": message.ttl,
                "created": 0,
                "expires": 0,
                "available": 0,
                "claims": 0,
                "claim": {"expires": 0},
                "body": message.body,
            }
            for message in messages
        ]
        self.on_queue(project, queue, lambda queue_id: self._posts.do(queue_id, documents))
        return [str(each["_id"]) for each in documents]

    def _post_group(self, queue_id: ObjectId, posts: Sequence[_Post]) -> None:
        """Append the batches of some posts, one behind the other, in one transaction."""
        now = self.now()
        documents = [document for post in posts for document in post.request]
        for document in documents:
            document["queue"] = queue_id
            document["created"] = document["available"] = now
            document["expires"] = now + document["ttl"] * 1000

        def work(session: Session) -> None:
            head = self.engine.messages.find_one_and_update(
                head_of(queue_id) | GIVES_POSITIONS,
                {"$inc": {"last": len(documents)}},
                projection={"last": True},
                session=session,
            )
            if head is None:
                raise QueueGone
            for position, document in enumerate(documents, head["last"] + 1):
                document["position"] = position
            self.engine.messages.insert_many(documents, session=session)

        try:
            self.engine.transact(work)
        except BulkWriteError as error:
            if error.details["writeErrors"][0]["code"] != _DUPLICATE_KEY:
                # A bug; but its own text quotes the message, which has no place in a log.
                raise RuntimeError(summary(error)) from None
            self._confirm([document["_id"] for document in documents])

    def _confirm(self, message_ids: Sequence[ObjectId]) -> None:
        """Make sure that an earlier run inserted these, and that this will last.

        :raises StorageUnavailable: it is not certain
        """
        found = self.engine.read(
            lambda: self.engine.messages.find(
                {"_id": {"$in": list(message_ids)}}, {"_id": True}
            ).to_list()
        )
        if len(found) < len(message_ids):
            raise StorageUnavailable(reason="MongoDB: whether a post took effect is not known.")

    def list(
        self,
        project: str | None,
        queue: str,
        *,
        marker: str | None,
        limit: int,
        exclude_client: str | None,
        include_claimed: bool,
    ) -> Page[Message]:
        position = parse_marker(marker)
        if position is None:
            return Page([], None)
        now = self.now()

        def read(queue_id: ObjectId) -> Documents:
            find = self._list_all if include_claimed else self._free.find
            return self.engine.read(
                lambda: find(
                    self.engine.messages,
                    queue_id,
                    now=now,
                    limit=limit,
                    marker=position,
                    exclude_client=exclude_client,
                )
            )

        try:
            found = self.on_queue(project, queue, read)
        except QueueNotFound:
            return Page([], None)
        return Page(read_messages(found, now), str(found[-1]["position"]) if found else None)

    def _list_all(
        self,
        collection: Collection[Document],
        queue_id: ObjectId,
        *,
        now: int,
        limit: int,
        marker: int,
        exclude_client: str | None,
    ) -> Documents:
        found = collection.find(
            {"queue": queue_id, **visible(now, exclude_client), **from_head_on(marker)},
            sort=[("position", 1)],
            limit=limit + 1,
            batch_size=limit + 1,
            hint=BY_POSITION,
        ).to_list()
        return split_head(queue_id, found)

    def get(self, project: str | None, queue: str, message_id: str) -> Message:
        for message in self.get_many(project, queue, [message_id]):
            return message
        raise MessageNotFound(message_id=message_id, queue=queue)

    def get_many(
        self, project: str | None, queue: str, message_ids: Sequence[str]
    ) -> Sequence[Message]:
        ids = _parse_ids(message_ids)
        now = self.now()
        if not ids:
            return []
        try:
            found = self.on_queue(
                project, queue, lambda queue_id: self._visible(queue_id, ids, now)
            )
        except QueueNotFound:
            return []
        return read_messages(found, now)

    def delete(
        self, project: str | None, queue: str, message_id: str, claim_id: str | None
    ) -> None:
        message = parse_id(message_id)
        claim = None if claim_id is None else parse_id(claim_id)
        if message is None or (claim_id is not None and claim is None):
            return
        now = self.now()
        holder = (
            {"claim.expires": {"$not": {"$gt": now}}}  # or there is none, since somebody removed it
            if claim is None
            else {"claim.id": claim, "claim.expires": {"$gt": now}}
        )
        wanted = {"_id": message, "expires": {"$gt": now}, **holder}
        kept = False
        with suppress(QueueNotFound):
            kept = self.on_queue(
                project, queue, lambda queue_id: self._deletions.do(queue_id, wanted)
            )
        if kept:
            raise MessageClaimed(message_id=message_id, claim_id=claim_id)

    def _delete_group(self, queue_id: ObjectId, deletions: Sequence[_Deletion]) -> None:
        """Delete messages, each under its own condition; tell which are still there.

        PERF: in one update, since each on its own takes the database twice as long.
        """
        ids = [each.request["_id"] for each in deletions]
        wanted = {
            "_id": {"$in": ids},
            "queue": queue_id,
            "$or": [each.request for each in deletions],
        }
        with ending_claims_of(ids):
            result = self.engine.repeat(
                lambda: self.engine.messages.update_many(wanted, _GONE, hint=BY_ID)
            )
        kept = set()
        if result.matched_count < len(ids):
            kept = {each["_id"] for each in self._visible(queue_id, ids, self.now())}
        for each in deletions:
            each.result = each.request["_id"] in kept

    def delete_many(self, project: str | None, queue: str, message_ids: Sequence[str]) -> None:
        ids = _parse_ids(message_ids)
        if ids:
            with suppress(QueueNotFound):
                self.on_queue(
                    project, queue, lambda queue_id: self._bulk_deletions.do(queue_id, ids)
                )

    def _delete_many_group(self, queue_id: ObjectId, deletions: Sequence[_BulkDeletion]) -> None:
        ids = {message_id for each in deletions for message_id in each.request}
        wanted = {
            "_id": {"$in": list(ids)},
            "queue": queue_id,
            "expires": {"$gt": self.now()},
        }

        def work(session: Session) -> int:
            result = self.engine.messages.update_many(wanted, _GONE, hint=BY_ID, session=session)
            return result.matched_count

        with ending_claims_of(list(ids)):
            deleted = self.engine.transact(work)
        if deleted < len(ids):
            self._visible(queue_id, [], self.now())  # is it still the queue of that name?

    def _visible(self, queue_id: ObjectId, ids: Sequence[ObjectId], now: int) -> Documents:
        """Return the visible messages among the ids.

        :raises QueueGone: the queue is gone
        :raises NoMessages: others than messages have such ids
        """
        wanted = {
            "_id": {"$in": [queue_id, *ids]},
            "queue": queue_id,
            "expires": {"$gt": now},
        }
        found = self.engine.read(lambda: self.engine.messages.find(wanted, hint=BY_ID).to_list())
        messages = [each for each in found if each["_id"] != queue_id]
        if len(messages) == len(found):
            raise QueueGone
        return sorted(checked(messages), key=position_of)


def _weigh(documents: Documents) -> int:
    """Tell how much a post is: one for each message, and one for each KB."""
    return len(documents) + sum(len(each["body"]) for each in documents) // 1000


def _parse_ids(message_ids: Sequence[str]) -> Sequence[ObjectId]:
    return list({parsed for each in message_ids if (parsed := parse_id(each))})
