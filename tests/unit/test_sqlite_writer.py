"""Group commit: who shares a transaction, and who is spared whose failure."""

import errno
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from marconi_server.server.connection import Connection
from marconi_server.server.greenlets import Greenlets
from marconi_server.storage.conformance import ManualClock
from marconi_server.storage.contract import NewMessage
from marconi_server.storage.errors import StorageUnavailable
from marconi_server.storage.sqlite.driver import SQLiteOptions, SQLiteStore
from marconi_server.storage.sqlite.engine import Engine
from marconi_server.storage.sqlite.reader import Reader
from marconi_server.storage.sqlite.writer import (
    LARGEST_GROUP,
    SHORT,
    Batch,
    Writer,
    _Group,
    _Job,
    each,
)
from tests.support.waiting import wait_until


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(tmp_path / "marconi.db", timeout=5)
    engine.prepare()
    connection = engine.connect()
    connection.execute("CREATE TABLE note (text TEXT UNIQUE)")
    connection.close()
    yield engine
    engine.close()


@pytest.fixture
def writer(engine: Engine) -> Iterator[Writer]:
    writer = Writer(engine, ManualClock(), timeout=5)
    yield writer
    writer.close()


@each
def note(connection: sqlite3.Connection, _now: int, text: str) -> str:
    """Note a text."""
    connection.execute("INSERT INTO note VALUES (?)", (text,))
    return text


def notes(engine: Engine) -> set[str]:
    reader = Reader(engine, timeout=5)
    found = {text for (text,) in reader.read("SELECT text FROM note")}
    reader.close()
    return found


