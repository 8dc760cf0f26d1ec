"""What clients see when members of a MongoDB replica set fail: nothing is lost.

Two nodes serve a load from a replica set of three while something happens. What the clients saw is
judged as in the live tier, and how long no message was taken is reported.
"""

import time
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import monotonic

import pytest
from pymongo import MongoClient
from pymongo.errors import AutoReconnect

from marconi_server.storage.conformance.support import BoundQueue
from marconi_server.storage.mongodb import startup
from marconi_server.storage.mongodb.driver import MongoDBOptions, MongoDBStore
from tests.live.history import History, Outcome, Post, Record
from tests.live.judge import Report, judge
from tests.live.load import Load
from tests.mongodb.replica_set import ReplicaSet
from tests.mongodb.sabotage import Saboteur
from tests.support.live import LiveServer
from tests.support.waiting import PATIENCE

BEFORE_SECONDS = 1.0
"""How long a load runs before something happens to it."""

AFTER_SECONDS = 1.5
"""How long it goes on when all is well again."""

LEAST_PER_SECOND = 5
"""Of each kind of request, in the seconds without a fault: so that something was tested."""


Nodes = tuple[LiveServer, LiveServer]


@pytest.fixture
def timeout() -> int:
    """Give the seconds that a request waits for the database; the default, but for one test."""
    return 10


@pytest.fixture
def nodes(mongodb_set: ReplicaSet, tmp_path: Path, timeout: int) -> Iterator[Nodes]:
    """Give two nodes on one database of a complete replica set."""
    mongodb_set.mend()
    with mongodb_set.database() as database:
        config = (
            "[drivers]\nstorage = mongodb\n[drivers:storage:mongodb]\n"
            f"uri = {mongodb_set.uri}\ndatabase = {database}\ntimeout = {timeout}\n"
        )
        with (
            LiveServer(tmp_path, config=config, workers=1, embedded=False) as one,
            LiveServer(tmp_path, config=config, workers=1, embedded=False) as two,
        ):
            yield one, two
            one.stop()
            two.stop()
            assert "Traceback" not in one.log() + two.log()


def judge_since(load: Load, report: Report, since: float) -> History:
    """Check all promises.

    Reports the longest time without a 201 after the moment `since`, which there has to be.
    """
    history = judge(load, report)
    answers = sorted(
        record.end for record in history.records if isinstance(record, Post) and record.acknowledged
    )
    gaps = [later - max(since, earlier) for earlier, later in pairwise(answers) if later > since]
    assert gaps, "no message was taken any more"
    report(f"no 201 for {max(gaps):.1f} s at most")
    return history


@pytest.mark.seconds(15)
def test_the_primary_is_killed(nodes: Nodes, mongodb_set: ReplicaSet, report: Report) -> None:
    with Load(*nodes, least=6.0 * LEAST_PER_SECOND) as load:
        load.run(BEFORE_SECONDS)
        primary = mongodb_set.wait_for_primary()
        since = monotonic()
        primary.kill()
        mongodb_set.wait_for_primary(other_than=primary)
        load.run(4.0)
        primary.start()
        load.run(AFTER_SECONDS)
    judge_since(load, report, since)


@pytest.mark.seconds(20)
def test_the_primary_steps_down_again_and_again(
    nodes: Nodes, mongodb_set: ReplicaSet, report: Report
) -> None:
    with Load(*nodes, least=12.0 * LEAST_PER_SECOND) as load:
        load.run(BEFORE_SECONDS)
        since = monotonic()
        for _ in range(3):
            mongodb_set.wait_for_primary(other_than=mongodb_set.step_down())
            load.run(5.0)
    judge_since(load, report, since)


@pytest.mark.seconds(25)
def test_the_primary_freezes(nodes: Nodes, mongodb_set: ReplicaSet, report: Report) -> None:
    with Load(*nodes, least=8.0 * LEAST_PER_SECOND) as load:
        load.run(BEFORE_SECONDS)
        primary = mongodb_set.wait_for_primary()
        since = monotonic()
        primary.freeze()
        load.run(15.0)
        assert mongodb_set.wait_for_primary() is not primary
        primary.thaw()
        load.run(AFTER_SECONDS)
    judge_since(load, report, since)


