"""What the benchmark makes of kept results: what became slower, plots, and the page of figures."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as command
from bench import guard, plots, publish, report, results
from bench.results import (
    Contest,
    Endurance,
    Growth,
    GrowthRow,
    Latency,
    Life,
    Measurement,
    Memory,
    Row,
    Space,
)
from bench.subjects import OPERATIONS

CONDITIONS = {"cores": "2 (made up)", "disk": "ext4"}


def measurement(rate: int, errors: int = 0, p99: float = 9.0) -> Measurement:
    return Measurement(
        requests=rate * 2,
        seconds=2.0,
        p50=1.5,
        p99=p99,
        errors=errors,
        complaint="204" if errors else "",
        server_cpu=25e-6,
        load_cpu=8e-6,
        others=0.0,
    )


def row(contender: str, *rates: int, case: str = "post1", **more: Any) -> Row:
    return Row(case, more.pop("connections", 32), contender, list(map(measurement, rates)), **more)


def contest(*rows: Row, started: str = "2026-01-02T03:04:05Z", baseline: str = "empty") -> Contest:
    return Contest(
        started=started,
        command="python -m bench",
        conditions=CONDITIONS,
        rows=list(rows),
        baseline=baseline,
    )


def growth() -> Growth:
    rows = [
        GrowthRow("messages", engine, "store", operation, size, [Latency(1.0, 3.0)] * 2)
        for engine in ("sqlite", "mongodb")
        for operation in OPERATIONS
        for size in (1000, 10_000)
    ]
    return Growth(started="2026-01-03", command="growth", conditions=CONDITIONS, rows=rows)


def endurance() -> Endurance:
    life = Life(
        engine="sqlite",
        memory=[Memory(0, [50_000_000] * 2), Memory(1_000_000, [51_000_000] * 2)],
        space=[Space("empty", 100_000), Space("full", 1_000_000)],
    )
    return Endurance(started="2026-01-04", command="endurance", conditions=CONDITIONS, lives=[life])


def keep(folder: Path, result: results.Result, kind: str) -> Path:
    return results.write(result, kind, "text", folder).with_suffix(".json")


# Slower than before


@pytest.mark.parametrize(("rate", "slower"), [(51, False), (50, True), (90, False)])
def test_a_share_that_fell_by_more_than_15_percent_gets_a_line(
    tmp_path: Path, rate: int, slower: bool
) -> None:
    keep(tmp_path, contest(row("empty", 200), row("marconi", 120)), "contest")
    # 60 % of the empty responder then, on a machine that was twice as fast.
    now = contest(row("empty", 100), row("marconi", rate), started="now")
    lines = guard.fallen(now, guard.last_shares(tmp_path))
    assert len(lines) == slower
    for line in lines:
        assert line == (
            "post1, 32 connections, marconi: 50.0% of empty, 17% less than the 60.0% of"
            " 2026-01-02T03:04:05Z"
        )


def test_each_row_is_compared_with_the_last_that_is_like_it(tmp_path: Path) -> None:
    rows = [row("empty", 100), row("marconi", 90), row("store", 80)]
    keep(tmp_path, contest(*rows, started="2026-01-01"), "contest")
    later = [row("empty", 100), row("marconi", 50)]
    keep(tmp_path, contest(*later, started="2026-01-02"), "contest")
    keep(tmp_path, contest(*rows, started="2026-01-03", baseline="store"), "contest")
    shares = guard.last_shares(tmp_path)
    assert shares["post1", 32, "marconi"] == (0.5, "2026-01-02")
    assert shares["post1", 32, "store"] == (0.8, "2026-01-01")
    assert guard.last_shares(tmp_path, "store").keys() == {
        ("post1", 32, "empty"),
        ("post1", 32, "marconi"),
    }


def test_there_is_nothing_to_compare_with_other_cases_or_invalid_rows(tmp_path: Path) -> None:
    before = [row("empty", 100), row("marconi", 90)]
    before += [row("empty", 100, case="stats"), row("marconi", 90, case="stats")]
    keep(tmp_path, contest(*before), "contest")
    broken = Row("stats", 32, "marconi", [measurement(10, errors=1)])
    now = contest(
        row("empty", 100, connections=8),
        row("marconi", 10, connections=8),
        row("empty", 100, case="stats"),
        broken,
    )
    assert guard.fallen(now, guard.last_shares(tmp_path)) == []
    assert guard.last_shares(tmp_path / "missing") == {}


# Latency at fixed rates


def test_rows_at_fixed_rates_have_a_table_of_their_own() -> None:
    steady = Row(
        "post1", 32, "marconi", [measurement(48, p99=2.0), measurement(50, p99=4.0)], 50, 50.0
    )
    rows = [row("empty", 200), row("marconi", 100), steady]
    assert len(report.rates(rows).splitlines()) == 4
    head, _, line = report.latencies(rows).splitlines()
    cells = [[cell.strip() for cell in each.strip("|").split("|")] for each in (head, line)]
    assert dict(zip(*cells, strict=True)) == {
        "case": "post1",
        "connections": "32",
        "contender": "marconi",
        "of its maximum": "50%",
        "asked/s": "50",
        "requests/s": "49",
        "p50 ms": "1.50",
        "p99 ms": "3.00",
        "worst p99 ms": "4.00",
        "errors": "0",
        "server CPU µs": "25.0",
        "load CPU µs": "8.0",
        "others": "0%",
    }
    assert results.ratio(steady, rows) is None
    assert report.latencies(rows[:2]) == ""


def test_latencies_at_a_rate_that_was_not_held_are_not_shown() -> None:
    assert "not held" in report.latencies([row("marconi", 40, percent=50, asked=50.0)])


# Plots and the page


def test_plots_are_drawings_and_the_same_each_time(tmp_path: Path) -> None:
    steady = row("marconi", 50, 50, percent=50, asked=50.0)
    one = contest(row("empty", 100, 120), row("marconi", 90, 80), steady)
    several = contest(
        *(
            row(name, rate, connections=n)
            for name in ("empty", "marconi")
            for n, rate in ((1, 9), (8, 80))
        )
    )
    draws: list[Callable[[], plots.Figures]] = [
        partial(plots.of_contest, one),
        partial(plots.of_contest, several),
        partial(plots.of_growth, growth()),
        partial(plots.of_endurance, endurance()),
    ]
    for number, draw in enumerate(draws):
        paths = plots.write(draw(), tmp_path / f"{number}.md")
        drawn = [path.read_bytes() for path in paths]
        for each in drawn:
            assert ElementTree.fromstring(each).tag.endswith("svg")
        again = plots.write(draw(), tmp_path / f"{number}.md")
        assert [path.read_bytes() for path in again] == drawn
    text = (tmp_path / "0-rates.svg").read_text()
    assert "empty" in text
    assert "post1" in text
    assert {path.name for path in tmp_path.iterdir()} == {
        "0-rates.svg",
        "0-latencies.svg",
        "1-rates.svg",
        "2-messages.svg",
        "3-memory.svg",
        "3-disk.svg",
    }


def test_there_is_no_plot_of_invalid_rows() -> None:
    assert plots.of_contest(contest(Row("post1", 32, "marconi", [measurement(9, errors=1)]))) == {}


PAGE = """# Performance

