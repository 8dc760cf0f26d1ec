"""Group commit: who shares a transaction, and who is spared whose failure."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from marconi_server.storage.conformance import ManualClock
from marconi_server.storage.errors import QueueNotFound, StorageUnavailable
from marconi_server.storage.sqlite.engine import Engine
from marconi_server.storage.sqlite.reader import Reader
from marconi_server.storage.sqlite.writer import LARGEST_GROUP, Work, Writer


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


def note(text: str) -> Work[str]:
    """Make a write that notes a text."""

    def work(connection: sqlite3.Connection, now: int) -> str:
        connection.execute("INSERT INTO note VALUES (?)", (text,))
        return text

    return work


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

    def work(self, connection: sqlite3.Connection, now: int) -> None:
        self.reached.set()
        assert self.opened.wait(10)


@pytest.fixture
def gate(writer: Writer) -> Iterator[Gate]:
    """Hold the writer busy with a write of another caller."""
    gate = Gate()
    with ThreadPoolExecutor(1) as caller:
        held = caller.submit(writer.write, gate.work)
        assert gate.reached.wait(5)
        yield gate
        gate.opened.set()
        held.result(5)


def queued(writer: Writer, count: int) -> None:
    """Wait until so many writes wait for the next group."""
    deadline = time.monotonic() + 10
    while writer._waiting.qsize() < count:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def transactions(engine: Engine) -> int:
    """Count the transactions that the file has seen; WAL frames carry a commit mark each."""
    wal = engine.path.with_name(engine.path.name + "-wal").read_bytes()
    page = int.from_bytes(wal[8:12], "big")
    frames = range(32, len(wal), 24 + page)
    salt = wal[16:24]
    return sum(wal[at + 8 : at + 16] == salt and wal[at + 4 : at + 8] != bytes(4) for at in frames)


def test_a_write_returns_its_result_and_is_in_the_file(engine: Engine, writer: Writer) -> None:
    assert writer.write(note("one")) == "one"
    assert notes(engine) == {"one"}


def test_writes_that_wait_share_one_transaction(engine: Engine, writer: Writer, gate: Gate) -> None:
    before = transactions(engine)
    with ThreadPoolExecutor(20) as callers:
        results = [callers.submit(writer.write, note(str(i))) for i in range(20)]
        queued(writer, 20)
        gate.opened.set()
        assert [result.result(5) for result in results] == [str(i) for i in range(20)]
    assert notes(engine) == {str(i) for i in range(20)}
    assert transactions(engine) == before + 1


def test_a_bug_in_one_write_does_not_take_the_others_with_it(
    engine: Engine, writer: Writer, gate: Gate
) -> None:
    def half(connection: sqlite3.Connection, now: int) -> None:
        connection.execute("INSERT INTO note VALUES ('half')")
        raise ZeroDivisionError

    with ThreadPoolExecutor(4) as callers:
        good = callers.submit(writer.write, note("good"))
        bad = callers.submit(writer.write, half)
        twice = [callers.submit(writer.write, note("twice")) for _ in range(2)]
        queued(writer, 4)
        gate.opened.set()
        assert good.result(5) == "good"
        with pytest.raises(ZeroDivisionError):
            bad.result(5)
        errors = [result.exception(5) for result in twice]
    assert {type(error) for error in errors} == {type(None), sqlite3.IntegrityError}
    assert notes(engine) == {"good", "twice"}


def test_a_refused_write_leaves_the_group_alone(engine: Engine, writer: Writer, gate: Gate) -> None:
    def refuse(connection: sqlite3.Connection, now: int) -> None:
        raise QueueNotFound(queue="q", project=None)

    with ThreadPoolExecutor(2) as callers:
        refused = callers.submit(writer.write, refuse)
        good = callers.submit(writer.write, note("good"))
        queued(writer, 2)
        gate.opened.set()
        with pytest.raises(QueueNotFound):
            refused.result(5)
        assert good.result(5) == "good"
    assert notes(engine) == {"good"}


def test_a_fault_fails_the_whole_group_and_the_next_group_works(
    engine: Engine, writer: Writer
) -> None:
    away = engine.path.with_name("away.db")
    engine.path.rename(away)
    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        writer.write(note("lost"))
    away.rename(engine.path)
    assert writer.write(note("kept")) == "kept"
    assert notes(engine) == {"kept"}


def test_a_full_database_undoes_the_write_and_says_so(engine: Engine, writer: Writer) -> None:
    def limit(pages: int) -> Work[None]:
        def work(connection: sqlite3.Connection, now: int) -> None:
            connection.execute(f"PRAGMA max_page_count = {pages}")

        return work

    writer.write(limit(1))  # no more pages than there are
    with pytest.raises(StorageUnavailable, match="SQLITE_FULL") as failure:
        writer.write(note("x" * 100_000))
    assert isinstance(failure.value.__cause__, sqlite3.Error)
    assert notes(engine) == set()
    assert writer.write(note("afterwards")) == "afterwards"  # on a fresh connection


def test_a_write_that_does_not_begin_in_time_is_never_done(engine: Engine) -> None:
    writer = Writer(engine, ManualClock(), timeout=0.2)
    other = Engine(engine.path, timeout=1)
    other.prepare()
    with other.lock, pytest.raises(StorageUnavailable, match=r"within 0\.2 seconds"):
        writer.write(note("late"))
    writer.write(note("next"))
    writer.close()
    other.close()
    assert notes(engine) == {"next"}


def test_more_writes_than_a_group_holds_are_all_done(
    engine: Engine, writer: Writer, gate: Gate
) -> None:
    many = LARGEST_GROUP + 20
    with ThreadPoolExecutor(many) as callers:
        results = [callers.submit(writer.write, note(str(i))) for i in range(many)]
        queued(writer, many)
        gate.opened.set()
        for result in results:
            result.result(10)
    assert len(notes(engine)) == many


def test_closing_finishes_what_waits_and_refuses_what_comes(engine: Engine, writer: Writer) -> None:
    gate = Gate()
    with ThreadPoolExecutor(3) as callers:
        held = callers.submit(writer.write, gate.work)
        assert gate.reached.wait(5)
        waiting = callers.submit(writer.write, note("waiting"))
        queued(writer, 1)
        closing = callers.submit(writer.close)
        gate.opened.set()
        closing.result(5)
        assert waiting.result(5) == "waiting"
        held.result(5)
    with pytest.raises(StorageUnavailable, match="closed"):
        writer.write(note("refused"))
    assert notes(engine) == {"waiting"}


def test_a_lost_lock_file_is_a_fault_and_no_dead_thread(engine: Engine, writer: Writer) -> None:
    os.close(engine.lock._file)
    with pytest.raises(StorageUnavailable, match="lock"):
        writer.write(note("lost"))
    engine.lock.open()
    assert writer.write(note("kept")) == "kept"
