"""What the queue promises on MongoDB, under load through two nodes, while workers are killed."""

import os
import random
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.live.history import Outcome, Record
from tests.live.judge import Report, judge
from tests.live.load import QUEUES, Load
from tests.live.test_promises import CLIENTS, KILL_EVERY_SECONDS
from tests.mongodb.deployment import Deployment
from tests.support.live import LiveServer

LOAD_SECONDS = 10.0
LEAST_PER_SECOND = 10  # a database and six processes share the machine with the clients
WORKERS = 2
"""Of each node."""

CONFIG = """
[drivers]
storage = mongodb
[drivers:storage:mongodb]
database = {database}
"""


@pytest.fixture
def nodes(
    tmp_path: Path, mongodb: Deployment, mongodb_database: str
) -> Iterator[tuple[LiveServer, LiveServer]]:
    """Two servers with one database behind them."""
    config = CONFIG.format(database=mongodb_database)
    env = {"OS_DRIVERS_STORAGE_MONGODB__URI": mongodb.uri}
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(
                LiveServer(tmp_path, config=config, workers=WORKERS, embedded=False, env=env)
            )
            for _ in range(2)
        )
        yield first, second
    with mongodb.client() as client:  # nobody waits for a transaction that was left open
        client.admin.command("killAllSessions", [])


@pytest.mark.seconds(15)
def test_promises_under_load(nodes: tuple[LiveServer, LiveServer], report: Report) -> None:
    with Load(*nodes, least=LOAD_SECONDS * LEAST_PER_SECOND) as load:
        load.run(LOAD_SECONDS)
    history = judge(load, report)
    assert {queue.name for queue in history.queues()} == set(QUEUES)
    for node in nodes:
        node.stop()
    for outcome in (Outcome.UNKNOWN, Outcome.FAILED):
        assert history.count(Record, outcome) == 0, history.summary()
    assert load.unavailable == 0


@pytest.mark.seconds(15)
def test_promises_while_workers_are_killed(
    nodes: tuple[LiveServer, LiveServer], report: Report
) -> None:
    chance = random.Random(1)
    kills = int(LOAD_SECONDS / KILL_EVERY_SECONDS)
    with Load(*nodes, least=LOAD_SECONDS * LEAST_PER_SECOND) as load:
        for _ in range(kills):
            load.run(KILL_EVERY_SECONDS)
            os.kill(chance.choice(chance.choice(nodes).wait_for_workers()), signal.SIGKILL)
    history = judge(load, report)
    for node in nodes:
        node.stop()
    unknown = history.count(Record, Outcome.UNKNOWN)
    assert unknown > 0, "no kill hit a request: nothing was tested"
    assert unknown <= kills * CLIENTS, "a kill costs a client one answer at most"
    assert load.unavailable == 0
