"""The storage contract as a model in memory: clarity before speed, and no durability.

It shows that the conformance suite asks for nothing impossible, is what the SQLite driver is
compared with, and is the right driver from which the wrong ones in `mutants.py` are made.
"""

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock
from typing import Any, Self

from marconi_server.storage import contract
from marconi_server.storage.contract import (
    Claim,
    Clock,
    Message,
    MessageStamp,
    NewMessage,
    Page,
    Queue,
    QueueStats,
)
from marconi_server.storage.errors import (
    ClaimNotFound,
    MessageClaimed,
    MessageNotFound,
    QueueNotFound,
    StorageUnavailable,
)

CLAIM_ID = re.compile(r"c[1-9][0-9]{0,17}", re.ASCII)
MARKER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


@dataclass
class HeldClaim:
    """A claim, perhaps over by now; its messages point to it."""

    id: str
    ttl: int
    started: float


@dataclass
class HeldMessage:
    """A message that was not deleted, perhaps expired by now."""

    id: str
    position: int
    client_id: str
    ttl: int
    created: float
    expires: float
    body: bytes
    claim: HeldClaim | None = None


@dataclass
class HeldQueue:
    """A queue; `messages` are in queue order."""

    metadata: bytes = b"{}"
    messages: list[HeldMessage] = field(default_factory=list)


