"""The storage contract: what a driver promises to the API layer.

A driver is supported if it passes `marconi_server.storage.conformance` unmodified.
The docstrings here are the promises; "visible", "live" and "free" mean:

visible  a message that was not deleted and whose expiry lies after now
live     a claim that was not released and whose expiry lies after now
free     a visible message under no live claim

Rules that hold for every operation:

* Scope. A queue is identified by (project, name). `project` is `None` for "no
  project", a scope of its own. Nothing of another scope is ever seen or touched.
* Time. "Now" is what the injected clock says when the operation runs, to the millisecond at
  least. Expiry is exact on every read and write, whenever the driver removes rows (spec 6.2,
  6.5). Nothing but lives and ages depends on the clock: it may stand still or be set back.
* Durability. When an operation returns, its effect survives a crash of this
  process and is seen by every operation that starts later, through any process.
* Atomicity. An operation takes effect as a whole and at once, or not at all.
* Errors. Only `marconi_server.storage.errors`. Any operation may raise
  `StorageUnavailable`, within a bounded time: an engine that fails or hangs never
  becomes a hang of the caller.
* Concurrency. All methods may be called from many threads, and from many
  processes that opened the same store.
* Values. Arguments were checked by the caller: names, ranges and types are right,
  bodies and metadata are valid UTF-8 JSON. Ids and markers are any text, as clients sent it;
  what the driver could not have minted matches nothing, and is never an error.
* Bodies. A body or metadata document is opaque: it comes back byte for byte. It has at most
  `LARGEST_BODY` or `LARGEST_METADATA` bytes; no operation fails because of its size.

Names of queues are made of `A-Z a-z 0-9 _ - .`, ids and markers of `A-Z a-z 0-9 _ -`, message
markers of digits only (spec 2). Message ids are unique within their queue, for ever.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, Generic, Self, TypeVar

from msgspec import Struct

Clock = Callable[[], float]
"""Gives the time as seconds since the epoch, UTC."""

LARGEST_BODY: Final = 15 * 1024**2
"""Bytes of the largest body of a message. A document of MongoDB has 16 MiB at most."""

LARGEST_METADATA: Final = 6 * 1024**2
"""Bytes of the largest metadata. MongoDB with little memory does not exchange larger documents."""

Item = TypeVar("Item")


class Page(Struct, Generic[Item], frozen=True):
    """A part of an ordered sequence.

    `marker` is the position of the last item, from which the next page starts;
    `None` exactly if there are no items.
    """

    items: list[Item]
    marker: str | None


class Queue(Struct, frozen=True):
    """A queue in a listing; `metadata` is `None` unless it was asked for."""

    name: str
    metadata: bytes | None = None


class NewMessage(Struct, frozen=True):
    """A message to post: `ttl` in seconds, `body` the UTF-8 JSON of one value."""

    ttl: int
    body: bytes


class Message(Struct, frozen=True):
    """A stored message.

    `ttl` is the life in seconds that is reported to clients: the value posted,
    unless a claim lengthened it (spec 6.6). `age` is the whole seconds since posting,
    rounded down, never negative; claims do not change it.
    """

    id: str
    ttl: int
    age: int
    body: bytes


class Claim(Struct, frozen=True):
    """A live claim: `ttl` and `age` in seconds, `age` since creation or renewal.

    `messages` are the visible messages it holds, in queue order, never empty.
    """

    id: str
    ttl: int
    age: int
    messages: list[Message]


class MessageStamp(Struct, frozen=True):
    """Which message and when: `created` in seconds since the epoch, `age` in seconds."""

    id: str
    created: float
    age: int


class QueueStats(Struct, frozen=True):
    """Counts of visible messages: `claimed` under a live claim, `free` all others.

    `oldest` and `newest` are the first and the last visible message in queue order,
    claimed or not; both are `None` exactly if there is no visible message.
    """

    claimed: int
    free: int
    oldest: MessageStamp | None = None
    newest: MessageStamp | None = None


class Queues(ABC):
    """Queues and their metadata."""

    @abstractmethod
    def create(self, project: str | None, queue: str) -> bool:
        """Make sure that the queue exists.

        A new queue has the metadata `{}` and no messages, also if one of that name was
        deleted before; its positions lie above all that the earlier one handed out.
        An existing queue is left as it is. Idempotent.

        :returns: whether this call created it; of concurrent calls exactly one does
        """

    @abstractmethod
    def exists(self, project: str | None, queue: str) -> bool:
        """Tell whether the queue exists."""

    @abstractmethod
    def delete(self, project: str | None, queue: str) -> None:
        """Delete the queue with its metadata, messages and claims; idempotent.

        For every later operation all of it is gone at once, and the time this takes does
        not grow with the queue; space may be freed later.
        """

    @abstractmethod
    def list(
        self, project: str | None, *, marker: str | None, limit: int, detailed: bool
    ) -> Page[Queue]:
        """List up to `limit` queues of the project whose name is greater than `marker`.

        Sorted by the bytes of the name. The marker is any string and need not name a
        queue. `detailed` includes the metadata.
        """

    @abstractmethod
    def metadata(self, project: str | None, queue: str) -> bytes:
        """Return the metadata document as it was set, `b"{}"` for a new queue.

        :raises QueueNotFound: no such queue
        """

    @abstractmethod
    def set_metadata(self, project: str | None, queue: str, metadata: bytes) -> None:
        """Replace the whole metadata document; idempotent.

        :raises QueueNotFound: no such queue
        """

    @abstractmethod
    def stats(self, project: str | None, queue: str) -> QueueStats:
        """Count the visible messages, exactly, without reading each of them.

        :raises QueueNotFound: no such queue
        """


class Messages(ABC):
    """Messages of a queue, in one total order per queue (promises P6 to P8).

    `list` hides the built-in type in the annotations below it, hence `Sequence`.
    """

    @abstractmethod
    def post(
        self,
        project: str | None,
        queue: str,
        client_id: str,
        messages: Sequence[NewMessage],
    ) -> Sequence[str]:
        """Append the messages, which are at least one, as one batch.

        All become visible at once, next to each other, in the order given, behind
        every message whose post returned earlier. Once any reader was given a marker, no
        message appears at a position before it. Not idempotent: a caller that repeats
        it after `StorageUnavailable` may post twice.

        :returns: the new ids, in the order of the messages
        :raises QueueNotFound: no such queue; it is not created
        :raises StorageConflict: others wrote to the queue at the same time for too long
        """

    @abstractmethod
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
        """List up to `limit` visible messages behind `marker`, in queue order.

        Leaves out those posted under the client id `exclude_client`, and those under a live
        claim unless `include_claimed`. A marker stays valid when its message is gone;
        one that makes no sense gives an empty page, as does a missing queue. Digits that were
        never handed out give whatever messages of this queue lie behind such a position.
        """

    @abstractmethod
    def get(self, project: str | None, queue: str, message_id: str) -> Message:
        """Return one visible message, claimed or not.

        :raises MessageNotFound: no such message or queue
        """

    @abstractmethod
    def get_many(
        self, project: str | None, queue: str, message_ids: Sequence[str]
    ) -> Sequence[Message]:
        """Return the visible messages among the ids, in queue order, each once.

        Ids that match nothing, and a missing queue, are passed over in silence.
        """

    @abstractmethod
    def delete(
        self, project: str | None, queue: str, message_id: str, claim_id: str | None
    ) -> None:
        """Delete one message as the table in spec 6.8 says; idempotent.

        Succeeds without effect if the message is not visible or the queue is missing,
        and if `claim_id` is not one that this driver could have minted; no driver ever
        mints the word `invalid`, or anything with other characters than ids have.

        :raises MessageClaimed: the message is claimed and no claim id was given, or
            the claim id given is not that of the live claim that holds it
        """

    @abstractmethod
    def delete_many(self, project: str | None, queue: str, message_ids: Sequence[str]) -> None:
        """Delete the messages with these ids, claimed or not; idempotent.

        Ids that match nothing, and a missing queue, are passed over in silence.
        """


class Claims(ABC):
    """Claims: leases on messages (promises P3 and P4)."""

    @abstractmethod
    def create(
        self, project: str | None, queue: str, *, ttl: int, grace: int, limit: int
    ) -> Claim | None:
        """Claim the oldest free messages: `limit` of them, or all if there are fewer.

        Others that claim at the same time may lead to fewer. No message is ever under two
        live claims. A message that would expire before the end of the claim plus `grace`
        (seconds) has its life lengthened to that moment, and its reported `ttl` raised to at
        least `ttl + grace` (spec 6.6).

        :returns: the claim, or `None` if nothing is free or the queue is missing; then
            no claim comes into being
        """

    @abstractmethod
    def get(self, project: str | None, queue: str, claim_id: str) -> Claim:
        """Return a live claim.

        :raises ClaimNotFound: unknown, released or expired claim, or no message left in it
        """

    @abstractmethod
    def renew(
        self, project: str | None, queue: str, claim_id: str, *, ttl: int, grace: int
    ) -> None:
        """Start the claim again, from now, with a new `ttl`, shorter or longer.

        Lengthens the life of its messages as `create` does, with this `ttl` and `grace`
        (seconds; spec 6.7).

        :raises ClaimNotFound: as for `get`
        """

    @abstractmethod
    def release(self, project: str | None, queue: str, claim_id: str) -> None:
        """End the claim: its messages are free at once, in their old places.

        Their lengthened life stays. Succeeds without effect if there is no such live
        claim. Idempotent.
        """


class Store(ABC):
    """An open store.

    A driver is a subclass, registered as an entry point in the group
    `marconi_server.storage` under the name that the option `storage` takes.
    `Options` is its declarative section of the configuration (`marconi_server.config.options`).
    """

    Options: type[Any]

    cooperative: ClassVar[bool] = False
    """Whether operations never wait except through `marconi_server.waiting`, and so may run on
    an event loop. A driver whose calls block the thread that makes them is not cooperative."""

    queues: Queues
    messages: Messages
    claims: Claims

    @classmethod
    @abstractmethod
    def open(cls, options: Any, clock: Clock) -> Self:
        """Open the store, creating what is missing. Called once in each worker process.

        :raises StorageUnusable: the configuration or the store itself is unfit for use, and
            somebody has to change that
        :raises StorageUnavailable: the engine does not answer; the same call may succeed later
        """

    @abstractmethod
    def ping(self) -> None:
        """Do the cheapest thing that proves that the engine answers.

        :raises StorageUnavailable: it does not
        """

    def describe(self) -> str:
        """Say where the store is, whether it was new or found, and how large it is: for the log.

        Nothing in it is a secret. Called at the start, if the engine answers.

        :raises StorageUnavailable: it does not answer any more
        """
        return ""

    @abstractmethod
    def close(self) -> None:
        """Finish background work and let go of the engine. Idempotent.

        Operations after it raise `StorageUnavailable`, unless their arguments alone decide.
        """
