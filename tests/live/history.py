"""What the clients of a load did and saw: the evidence that `tests.live.checks` judges.

Each client appends a record of every request to a list of its own; a `History` is all of
those lists together. Times are seconds on the monotonic clock of the clients' process, bodies are
JSON texts in one canonical form. The checks rely on what the load keeps to:

* no body is posted twice;
* the TTL of every message outlasts the history;
* a claim is renewed and released only by the client that made it, one request at a time;
* a reader (the pages of one client on one queue) walks once, by `next` links, from the
  first message, with echo and claimed messages included;
* `History.drain` names the reader that read the final state, when all others had ended.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import groupby
from operator import attrgetter


class Outcome(Enum):
    """What a client knows of the effect of its request."""

    ACKNOWLEDGED = "acknowledged"
    """A 2xx came back: it was done."""
    REFUSED = "refused"
    """A 4xx came back: it was not done."""
    FAILED = "failed"
    """It never reached a server: it was not done."""
    UNKNOWN = "unknown"
    """Connection cut, time out or 5xx: done, not done, or still to be done."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A message as an answer showed it."""

    id: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One request: sent at `start`, and over for the client at `end`."""

    client: str
    queue: str
    start: float
    end: float
    outcome: Outcome

    @property
    def acknowledged(self) -> bool:
        return self.outcome is Outcome.ACKNOWLEDGED

    @property
    def possible(self) -> bool:
        """Whether the request may have had its effect."""
        return self.outcome in (Outcome.ACKNOWLEDGED, Outcome.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Post(Record):
    """A batch of messages, and the ids that the answer gave them."""

    bodies: tuple[str, ...]
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim(Record):
    """A request for a claim of `ttl` seconds; without id and messages if nothing was free."""

    ttl: int
    claim_id: str = ""
    messages: tuple[Seen, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal(Record):
    """A claim started again with a `ttl` in seconds."""

    claim_id: str
    ttl: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(Record):
    """A claim given up."""

    claim_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion(Record):
    """Messages deleted: one under its claim, or any number whatever their claims."""

    ids: tuple[str, ...]
    claim_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Record):
    """A page of a listing that asked for up to `limit` messages."""

    limit: int
    messages: tuple[Seen, ...] = ()

    @property
    def has_room(self) -> bool:
        """Whether the page came back short, so that nothing lay behind it."""
        return len(self.messages) < self.limit


@dataclass(frozen=True)
class Walk:
    """All pages that one reader was given, in the order in which it asked for them."""

    reader: str
    pages: Sequence[Page]
    ids: list[str] = field(init=False)
    """Every message once, where it was seen first."""
    position: dict[str, int] = field(init=False)
    """Where in `ids` a message stands."""
    page: dict[str, int] = field(init=False)
    """On which page a message was seen first."""

    def __post_init__(self) -> None:
        page: dict[str, int] = {}
        for number, one in enumerate(self.pages):
            for seen in one.messages:
                page.setdefault(seen.id, number)
        ids = list(page)
        object.__setattr__(self, "page", page)
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "position", {id: place for place, id in enumerate(ids)})

    def passed(self, position: int) -> Page | None:
        """Return the page that went beyond a position in `ids`, if the reader got that far."""
        own = self.page[self.ids[position]]
        following = self.ids[position + 1 : position + 2]
        beyond = self.page[following[0]] if following else len(self.pages)
        short = (page for page in self.pages[own:beyond] if page.has_room)
        return next(short, self.pages[beyond] if following else None)


class QueueHistory:
    """The records of one queue, indexed by message for the checks.

    :raises ValueError: the drain did not read the queue to its end, so that nothing
        could be said about lost messages
    """

    def __init__(self, queue: str, records: Sequence[Record], drain: str) -> None:
        self.name = queue
        self.drain = drain
        self.posts = [one for one in records if isinstance(one, Post) and one.possible]
        self.renewals: dict[str, list[Renewal]] = defaultdict(list)
        """By claim id, in the order of their start."""
        self.releases: dict[str, list[Release]] = defaultdict(list)
        for record in sorted(records, key=attrgetter("start")):
            if isinstance(record, Renewal):
                self.renewals[record.claim_id].append(record)
            elif isinstance(record, Release):
                self.releases[record.claim_id].append(record)
        self.deletions = [one for one in records if isinstance(one, Deletion)]
        claims = [one for one in records if isinstance(one, Claim)]
        self.claims = [one for one in claims if one.acknowledged]
        self.unanswered_claims = [one for one in claims if one.outcome is Outcome.UNKNOWN]
        pages = [one for one in records if isinstance(one, Page) and one.acknowledged]
        self.shown: list[Claim | Page] = [*self.claims, *pages]
        """Everything that showed messages to somebody."""

        pages.sort(key=attrgetter("client", "start"))
        self.walks = [
            Walk(reader, list(own)) for reader, own in groupby(pages, attrgetter("client"))
        ]
        final = next((walk for walk in self.walks if walk.reader == drain), None)
        if final is None or not final.pages[-1].has_room:
            raise ValueError(f"{drain!r} did not read queue {queue!r} to its end")
        self.drained = frozenset(final.ids)

        self._index_messages()
        self._index_deletions()

    def _index_messages(self) -> None:
        first_seen: dict[str, float] = {}
        sighted: dict[str, str] = {}
        for shown in self.shown:
            for seen in shown.messages:
                sighted.setdefault(seen.body, seen.id)
                first_seen[seen.id] = min(first_seen.get(seen.id, math.inf), shown.end)

        self.id_of: dict[str, str] = {}
        """Message ids by body, of all messages that were acknowledged or seen."""
        self.post_of: dict[str, Post] = {}
        """Where a message comes from, by its id."""
        self.known: dict[str, float] = {}
        """By when a message was surely in the queue: acknowledged or seen by somebody."""
        for post in self.posts:
            ids = dict(zip(post.bodies, post.ids, strict=False))
            for body in post.bodies:
                id = ids.get(body, sighted.get(body))
                if id is not None:
                    self.id_of[body] = id
                    self.post_of[id] = post
                    acknowledged = post.end if post.acknowledged else math.inf
                    self.known[id] = min(acknowledged, first_seen.get(id, math.inf))

    def _index_deletions(self) -> None:
        self._perhaps_deleted: dict[str, float] = {}
        self._surely_deleted: dict[str, float] = {}
        for deletion in self.deletions:
            for id in deletion.ids:
                if deletion.possible:
                    earlier = self._perhaps_deleted.get(id, math.inf)
                    self._perhaps_deleted[id] = min(earlier, deletion.start)
                if deletion.acknowledged:
                    earlier = self._surely_deleted.get(id, math.inf)
                    self._surely_deleted[id] = min(earlier, deletion.end)

    def deleted_from(self, id: str) -> float:
        """Until when a message was surely not deleted; infinity if nobody tried."""
        return self._perhaps_deleted.get(id, math.inf)

    def deleted_by(self, id: str) -> float:
        """From when on a message was surely deleted; infinity if that is not certain."""
        return self._surely_deleted.get(id, math.inf)


@dataclass(frozen=True)
class History:
    """A finished history: the records of all clients, and which reader was the last."""

    records: Sequence[Record]
    drain: str

    def queues(self) -> Iterator[QueueHistory]:
        """Give the history of each queue by itself."""
        by_queue: dict[str, list[Record]] = defaultdict(list)
        for record in self.records:
            by_queue[record.queue].append(record)
        for queue, records in by_queue.items():
            yield QueueHistory(queue, records, self.drain)

    def count(self, kind: type[Record], outcome: Outcome = Outcome.ACKNOWLEDGED) -> int:
        """Count the requests of a kind that ended in one way."""
        return sum(isinstance(one, kind) and one.outcome is outcome for one in self.records)

    def summary(self) -> str:
        """Say in one line how many requests of each kind ended in which way."""
        parts = []
        for kind in (Post, Claim, Renewal, Release, Deletion, Page):
            counts = [
                f"{count} {outcome.value}"
                for outcome in Outcome
                if (count := self.count(kind, outcome))
            ]
            parts.append(f"{kind.__name__.lower()}s: {', '.join(counts) or 'none'}")
        return "; ".join(parts)
