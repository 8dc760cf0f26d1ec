"""What is in a database file: making it, bringing it up to date, noticing a crash of the host."""

import secrets
import sqlite3
from importlib import resources
from pathlib import Path
from typing import Final

from marconi_server.storage.errors import StorageUnusable

APPLICATION_ID: Final = 0x4D52434E  # "MRCN", in the header of each of our files
SCHEMA_VERSION: Final = 2

_UPGRADES: Final = {
    # Version 1 kept the counters by triggers; now the statements do (`operations.count`).
    1: """
        DROP TRIGGER message_added;
        DROP TRIGGER message_claimed;
        DROP TRIGGER message_removed;
        DROP TRIGGER message_removed_from_claim;
        CREATE TABLE boot (id INTEGER PRIMARY KEY CHECK (id = 1), boot_id TEXT NOT NULL) STRICT;
        INSERT INTO boot VALUES (1, '');
    """,
}
"""What leads from each earlier version to the next one."""

LEAP: Final = 2**32
"""Positions that are left out when the host was started again; more than fit into the commits of
one moment."""

_LAST_BOOT: Final = "SELECT boot_id FROM boot"
_NOTE_BOOT: Final = "UPDATE boot SET boot_id = ?"
_LEAP_IN_QUEUES: Final = "UPDATE queue SET last_position = last_position + ?"
_LEAP_IN_FLOOR: Final = "UPDATE position_floor SET position = position + ?"


def create(connection: sqlite3.Connection) -> None:
    """Make the tables in an empty file."""
    connection.execute("PRAGMA journal_mode = WAL")
    schema = resources.files(__package__).joinpath("schema.sql").read_text("utf-8")
    _run(connection, f"{schema}; PRAGMA application_id = {APPLICATION_ID}", SCHEMA_VERSION)


def bring_up_to_date(connection: sqlite3.Connection, path: Path) -> None:
    """Check that the file is one of ours, and turn one of an earlier version into this one's.

    :raises StorageUnusable: it is not ours, or of a later version; it is left as it is
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise StorageUnusable(
            reason=f"The file {path} is a database of some other program.",
            remedy="Name another file.",
        )
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    while version in _UPGRADES:
        _run(connection, _UPGRADES[version], version + 1)
        version += 1
    if version != SCHEMA_VERSION:
        raise StorageUnusable(
            reason=f"The database {path} has schema version {version};"
            f" this release knows versions up to {SCHEMA_VERSION}.",
            remedy="Run the release that wrote it, or name another file.",
        )


def _run(connection: sqlite3.Connection, script: str, version: int) -> None:
    connection.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {version}; COMMIT;")


def note_boot(connection: sqlite3.Connection, boot_id: str) -> None:
    """If the host was started again since the file was last used, leave out positions.

    Readers may have seen, and hold markers of, messages whose commit the crash undid before
    anyone was told of it (`wal.py`). No later message may come by their positions (P7).
    """
    (last,) = connection.execute(_LAST_BOOT).fetchone()
    if last == boot_id:
        return
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(_NOTE_BOOT, (boot_id,))
    if last:  # else the file is new
        connection.execute(_LEAP_IN_QUEUES, (LEAP,))
        connection.execute(_LEAP_IN_FLOOR, (LEAP,))
    connection.execute("COMMIT")


def current_boot_id() -> str:
    """Return what differs from one start of the host to the next.

    Where the system does not tell (no `/proc`), it differs each time.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return secrets.token_hex(16)
