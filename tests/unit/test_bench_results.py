"""What the benchmark makes of kept results: what became slower, plots, and the page of figures."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as command
from bench import guard, plots, publish, report, results
from bench.cases import CASES
from bench.contenders import AT_FIXED_RATES, CONTENDERS
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
from tests.unit.benchmark import cells

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


def keep(folder: Path, result: results.Result, kind: str, name: str = "") -> None:
    results.write(result, results.place(folder, kind, name))


def test_a_result_takes_the_place_of_the_last_one_of_its_kind_and_name(tmp_path: Path) -> None:
    keep(tmp_path, contest(row("empty", 1)), "contest")
    keep(tmp_path, contest(row("empty", 2)), "contest")
    keep(tmp_path, contest(row("empty", 3)), "contest", "one-more")
    keep(tmp_path, growth(), "growth")
    kept = results.stored(tmp_path, "contest")
    assert [path.name for path in kept] == ["contest-one-more.json", "contest.json"]
    assert [results.read(path, Contest).rows[0].rate for path in kept] == [3, 2]
    assert {results.kind_of(path) for path in tmp_path.iterdir()} == {"contest", "growth"}


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
    keep(tmp_path, contest(*rows, started="2026-01-01"), "contest", "z")
    later = [row("empty", 100), row("marconi", 50)]
    keep(tmp_path, contest(*later, started="2026-01-02"), "contest")
    keep(tmp_path, contest(*rows, started="2026-01-03", baseline="store"), "contest", "store")
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
    assert dict(zip(*cells(report.latencies(rows)), strict=True)) == {
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


# Plots and pages


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.1, "0.1"), (95.4, "95"), (1000, "1k"), (18_753, "18.8k"), (1_500_000, "1.5M")],
)
def test_numbers_of_plots_are_short(value: float, text: str) -> None:
    assert plots.short(value) == text


def test_the_product_comes_first_and_has_colours() -> None:
    assert results.product_first(["empty", "mongodb", "store", "marconi", "empty"]) == [
        *("marconi", "mongodb"),
        *("empty", "store"),
    ]
    assert plots.OURS.keys() == AT_FIXED_RATES <= CONTENDERS.keys()
    assert plots.OTHERS not in plots.OURS.values()
    figure = plots.rates("x", [row("empty", 100), row("marconi", 90)])
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["marconi", "empty"]


def drawn(tmp_path: Path) -> dict[str, bytes]:
    """All plots of several results, by the names of their files."""
    steady = row("marconi", 50, 50, percent=50, asked=50.0)
    late = row("mongodb", 4, 4, percent=80, asked=50.0)
    kept = {
        "contest": contest(row("empty", 100, 120), row("marconi", 90, 80), steady, late),
        "contest-several": contest(
            *(
                row(name, rate, connections=n)
                for name in ("empty", "marconi")
                for n, rate in ((1, 9), (8, 80))
            )
        ),
        "growth": growth(),
        "endurance": endurance(),
    }
    for name, result in kept.items():
        for view, shown in publish.KINDS[name.partition("-")[0]].show(result).items():
            if shown.figure is not None:
                plots.write(shown.figure, tmp_path / f"{name}-{view}.svg")
    return {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_plots_are_drawings_and_the_same_each_time(tmp_path: Path) -> None:
    first = drawn(tmp_path)
    assert first.keys() == {
        "contest-rates.svg",
        "contest-latencies.svg",
        "contest-several-rates.svg",
        "growth-messages.svg",
        "endurance-memory.svg",
        "endurance-disk.svg",
    }
    for each in first.values():
        assert ElementTree.fromstring(each).tag.endswith("svg")
    assert drawn(tmp_path) == first
    for part in (b">empty<", b">post1<"):
        assert part in first["contest-rates.svg"]
    assert b">not held<" in first["contest-latencies.svg"]


def test_plots_can_be_read_on_light_and_on_dark_pages(tmp_path: Path) -> None:
    """Nothing is painted behind them, and no text is black or white."""
    for each in drawn(tmp_path).values():
        tree = ElementTree.fromstring(each)
        styles = [element.get("style", "") for element in tree.iter()]
        assert not [style for style in styles if re.search(r"#(ffffff|000000)", style)]
        texts = [element for element in tree.iter() if element.tag.endswith("}text")]
        assert texts
        for element in texts:
            assert f"fill: {plots.INK}" in element.get("style", "")


@pytest.mark.parametrize("page", ["#ffffff", "#131416"])
def test_the_ink_is_far_enough_from_the_page(page: str) -> None:
    """At least 4:1, as the guidelines of the web count it (WCAG 2.2, relative luminance)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        ]
        return sum(
            weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True)
        )

    lights = sorted((luminance(page), luminance(plots.INK)))
    assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 4