class Gate:
    """A write that holds the writer until it is opened, so that others have to wait."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def wait(self, _connection: sqlite3.Connection, _now: int, items: Sequence[None]) -> list[None]:
        self.reached.set()
        assert self.opened.wait(10)
        return list(items)


@pytest.fixture
def gate(writer: Writer) -> Iterator[Gate]:
    """Hold the writer busy with a write of another caller."""
    gate = Gate()
    with ThreadPoolExecutor(1) as caller:
        held = caller.submit(writer.write, gate.wait, None)
        assert gate.reached.wait(5)
        yield gate
        gate.opened.set()
        held.result(5)


def queued(writer: Writer, count: int) -> None:
    """Wait until so many writes wait for the next group."""
    wait_until(lambda: writer._waiting.qsize() >= count, pause=0.001)


def transactions(engine: Engine) -> int:
    """Count the transactions that the file has seen; WAL frames carry a commit mark each."""
    wal = engine.path.with_name(engine.path.name + "-wal").read_bytes()
    page = int.from_bytes(wal[8:12], "big")
    frames = range(32, len(wal), 24 + page)
    salt = wal[16:24]
    return sum(wal[at + 8 : at + 16] == salt and wal[at + 4 : at + 8] != bytes(4) for at in frames)


def test_a_write_returns_its_result_and_is_in_the_file(engine: Engine, writer: Writer) -> None:
    assert writer.write(note, "one") == "one"
    assert notes(engine) == {"one"}


def test_writes_that_wait_share_one_transaction(engine: Engine, writer: Writer, gate: Gate) -> None:
    before = transactions(engine)
    with ThreadPoolExecutor(20) as callers:
        results = [callers.submit(writer.write, note, str(i)) for i in range(20)]
        queued(writer, 20)
        gate.opened.set()
        assert [result.result(5) for result in results] == [str(i) for i in range(20)]
    assert notes(engine) == {str(i) for i in range(20)}
    assert transactions(engine) == before + 1


def test_a_bug_in_one_write_does_not_take_the_others_with_it(
    engine: Engine, writer: Writer, gate: Gate
) -> None:
    @each
    def half(connection: sqlite3.Connection, _now: int, _item: None) -> None:
        connection.execute("INSERT INTO note VALUES ('half')")
        raise ZeroDivisionError

    with ThreadPoolExecutor(4) as callers:
        good = callers.submit(writer.write, note, "good")
        bad = callers.submit(writer.write, half, None)
        twice = [callers.submit(writer.write, note, "twice") for _ in range(2)]
        queued(writer, 4)
        gate.opened.set()
        assert good.result(5) == "good"
        with pytest.raises(ZeroDivisionError):
            bad.result(5)
        errors = [result.exception(5) for result in twice]
    assert {type(error) for error in errors} == {type(None), sqlite3.IntegrityError}
    assert notes(engine) == {"good", "twice"}


def test_writes_of_one_kind_are_done_together(writer: Writer, gate: Gate) -> None:
    def together(
        _connection: sqlite3.Connection, _now: int, items: Sequence[str]
    ) -> list[tuple[str, int]]:
        return [(item, len(items)) for item in items]

    with ThreadPoolExecutor(4) as callers:
        results = {item: callers.submit(writer.write, together, item) for item in "abc"}
        other = callers.submit(writer.write, note, "other")
        queued(writer, 4)
        gate.opened.set()
        assert {item: result.result(5) for item, result in results.items()} == {
            item: (item, 3) for item in "abc"
        }
        assert other.result(5) == "other"


def test_a_fault_fails_the_whole_group_and_the_next_group_works(
    engine: Engine, writer: Writer
) -> None:
    away = engine.path.with_name("away.db")
    engine.path.rename(away)
    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        writer.write(note, "lost")
    away.rename(engine.path)
    assert writer.write(note, "kept") == "kept"
    assert notes(engine) == {"kept"}


def test_a_full_database_undoes_the_write_and_says_so(engine: Engine, writer: Writer) -> None:
    @each
    def limit(connection: sqlite3.Connection, _now: int, pages: int) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    writer.write(limit, 1)  # no more pages than there are
    with pytest.raises(StorageUnavailable, match="SQLITE_FULL") as failure:
        writer.write(note, "x" * 100_000)
    assert isinstance(failure.value.__cause__, sqlite3.Error)
    assert notes(engine) == set()
    assert writer.write(note, "afterwards") == "afterwards"  # on a fresh connection


def test_a_write_that_does_not_begin_in_time_is_never_done(engine: Engine) -> None:
    writer = Writer(engine, ManualClock(), timeout=0.2)
    other = Engine(engine.path, timeout=1)
    other.prepare()
    with other.lock, pytest.raises(StorageUnavailable, match=r"within 0\.2 seconds"):
        writer.write(note, "late")
    writer.write(note, "next")
    writer.close()
    other.close()
    assert notes(engine) == {"next"}


def test_more_writes_than_a_group_holds_are_all_done(
    engine: Engine, writer: Writer, gate: Gate
) -> None:
    many = LARGEST_GROUP + 20
    with ThreadPoolExecutor(many) as callers:
        results = [callers.submit(writer.write, note, str(i)) for i in range(many)]
        queued(writer, many)
        gate.opened.set()
        for result in results:
            result.result(10)
    assert len(notes(engine)) == many


def test_closing_finishes_what_waits_and_refuses_what_comes(engine: Engine, writer: Writer) -> None:
    gate = Gate()
    with ThreadPoolExecutor(3) as callers:
        held = callers.submit(writer.write, gate.wait, None)
        assert gate.reached.wait(5)
        waiting = callers.submit(writer.write, note, "waiting")
        queued(writer, 1)
        closing = callers.submit(writer.close)
        gate.opened.set()
        closing.result(5)
        assert waiting.result(5) == "waiting"
        held.result(5)
    with pytest.raises(StorageUnavailable, match="closed"):
        writer.write(note, "refused")
    assert notes(engine) == {"waiting"}


def test_a_lost_lock_file_is_a_fault_and_no_dead_thread(engine: Engine, writer: Writer) -> None:
    os.close(engine.lock._file)
    with pytest.raises(StorageUnavailable, match="lock"):
        writer.write(note, "lost")
    engine.lock.open()
    assert writer.write(note, "kept") == "kept"


class Turns:
    """The loop of a worker, turn by turn; its requests are functions."""

    def __init__(self) -> None:
        self.woken = threading.Event()
        self.loop = Greenlets(lambda _, environ: environ["function"](), self.woken.set)

    def turn(self, *requests: Callable[[], object]) -> None:
        """Go on, begin requests that have arrived, and end the turn."""
        self.loop.go_on()
        self.loop.run([(cast(Connection, None), {"function": request}) for request in requests])
        self.loop.end_turn()

    def rest(self) -> None:
        """Make turns until nothing is left to do at once."""
        while self.loop.can_go_on:
            self.turn()

    def until(self, condition: Callable[[], bool]) -> None:
        """Go on, asleep whenever there is nothing to do, until the condition holds."""
        self.rest()
        while not condition():
            assert self.woken.wait(10)
            self.woken.clear()
            self.rest()


@pytest.fixture
def turns() -> Iterator[Turns]:
    turns = Turns()
    yield turns
    turns.loop.stop(1)


def test_requests_of_several_turns_share_a_commit_as_long_as_each_brings_more(
    engine: Engine, writer: Writer, turns: Turns
) -> None:
    done: list[str] = []

    def request(text: str) -> Callable[[], None]:
        return lambda: done.append(writer.write(note, text))

    turns.turn(request("a"), request("b"))
    turns.turn(request("c"))
    assert writer._waiting.empty()
    turns.rest()  # a turn without another one: now they go
    turns.turn(request("d"))  # comes too late, and waits until the thread is free
    turns.until(lambda: len(done) == 4)
    assert done == ["a", "b", "c", "d"]
    assert notes(engine) == set(done)
    assert transactions(engine) == 2


@pytest.mark.parametrize(
    ("count", "size", "place"),
    [(1, 1000, "loop"), (100, 4, "loop"), (SHORT + 1, 4, "thread"), (4, 2**18, "thread")],
)
def test_many_or_large_messages_do_not_hold_up_the_loop(
    tmp_path: Path, turns: Turns, count: int, size: int, place: str
) -> None:
    places: list[str] = []

    def clock() -> float:  # asked once in each transaction
        on_loop = threading.current_thread() is threading.main_thread()
        places.append("loop" if on_loop else "thread")
        return 1.0

    options = SQLiteOptions(database=str(tmp_path / "marconi.db"), sweep_interval=3600)
    store = SQLiteStore.open(options, clock)
    done: list[object] = []
    turns.turn(lambda: done.append(store.queues.create(None, "q")))
    turns.until(lambda: len(done) == 1)
    places.clear()
    batch = [NewMessage(60, b"1" * size)] * count
    turns.turn(lambda: done.append(store.messages.post(None, "q", "c", batch)))
    turns.until(lambda: len(done) == 2)
    assert places == [place]
    store.close()


def test_a_stopping_loop_leaves_no_write_behind(
    engine: Engine, writer: Writer, turns: Turns
) -> None:
    turns.turn(lambda: writer.write(note, "last"))
    turns.loop.stop(1)
    writer.close()
    assert notes(engine) == {"last"}


@pytest.fixture
def ready(writer: Writer, turns: Turns) -> Turns:
    """Make the first write, after which the loop can commit by itself."""
    done: list[str] = []
    turns.turn(lambda: done.append(writer.write(note, "first")))
    turns.until(lambda: bool(done))
    return turns


class Disk:
    """The disk on its way through our hands: what is done before each wait for it."""

    def __init__(self) -> None:
        self.before: Callable[[], object] = lambda: None
        self._wait = os.fdatasync

    def wait(self, file: int) -> None:
        self.before()
        self._wait(file)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(os, "fdatasync", disk.wait)
    return disk


def test_a_loop_that_finds_the_lock_free_commits_at_once_and_answers_later(
    engine: Engine, writer: Writer, ready: Turns, disk: Disk
) -> None:
    done: list[str] = []
    written = threading.Event()
    disk.before = lambda: written.wait(10)
    ready.turn(lambda: done.append(writer.write(note, "second")))
    ready.rest()
    assert notes(engine) == {"first", "second"}
    assert done == []
    written.set()
    ready.until(lambda: done == ["second"])


def test_a_loop_leaves_it_to_the_thread_to_wait_for_the_lock(
    engine: Engine, writer: Writer, ready: Turns
) -> None:
    done: list[str] = []
    other = Engine(engine.path, timeout=1)
    other.prepare()
    with other.lock:
        ready.turn(lambda: done.append(writer.write(note, "second")))
        ready.rest()
        assert notes(engine) == {"first"}
    ready.until(lambda: done == ["second"])
    other.close()


def test_a_loop_leaves_it_to_the_thread_to_wait_for_other_programs(
    engine: Engine, writer: Writer, ready: Turns
) -> None:
    done: list[str] = []
    other = sqlite3.connect(engine.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ready.turn(lambda: done.append(writer.write(note, "second")))
    ready.rest()
    other.execute("ROLLBACK")
    other.close()
    ready.until(lambda: done == ["second"])


def test_what_fails_on_the_loop_fails_as_it_does_in_the_thread(
    engine: Engine, writer: Writer, ready: Turns
) -> None:
    @each
    def bug(connection: sqlite3.Connection, _now: int, _item: None) -> None:
        connection.execute("INSERT INTO note VALUES ('half')")
        raise ZeroDivisionError

    @each
    def full(connection: sqlite3.Connection, _now: int, _item: None) -> None:
        connection.execute("PRAGMA max_page_count = 1")
        connection.execute("INSERT INTO note VALUES (zeroblob(100000))")

    outcomes: list[object] = []

    def request(batch: Batch[Any, Any], item: object) -> Callable[[], None]:
        def run() -> None:
            try:
                outcomes.append(writer.write(batch, item))
            except (ZeroDivisionError, StorageUnavailable) as error:
                outcomes.append(type(error))

        return run

    ready.turn(request(note, "good"), request(bug, None))
    ready.until(lambda: len(outcomes) == 2)
    ready.turn(request(full, None))
    ready.until(lambda: len(outcomes) == 3)
    ready.turn(request(note, "afterwards"))
    ready.until(lambda: len(outcomes) == 4)
    assert outcomes == ["good", ZeroDivisionError, StorageUnavailable, "afterwards"]
    assert notes(engine) == {"first", "good", "afterwards"}


def test_a_sync_that_fails_fails_what_the_loop_committed_before_it(
    engine: Engine, writer: Writer, disk: Disk
) -> None:
    """A second sync would succeed: the system takes for written what it could not write."""
    behind = _Group([_Job(note, "behind", 1)])
    behind.committed = True

    def fail_once() -> None:
        disk.before = lambda: None
        writer._waiting.put(behind)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    disk.before = fail_once
    reader = Reader(engine, timeout=5)  # keeps the log from going with the last connection
    reader.read("SELECT 1 FROM note")
    with pytest.raises(StorageUnavailable, match="disk failed"):
        writer.write(note, "ahead")
    assert writer.write(note, "afterwards") == "afterwards"
    reader.close()
    assert isinstance(behind.jobs[0].outcome, StorageUnavailable)
