"""The queries of the driver find what they need through an index, however long a queue is.

Each command of each operation is explained before it runs, on a queue of 100,000 messages. The
first half of them are under claims: these are live, then they have expired, then the sweeper has
dissolved them.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from bson import ObjectId
from pymongo import MongoClient, WriteConcern

from marconi_server.storage.conformance import ManualClock
from marconi_server.storage.conformance.faults import ALL, Scene
from marconi_server.storage.conformance.support import BoundQueue
from marconi_server.storage.mongodb import startup
from marconi_server.storage.mongodb.driver import MongoDBOptions, MongoDBStore
from marconi_server.storage.mongodb.engine import random_id
from marconi_server.storage.mongodb.schema import Document
from tests.mongodb.deployment import Client, Deployment
from tests.mongodb.explain import QUERIES, Examined, Explainer, explain

CLAIMED = 50_000
FREE = 50_000
PER_CLAIM = 10
CLAIM_SECONDS = 600
TTL = 86_400

OTHERS = 5_000
"""Another queue has so many claimed messages, and as many that are deleted but not yet removed."""

LIVE, EXPIRED, DISSOLVED = "live", "expired", "dissolved"
"""States of the claims in front."""

LAST = "delete queue"

LOOK_AT_EXPIRED_CLAIMS = ("claim", "list free messages")

SWEEPING: dict[str, Callable[[MongoDBStore], object]] = {
    "dissolve claims": lambda store: store._sweeper.dissolve(),
    "remove messages": lambda store: store._sweeper.work(),
    "remove queues": lambda store: store._sweeper.remove_queues(),
}


Report = dict[tuple[str, str], list[Examined]]
"""What was examined, by the state of the claims in front and the operation."""


class Bench:
    """A long queue beside another one, in a store whose commands are explained."""

    def __init__(self, mongodb: Deployment, database: str, client: Client) -> None:
        self._clock = ManualClock(time.time())
        self._explainer = Explainer(client)
        self._database = client[database]
        options = MongoDBOptions(
            uri=mongodb.uri, database=database, timeout=60, sweep_interval=3600, max_clock_skew=0
        )
        with pytest.MonkeyPatch.context() as patch:
            watched = partial(MongoClient, event_listeners=[self._explainer])
            patch.setattr(startup, "MongoClient", watched)
            self.store = MongoDBStore.open(options, self._clock)
        self._queue = BoundQueue(self.store, name="long").create()
        self._fill(self._queue, CLAIMED, FREE)
        other = BoundQueue(self.store, name="other").create()
        self._fill(other, OTHERS, OTHERS)
        while free := other.free_ids():
            other.delete_many(*free)

    def _fill(self, queue: BoundQueue, claimed: int, free: int) -> None:
        """Make a queue long: copies of a message that was claimed, then of one that was not."""
        (first,) = queue.post(b'{"number": 1}', ttl=TTL)
        queue.claim(ttl=CLAIM_SECONDS)
        held = self._copies(first, claimed - 1)
        ids = [random_id() for _ in range(claimed // PER_CLAIM)]
        for number, copy in enumerate(held):
            copy["claim"] = {**copy["claim"], "id": ids[number // PER_CLAIM]}
        self._insert(held)
        (newest,) = queue.post(b'{"number": 1}', ttl=TTL)
        self._insert(self._copies(newest, free - 1))
        assert queue.counts() == (free, claimed)

    def _copies(self, message_id: str, count: int) -> list[Document]:
        """Return copies of a message, with the positions behind it."""
        original = self._database.messages.find_one({"_id": ObjectId(message_id)})
        assert original is not None
        behind = range(original["position"] + 1, original["position"] + 1 + count)
        return [{**original, "_id": ObjectId(), "position": position} for position in behind]

    def _insert(self, copies: list[Document]) -> None:
        quick = self._database.messages.with_options(write_concern=WriteConcern(1))
        quick.insert_many(copies, ordered=False)
        head, last = copies[-1]["queue"], copies[-1]["position"]
        self._database.messages.update_one({"_id": head}, {"$set": {"last": last}})

    def run_all(self) -> Report:
        """Run all operations in all states of the claims in front."""
        report: Report = {}
        self._run(report, LIVE)
        self._clock.advance(CLAIM_SECONDS)
        self._run(report, EXPIRED)
        while self.store._sweeper.dissolve():
            pass
        self._run(report, DISSOLVED, LAST)
        return report

    def _run(self, report: Report, state: str, *last: str) -> None:
        claim = self._queue.claim(ttl=CLAIM_SECONDS, limit=2)
        free = self._queue.page(include_claimed=False, limit=3)
        ids = [message.id for message in (*claim.messages, *free.items)]
        scene = Scene(self._queue, ids, claim.id)
        for name, operation in ALL.items():
            if name != LAST or name in last:
                self.store._free.forget()  # so that every read of it looks at claims
                with self._explainer.watching() as examined:
                    operation(scene)
                report[state, name] = examined
        for name, work in SWEEPING.items():
            with self._explainer.watching() as examined:
                work(self.store)
            report[state, name] = examined


@pytest.fixture(scope="module")
def report(mongodb: Deployment) -> Iterator[Report]:
    with mongodb.database() as database, mongodb.client() as client:
        bench = Bench(mongodb, database, client)
        yield bench.run_all()
        bench.store.close()


def wasteful(report: Report, *states: str) -> dict[str, list[Examined]]:
    """Return what examined much more than it gave, by operation."""
    found: dict[str, list[Examined]] = {}
    for (state, operation), examined in report.items():
        if state in states:
            found.setdefault(operation, []).extend(each for each in examined if not each.lean)
    return {operation: examined for operation, examined in found.items() if examined}


@pytest.mark.seconds(7)
def test_operations_examine_hardly_more_than_they_give(report: Report) -> None:
    assert wasteful(report, LIVE, DISSOLVED) == {}


def test_only_who_looks_for_expired_claims_reads_those_that_nobody_has_dissolved(
    report: Report,
) -> None:
    found = wasteful(report, EXPIRED)
    assert set(found) == set(LOOK_AT_EXPIRED_CLAIMS)
    for operation, (examined,) in found.items():
        assert examined.source == "find messages", operation
        assert max(examined.keys, examined.documents) <= CLAIMED + 10, operation


def test_stats_count_in_indexes_alone(report: Report) -> None:
    for state in LIVE, EXPIRED, DISSOLVED:
        over, held = (each for each in report[state, "stats"] if each.counts)
        assert (over.documents, held.documents) == (0, 0)
    over, held = (each for each in report[LIVE, "stats"] if each.counts)
    assert held.returned > CLAIMED - 10, "there was little to count"


def test_every_operation_and_every_kind_of_query_was_explained(report: Report) -> None:
    assert {name for state, name in report if state == DISSOLVED} == {*ALL, *SWEEPING}
    silent = {name for (_, name), examined in report.items() if not examined}
    assert silent == {"dissolve claims"}, "a store that has seen no expired claim looks for none"
    sources = {each.source for examined in report.values() for each in examined}
    assert {source.split()[0] for source in sources} == QUERIES
    assert len(report[LIVE, "list free messages"]) == 2


def test_a_query_without_an_index_would_be_found(mongodb: Deployment) -> None:
    with mongodb.database() as database, mongodb.client() as client:
        client[database].messages.insert_many({"_id": n, "queue": n % 10} for n in range(100))
        (scan,) = explain(client, database, {"find": "messages", "filter": {"queue": 3}})
        (walk,) = explain(
            client,
            database,
            {"update": "messages", "updates": [{"q": {"queue": 3}, "u": {"$set": {"a": 1}}}]},
        )
    assert (scan.returned, scan.documents, scan.lean) == (10, 100, False)
    assert (walk.returned, walk.lean) == (1, True)
