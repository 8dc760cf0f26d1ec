"""The statements find what they need through an index, however long the queue is."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from marconi_server.storage.conformance import ManualClock
from marconi_server.storage.contract import NewMessage
from marconi_server.storage.sqlite import claims, messages, operations, queues, sweeper
from marconi_server.storage.sqlite.driver import SQLiteOptions, SQLiteStore
from marconi_server.storage.sqlite.reader import _Connection
from marconi_server.storage.sqlite.writer import each

STATEMENTS = {
    f"{module.__name__.rpartition('.')[2]}{name.lower()}": text
    for module in (operations, queues, messages, claims, sweeper)
    for name, text in vars(module).items()
    if isinstance(text, str) and text.split(maxsplit=1)[0] in ("SELECT", "UPDATE", "DELETE")
}
"""Each whole statement of the driver by module and name."""

SMALL = {"position_floor", "deleted_queue", "json_each", "(subquery-4)", "CONSTANT"}
"""What may be scanned: a single row, queues under removal, the ids of one request, one page."""


def plan(connection: sqlite3.Connection, statement: str) -> list[str]:
    values = dict.fromkeys(
        ("project", "queue", "now", "marker", "exclude", "limit", "positions", "position", "salt",
         "number", "secret", "ttl", "life", "until", "step", "count", "queue_id"), 1)  # fmt: skip
    parameters = values if ":" in statement else (1,) * statement.count("?")
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "marconi.db"
    SQLiteStore.open(SQLiteOptions(database=str(path))).close()
    connection = sqlite3.connect(path)
    yield connection
    connection.close()


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_scans_a_table(database: sqlite3.Connection, name: str) -> None:
    steps = plan(database, STATEMENTS[name])
    for step in steps:
        if step.startswith("SCAN"):
            assert step.split()[1] in SMALL, steps


def test_all_statements_of_the_driver_are_looked_at() -> None:
    assert {"messages_list_free", "claims_mark", "queues_stats", "sweeper_work_to_do"} <= set(
        STATEMENTS
    )


def test_claiming_and_listing_walk_the_free_messages_in_order(
    database: sqlite3.Connection,
) -> None:
    for statement in (claims._OLDEST_FREE, messages._LIST_FREE):
        steps = plan(database, statement)
        left = steps.index("LEFT")
        assert "message_free (queue_id=?" in steps[left + 1]
        # Only what hangs on expired claims is sorted; free messages come in order already.
        assert [step for step in steps if "TEMP B-TREE" in step] == ["USE TEMP B-TREE FOR ORDER BY"]
        assert steps.index("USE TEMP B-TREE FOR ORDER BY") > steps.index("RIGHT")


class Counter:
    """Counts the engine's own steps of one operation, in hundreds of instructions."""

    def __init__(self) -> None:
        self.ticks = 0

    def tick(self) -> int:
        self.ticks += 1
        return 0


@each
def watch(connection: sqlite3.Connection, _now: int, tick: Callable[[], int] | None) -> None:
    connection.set_progress_handler(tick, 10)


def cost(store: SQLiteStore, operation: str) -> int:
    """Measure one operation in instructions of the engine, which do not depend on time."""
    counter = Counter()
    reader = _Connection(store._engine.connect(), limited=False)
    reader.connection.set_progress_handler(counter.tick, 10)
    store._reader._long.append(reader)
    store._writer.write(watch, counter.tick)
    counter.ticks = 0
    match operation:
        case "post":
            store.messages.post(None, "q", "c", [NewMessage(3600, b"1")])
        case "claim":
            claim = store.claims.create(None, "q", ttl=60, grace=60, limit=5)
            assert claim is not None
            store.claims.release(None, "q", claim.id)
        case "list":
            page = store.messages.list(
                None, "q", marker=None, limit=10, exclude_client=None, include_claimed=False
            )
            assert len(page.items) == 10
        case "list from the middle":
            store.messages.list(
                None, "q", marker="100", limit=10, exclude_client=None, include_claimed=True
            )
        case "stats":
            assert store.queues.stats(None, "q").free >= 10
        case "delete":
            (first,) = store.messages.post(None, "q", "c", [NewMessage(3600, b"1")])
            store.messages.delete(None, "q", first, None)
    store._writer.write(watch, None)
    return counter.ticks


OPERATIONS = ("post", "claim", "list", "list from the middle", "stats", "delete")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    clock = ManualClock(time.time())
    options = SQLiteOptions(database=str(tmp_path / "marconi.db"), sweep_interval=3600)
    store = SQLiteStore.open(options, clock)
    store.queues.create(None, "q")
    yield store
    store.close()


def fill(store: SQLiteStore, claimed: int, free: int) -> None:
    store.messages.post(None, "q", "c", [NewMessage(3600, b"1")] * (claimed + free))
    for _ in range(claimed // 1000):
        store.claims.create(None, "q", ttl=600, grace=60, limit=1000)


def test_no_operation_costs_more_on_a_long_queue_with_much_claimed_in_front(
    store: SQLiteStore,
) -> None:
    fill(store, claimed=0, free=200)
    short = {operation: cost(store, operation) for operation in OPERATIONS}
    fill(store, claimed=20_000, free=20_000)
    assert store.queues.stats(None, "q").claimed >= 20_000
    long = {operation: cost(store, operation) for operation in OPERATIONS}
    assert all(short.values())
    for operation in OPERATIONS:
        assert long[operation] <= 1.3 * short[operation] + 5, (operation, short, long)


def test_the_cost_would_show_a_scan(store: SQLiteStore) -> None:
    """The measure itself: an operation without its index costs visibly more."""
    fill(store, claimed=0, free=200)
    before = cost(store, "stats")
    store.messages.post(None, "q", "c", [NewMessage(60, b"1")] * 2000)
    store.queues._clock.advance(120)  # type: ignore[attr-defined]
    assert cost(store, "stats") > 10 * before  # 2,000 expired messages, none swept
