"""Transactions that somebody left open, and those that somebody else is busy with."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from marconi_server.storage.conformance import ManualClock
from marconi_server.storage.conformance.support import BoundQueue, ids_of
from marconi_server.storage.errors import StorageConflict
from marconi_server.storage.mongodb.driver import MongoDBOptions, MongoDBStore
from tests.docs.markdown import CHECKOUT
from tests.mongodb.deployment import Client
from tests.mongodb.guarded import GuardedReplicaSet

DATABASE = "marconi"

PATIENCE = 20
"""The timeout of the store, in seconds. The server lets a transaction live three times as long."""

ABANDONING = """
import sys, time
from pymongo.client_session import ClientSession
from marconi_server.storage.conformance import ManualClock
from marconi_server.storage.conformance.support import BoundQueue
from marconi_server.storage.mongodb.driver import MongoDBOptions, MongoDBStore

def stop_before_the_end(session):
    print("in the middle", flush=True)
    time.sleep(3600)

uri, database, *deleted = sys.argv[1:]
options = MongoDBOptions(uri=uri, database=database, max_clock_skew=0)
queue = BoundQueue(MongoDBStore.open(options, ManualClock()))
ClientSession.commit_transaction = stop_before_the_end
if deleted:
    queue.delete_many(*deleted)
else:
    queue.post_numbers(3)
"""
"""A worker that posts, or deletes the messages that it is told, and stops before it is done."""


@pytest.fixture
def uri(guarded_mongodb: GuardedReplicaSet) -> Iterator[str]:
    """The URI of a user with no more rights than the documentation gives."""
    with guarded_mongodb.user(DATABASE, [{"role": "readWrite", "db": DATABASE}]) as uri:
        yield uri
    with guarded_mongodb.client() as client:
        client.admin.command("killAllSessions", [])
        client.drop_database(DATABASE)


def open_queue(uri: str, *, timeout: int) -> BoundQueue:
    options = MongoDBOptions(
        uri=uri, database=DATABASE, timeout=timeout, sweep_interval=3600, max_clock_skew=0
    )
    return BoundQueue(MongoDBStore.open(options, ManualClock()))


@pytest.fixture
def queue(uri: str) -> Iterator[BoundQueue]:
    queue = open_queue(uri, timeout=PATIENCE).create()
    yield queue
    queue.store.close()


def kill_one_in_the_middle(uri: str, *deleted: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ABANDONING, uri, DATABASE, *deleted],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
    ) as worker:
        assert worker.stdout is not None
        try:
            assert worker.stdout.readline() == b"in the middle\n"
        finally:
            worker.kill()


def test_posts_go_on_when_a_worker_was_killed_in_the_middle_of_one(
    uri: str, queue: BoundQueue, caplog: pytest.LogCaptureFixture
) -> None:
    first = queue.post_numbers(2)
    kill_one_in_the_middle(uri)
    second = queue.post_numbers(2)
    assert caplog.messages == ["1 transactions were aborted that somebody left open."]
    assert queue.ids() == [*first, *second]
    positions = [int(page.marker or 0) for page in queue.follow(limit=1)]
    assert positions == list(range(positions[0], positions[0] + 4)), "numbers were lost"


def test_messages_can_be_claimed_whose_deletion_was_never_finished(
    uri: str, queue: BoundQueue, caplog: pytest.LogCaptureFixture
) -> None:
    ids = queue.post_numbers(3)
    kill_one_in_the_middle(uri, *ids[:2])
    impatient = open_queue(uri, timeout=6)  # a plain write waits for half of it
    assert ids_of(impatient.claim()) == ids
    assert caplog.messages == ["1 transactions were aborted that somebody left open."]
    impatient.store.close()


@contextmanager
def heads_held(client: Client) -> Iterator[None]:
    """Hold the heads of all queues in a transaction of another application."""
    with client.start_session() as session, session.start_transaction():
        held = client[DATABASE].messages.update_many(
            {"position": 0}, {"$set": {"held": True}}, session=session
        )
        assert held.modified_count == 1
        yield


def test_a_post_that_others_are_in_the_way_of_gives_up_in_time(
    guarded_mongodb: GuardedReplicaSet, uri: str, queue: BoundQueue
) -> None:
    """Transactions of other applications are theirs: they are not aborted."""
    impatient = open_queue(uri, timeout=2)
    with guarded_mongodb.client() as client, heads_held(client), pytest.raises(StorageConflict):
        impatient.post(b"1")
    assert impatient.ids() == []
    impatient.post(b"2")
    assert [message.body for message in queue.page().items] == [b"2"]
    impatient.store.close()
