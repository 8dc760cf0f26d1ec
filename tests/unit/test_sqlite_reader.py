"""Reads on an event loop: the short ones there, the long ones beside it."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from marconi_server import waiting
from marconi_server.storage.errors import StorageUnavailable
from marconi_server.storage.sqlite.engine import Engine
from marconi_server.storage.sqlite.reader import Reader

SHORT = "SELECT 1"
LONG = """
    WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 200000)
    SELECT count(*) FROM number
"""
ENDLESS = """
    WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 3000000)
    SELECT count(*) FROM number
"""


class Here:
    """A loop on which the test itself is the request; it counts the waits."""

    def __init__(self) -> None:
        self.waits = 0
        self._request = threading.get_ident()

    def runs_caller(self) -> bool:
        return threading.get_ident() == self._request

    def signal(self) -> "Here":
        self.done = threading.Event()
        return self

    def set(self) -> None:
        self.done.set()

    def wait(self, timeout: float) -> bool:
        self.waits += 1
        return self.done.wait(timeout)

    def call(self, function: object) -> None:
        raise NotImplementedError

    def soon(self, function: object) -> None:
        raise NotImplementedError

    def after_turn(self, function: object) -> None:
        raise NotImplementedError


@pytest.fixture
def loop() -> Iterator[Here]:
    loop = Here()
    waiting.install(loop)  # type: ignore[arg-type]
    yield loop
    waiting.install(None)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(tmp_path / "marconi.db", timeout=5)
    engine.prepare()
    yield engine
    engine.close()


@pytest.fixture
def reader(engine: Engine) -> Iterator[Reader]:
    reader = Reader(engine, timeout=20)
    yield reader
    reader.close()


def test_short_reads_stay_on_the_loop_however_many(loop: Here, reader: Reader) -> None:
    for _ in range(20_000):
        assert reader.read(SHORT) == [(1,)]
    assert loop.waits == 0


def test_a_long_read_leaves_the_loop_and_brings_its_rows(loop: Here, reader: Reader) -> None:
    assert reader.read(LONG) == [(200_000,)]
    assert loop.waits == 1
    assert reader.read(SHORT) == [(1,)]  # on the connection that gave up
    assert loop.waits == 1


def test_a_thread_reads_as_long_as_it_takes(reader: Reader) -> None:
    assert reader.read(LONG) == [(200_000,)]


def test_a_read_that_takes_too_long_is_given_up(loop: Here, engine: Engine) -> None:
    reader = Reader(engine, timeout=0)
    with pytest.raises(StorageUnavailable, match="more than 0 seconds"):
        reader.read(ENDLESS)
    reader.close()


def test_a_fault_beside_the_loop_reaches_the_request(loop: Here, reader: Reader) -> None:
    huge = LONG.replace("SELECT count(*)", "SELECT zeroblob(count(*) * 10000)")
    with pytest.raises(StorageUnavailable, match="SQLITE_TOOBIG"):
        reader.read(huge)
    assert loop.waits == 1


def read_for_seconds(reader: Reader) -> None:
    """Read again and again, in case that a failure takes a moment to be noticed."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        reader.read(SHORT)


def test_a_file_that_is_moved_away_is_noticed_on_the_loop_too(
    reader: Reader, engine: Engine, loop: Here
) -> None:
    assert reader.read(SHORT) == [(1,)]
    away = engine.path.with_name("away.db")
    engine.path.rename(away)
    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        read_for_seconds(reader)
    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        reader.read(SHORT)
    away.rename(engine.path)
    assert reader.read(SHORT) == [(1,)]