class Data:
    """What stores on the same data share, and the rules of time and life."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.broken = False
        self.queues: dict[tuple[str | None, str], HeldQueue] = {}
        self.last_number = 0

    def next_number(self) -> int:
        """Give a number, for a position or an id, that lies above all earlier ones."""
        self.last_number += 1
        return self.last_number

    def key(self, project: str | None, queue: str) -> tuple[str | None, str]:
        """Identify a queue."""
        return project, queue

    def age(self, since: float, now: float) -> int:
        """Count the whole seconds."""
        return max(0, math.floor(now - since))

    def is_visible(self, message: HeldMessage, now: float) -> bool:
        """Tell whether a message counts as there."""
        return now < message.expires

    def is_live(self, claim: HeldClaim, now: float) -> bool:
        """Tell whether a claim holds."""
        return now < claim.started + claim.ttl

    def is_claimed(self, message: HeldMessage, now: float) -> bool:
        """Tell whether a message is under a live claim."""
        return message.claim is not None and self.is_live(message.claim, now)

    def lengthen(self, message: HeldMessage, now: float, life: int) -> None:
        """Let the message live for at least `life` seconds from now."""
        if message.expires < now + life:
            message.expires = now + life
            message.ttl = max(message.ttl, life)

    def visible(self, project: str | None, queue: str, now: float) -> list[HeldMessage]:
        """Return the visible messages in order, none for a missing queue."""
        held = self.queues.get(self.key(project, queue), HeldQueue())
        return [message for message in held.messages if self.is_visible(message, now)]


class Part:
    """Base of the three groups of operations."""

    def __init__(self, store: "MemoryStore") -> None:
        self._store = store
        self._data = store.data

    @contextmanager
    def _now(self) -> Iterator[float]:
        """Keep others out for one operation, and give its time."""
        with self._data.lock:
            yield self._store.check()

    def _queue(self, project: str | None, queue: str) -> HeldQueue:
        try:
            return self._data.queues[self._data.key(project, queue)]
        except KeyError as error:
            raise QueueNotFound(queue=queue, project=project) from error

    def _message(self, message: HeldMessage, now: float) -> Message:
        age = self._data.age(message.created, now)
        return Message(id=message.id, ttl=message.ttl, age=age, body=message.body)


class Queues(Part, contract.Queues):
    """Queues and their metadata."""

    def create(self, project: str | None, queue: str) -> bool:
        key = self._data.key(project, queue)
        with self._now():
            if key in self._data.queues:
                return False
            self._data.queues[key] = HeldQueue()
            return True

    def exists(self, project: str | None, queue: str) -> bool:
        with self._now():
            return self._data.key(project, queue) in self._data.queues

    def delete(self, project: str | None, queue: str) -> None:
        with self._now():
            self._data.queues.pop(self._data.key(project, queue), None)

    def list(
        self, project: str | None, *, marker: str | None, limit: int, detailed: bool
    ) -> Page[Queue]:
        with self._now():
            names = sorted(
                name
                for scope, name in self._data.queues
                if scope == project and (marker is None or name > marker)
            )[:limit]
            queues = [
                Queue(name, self._queue(project, name).metadata if detailed else None)
                for name in names
            ]
            return Page(queues, names[-1] if names else None)

    def metadata(self, project: str | None, queue: str) -> bytes:
        with self._now():
            return self._queue(project, queue).metadata

    def set_metadata(self, project: str | None, queue: str, metadata: bytes) -> None:
        with self._now():
            self._queue(project, queue).metadata = metadata

    def stats(self, project: str | None, queue: str) -> QueueStats:
        with self._now() as now:
            self._queue(project, queue)
            visible = self._data.visible(project, queue, now)
            claimed = sum(self._data.is_claimed(message, now) for message in visible)
            stamps = [self._stamp(message, now) for message in visible]
            oldest, newest = (stamps[0], stamps[-1]) if stamps else (None, None)
            return QueueStats(claimed, len(visible) - claimed, oldest, newest)

    def _stamp(self, message: HeldMessage, now: float) -> MessageStamp:
        age = self._data.age(message.created, now)
        return MessageStamp(message.id, message.created, age)


class Messages(Part, contract.Messages):
    """Messages of a queue."""

    def post(
        self, project: str | None, queue: str, client_id: str, messages: Sequence[NewMessage]
    ) -> list[str]:
        with self._now() as now:
            held = self._queue(project, queue)
            added = [self._held(client_id, message, now) for message in messages]
            held.messages.extend(added)
            return [message.id for message in added]

    def _held(self, client_id: str, message: NewMessage, now: float) -> HeldMessage:
        position = self._data.next_number()
        return HeldMessage(
            id=f"m{position}",
            position=position,
            client_id=client_id,
            ttl=message.ttl,
            created=now,
            expires=now + message.ttl,
            body=message.body,
        )

    def get(self, project: str | None, queue: str, message_id: str) -> Message:
        found = self.get_many(project, queue, [message_id])
        if not found:
            raise MessageNotFound(message_id=message_id, queue=queue)
        return found[0]

    def get_many(
        self, project: str | None, queue: str, message_ids: Sequence[str]
    ) -> list[Message]:
        with self._now() as now:
            return [
                self._message(message, now)
                for message in self._data.visible(project, queue, now)
                if message.id in message_ids
            ]

    def delete(
        self, project: str | None, queue: str, message_id: str, claim_id: str | None
    ) -> None:
        if claim_id is not None and not CLAIM_ID.fullmatch(claim_id):
            self._store.check()
            return
        with self._now() as now:
            for message in self._data.visible(project, queue, now):
                if message.id == message_id:
                    self._check_claim(message, claim_id, now)
                    self._queue(project, queue).messages.remove(message)

    def _check_claim(self, message: HeldMessage, claim_id: str | None, now: float) -> None:
        claim = message.claim if self._data.is_claimed(message, now) else None
        if claim_id != (claim.id if claim else None):
            raise MessageClaimed(message_id=message.id, claim_id=claim_id)

    def delete_many(self, project: str | None, queue: str, message_ids: Sequence[str]) -> None:
        with self._now() as now:
            for message in self._data.visible(project, queue, now):
                if message.id in message_ids:
                    self._queue(project, queue).messages.remove(message)

    # Behind the others, since from here on `list` is this method.
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
        with self._now() as now:
            if marker is None:
                position = 0
            elif MARKER.fullmatch(marker):
                position = int(marker)
            else:
                return Page([], None)
            found = [
                message
                for message in self._data.visible(project, queue, now)
                if message.position > position
                and message.client_id != exclude_client
                and (include_claimed or not self._data.is_claimed(message, now))
            ][:limit]
            last = str(found[-1].position) if found else None
            return Page([self._message(message, now) for message in found], last)


class Claims(Part, contract.Claims):
    """Claims."""

    def create(
        self, project: str | None, queue: str, *, ttl: int, grace: int, limit: int
    ) -> Claim | None:
        with self._now() as now:
            free = [
                message
                for message in self._data.visible(project, queue, now)
                if not self._data.is_claimed(message, now)
            ][:limit]
            if not free:
                return None
            claim = HeldClaim(f"c{self._data.next_number()}", ttl, now)
            for message in free:
                message.claim = claim
                self._data.lengthen(message, now, ttl + grace)
            return self._claim(claim, free, now)

    def get(self, project: str | None, queue: str, claim_id: str) -> Claim:
        with self._now() as now:
            claim, messages = self._find(project, queue, claim_id, now)
            return self._claim(claim, messages, now)

    def renew(
        self, project: str | None, queue: str, claim_id: str, *, ttl: int, grace: int
    ) -> None:
        with self._now() as now:
            claim, messages = self._find(project, queue, claim_id, now)
            claim.started = now
            claim.ttl = ttl
            for message in messages:
                self._data.lengthen(message, now, ttl + grace)

    def release(self, project: str | None, queue: str, claim_id: str) -> None:
        with self._now() as now:
            for message in self._data.visible(project, queue, now):
                if message.claim and message.claim.id == claim_id:
                    message.claim = None

    def _find(
        self, project: str | None, queue: str, claim_id: str, now: float
    ) -> tuple[HeldClaim, list[HeldMessage]]:
        messages = [
            message
            for message in self._data.visible(project, queue, now)
            if message.claim
            and message.claim.id == claim_id
            and self._data.is_claimed(message, now)
        ]
        if not messages or messages[0].claim is None:
            raise ClaimNotFound(claim_id=claim_id, queue=queue)
        return messages[0].claim, messages

    def _claim(self, claim: HeldClaim, messages: list[HeldMessage], now: float) -> Claim:
        return Claim(
            id=claim.id,
            ttl=claim.ttl,
            age=self._data.age(claim.started, now),
            messages=[self._message(message, now) for message in messages],
        )


class MemoryStore(contract.Store):
    """A store on `Data`, which is its configuration."""

    Options = Data
    parts: tuple[type[Queues], type[Messages], type[Claims]] = (Queues, Messages, Claims)

    def __init__(self, data: Data, clock: Clock) -> None:
        self.data = data
        self._clock = clock
        self._closed = False
        queues, messages, claims = self.parts
        self.queues = queues(self)
        self.messages = messages(self)
        self.claims = claims(self)

    @classmethod
    def open(cls, options: Any, clock: Clock) -> Self:
        store = cls(options, clock)
        store.ping()
        return store

    def check(self) -> float:
        """Return the time, if the store can be used."""
        if self._closed:
            raise StorageUnavailable(reason="The store is closed.")
        if self.data.broken:
            raise StorageUnavailable(reason="The memory is broken.")
        return self._clock()

    def ping(self) -> None:
        self.check()

    def close(self) -> None:
        self._closed = True

    def sweep(self) -> None:
        """Remove messages that have expired."""
        with self.data.lock:
            now = self._clock()
            for queue in self.data.queues.values():
                queue.messages = [m for m in queue.messages if self.data.is_visible(m, now)]


class MemoryHarness:
    """The harness of the model; `data` and `store` are other classes for a mutant."""

    def __init__(self, data: Data | None = None, store: type[MemoryStore] = MemoryStore) -> None:
        self._data = data or Data()
        self._store = store

    def open(self, clock: Clock) -> MemoryStore:
        return self._store.open(self._data, clock)

    @contextmanager
    def failing(self) -> Iterator[None]:
        self._data.broken = True
        try:
            yield
        finally:
            self._data.broken = False

    def sweep(self, store: contract.Store) -> None:
        assert isinstance(store, MemoryStore)
        store.sweep()
