"""What is measured: the request of each case over HTTP, and the same work on a store.

Every case works on one queue. Bodies of messages are 1 KB.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
    "X-Project-Id": PROJECT,
}
"""Sent with every request, also to the empty responder: it has to read them as well."""

BODY: Final = b'"' + b"x" * 1022 + b'"'
"""A message body of 1 KB."""

TTL: Final = 24 * 3600
"""Life of the messages in seconds: nothing expires while it is measured."""

CLAIM_TTL: Final = 3600
GRACE: Final = 60

FILL_BATCH: Final = 1000

Work = Iterator[bool]
"""One operation on a store per step, without end; tells whether its answer was the right one."""


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

    def messages(self, seconds: int) -> int:
        """Return how many messages the queue needs for a load of that many seconds."""
        return self.fill + self.taken * seconds


def fill(store: Store, count: int) -> None:
    """Make the queue, with this many messages."""
    store.queues.create(PROJECT, QUEUE)
    for start in range(0, count, FILL_BATCH):
        batch = [NewMessage(TTL, BODY)] * min(FILL_BATCH, count - start)
        store.messages.post(PROJECT, QUEUE, CLIENT, batch)


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
        messages = [NewMessage(TTL, BODY)] * size
        while True:
            yield len(store.messages.post(PROJECT, QUEUE, CLIENT, messages)) == size

    return work


def _claim(size: int) -> Callable[[Store], Work]:
    def work(store: Store) -> Work:
        while True:
            claim = store.claims.create(PROJECT, QUEUE, ttl=CLAIM_TTL, grace=GRACE, limit=size)
            yield claim is not None and len(claim.messages) == size

    return work


def _cycle(size: int) -> Callable[[Store], Work]:
    def work(store: Store) -> Work:
        messages = [NewMessage(TTL, BODY)] * size
        while True:
            yield len(store.messages.post(PROJECT, QUEUE, CLIENT, messages)) == size
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
    return json.dumps([{"ttl": TTL, "body": json.loads(BODY)}] * size)


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
