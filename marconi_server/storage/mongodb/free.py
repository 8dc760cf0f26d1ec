"""Free messages: what may be listed and claimed. The one definition of "free" is here.

A message is free if it has no claim, or one that has expired. The former are in the order of an
index. The latter have yet to be dissolved by the sweeper, and a queue seldom has any: whether it
may have is looked up and remembered, so that most reads of free messages are one query.
"""

from collections.abc import Callable
from typing import Final

from bson import ObjectId
from pymongo.collection import Collection

from marconi_server.storage.mongodb.operations import (
    checked,
    from_head_on,
    position_of,
    split_head,
    visible,
)
from marconi_server.storage.mongodb.schema import BY_CLAIM_EXPIRY, NEVER, Document, Documents

_AHEAD: Final = 30_000
"""Milliseconds for which a look at the claims of a queue holds good, at most.

A claim that is made or renewed later lasts a minute at least (spec 5). The other half of it is left
for what was on its way at that moment, and for clocks that differ. Should that not be enough, the
messages of such a claim are free a little later than they could be.
"""

_KNOWN_QUEUES: Final = 100_000  # about 20 MB


class FreeMessages:
    """Finds the free messages of queues. One for each process and store."""

    def __init__(self, expired_claims_seen: Callable[[ObjectId], None]) -> None:
        """`expired_claims_seen` is told of queues where the sweeper has claims to dissolve."""
        self._expired_claims_seen = expired_claims_seen
        # When we looked, and when the next claim may expire: none does in between.
        self._none_expire: dict[ObjectId, tuple[int, int]] = {}

    def find(
        self,
        collection: Collection[Document],
        queue_id: ObjectId,
        *,
        now: int,
        limit: int,
        marker: int = 0,
        exclude_client: str | None = None,
    ) -> Documents:
        """Return the oldest `limit` free messages behind the position `marker`.

        What is free all the time is found, whatever else happens meanwhile: a message that is
        dissolved between the two queries is in both.

        :raises QueueGone: the queue is gone
        :raises NoMessages: it has others than messages
        """
        wanted = visible(now, exclude_client)
        expired: Documents = []
        if self._may_have_expired(collection, queue_id, now):
            self._expired_claims_seen(queue_id)
            lapsed = {"$gt": 0, "$lte": now}
            found = collection.find(
                {
                    "queue": queue_id,
                    "claim.expires": lapsed,
                    "position": {"$gt": marker},
                    **wanted,
                },
                sort=[("position", 1)],
                limit=limit,
                batch_size=limit,
                hint=BY_CLAIM_EXPIRY,
            ).to_list()
            expired = checked(found)
        found = collection.find(
            {"queue": queue_id, "claim.expires": 0, **wanted, **from_head_on(marker)},
            sort=[("position", 1)],
            limit=limit + 1,
            batch_size=limit + 1,
            hint=BY_CLAIM_EXPIRY,
        ).to_list()
        free = split_head(queue_id, found)
        if expired:
            merged = {each["_id"]: each for each in (*expired, *free)}
            free = sorted(merged.values(), key=position_of)
        return free[:limit]

    def _may_have_expired(
        self, collection: Collection[Document], queue_id: ObjectId, now: int
    ) -> bool:
        """Tell whether messages of a queue may carry a claim that has expired."""
        since, until = self._none_expire.get(queue_id, (0, 0))
        if since <= now < until:
            return False
        # Those that are not 0, so that something else in place of a claim is found as well.
        first = collection.find_one(
            {"queue": queue_id, "claim.expires": {"$ne": 0}},
            {"claim.expires": True},
            sort=[("claim.expires", 1)],
            hint=BY_CLAIM_EXPIRY,
        )
        until = now + _AHEAD
        if first is not None:
            until = min(until, _expiry(first, now))
        if until <= now:
            return True
        if len(self._none_expire) >= _KNOWN_QUEUES:
            self.forget()
        self._none_expire[queue_id] = (now, until)
        return False

    def forget(self) -> None:
        """Forget when claims may expire, so that the next reads look again."""
        self._none_expire.clear()


def _expiry(document: Document, now: int) -> int:
    """Return when a claim expires; what is none is over now, and the sweeper removes it."""
    claim = document.get("claim")
    expires = claim.get("expires") if isinstance(claim, dict) else None
    if isinstance(expires, int | float) and expires > now:
        return int(min(expires, NEVER))
    return now
