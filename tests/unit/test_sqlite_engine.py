"""What the embedded store refuses to open, and what it notices while it runs."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from marconi_server.storage.errors import StorageUnavailable, StorageUnusable
from marconi_server.storage.sqlite import engine as module
from marconi_server.storage.sqlite import schema
from marconi_server.storage.sqlite.driver import SQLiteOptions, SQLiteStore
from marconi_server.storage.sqlite.engine import Engine
from marconi_server.storage.sqlite.filesystem import network_filesystem
from marconi_server.storage.sqlite.reader import Reader


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "marconi.db"


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    engine = Engine(path, timeout=1)
    engine.prepare()
    yield engine
    engine.close()


@pytest.fixture
def reader(engine: Engine) -> Iterator[Reader]:
    reader = Reader(engine, timeout=1)
    yield reader
    reader.close()


def refusal(path: Path) -> str:
    """Try to open the file and return the line that says why it is refused."""
    engine = Engine(path, timeout=0.1)
    with pytest.raises(StorageUnusable) as refused:
        engine.prepare()
    engine.close()
    assert refused.value.remedy
    return str(refused.value)


def query(path: Path, statement: str) -> object:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def test_a_new_file_carries_our_mark_and_the_schema_version(engine: Engine, path: Path) -> None:
    assert query(path, "PRAGMA application_id") == [(schema.APPLICATION_ID,)]
    assert query(path, "PRAGMA user_version") == [(schema.SCHEMA_VERSION,)]
    assert query(path, "PRAGMA journal_mode") == [("wal",)]


def test_every_connection_keeps_the_file_whole(engine: Engine) -> None:
    connection = engine.connect()
    assert connection.execute("PRAGMA synchronous").fetchone() == (1,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_an_unknown_schema_version_is_refused(engine: Engine, path: Path) -> None:
    query(path, "PRAGMA user_version = 99")
    assert "schema version 99; this release knows versions up to 2" in refusal(path)


def test_a_database_of_another_program_is_refused_and_left_as_it_is(path: Path) -> None:
    query(path, "CREATE TABLE theirs (x)")
    before = path.read_bytes()
    assert "some other program" in refusal(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(path: Path) -> None:
    path.write_bytes(b"shopping list\n" * 100)
    assert "is not a database" in refusal(path)
    assert path.read_bytes() == b"shopping list\n" * 100


def test_an_old_sqlite_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OLDEST_SQLITE", (99, 0))
    assert "is too old" in refusal(path)
    assert not path.exists()


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "nowhere" / "marconi.db")


def test_a_folder_in_place_of_the_file_is_refused(path: Path) -> None:
    path.mkdir()
    assert "cannot be opened" in refusal(path)


class Hasty(Engine):
    """As if this build of SQLite never waited for the disk, not even at a checkpoint."""

    def _open(self, mode: str) -> sqlite3.Connection:
        connection = super()._open(mode)
        connection.execute("PRAGMA synchronous = OFF")
        return connection


def test_a_build_that_does_not_wait_for_the_disk_is_refused(path: Path) -> None:
    engine = Hasty(path, timeout=1)
    with pytest.raises(StorageUnusable, match="refuses durable commits"):
        engine.prepare()
    engine.close()


def test_a_journal_mode_that_somebody_changed_is_put_right(engine: Engine, path: Path) -> None:
    engine.close()
    query(path, "PRAGMA journal_mode = DELETE")
    again = Engine(path, timeout=1)
    again.prepare()
    assert query(path, "PRAGMA journal_mode") == [("wal",)]
    again.close()


def test_a_file_kept_locked_by_another_program_is_a_fault_that_passes(
    engine: Engine, path: Path
) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    again = Engine(path, timeout=0.1)
    with pytest.raises(StorageUnavailable, match="SQLITE_BUSY"):
        again.prepare()
    other.close()
    again.prepare()
    again.close()


def test_a_lock_that_another_process_keeps_is_a_fault_that_passes(
    engine: Engine, path: Path
) -> None:
    again = Engine(path, timeout=0.1)
    with engine.lock, pytest.raises(StorageUnavailable, match=r"has held .*\.lock for"):
        again.prepare()
    again.prepare()
    again.close()


def test_a_replaced_file_is_noticed(reader: Reader, path: Path) -> None:
    reader.read("SELECT 1")
    copy = path.with_name("copy.db")
    copy.write_bytes(path.read_bytes())
    copy.rename(path)
    with pytest.raises(StorageUnavailable, match="was replaced"):
        reader.read("SELECT 1")


def test_a_removed_file_is_noticed_and_welcome_back(reader: Reader, path: Path) -> None:
    away = path.with_name("away.db")
    path.rename(away)
    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        reader.read("SELECT 1")
    away.rename(path)
    assert reader.read("SELECT 1") == [(1,)]


def test_a_damaged_page_is_a_fault(path: Path) -> None:
    engine = Engine(path, timeout=1)
    engine.prepare()
    reader = Reader(engine, timeout=1)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(StorageUnavailable, match="SQLITE_CORRUPT"):
        reader.read("SELECT count(*) FROM message")
    engine.close()
    reader.close()


def test_a_wrong_statement_stays_a_bug(reader: Reader) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        reader.read("SELECT * FROM elsewhere")
    with pytest.raises(sqlite3.ProgrammingError):
        reader.read("SELECT ?")
    assert reader.read("SELECT 1") == [(1,)]


def test_nothing_is_read_after_closing(engine: Engine, reader: Reader) -> None:
    reader.read("SELECT 1")
    engine.close()
    with pytest.raises(StorageUnavailable, match="closed"):
        reader.read("SELECT 1")


def test_two_processes_may_create_the_same_file(path: Path) -> None:
    stores = [SQLiteStore.open(SQLiteOptions(database=str(path))) for _ in range(2)]
    assert stores[0].queues.create(None, "mails")
    assert stores[1].queues.exists(None, "mails")
    for store in stores:
        store.close()


MOUNTS = r"""
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 21 0:44 / /srv rw - nfs4 server:/export rw
41 40 8:2 / /srv/local\040disk rw - xfs /dev/sdb1 rw
42 21 0:50 / /mnt/share rw master:1 - cifs //host/share rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/lib/marconi", None),
        ("/srv/queues", "nfs4"),
        ("/srv/local disk/queues", None),
        ("/mnt/share", "cifs"),
        ("/mnt/sharepoint", None),
    ],
)
def test_network_file_systems_are_recognised(tmp_path: Path, folder: str, kind: str | None) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS.lstrip())
    assert network_filesystem(Path(folder), mounts) == kind


def test_a_system_that_does_not_tell_its_mounts_is_taken_as_local(tmp_path: Path) -> None:
    assert network_filesystem(tmp_path, tmp_path / "no such file") is None


def test_a_database_on_a_network_file_system_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "network_filesystem", lambda folder: "nfs4")
    assert "network file system (nfs4)" in refusal(path)
    assert not path.exists()
