"""The embedded store: one SQLite file on a local disk, shared by the workers of one host.

For operators:

* A message in a 201 is on disk: one wait for the disk for all writes that wait at that moment
  (`writer.py`, `wal.py`).
* Beside the file live `-wal` and `-shm` (SQLite's own, part of the database: copy all
  three, or use `sqlite3 FILE .backup`) and `.lock` (only a lock; may be lost).
* A full disk, a damaged, locked, replaced or read-only file means 503 for the clients and a line in
  the log. It goes on by itself once the cause is gone, except when the file is another one.
* Expired messages are removed in the background; their space is used again, the file does not
  shrink.

Where things are: `schema.sql` the tables and why each index is there; `queues.py`,
`messages.py`, `claims.py` the operations with their statements; `engine.py` opening and
faults; `schema.py` earlier versions of the file; `reader.py` reading; `writer.py` the group commit;
`wal.py` waiting for the disk; `sweeper.py` removal.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from marconi_server.config.options import option
from marconi_server.storage.contract import Clock, Store
from marconi_server.storage.errors import StorageUnusable
from marconi_server.storage.sqlite.claims import SQLiteClaims
from marconi_server.storage.sqlite.engine import Engine
from marconi_server.storage.sqlite.messages import SQLiteMessages
from marconi_server.storage.sqlite.queues import SQLiteQueues
from marconi_server.storage.sqlite.reader import Reader
from marconi_server.storage.sqlite.sweeper import Sweeper
from marconi_server.storage.sqlite.writer import Writer


@dataclass(frozen=True)
class SQLiteOptions:
    """The embedded store; `storage = sqlite`."""

    GROUP: ClassVar[str] = "drivers:storage:sqlite"

    database: str = option(
        "/var/lib/marconi/marconi.db",
        help="The database file, on a local disk; it is created if missing.",
    )
    timeout: int = option(
        10,
        minimum=1,
        maximum=300,
        help="Seconds that a request waits for the database before it is answered with 503.",
    )
    sweep_interval: int = option(
        1,
        minimum=1,
        maximum=3600,
        help="Seconds between two looks for expired messages to remove.",
    )


class SQLiteStore(Store):
    """See `marconi_server.storage.contract.Store`."""

    Options = SQLiteOptions
    cooperative = True

    def __init__(self, engine: Engine, clock: Clock, options: SQLiteOptions) -> None:
        self._engine = engine
        self._reader = reader = Reader(engine, timeout=options.timeout)
        self._writer = writer = Writer(engine, clock, timeout=options.timeout)
        self._sweeper = Sweeper(reader, writer, clock, interval=options.sweep_interval)
        self.queues = SQLiteQueues(reader, writer, clock)
        self.messages = SQLiteMessages(reader, writer, clock)
        self.claims = SQLiteClaims(reader, writer, clock)

    @classmethod
    def open(cls, options: SQLiteOptions, clock: Clock = time.time) -> Self:
        path = Path(options.database)
        is_uri = "://" in options.database  # perhaps that of the other driver, with a password
        if is_uri or not path.name or (os.path.exists(path) and not os.path.isfile(path)):
            raise StorageUnusable(
                reason=f"Option database of [{options.GROUP}] is {options.database!r}, which names "
                "no file.",
                remedy="Name one, on a local disk.",
            )
        engine = Engine(path, timeout=options.timeout)
        engine.prepare()
        return cls(engine, clock, options)

    def ping(self) -> None:
        self._reader.read("SELECT 1 FROM queue LIMIT 1")

    def describe(self) -> str:
        return self._engine.describe()

    def close(self) -> None:
        self._sweeper.close()
        self._writer.close()
        self._engine.close()
        self._reader.close()
