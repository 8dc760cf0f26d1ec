"""What the queue promises, under a load of 18 clients, while processes are killed."""

import os
import random
import signal
from pathlib import Path

import pytest

from tests.live.history import Outcome, Record
from tests.live.judge import Report, judge
from tests.live.load import LEAST_PER_SECOND, QUEUES, Load
from tests.support.live import LiveServer

LOAD_SECONDS = 20.0
KILL_EVERY_SECONDS = 1.0
RESTART_AFTER_SECONDS = 5.0

CLIENTS = 18

PROCESSES = 3
"""Two workers and their master."""


@pytest.mark.seconds(25)
def test_promises_under_load(tmp_path: Path, report: Report) -> None:
    with LiveServer(tmp_path, workers=2) as server:
        with Load(server, least=LOAD_SECONDS * LEAST_PER_SECOND) as load:
            load.run(LOAD_SECONDS)
        history = judge(load, report)
        assert {queue.name for queue in history.queues()} == set(QUEUES)
        server.stop()
    for outcome in (Outcome.UNKNOWN, Outcome.FAILED):
        assert history.count(Record, outcome) == 0, history.summary()


@pytest.mark.seconds(25)
def test_promises_while_workers_are_killed(tmp_path: Path, report: Report) -> None:
    chance = random.Random(1)
    kills = int(LOAD_SECONDS / KILL_EVERY_SECONDS)
    with LiveServer(tmp_path, workers=2) as server:
        with Load(server, least=LOAD_SECONDS * LEAST_PER_SECOND) as load:
            for _ in range(kills):
                load.run(KILL_EVERY_SECONDS)
                os.kill(chance.choice(server.wait_for_workers()), signal.SIGKILL)
        history = judge(load, report)
        server.stop()
    unknown = history.count(Record, Outcome.UNKNOWN)
    assert unknown > 0, "no kill hit a request: nothing was tested"
    assert unknown <= kills * CLIENTS, "a kill costs a client one answer at most"
    assert load.unavailable == 0


@pytest.mark.seconds(15)
def test_promises_when_the_server_is_killed_and_started_again(
    tmp_path: Path, report: Report
) -> None:
    with LiveServer(tmp_path, workers=2) as server:
        with Load(server, least=2 * RESTART_AFTER_SECONDS * LEAST_PER_SECOND) as load:
            load.run(RESTART_AFTER_SECONDS)
            server.kill()
            server.start()
            load.run(RESTART_AFTER_SECONDS)
        history = judge(load, report)
        server.stop()
    unknown = history.count(Record, Outcome.UNKNOWN)
    assert 0 < unknown <= CLIENTS * PROCESSES, "an end of a process costs one answer at most"
    assert history.count(Record, Outcome.FAILED) > 0, "nobody noticed that the server was gone"
    assert load.unavailable == 0
