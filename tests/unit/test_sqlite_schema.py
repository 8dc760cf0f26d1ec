"""Files of an earlier version, and files that a crash of the host has set back."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from marconi_server.storage.contract import NewMessage
from marconi_server.storage.sqlite import schema
from marconi_server.storage.sqlite.driver import SQLiteOptions, SQLiteStore

FIRST_VERSION = Path(__file__).with_name("sqlite_schema_1.sql")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "marconi.db"


@contextmanager
def opened(path: Path) -> Iterator[SQLiteStore]:
    with closing(SQLiteStore.open(SQLiteOptions(database=str(path)))) as store:
        yield store


def post(store: SQLiteStore, count: int = 1, queue: str = "q") -> list[str]:
    return list(store.messages.post(None, queue, "c", [NewMessage(300, b"1")] * count))


def follow(
    store: SQLiteStore, marker: str | None, queue: str = "q"
) -> tuple[list[str], str | None]:
    """Read behind the marker; return the ids and the next marker."""
    page = store.messages.list(
        None, queue, marker=marker, limit=100, exclude_client=None, include_claimed=True
    )
    return [message.id for message in page.items], page.marker


def objects(path: Path) -> set[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return set(connection.execute("SELECT type, name FROM sqlite_master"))


def test_a_file_of_the_first_version_is_brought_up_to_date(path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path)) as old:
        old.executescript(FIRST_VERSION.read_text())
        old.executescript(f"""
            PRAGMA application_id = {schema.APPLICATION_ID};
            PRAGMA user_version = 1;
            INSERT INTO queue (project, name, salt, last_position) VALUES ('', 'q', '00000001', 2);
            INSERT INTO message VALUES
                (1, 1, 'c', 60, 0, 99999999999999, 0, 0, NULL, x'31'),
                (1, 2, 'c', 60, 0, 99999999999999, 0, 0, NULL, x'32');
            INSERT INTO claim VALUES (1, 1, 1, 60, 0, 99999999999999);
            UPDATE message SET claim_id = 1 WHERE position = 1;
        """)
    with opened(path) as store:
        stats = store.queues.stats(None, "q")
        assert (stats.claimed, stats.free) == (1, 1)
        before, _ = follow(store, None)
        after = post(store, 3)
        assert follow(store, None)[0] == before + after
        store.messages.delete_many(None, "q", before)
        stats = store.queues.stats(None, "q")
        assert (stats.claimed, stats.free) == (0, 3)
    fresh = tmp_path / "fresh.db"
    with opened(fresh):
        pass
    assert objects(path) == objects(fresh)


def test_a_restart_of_the_server_leaves_no_gap(path: Path) -> None:
    with opened(path) as store:
        store.queues.create(None, "q")
        post(store)
        _, before = follow(store, None)
    with opened(path) as store:
        post(store)
        _, after = follow(store, None)
    assert before is not None
    assert after is not None
    assert int(after) == int(before) + 1


def test_a_marker_from_before_a_crash_of_the_host_skips_nothing(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader saw messages whose commit was not on disk when the host went down."""
    with opened(path) as store:
        store.queues.create(None, "q")
        kept = post(store)
    on_disk = shutil.copyfile(path, tmp_path / "on disk.db")
    with opened(path) as store:
        lost = post(store, 50)
        seen, marker = follow(store, None)
        assert seen == kept + lost
        store.queues.create(None, "lost")
        post(store, 50, queue="lost")
        _, marker_in_lost = follow(store, None, queue="lost")
    shutil.copyfile(on_disk, path)
    monkeypatch.setattr(schema, "current_boot_id", lambda: "the next start of the host")
    with opened(path) as store:
        new = post(store)
        assert follow(store, marker)[0] == new
        assert follow(store, None)[0] == kept + new
        assert not set(new) & set(lost)
        store.queues.create(None, "lost")
        new = post(store, queue="lost")
        assert follow(store, marker_in_lost, queue="lost")[0] == new


def test_a_system_that_does_not_tell_its_starts_is_taken_to_start_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert schema.current_boot_id() == schema.current_boot_id()

    def read_text(path: Path, encoding: str) -> str:
        raise FileNotFoundError(path, encoding)

    monkeypatch.setattr(Path, "read_text", read_text)
    assert schema.current_boot_id() != schema.current_boot_id()
