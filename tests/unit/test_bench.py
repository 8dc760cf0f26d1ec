"""The benchmark: what it makes of figures, and that it cannot be content with wrong answers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench import __main__ as command
from bench import contenders, machine, options, report, results, servers, threads, wrk
from bench.cases import CASES, Case, fill
from bench.measure import Plan
from bench.outcome import Outcome
from bench.results import Contest, Measurement, Row
from bench.servers import BenchError
from marconi_server.storage.sqlite.driver import SQLiteOptions, SQLiteStore
from tests.unit.benchmark import case, cells, demand_wrk, measure

OUTCOME = (
    '{"requests": 300, "microseconds": 2000000, "p50": 1500, "p99": 9000, "wrong": 0, '
    '"first_wrong": "", "unanswered": 0, "timeouts": 0}'
)

PLAN = Plan(connections=2, seconds=1, warm_up=1, workers=2, threads=4, load_threads=1, timeout=30)


def measurement(rate: int = 100, **changes: Any) -> Measurement:
    values: dict[str, Any] = {
        "requests": rate * 2,
        "seconds": 2.0,
        "p50": 1.5,
        "p99": 9.0,
        "errors": 0,
        "complaint": "",
        "server_cpu": 25e-6,
        "load_cpu": 8e-6,
        "others": 0.0,
    }
    return Measurement(**values | changes)


def row(contender: str, *rounds: Measurement, name: str = "post1", connections: int = 32) -> Row:
    return Row(name, connections, contender, list(rounds))


# wrk


def test_the_outcome_is_the_line_of_json_behind_what_wrk_prints_itself() -> None:
    outcome = wrk.parse(f"Running 2s test\n  300 requests in 2.00s\n{OUTCOME}\n")
    assert outcome == Outcome(300, 2_000_000, 1500, 9000, 0, "", 0, 0)
    assert (outcome.errors, outcome.complaint) == (0, "")


def test_output_without_an_outcome_is_refused() -> None:
    with pytest.raises(BenchError, match="cannot open"):
        wrk.parse("cannot open file\n")


@pytest.mark.parametrize(
    ("changes", "errors", "complaint"),
    [
        ({"wrong": 3, "first_wrong": "204"}, 3, "3 wrong answers, such as: 204"),
        ({"unanswered": 2}, 2, "2 failed connections"),
        ({"timeouts": 1, "wrong": 1}, 2, "1 wrong answers, such as: ; 1 timeouts"),
        ({"requests": 0}, 1, "no answers"),
    ],
)
def test_everything_that_went_wrong_counts(
    changes: dict[str, Any], errors: int, complaint: str
) -> None:
    outcome = msgspec.structs.replace(wrk.parse(OUTCOME), **changes)
    assert (outcome.errors, outcome.complaint) == (errors, complaint)


# Reports


def test_a_share_compares_round_with_round() -> None:
    # The second round met a machine at half its speed; the shares do not show it.
    mine = row("marconi", measurement(60), measurement(30), measurement(66))
    rows = [row("empty", measurement(100), measurement(50), measurement(110)), mine]
    assert results.ratio(mine, rows) == pytest.approx(0.6)


def test_a_share_is_of_the_same_case_at_the_same_number_of_connections() -> None:
    mine = row("marconi", measurement(60))
    others = [
        row("empty", measurement(100), name="post10"),
        row("empty", measurement(100), connections=8),
    ]
    assert results.ratio(mine, [mine, *others]) is None
    assert results.ratio(mine, [mine, *others, row("empty", measurement(80))]) == 0.75


@pytest.mark.parametrize("broken", ["empty", "marconi"])
def test_there_is_no_share_of_or_for_an_invalid_row(broken: str) -> None:
    rows = [
        row(name, measurement(100, errors=int(name == broken))) for name in ("empty", "marconi")
    ]
    assert results.ratio(rows[1], rows) is None


def test_the_table_shows_median_extremes_and_share() -> None:
    rows = [
        row("empty", measurement(9000), measurement(10_000), measurement(11_000)),
        row("store", *[measurement(20_000, load_cpu=None, others=0.25)] * 3),
        row("marconi", measurement(5400), measurement(6000), measurement(7000, errors=2)),
    ]
    text = report.rates(rows)
    assert len({len(line) for line in text.splitlines()}) == 1
    head, empty, store, marconi = cells(text)
    assert dict(zip(head, empty, strict=True)) == {
        "case": "post1",
        "connections": "32",
        "contender": "empty",
        "requests/s": "10,000",
        "min": "9,000",
        "max": "11,000",
        "p50 ms": "1.50",
        "p99 ms": "9.00",
        "errors": "0",
        "server CPU µs": "25.0",
        "database CPU µs": "-",
        "load CPU µs": "8.0",
        "others": "0%",
        "of empty": "100%",
    }
    assert store[-3:] == ["-", "25%", "200%"]
    assert marconi[head.index("errors")] == "2"
    assert marconi[-1] == "invalid"


def test_any_contender_may_be_the_baseline() -> None:
    rows = [row("empty", measurement(200)), row("marconi", measurement(100))]
    rows.append(row("keystone", measurement(90)))
    last = [line[-1] for line in cells(report.rates(rows, "marconi"))]
    assert last == ["of marconi", "200%", "100%", "90%"]


def test_a_report_says_what_it_was_and_the_file_keeps_every_round(tmp_path: Path) -> None:
    broken = row("marconi", measurement(), measurement(errors=1, complaint="204 once"))
    result = Contest(
        started="2026-01-02T03:04:05Z",
        command="python -m bench",
        conditions={"cores": "2"},
        rows=[broken],
        baseline="store",
    )
    text = report.markdown(result)
    for part in (
        "`python -m bench`",
        "* cores: 2",
        "| post1 ",
        "204 once",
        "32 connections",
        "of store",
    ):
        assert part in text
    path = tmp_path / "results" / "contest.json"
    results.write(result, path)
    assert results.read(path, Contest) == result


# The store alone


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    with closing(SQLiteStore.open(SQLiteOptions(database=str(tmp_path / "m.db")))) as opened:
        yield opened


@pytest.mark.parametrize("each", CASES, ids=lambda each: each.name)
def test_each_case_works_on_a_store(store: SQLiteStore, each: Case) -> None:
    fill(store, each.fill + min(each.taken, 100))
    steps = each.work(store)
    assert [next(steps) for _ in range(6)] == [True] * 6
    left = store.queues.stats("bench", "load")
    if each.cycle:
        assert left.claimed + left.free == 0
    elif each.name.startswith("claim"):
        assert left.claimed == 6 * int(each.name.removeprefix("claim"))


def test_threads_report_what_they_did(store: SQLiteStore) -> None:
    fill(store, 0)
    outcome = threads.run(partial(case("post1").work, store), threads=2, seconds=0.1)
    stats = store.queues.stats("bench", "load")
    assert len(outcome.latencies) == stats.free > 0
    assert (outcome.errors, outcome.complaint) == (0, "")
    assert min(outcome.latencies) <= outcome.percentile(50) <= outcome.percentile(99)
    assert outcome.percentile(99) <= max(outcome.latencies)


def test_threads_do_not_take_an_empty_claim_for_an_answer(store: SQLiteStore) -> None:
    fill(store, 3)
    outcome = threads.run(partial(case("claim1").work, store), threads=2, seconds=30)
    assert len(outcome.latencies) == 3
    assert outcome.errors == 2
    assert "empty claim" in outcome.complaint


def test_threads_report_a_store_that_fails(store: SQLiteStore) -> None:
    store.close()
    outcome = threads.run(partial(case("post1").work, store), threads=2, seconds=30)
    assert outcome.errors == 2
    assert "closed" in outcome.complaint


# The machine and its processes


def test_the_share_of_others_is_what_we_did_not_use_ourselves() -> None:
    cores = os.cpu_count() or 1
    assert machine.others_share(busy=3.0, own=1.0, seconds=2.0) == pytest.approx(1.0 / cores)
    assert machine.others_share(busy=1.0, own=1.01, seconds=2.0) == 0.0


def test_cpu_is_counted_for_a_whole_process_group() -> None:
    child = "import os\nwhile sum(os.times()[:2]) < 0.5: pass\nos.read(0, 1)"
    leader = "import os, subprocess, sys\nsubprocess.run([sys.executable, '-c', sys.argv[1]])"
    with subprocess.Popen(
        [sys.executable, "-c", leader, child], stdin=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            deadline = time.monotonic() + 60
            while servers.group_cpu(process.pid) < 0.5:  # the leader itself uses far less
                assert time.monotonic() < deadline
                time.sleep(0.02)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    arguments = ["--embedded", str(tmp_path / "missing" / "m.db"), "--port", "0"]
    with (
        pytest.raises(BenchError, match=r"The server ended:\n.*missing"),
        servers.serve("marconi_server", arguments, tmp_path / "log"),
    ):
        pytest.fail("it started")


# The command


def test_without_wrk_it_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(options, "MEMORY", ())
    (tmp_path / "stat").symlink_to("/usr/bin/stat")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command.main(["--folder", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "bench: wrk is missing; install it: apt-get install wrk\n"


def test_it_does_not_measure_commits_to_memory(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(options, "MEMORY", (machine.filesystem(tmp_path),))
    assert command.main(["--folder", str(tmp_path)]) == 2
    assert "is in memory" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["--rounds", "0"], ["--seconds", "1.5"], ["--name", "../a"]]
)
def test_bad_arguments_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_status:
        command.main(arguments)
    assert exit_status.value.code == 2
    assert arguments[-1] in capsys.readouterr().err


# With real servers and real load


@pytest.fixture
def real_wrk() -> None:
    demand_wrk()


@pytest.mark.usefixtures("real_wrk")
def test_it_measures_and_leaves_nothing_but_the_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arguments = (
        "cycle10 --contenders empty marconi --connections 2 --seconds 1 --rounds 1 --rates 50"
        " --timeout 30"
    )
    result, views = measure(arguments, Contest, monkeypatch, tmp_path)
    empty, marconi, steady = result.rows
    assert (empty.contender, marconi.contender) == ("empty", "marconi")
    for each in (empty.rounds[0], marconi.rounds[0], steady.rounds[0]):
        assert each.requests > 0
        assert each.server_cpu > 0
        assert 0 < each.p50 <= each.p99
    assert (steady.contender, steady.percent) == ("marconi", 50)
    assert steady.asked == pytest.approx(marconi.rate / 2)
    assert steady.rate <= marconi.rate / 2 + 1
    assert views.keys() == {"rows", "rates", "latencies"}


@pytest.mark.usefixtures("real_wrk")
@pytest.mark.parametrize("name", ["api", "empty-threads", "gthread", "gunicorn", "granian"])
def test_other_ways_to_serve_are_measured(name: str, tmp_path: Path) -> None:
    measured = contenders.CONTENDERS[name](case("cycle1"), PLAN, tmp_path)
    assert (measured.errors, measured.complaint) == (0, "")
    assert measured.requests > 0


@pytest.mark.usefixtures("real_wrk")
def test_a_queue_that_runs_dry_is_an_error(tmp_path: Path) -> None:
    dry = replace(case("claim1"), fill=5, taken=0)
    measured = contenders.marconi(dry, PLAN, tmp_path)
    assert measured.errors > 0
    assert "wrong answers, such as: 204" in measured.complaint


@pytest.mark.usefixtures("real_wrk")
def test_a_cycle_that_leaves_messages_behind_is_an_error(tmp_path: Path) -> None:
    # An empty claim of a cycle looks like a deletion: all it leaves is a message.
    leaving = replace(case("cycle1"), fill=30)
    measured = contenders.marconi(leaving, PLAN, tmp_path)
    assert measured.errors >= 30 - 2 * PLAN.connections
    assert "claims were empty" in measured.complaint
