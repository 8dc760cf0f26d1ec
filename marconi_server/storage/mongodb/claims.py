"""Claims in MongoDB.

One live claim (P4): a message names at most one claim, and is given another one only by an update
of its document whose filter says that it is free. The id of the claim is chosen first: if a reply
was lost, the claim is read back by it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from bson import ObjectId
from pymongo import UpdateMany

from marconi_server.storage.contract import Claim, Claims, Clock
from marconi_server.storage.errors import ClaimNotFound, QueueNotFound
from marconi_server.storage.mongodb.engine import Engine, Session, random_id
from marconi_server.storage.mongodb.free import FreeMessages
from marconi_server.storage.mongodb.groups import Groups, Job
from marconi_server.storage.mongodb.operations import (
    Operations,
    QueueIds,
    age,
    parse_id,
    read_messages,
)
from marconi_server.storage.mongodb.schema import BY_CLAIM, BY_ID, Document, Documents, is_message


@dataclass(frozen=True)
class _Wish:
    """A claim to be: `ttl` and `grace` in seconds, `limit` in messages."""

    ttl: int
    grace: int
    limit: int
    id: ObjectId = field(default_factory=random_id)

    @property
    def life(self) -> int:
        """Seconds that its messages live on at least (spec 6.6)."""
        return self.ttl + self.grace


_Create = Job[_Wish, Documents]
_Shares = dict[_Wish, Documents]

_TOGETHER: Final = 16
"""Messages of one update: it compares each of them with all, to find its claim."""


class MongoDBClaims(Operations, Claims):
    """See `marconi_server.storage.contract.Claims`."""

    def __init__(
        self, engine: Engine, queue_ids: QueueIds, clock: Clock, free: FreeMessages
    ) -> None:
        super().__init__(engine, queue_ids, clock)
        self._free = free
        self._creations: Groups[ObjectId, _Wish, Documents] = Groups(
            self._create_group,
            engine.aside,
            turn=lambda queue_id: engine.turns.take(queue_id.binary + b"claim"),
            timeout=engine.timeout,
        )

    def create(
        self, project: str | None, queue: str, *, ttl: int, grace: int, limit: int
    ) -> Claim | None:
        wish = _Wish(ttl, grace, limit)
        try:
            documents = self.on_queue(
                project, queue, lambda queue_id: self._creations.do(queue_id, wish)
            )
        except QueueNotFound:
            return None
        if not documents:
            return None
        return Claim(str(wish.id), ttl, 0, read_messages(documents, self.now()))

    def _create_group(self, queue_id: ObjectId, creations: Sequence[_Create]) -> None:
        """Make some claims together, each of its own messages.

        Another process that claims at the same time may take some of them first. A claim that
        lost all of its messages tries again; it is empty only if nothing was free.
        """
        waiting = creations
        while waiting:
            now = self.now()
            wanted = sum(each.request.limit for each in waiting)
            free = iter(self._oldest_free(queue_id, now, wanted))
            shares = {each.request: list(islice(free, each.request.limit)) for each in waiting}
            taken = self._mark(queue_id, now, shares)
            for creation in waiting:
                creation.result = taken.get(creation.request.id, [])
            waiting = [each for each in waiting if shares[each.request] and not each.result]

    def _oldest_free(self, queue_id: ObjectId, now: int, limit: int) -> Documents:
        """Return the oldest free messages as the primary has them at this moment.

        That they were posted for good is certain once the claim is: it is written later.
        """
        return self.engine.repeat(
            lambda: self._free.find(self.engine.latest, queue_id, now=now, limit=limit)
        )

    def _mark(self, queue_id: ObjectId, now: int, shares: _Shares) -> dict[ObjectId, Documents]:
        """Put messages under the claims; return those that each of them got, in queue order."""
        updates = list(_updates(queue_id, now, shares))
        if not updates:
            return {}
        # Safe to repeat: a second run leaves alone what the first one marked.
        result = self.engine.repeat(lambda: self.engine.messages.bulk_write(updates, ordered=False))
        if result.matched_count < sum(map(len, shares.values())):
            return self._read_back(queue_id, [wish.id for wish in shares])
        for wish, share in shares.items():
            for each in share:
                each["ttl"] = max(each["ttl"], wish.life)
        return {wish.id: share for wish, share in shares.items()}

    def _read_back(
        self, queue_id: ObjectId, claim_ids: list[ObjectId]
    ) -> dict[ObjectId, Documents]:
        """Return the messages that carry these claims."""
        wanted = {"queue": queue_id, "claim.id": {"$in": claim_ids}}
        found = self.engine.repeat(
            lambda: self.engine.latest.find(wanted, hint=BY_CLAIM).sort("position").to_list()
        )
        taken: dict[ObjectId, Documents] = {}
        for each in found:
            taken.setdefault(each["claim"]["id"], []).append(each)
        return taken

    def get(self, project: str | None, queue: str, claim_id: str) -> Claim:
        now = self.now()
        wanted = self._live(project, queue, claim_id, now)
        found = self.engine.read(
            lambda: self.engine.messages.find(wanted, hint=BY_CLAIM).sort("position").to_list()
        )
        held = [each for each in found if is_message(each) and _is_claim(each["claim"])]
        if not held:
            raise ClaimNotFound(claim_id=claim_id, queue=queue)
        claim = held[0]["claim"]
        return Claim(claim_id, claim["ttl"], age(claim["started"], now), read_messages(held, now))

    def renew(
        self, project: str | None, queue: str, claim_id: str, *, ttl: int, grace: int
    ) -> None:
        now = self.now()
        wanted = self._live(project, queue, claim_id, now)
        life = ttl + grace
        update = {
            "$set": {
                "claim.expires": now + ttl * 1000,
                "claim.ttl": ttl,
                "claim.started": now,
            },
            "$max": {"expires": now + life * 1000, "ttl": life},
        }
        if self._update(wanted, update) == 0:
            raise ClaimNotFound(claim_id=claim_id, queue=queue)

    def release(self, project: str | None, queue: str, claim_id: str) -> None:
        try:
            wanted = self._live(project, queue, claim_id, self.now())
        except ClaimNotFound:
            return
        self._update(wanted, {"$set": {"claim": {"expires": 0}}})

    def _live(self, project: str | None, queue: str, claim_id: str, now: int) -> Document:
        """Return the filter for the visible messages under a claim that is live.

        :raises ClaimNotFound: there can be none
        """
        claim = parse_id(claim_id)
        try:
            if claim is not None:
                return {
                    "queue": self.queue_ids.find(project, queue),
                    "claim.id": claim,
                    "claim.expires": {"$gt": now},
                    "expires": {"$gt": now},
                }
        except QueueNotFound:
            pass
        raise ClaimNotFound(claim_id=claim_id, queue=queue)

    def _update(self, wanted: Document, update: Document) -> int:
        """Change all messages of a claim at once; return how many there are."""

        def work(session: Session) -> int:
            result = self.engine.messages.update_many(
                wanted, update, hint=BY_CLAIM, session=session
            )
            return result.matched_count

        return self.engine.transact(work)


def _is_claim(claim: Document) -> bool:
    return isinstance(claim.get("ttl"), int) and isinstance(claim.get("started"), int)


def _updates(queue_id: ObjectId, now: int, shares: _Shares) -> Iterator[UpdateMany]:
    """Return the updates that put messages under the claims.

    PERF: what it costs the database to claim a single message is for the most part the update
    on its own, so claims that are alike share one.
    """
    alike: dict[tuple[int, int], list[tuple[ObjectId, ObjectId]]] = {}
    for wish, share in shares.items():
        pairs = alike.setdefault((wish.ttl, wish.life), [])
        pairs += [(wish.id, each["_id"]) for each in share]
    for (ttl, life), pairs in alike.items():
        for first in range(0, len(pairs), _TOGETHER):
            yield _update(queue_id, now, ttl, life, pairs[first : first + _TOGETHER])


def _update(
    queue_id: ObjectId, now: int, ttl: int, life: int, pairs: Sequence[tuple[ObjectId, ObjectId]]
) -> UpdateMany:
    """Return the update that puts messages under claims, except what is not free any more.

    `pairs` have the ids of a claim and of a message. Lengthening the life of a message (spec 6.6)
    takes no condition: it never expires later than it would by its reported ttl from the moment
    that ttl was given, so where the expiry need not be raised, the ttl is large enough.
    """
    shares: dict[ObjectId, list[ObjectId]] = {}
    for claim_id, message_id in pairs:
        shares.setdefault(claim_id, []).append(message_id)
    cases = [{"case": {"$in": ["$_id", ids]}, "then": claim_id} for claim_id, ids in shares.items()]
    return UpdateMany(
        {
            "_id": {"$in": [message_id for _, message_id in pairs]},
            "queue": queue_id,
            "expires": {"$gt": now},
            "claim.expires": {"$lte": now},
        },
        [
            {
                "$set": {
                    "claim": {
                        "id": {"$switch": {"branches": cases}},
                        "expires": now + ttl * 1000,
                        "ttl": ttl,
                        "started": now,
                    },
                    "expires": {"$max": ["$expires", now + life * 1000]},
                    "ttl": {"$max": ["$ttl", life]},
                    "claims": {"$add": ["$claims", 1]},
                }
            }
        ],
        hint=BY_ID,
    )
