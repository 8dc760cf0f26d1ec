"""Growth and endurance: how stores are filled, what they are asked, what figures become."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from bench import __main__ as command
from bench import endurance_report, growth_report
from bench.client import Connection
from bench.endurance import _come_and_go
from bench.engines import SQLite
from bench.growth import latency
from bench.points import QUESTIONS, Point, claim_in_front, prepare
from bench.results import Endurance, Growth, GrowthRow, Latency, Life, Memory, Space
from bench.servers import BenchError, serve, server_options
from bench.subjects import OPERATIONS, OfServer, OfStore, Stopwatch, sample
from marconi_server.storage.sqlite.driver import SQLiteOptions, SQLiteStore
from tests.unit.benchmark import cells, demand_wrk, measure

SMALL = Point(size=7, queues=3, free=12, claimed=5, body=200)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    with closing(SQLiteStore.open(SQLiteOptions(database=str(tmp_path / "m.db")))) as opened:
        yield opened


def counts(store: SQLiteStore, point: Point) -> list[tuple[int, int]]:
    stats = [store.queues.stats("bench", point.queue(number)) for number in range(point.queues)]
    return [(each.claimed, each.free) for each in stats]


# Points


def test_the_points_of_a_question_differ_in_their_size_alone() -> None:
    for question in QUESTIONS.values():
        sizes = [point.size for point in question.points]
        assert sizes == sorted(set(sizes))
    lengths, fronts, numbers, bodies = (
        [(each.free, each.claimed, each.queues, each.body) for each in question.points]
        for question in QUESTIONS.values()
    )
    assert {each[1:] for each in lengths} == {(0, 1, 1024)}
    assert {(each[0], *each[2:]) for each in fronts} == {(1000, 1, 1024)}
    assert {(*each[:2], each[3]) for each in numbers} == {(10, 0, 1024)}
    assert {each[:3] for each in bodies} == {(1000, 0, 1)}


def test_a_store_is_filled_as_the_point_says(store: SQLiteStore) -> None:
    prepare(store, SMALL)
    assert counts(store, SMALL) == [(5, 12)] * 3
    page = store.messages.list(
        "bench", SMALL.queue(2), marker=None, limit=1, exclude_client=None, include_claimed=False
    )
    assert len(page.items[0].body) == 200


def test_it_is_noticed_that_there_is_too_little_to_claim(store: SQLiteStore) -> None:
    prepare(store, replace(SMALL, claimed=0))
    with pytest.raises(BenchError, match="13 messages"):
        claim_in_front(store, SMALL.queue(0), 13)


# Operations


def test_sampling_leaves_as_many_messages_as_there_were(store: SQLiteStore) -> None:
    prepare(store, SMALL)
    latencies = sample(OfStore(store), SMALL, 9, Random(1))
    assert counts(store, SMALL) == [(5, 12)] * 3
    assert list(latencies) == list(OPERATIONS)
    assert all(len(each) == 9 and min(each) > 0 for each in latencies.values())


def test_sampling_through_http_does_the_same(tmp_path: Path) -> None:
    engine = SQLite(tmp_path)
    with engine.store("m") as store:
        prepare(store, SMALL)
    arguments = [*engine.options("m"), *server_options(1, 4)]
    with (
        serve("marconi_server", arguments, tmp_path / "log") as server,
        closing(Connection(server.port, timeout=60)) as connection,
    ):
        latencies = sample(OfServer(connection), SMALL, 9, Random(1))
        (memory,) = server.workers_memory()
    assert [len(each) for each in latencies.values()] == [9] * len(OPERATIONS)
    assert 10e6 < memory < 1e9
    with engine.store("m") as store:
        assert isinstance(store, SQLiteStore)
        assert counts(store, SMALL) == [(5, 12)] * 3


def test_a_wrong_answer_ends_it(store: SQLiteStore) -> None:
    prepare(store, SMALL)
    with pytest.raises(BenchError, match="A list was answered with"):
        OfStore(store).list(SMALL.queue(0), 9, Stopwatch())
    with pytest.raises(BenchError, match="empty"):
        OfStore(store).claim("nowhere", Stopwatch())


# Figures of growth


def row(size: int, *p50: float, operation: str = "post", engine: str = "sqlite") -> GrowthRow:
    rounds = [Latency(p50=each, p99=each * 10) for each in p50]
    return GrowthRow("messages", engine, "store", operation, size, rounds)


def test_latencies_are_milliseconds() -> None:
    assert latency([number / 1000 for number in range(101)]) == Latency(p50=50.0, p99=99.0)


def test_growth_compares_round_with_round() -> None:
    # The machine was three times as slow in the second round, and that is no growth.
    small, large = row(1000, 1.0, 3.0, 1.0), row(10_000, 1.2, 3.6, 1.1)
    assert growth_report.factor(small, large) == pytest.approx(1.2)


def test_the_table_of_growth_has_a_column_for_each_size() -> None:
    rows = [
        row(size, size / 1000, operation=name) for name in ("post", "list") for size in (1000, 4000)
    ]
    result = Growth(
        started="2026-01-02T03:04:05Z", command="x", conditions={"cores": "2"}, rows=rows
    )
    text = growth_report.markdown(result)
    assert "## A queue gets longer" in text
    assert "Claimed messages lie in front" not in text
    head, post, _ = cells(text)
    assert head == ["engine", "level", "operation", "1,000", "4,000", "growth of p50"]
    assert post == ["sqlite", "store", "post", "1.00 / 10.00", "4.00 / 40.00", "4.00"]


def test_growth_is_measured_and_leaves_nothing_but_the_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arguments = "growth bodies --engines sqlite --largest 100 --warm-up 1 --samples 3 --rounds 2"
    result, views = measure(arguments, Growth, monkeypatch, tmp_path)
    rows = result.rows
    assert [(each.level, each.operation) for each in rows] == [
        (level, operation) for level in ("store", "HTTP") for operation in OPERATIONS
    ]
    assert all(each.size == 100 and len(each.rounds) == 2 for each in rows)
    assert views.keys() == {"bodies"}


def test_an_unknown_question_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as status:
        command.main(["growth", "nonsense"])
    assert status.value.code == 2
    assert "nonsense" in capsys.readouterr().err


# Endurance


def test_messages_come_and_go_twice(tmp_path: Path) -> None:
    steps = list(_come_and_go(SQLite(tmp_path), 1500))
    sizes = {each.step: each.size for each in steps}
    assert list(sizes) == [
        "empty",
        "first time full",
        "first time all gone",
        "second time full",
        "second time all gone",
        "opened again",
    ]
    assert sizes["first time full"] > 1500 * 1024 > sizes["empty"] > 0
    with SQLite(tmp_path).store("disk") as store:
        assert store.queues.stats("bench", "load").free == 0


def test_endurance_is_measured_and_leaves_nothing_but_the_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    demand_wrk()
    arguments = "endurance --engines sqlite --requests 1 --messages 100 --seconds 1"
    result, views = measure(arguments, Endurance, monkeypatch, tmp_path)
    assert views.keys() == {"memory", "disk"}
    (life,) = result.lives
    assert len(life.space) == 6
    before, after = life.memory
    assert before.requests == 0 < after.requests
    assert all(size > 10e6 for each in (before, after) for size in each.workers)
    assert len(after.workers) == 2


def test_samples_of_memory_are_spread_over_all_requests() -> None:
    memory = [Memory(number, [number]) for number in range(100)]
    shown = endurance_report.shown(memory)
    assert [each.requests for each in shown] == [0, 11, 22, 33, 44, 55, 66, 77, 88, 99]
    assert endurance_report.shown(memory[:3]) == memory[:3]


def test_the_report_of_endurance_has_memory_and_disk() -> None:
    life = Life(
        engine="sqlite",
        memory=[Memory(0, [50_000_000, 60_000_000]), Memory(2_000_000, [51_000_000, 61_000_000])],
        space=[Space("empty", 100_000), Space("full", 1_200_000_000)],
    )
    result = Endurance(started="now", command="x", conditions={}, lives=[life])
    text = endurance_report.markdown(result)
    tables = cells(text)
    assert ["requests to sqlite", "worker 1, MB", "worker 2, MB"] in tables
    assert ["2,000,000", "51.0", "61.0"] in tables
    assert ["sqlite", "MB"] in tables
    assert ["full", "1,200.0"] in tables