def test_invalid_rows_have_a_table_and_no_plot() -> None:
    result = contest(Row("post1", 32, "marconi", [measurement(9, errors=1)]))
    assert publish.KINDS["contest"].show(result).keys() == {"rows"}


PAGE = """# Performance

<!-- figures of contest: rates latencies conditions -->

Not yet.

<!-- end of figures -->

Words.

<!-- figures of growth: messages -->
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
    monkeypatch.setattr(publish, "PAGES", (page,))
    monkeypatch.setattr(publish, "PLOTS", page.with_suffix(""))
    monkeypatch.setattr(results, "FOLDER", kept)
    return page


def test_figures_are_put_in_their_places(published: Path) -> None:
    assert command.main(["report"]) == 0
    text = published.read_text()
    assert "Not yet." not in text
    assert "Words." in text
    assert "| post1 | 850 (78%) | 1,100 (100%) |" in text
    assert "by messages in the queue" in text
    assert "on 2 (made up) cores, ext4 ([every round](../results/contest.json))" in text
    for name in ("contest-rates", "contest-latencies", "growth-messages"):
        image = f"performance/{name}.svg"
        assert f"]({image})" in text
        assert (published.parent / image).exists()
    assert publish.render(text, published.parent) == text


def test_a_long_table_is_folded_away(published: Path) -> None:
    rows = [row(name, 100, case=case.name) for case in CASES for name in ("empty", "marconi")]
    keep(results.FOLDER, contest(*rows), "contest")
    published.write_text("<!-- figures of contest: rates rows -->\n<!-- end of figures -->\n")
    assert command.main(["report"]) == 0
    shown, _, folded = published.read_text().partition("<details><summary>")
    assert shown.count("| cycle10 ") == 1
    assert folded.count("| cycle10 ") == 2
    assert folded.count("</details>") == 1


def test_a_new_result_replaces_what_the_page_had(published: Path) -> None:
    command.main(["report"])
    keep(results.FOLDER, contest(row("empty", 100), row("marconi", 10)), "contest")
    published.write_text(published.read_text().replace("rates latencies", "rates"))
    assert command.main(["report"]) == 0
    text = published.read_text()
    assert "10 (10%)" in text
    assert "850 (78%)" not in text
    plots_there = {path.name for path in (published.parent / "performance").iterdir()}
    assert plots_there == {"contest-rates.svg", "growth-messages.svg"}
    assert "by messages in the queue" in text


@pytest.mark.parametrize(
    ("name", "view", "complaint"),
    [
        ("contest-nobody", "rates", "there is no"),
        ("contest", "beauty", "has no beauty, only rows, rates, latencies"),
    ],
)
def test_what_is_not_kept_is_not_shown(
    published: Path, capsys: pytest.CaptureFixture[str], name: str, view: str, complaint: str
) -> None:
    page = PAGE + f"\n<!-- figures of {name}: {view} -->\n<!-- end of figures -->\n"
    published.write_text(page)
    assert command.main(["report"]) == 2
    assert complaint in capsys.readouterr().err
    assert published.read_text() == page
