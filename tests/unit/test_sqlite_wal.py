"""The log: nobody is answered before it is on disk, and it does not grow for ever."""

import errno
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from marconi_server.storage.conformance import ManualClock
from marconi_server.storage.errors import StorageUnavailable
from marconi_server.storage.sqlite import wal
from marconi_server.storage.sqlite.engine import Engine
from marconi_server.storage.sqlite.wal import WriteAheadLog
from marconi_server.storage.sqlite.writer import Writer, each


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(tmp_path / "marconi.db", timeout=5)
    engine.prepare()
    with closing(engine.connect()) as connection:
        connection.execute("CREATE TABLE note (text TEXT)")
    yield engine
    engine.close()


@pytest.fixture
def writer(engine: Engine) -> Iterator[Writer]:
    writer = Writer(engine, ManualClock(), timeout=5)
    yield writer
    writer.close()


@each
def note(connection: sqlite3.Connection, _now: int, text: str) -> None:
    connection.execute("INSERT INTO note VALUES (?)", (text,))


def notes(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [text for (text,) in connection.execute("SELECT text FROM note")]


class Disk:
    """The disk on its way through our hands: what is done before each wait for it."""

    def __init__(self) -> None:
        self.before: Callable[[], object] = lambda: None
        self.waits = 0
        self.folders: list[str] = []
        self._wait = os.fdatasync
        self._wait_for_folder = os.fsync

    def wait(self, file: int) -> None:
        self.before()
        self._wait(file)
        self.waits += 1

    def wait_for_folder(self, file: int) -> None:
        self._wait_for_folder(file)
        self.folders.append(os.readlink(f"/proc/self/fd/{file}"))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(os, "fdatasync", disk.wait)
    monkeypatch.setattr(os, "fsync", disk.wait_for_folder)
    return disk


def broken() -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_write_returns_when_the_disk_has_it_and_others_go_on_meanwhile(
    engine: Engine, writer: Writer, disk: Disk
) -> None:
    reached, opened = threading.Event(), threading.Event()

    def hold() -> None:
        reached.set()
        assert opened.wait(10)

    disk.before = hold
    with ThreadPoolExecutor(1) as caller:
        written = caller.submit(writer.write, note, "one")
        assert reached.wait(5)
        assert notes(engine.path) == ["one"]  # it is committed
        with closing(Engine(engine.path, timeout=0)) as other:
            other.prepare()  # fails at once if the lock is taken
        assert not written.done()
        opened.set()
        written.result(5)
    assert disk.waits == 1
    assert disk.folders == [str(engine.path.parent)]  # the log was a new file in it


def test_a_write_that_changes_nothing_waits_for_what_it_has_seen(
    writer: Writer, disk: Disk
) -> None:
    @each
    def look(connection: sqlite3.Connection, _now: int, _item: None) -> int:
        return len(connection.execute("SELECT * FROM note").fetchall())

    assert writer.write(look, None) == 0
    assert disk.waits == 1


def test_after_a_failed_wait_everything_takes_the_way_through_the_database(
    engine: Engine, writer: Writer, disk: Disk, tmp_path: Path
) -> None:
    disk.before = broken
    with pytest.raises(StorageUnavailable, match=r"failed to write .*-wal: .*Input/output"):
        writer.write(note, "doubtful")
    disk.before = lambda: None
    with closing(sqlite3.connect(engine.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM note").fetchall()
        writer_after = sqlite3.connect(engine.path)  # moves the log on, behind the reader
        writer_after.execute("INSERT INTO note VALUES ('later')")
        writer_after.commit()
        writer_after.close()
        with pytest.raises(StorageUnavailable, match="still in use"):
            writer.write(note, "refused")
    writer.write(note, "kept")
    alone = shutil.copyfile(engine.path, tmp_path / "alone.db")  # without its log
    assert notes(alone) == ["doubtful", "later"]
    assert notes(engine.path) == ["doubtful", "later", "kept"]


@pytest.fixture
def short_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wal, "LONG", 20)


def write(writer: Writer, count: int) -> None:
    """Write so many notes, each when nothing is being moved out of the log."""
    for number in range(count):
        writer.write(note, str(number))
        if writer._moving is not None:
            writer._moving.exception(5)  # waits for it; the next write shows a failure


def size(engine: Engine) -> int:
    """Return the pages that the log has room for."""
    return WriteAheadLog(engine.path).path.stat().st_size // 4096


@pytest.mark.usefixtures("short_log")
def test_the_log_is_used_again_when_it_is_long(engine: Engine, writer: Writer) -> None:
    write(writer, 100)
    assert size(engine) < 30
    assert notes(engine.path) == [str(number) for number in range(100)]


def test_most_of_the_log_is_moved_without_the_lock(
    engine: Engine, writer: Writer, tmp_path: Path
) -> None:
    writer.write(note, "moved")
    with engine.lock:
        writer._move()
    assert notes(shutil.copyfile(engine.path, tmp_path / "alone.db")) == ["moved"]


@pytest.mark.usefixtures("short_log")
def test_what_others_write_meanwhile_is_moved_as_well(
    engine: Engine, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = writer._move
    other, reader = (
        sqlite3.connect(engine.path, isolation_level=None, check_same_thread=False)
        for _ in range(2)
    )

    def move_too_little() -> None:
        """What is written behind the snapshot of a reader cannot be moved yet."""
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM note").fetchall()
        other.execute("INSERT INTO note VALUES ('theirs')")
        move()
        reader.execute("COMMIT")

    monkeypatch.setattr(writer, "_move", move_too_little)
    write(writer, 100)
    assert size(engine) < 60
    assert "theirs" in notes(engine.path)
    other.close()
    reader.close()


@pytest.mark.usefixtures("short_log")
def test_a_log_that_a_reader_holds_goes_on_growing_until_it_lets_go(
    engine: Engine, writer: Writer
) -> None:
    writer.write(note, "before")
    with closing(sqlite3.connect(engine.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM note").fetchall()
        write(writer, 100)
        held = size(engine)
        assert held > 100
        assert reader.execute("SELECT text FROM note").fetchall() == [("before",)]
    write(writer, 100)
    assert size(engine) < held + 20


@pytest.mark.usefixtures("short_log")
def test_a_log_that_cannot_be_moved_is_a_fault(
    engine: Engine, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise StorageUnavailable(reason="no room in the database")

    with monkeypatch.context() as patch:
        patch.setattr(writer, "_move", fail)
        with pytest.raises(StorageUnavailable, match="no room"):
            write(writer, 100)
    write(writer, 100)
    assert size(engine) < 60


def test_an_empty_log_is_not_long(tmp_path: Path) -> None:
    log = WriteAheadLog(tmp_path / "marconi.db")
    assert not log.is_long()
    log.path.touch()
    log.sync()
    assert not log.is_long()
    log.close()
    log.close()
