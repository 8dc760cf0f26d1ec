"""What is measured: the request of each case over HTTP, and the same work on a store.

Every case works on one queue. Bodies of messages are 1 KB.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from random import Random
from typing import Final

from marconi_server.storage.contract import NewMessage, Store

PROJECT: Final = "bench"
QUEUE: Final = "load"
CLIENT: Final = "bench"
QUEUE_PATH: Final = f"/v1/queues/{QUEUE}"

HEADERS: Final = {
    "Accept": "application/json",
    "Client-ID": CLIENT,
    "Content-Type": "application/json",
    "X-Auth-Token": "x" * 183,
    "X-Project-Id": PROJECT,
}
"""Sent with every request, also to the empty responder: it has to read them as well. The token,
as long as those of Keystone, means something only to `keystone`, which gets a real one."""

BODY_SIZE: Final = 1024
"""Bytes of the body of a message."""

_POOL: Final = 256


def bodies(size: int, count: int = _POOL) -> list[bytes]:
    """Return message bodies of that many bytes: JSON strings of random letters.

    They do not compress, as the disk would profit from that. So many that none comes again
    within the window of a compressor. The same in each run.
    """
    random = Random(size)
    text = [urlsafe_b64encode(random.randbytes(size))[: size - 2] for _ in range(count)]
    return [b'"' + each + b'"' for each in text]


BODIES: Final = bodies(BODY_SIZE)

TTL: Final = 24 * 3600
"""Life of the messages in seconds: nothing expires while it is measured."""

CLAIM_TTL: Final = 3600
GRACE: Final = 60

FILL_BATCH: Final = 1000
FILL_BYTES: Final = 4 * 1024**2
"""The most of messages, and of bytes, that a queue is filled with at once."""

Work = Iterator[bool]
"""One operation per step, without end; tells whether its answer was the right one."""


@dataclass(frozen=True)
class Load:
    """What wrk sends: a script of `lua/`, a path, and the arguments of the script."""

    script: str
    path: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """One question to a server.

    load   the request over HTTP
    work   the same on a store, one iterator for each thread
    fill   messages in the queue beforehand
    taken  messages that are claimed in a second, at most: so many more are put into the queue
           for each second. If it runs dry all the same, empty claims count as errors.
    cycle  whether everything that is posted is also deleted
    """

    name: str
    load: Load
    work: Callable[[Store], Work]
    fill: int = 0
    taken: int = 0
    cycle: bool = False

    def messages(self, seconds: int, speed: float = 1.0) -> int:
        """Return how many messages the queue needs for a load of that many seconds.

        `speed` is how fast the contender is at most, as a share of the fastest.
        """
        return self.fill + int(self.taken * seconds * speed)


def fill(
    store: Store,
    count: int,
    *,
    project: str = PROJECT,
    queue: str = QUEUE,
    pool: Sequence[bytes] = BODIES,
) -> None:
    """Make a queue, with this many messages."""
    store.queues.create(project, queue)
    messages = _messages(pool)
    largest = min(FILL_BATCH, max(1, FILL_BYTES // len(pool[0])))
    for start in range(0, count, largest):
        batch = list(islice(messages, min(largest, count - start)))
        store.messages.post(project, queue, CLIENT, batch)


def _messages(pool: Sequence[bytes] = BODIES) -> Iterator[NewMessage]:
    return (NewMessage(TTL, body) for body in cycle(pool))


def _health(store: Store) -> Work:
    while True:
        store.ping()
        yield True


def _stats(store: Store) -> Work:
    while True:
        yield store.queues.stats(PROJECT, QUEUE).oldest is not None


def _list(store: Store) -> Work:
    while True:
        page = store.messages.list(
            PROJECT, QUEUE, marker=None, limit=10, exclude_client=None, include_claimed=False
        )
        yield len(page.items) == 10


def _post(size: int) -> Callable[[Store], Work]:
    def work(store: Store) -> Work:
        messages = _messages()
        while True:
            batch = list(islice(messages, size))
            yield len(store.messages.post(PROJECT, QUEUE, CLIENT, batch)) == size

    return work


def _claim(size: int) -> Callable[[Store], Work]:
    def work(store: Store) -> Work:
        while True:
            claim = store.claims.create(PROJECT, QUEUE, ttl=CLAIM_TTL, grace=GRACE, limit=size)
            yield claim is not None and len(claim.messages) == size

    return work


def _cycle(size: int) -> Callable[[Store], Work]:
    def work(store: Store) -> Work:
        messages = _messages()
        while True:
            batch = list(islice(messages, size))
            yield len(store.messages.post(PROJECT, QUEUE, CLIENT, batch)) == size
            claim = store.claims.create(PROJECT, QUEUE, ttl=CLAIM_TTL, grace=GRACE, limit=size)
            yield claim is not None and len(claim.messages) == size
            ids = [message.id for message in claim.messages] if claim else []
            if claim and size == 1:
                store.messages.delete(PROJECT, QUEUE, ids[0], claim.id)
            else:
                store.messages.delete_many(PROJECT, QUEUE, ids)
            yield True

    return work


def _single(status: int, method: str, path: str, body: str = "") -> Load:
    return Load("single.lua", path, (str(status), method, *([body] if body else [])))


def _claim_load(size: int) -> Load:
    return _single(201, "POST", f"{_CLAIMS}?limit={size}", _CLAIM_BODY)


def _cycle_load(size: int) -> Load:
    return Load("cycle.lua", QUEUE_PATH, (_post_body(size), _CLAIM_BODY, str(size)))


def _post_body(size: int) -> str:
    """Return the body of a post; the scripts of wrk put random letters for each x."""
    return json.dumps([{"ttl": TTL, "body": "x" * (BODY_SIZE - 2)}] * size)


_CLAIM_BODY = json.dumps({"ttl": CLAIM_TTL, "grace": GRACE})
_MESSAGES = f"{QUEUE_PATH}/messages"
_CLAIMS = f"{QUEUE_PATH}/claims"

CASES: Final = (
    Case("health", _single(204, "GET", "/v1/health"), _health),
    Case("post1", _single(201, "POST", _MESSAGES, _post_body(1)), _post(1)),
    Case("post10", _single(201, "POST", _MESSAGES, _post_body(10)), _post(10)),
    Case("list10", _single(200, "GET", f"{_MESSAGES}?echo=true&limit=10"), _list, fill=10_000),
    Case("claim1", _claim_load(1), _claim(1), taken=25_000),
    Case("claim10", _claim_load(10), _claim(10), taken=80_000),
    Case("stats", _single(200, "GET", f"{QUEUE_PATH}/stats"), _stats, fill=10_000),
    Case("cycle1", _cycle_load(1), _cycle(1), cycle=True),
    Case("cycle10", _cycle_load(10), _cycle(10), cycle=True),
)

EMPTY_LOAD: Final = _single(200, "GET", "/")
"""What the empty responder is asked, whatever the case."""
