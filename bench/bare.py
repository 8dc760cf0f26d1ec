"""The cases done with bare pymongo, as somebody would do who promises nothing more than MongoDB.

Durable writes, and reads of what is durable, but nothing else: no order between posts, no batch
that becomes visible at once, no counters; a message is a document, a claim a field of it.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from typing import Any, Final

from bson import ObjectId
from pymongo import ASCENDING, MongoClient
from pymongo.collection import Collection
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from bench.cases import BODIES, CLAIM_TTL, QUEUE, Work

Document = dict[str, Any]
Messages = Collection[Document]

_FILL_BATCH: Final = 1000
_FREE: Final = {"queue": QUEUE, "claim": None}
_IN_ORDER: Final = [("_id", ASCENDING)]


def messages_of(client: MongoClient[Document]) -> Messages:
    """Return the collection that all cases work on."""
    database = client.get_database(
        "bare",
        write_concern=WriteConcern(w="majority", j=True),
        read_concern=ReadConcern("majority"),
    )
    return database["messages"]


def fill(messages: Messages, count: int) -> None:
    """Make the collection, with this many messages."""
    messages.create_index([("queue", ASCENDING), ("claim", ASCENDING), ("_id", ASCENDING)])
    documents = _documents()
    for start in range(0, count, _FILL_BATCH):
        messages.insert_many(list(islice(documents, min(_FILL_BATCH, count - start))))


def _documents() -> Iterator[Document]:
    return ({"queue": QUEUE, "claim": None, "body": body} for body in cycle(BODIES))


def _health(messages: Messages) -> Work:
    while True:
        yield messages.database.command("ping")["ok"] == 1


def _post(size: int) -> Callable[[Messages], Work]:
    def work(messages: Messages) -> Work:
        documents = _documents()
        while True:
            yield len(_insert(messages, list(islice(documents, size)))) == size

    return work


def _list(messages: Messages) -> Work:
    while True:
        yield len(messages.find(_FREE, sort=_IN_ORDER, limit=10).to_list()) == 10


def _claim(size: int) -> Callable[[Messages], Work]:
    def work(messages: Messages) -> Work:
        while True:
            yield len(_take(messages, size)) == size

    return work


def _stats(messages: Messages) -> Work:
    while True:
        total = messages.count_documents({"queue": QUEUE})
        yield total >= messages.count_documents(_FREE) > 0


def _cycle(size: int) -> Callable[[Messages], Work]:
    def work(messages: Messages) -> Work:
        documents = _documents()
        while True:
            yield len(_insert(messages, list(islice(documents, size)))) == size
            taken = _take(messages, size)
            yield len(taken) == size
            if size == 1:
                yield messages.delete_one({"_id": taken[0]}).deleted_count == 1
            else:
                yield messages.delete_many({"_id": {"$in": taken}}).deleted_count == size

    return work


def _insert(messages: Messages, documents: Sequence[Document]) -> Sequence[ObjectId]:
    if len(documents) == 1:
        return [messages.insert_one(dict(documents[0])).inserted_id]
    return messages.insert_many(list(documents)).inserted_ids


def _take(messages: Messages, size: int) -> list[ObjectId]:
    """Claim messages, one after the other, and return their ids."""
    claim = {"id": ObjectId(), "expires": time.time() + CLAIM_TTL}
    taken = []
    for _ in range(size):
        found = messages.find_one_and_update(_FREE, {"$set": {"claim": claim}}, sort=_IN_ORDER)
        if found is None:
            break
        taken.append(found["_id"])
    return taken


WORK: Final[dict[str, Callable[[Messages], Work]]] = {
    "health": _health,
    "post1": _post(1),
    "post10": _post(10),
    "list10": _list,
    "claim1": _claim(1),
    "claim10": _claim(10),
    "stats": _stats,
    "cycle1": _cycle(1),
    "cycle10": _cycle(10),
}
"""The work of each case, by its name."""