<!-- figures of contest: none -->

Not yet.

<!-- end of figures -->

Words.

<!-- figures of growth: none -->
<!-- end of figures -->

<!-- figures of endurance: none -->
<!-- end of figures -->
"""


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A page, and the folder that results are taken from; returns the former."""
    page = tmp_path / "docs" / "performance.md"
    page.parent.mkdir()
    page.write_text(PAGE)
    kept = tmp_path / "results"
    steady = row("marconi", 50, 50, percent=50, asked=50.0)
    keep(kept, contest(row("empty", 1000, 1200), row("marconi", 900, 800), steady), "contest")
    keep(kept, growth(), "growth")
    monkeypatch.setattr(publish, "PAGE", page)
    monkeypatch.setattr(results, "FOLDER", kept)
    return page


def test_figures_are_put_in_their_places(published: Path) -> None:
    assert command.main(["report"]) == 0
    text = published.read_text()
    assert "Not yet." not in text
    assert "Words." in text
    assert "| post1 | 1,100 (100%) | 850 (78%) |" in text
    assert "### A queue gets longer" in text
    assert "<!-- figures of contest: 2026-01-02T030405Z-contest.json -->" in text
    assert "<!-- figures of endurance: none -->\n<!-- end of figures -->" in text
    for name in ("contest-rates", "contest-latencies"):
        image = f"performance/2026-01-02T030405Z-{name}.svg"
        assert f"]({image})" in text
        assert (published.parent / image).exists()
    assert publish.render(text, publish.sources(text)) == text


def test_a_result_replaces_what_the_page_had_of_its_kind(published: Path) -> None:
    command.main(["report"])
    newer = contest(row("empty", 100), row("marconi", 10), started="2026-01-09")
    path = keep(results.FOLDER, newer, "contest")
    assert command.main(["report", str(path)]) == 0
    text = published.read_text()
    assert "10 (10%)" in text
    assert "850 (78%)" not in text
    plots_there = {path.name for path in (published.parent / "performance").iterdir()}
    assert plots_there == {"2026-01-09-contest-rates.svg", "2026-01-03-growth-messages.svg"}
    assert "### A queue gets longer" in text


def test_what_is_no_kept_result_is_refused(
    published: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    elsewhere = keep(tmp_path, growth(), "growth")
    assert command.main(["report", str(elsewhere)]) == 2
    assert "not a result in bench/results" in capsys.readouterr().err
    assert published.read_text() == PAGE
