"""The default store: a MongoDB replica set or sharded cluster, shared by any number of nodes.

For operators: see `docs/operations/mongodb.md`. In short,

* A message in a 201 is in the journals of a majority of members. While there is no majority or
  no primary, and while one is elected, requests wait, and get 503 after `timeout` seconds.
* Times are those of the node that handles a request. Clocks of nodes may differ by
  `max_clock_skew`; by as much, one message may be under two claims, as it may be free that much
  too early or too late for a node whose clock is the other one's past or future.
* One process after the other removes what is expired or deleted (`sweeper.py`).

The promises that take an argument: no reader skips, `messages.py`; one live claim, `claims.py`;
nothing old in a recreated queue, `queues.py`. Every operation is safe to repeat, and is repeated
once when the engine fails (`Engine.repeat`): ids are minted before, and filters say what is still
to be done.

Where things are: `schema.py` the documents, and why each index is there; `engine.py` the
connection; `faults.py` which of its errors are faults of the database; `pool.py` which connections
are not kept; `startup.py` what is checked at the start; `operations.py`, `queues.py`,
`messages.py`, `claims.py` the operations; `free.py` what is free to be listed and claimed;
`mending.py` what becomes of a queue that others have changed; `groups.py` and `turns.py` why many
clients do not contend; `threads.py` who waits for the database; `sweeper.py` removal.
"""

import time
from dataclasses import dataclass
from typing import ClassVar, Self

from marconi_server.config.masking import uri_without_secrets
from marconi_server.config.options import option
from marconi_server.storage.contract import Clock, Store
from marconi_server.storage.errors import StorageUnavailable
from marconi_server.storage.mongodb import startup
from marconi_server.storage.mongodb.claims import MongoDBClaims
from marconi_server.storage.mongodb.engine import Engine
from marconi_server.storage.mongodb.free import FreeMessages
from marconi_server.storage.mongodb.messages import MongoDBMessages
from marconi_server.storage.mongodb.operations import QueueIds
from marconi_server.storage.mongodb.queues import MongoDBQueues
from marconi_server.storage.mongodb.schema import SCHEMA, other_version
from marconi_server.storage.mongodb.sweeper import Sweeper


@dataclass(frozen=True)
class MongoDBOptions:
    """A MongoDB replica set or sharded cluster, 4.4 or newer; `storage = mongodb`."""

    GROUP: ClassVar[str] = "drivers:storage:mongodb"

    uri: str = option(
        "mongodb://localhost:27017",
        help="Where it is, as MongoDB's connection string: several members, user, TLS and all other"
        " options, but neither write concern, read concern nor read preference.",
        secret=True,
    )
    database: str = option("marconi", help="The database, which belongs to this service alone.")
    timeout: int = option(
        10,
        minimum=1,
        maximum=300,
        help="Seconds in all that a request waits for the database before it is answered with 503.",
    )
    connections: int = option(
        16,
        minimum=1,
        maximum=1000,
        help="Requests to the database that one worker has under way at the same time; what"
        " several clients want of one queue shares a request.",
    )
    sweep_interval: int = option(
        1,
        minimum=1,
        maximum=3600,
        help="Seconds between two looks for expired and deleted messages to remove.",
    )
    max_clock_skew: int = option(
        1,
        minimum=0,
        maximum=3600,
        help="Seconds by which the clocks of nodes and database may differ; 0 to check nothing.",
    )


class MongoDBStore(Store):
    """See `marconi_server.storage.contract.Store`."""

    Options = MongoDBOptions
    cooperative = True

    def __init__(self, engine: Engine, clock: Clock, options: MongoDBOptions) -> None:
        self._engine = engine
        self._where = f"{uri_without_secrets(options.uri)}, database {options.database}"
        queue_ids = QueueIds(engine)
        self._sweeper = Sweeper(
            engine,
            queue_ids,
            clock,
            interval=options.sweep_interval,
            max_clock_skew=options.max_clock_skew,
        )
        self.queues = MongoDBQueues(engine, queue_ids, clock)
        self._free = FreeMessages(self._sweeper.expired_claims_seen)
        self.messages = MongoDBMessages(engine, queue_ids, clock, self._free)
        self.claims = MongoDBClaims(engine, queue_ids, clock, self._free)

    @classmethod
    def open(cls, options: MongoDBOptions, clock: Clock = time.time) -> Self:
        startup.check_name(options.database)
        engine = Engine(
            startup.connect(options.uri),
            options.database,
            timeout=options.timeout,
            threads=options.connections,
        )
        try:
            startup.prepare(engine, options.uri, clock, max_clock_skew=options.max_clock_skew)
        except BaseException:
            engine.close()
            raise
        return cls(engine, clock, options)

    def ping(self) -> None:
        schema = self._engine.repeat(lambda: self._engine.housekeeping.find_one({"_id": SCHEMA}))
        if schema is not None and (other := other_version(schema)):
            raise StorageUnavailable(reason=f"Database {self._engine.database.name} {other}")

    def describe(self) -> str:
        engine = self._engine
        if engine.is_new:
            return f"{self._where}, new"
        queues, messages = engine.repeat(
            lambda: [each.estimated_document_count() for each in (engine.queues, engine.messages)]
        )
        return f"{self._where}, found, about {queues} queues and {messages} messages"

    def close(self) -> None:
        self._sweeper.close()
        self._engine.close()