@pytest.mark.seconds(12)
def test_a_secondary_freezes(nodes: Nodes, mongodb_set: ReplicaSet, report: Report) -> None:
    with Load(*nodes, least=8.0 * LEAST_PER_SECOND) as load:
        load.run(BEFORE_SECONDS)
        secondary = mongodb_set.secondaries()[0]
        since = monotonic()
        secondary.freeze()
        load.run(5.0)
        secondary.thaw()
        load.run(AFTER_SECONDS)
    history = judge_since(load, report, since)
    assert load.unavailable == 0
    assert history.count(Record, Outcome.UNKNOWN) == 0


@pytest.mark.parametrize("timeout", [2])
@pytest.mark.seconds(10)
def test_there_is_no_majority(nodes: Nodes, mongodb_set: ReplicaSet, report: Report) -> None:
    with Load(*nodes, least=3.0 * LEAST_PER_SECOND) as load:
        load.run(BEFORE_SECONDS)
        secondaries = mongodb_set.secondaries()
        since = monotonic()
        for secondary in secondaries:
            secondary.freeze()
        while load.unavailable == 0:
            assert monotonic() < since + PATIENCE, "requests hang"
            load.run(0.2)
        load.run(AFTER_SECONDS)
        for secondary in secondaries:
            secondary.thaw()
        load.run(AFTER_SECONDS)
    judge_since(load, report, since)


def test_a_connection_from_between_two_roles_is_not_kept(mongodb_set: ReplicaSet) -> None:
    """A member that steps down is neither primary nor secondary, though only for a moment."""
    mongodb_set.mend()
    secondary = mongodb_set.secondaries()[0]
    uri = f"mongodb://{secondary.address}/?directConnection=true&retryReads=false"
    with secondary.client() as admin, startup.connect(uri) as client:
        admin.admin.command("replSetMaintenance", True)
        with pytest.raises(AutoReconnect, match="is neither primary nor secondary"):
            client.admin.command("ping")
        admin.admin.command("replSetMaintenance", False)
        mongodb_set.wait_until_complete()
        with client.start_session() as session:
            assert client.admin.command("ping", session=session)["ok"] == 1


def test_a_read_after_an_election_is_made_sure_of(
    mongodb_set: ReplicaSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a moment, a new primary does not show all that the old one has acknowledged.

    That moment cannot be had at will. What ends it for certain can be seen: a write.
    """
    mongodb_set.mend()
    watcher = Saboteur(mongodb_set)
    monkeypatch.setattr(startup, "MongoClient", partial(MongoClient, event_listeners=[watcher]))
    with mongodb_set.database() as database:
        options = MongoDBOptions(uri=mongodb_set.uri, database=database, sweep_interval=3600)
        store = MongoDBStore.open(options, time.time)
        queue = BoundQueue(store).create()
        ids = queue.post_numbers(3)
        assert queue.ids() == ids
        with watcher.watching() as before:
            assert queue.get(ids[0]).body == b"0"
        assert "update" not in before.names
        mongodb_set.wait_for_primary(other_than=mongodb_set.step_down())
        with watcher.watching() as after:
            assert queue.get(ids[0]).body == b"0"
        assert after.names[-2:] == ["update", *before.names]
        with watcher.watching() as later:
            assert queue.get(ids[0]).body == b"0"
        assert later.names == before.names
        store.close()


def test_a_store_closes_while_the_database_is_away(mongodb_set: ReplicaSet) -> None:
    """It does not wait for what it has to say at the end, which nobody would hear."""
    mongodb_set.mend()
    with mongodb_set.database() as database:
        options = MongoDBOptions(uri=mongodb_set.uri, database=database, sweep_interval=3600)
        store = MongoDBStore.open(options, time.time)
        BoundQueue(store).create()
        for member in mongodb_set.members:
            member.kill()
        since = monotonic()
        store.close()
        seconds = monotonic() - since
        for member in mongodb_set.members:
            member.start()
        mongodb_set.mend()
    assert seconds < 15, "a second is meant; pymongo would wait for thirty"
