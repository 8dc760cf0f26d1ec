"""Plots: one for each question, as SVG beside the tables."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, TypeVar

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.endurance_report import MEGABYTE
from bench.points import QUESTIONS
from bench.report import held_rate
from bench.results import Contest, Endurance, Growth, GrowthRow, Memory, Row, Space
from bench.subjects import OPERATIONS

Item = TypeVar("Item")

Figures = Mapping[str, Figure]
"""By the name that the file has behind that of the result."""

_PANEL: Final = (3.2, 2.4)
"""Width and height of one panel, in inches."""
_BAR: Final = 0.16
"""Height of a bar, in inches."""
_COLUMNS: Final = 3
"""Panels beside each other."""


def _look() -> AbstractContextManager[None]:
    return matplotlib.rc_context(
        {
            "font.size": 8,
            "svg.fonttype": "none",  # text stays text
            "svg.hashsalt": "marconi",  # the same figures, the same file
        }
    )


def write(figures: Figures, beside: Path) -> list[Path]:
    """Write figures beside a report; return their paths."""
    paths = []
    for name, figure in figures.items():
        path = beside.with_name(f"{beside.stem}-{name}.svg")
        with _look():
            figure.savefig(path, metadata={"Date": None})
        paths.append(path)
    return paths


def of_contest(result: Contest) -> Figures:
    """Return what a contest shows: rates by contender, and latencies at fixed rates."""
    figures = {}
    full = [row for row in result.rows if row.percent is None and not row.errors]
    if full:
        draw = _by_connections if len({row.connections for row in full}) > 1 else _bars_of_rates
        figures["rates"] = _panels("Requests a second", _grouped(full), draw)
    steady = [row for row in result.rows if row.percent is not None and not row.errors]
    if held := [row for row in steady if held_rate(row)]:
        title = "Latency at fixed rates, ms: p50 (dark) and p99 (light)"
        groups = _grouped(held)
        bars = max(map(len, groups.values()))
        figures["latencies"] = _panels(title, groups, _bars_of_latencies, bars)
    return figures


def _grouped(rows: Iterable[Row]) -> dict[str, list[Row]]:
    by_case: dict[str, list[Row]] = {}
    for row in rows:
        by_case.setdefault(row.case, []).append(row)
    return by_case


def _panels(
    title: str,
    groups: Mapping[str, Sequence[Item]],
    draw: Callable[[Axes, Sequence[Item]], None],
    bars: int = 0,
) -> Figure:
    """Return a figure with a panel for each group, high enough for so many bars."""
    columns = min(_COLUMNS, len(groups))
    lines = -(-len(groups) // columns)
    width, height = _PANEL
    height = max(height, bars * _BAR)
    with _look():
        figure = Figure(figsize=(width * columns, height * lines + 0.4), layout="constrained")
        figure.suptitle(title)
        for number, (name, group) in enumerate(groups.items(), 1):
            axes = figure.add_subplot(lines, columns, number)
            axes.set_title(name)
            draw(axes, group)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        if labels:
            figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


def _by_connections(axes: Axes, rows: Sequence[Row]) -> None:
    contenders = list(dict.fromkeys(row.contender for row in rows))
    for contender in contenders:
        of_contender = [row for row in rows if row.contender == contender]
        axes.errorbar(
            [row.connections for row in of_contender],
            [row.rate for row in of_contender],
            yerr=_spread(of_contender),
            label=contender,
            marker=".",
            capsize=2,
        )
    ticks = sorted({row.connections for row in rows})
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [str(each) for each in ticks])
    axes.set_yscale("log")
    axes.set_xlabel("connections")
    axes.grid(alpha=0.3)


def _bars_of_rates(axes: Axes, rows: Sequence[Row]) -> None:
    names = [row.contender for row in rows]
    axes.barh(names, [row.rate for row in rows], xerr=_spread(rows), capsize=2)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)


def _spread(rows: Sequence[Row]) -> list[list[float]]:
    """Return how far the slowest and the fastest round are from the median."""
    return [
        [row.rate - min(each.rate for each in row.rounds) for row in rows],
        [max(each.rate for each in row.rounds) - row.rate for row in rows],
    ]


def _bars_of_latencies(axes: Axes, rows: Sequence[Row]) -> None:
    several = len({row.connections for row in rows}) > 1
    names = [
        f"{row.contender}, {row.percent}%" + (f", {row.connections}" if several else "")
        for row in rows
    ]
    axes.barh(names, [row.median(lambda each: each.p99) for row in rows], color="lightsteelblue")
    axes.barh(names, [row.median(lambda each: each.p50) for row in rows], color="steelblue")
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)


def of_growth(result: Growth) -> Figures:
    """Return a figure for each question of growth, with a panel for each operation."""
    figures = {}
    for name, question in QUESTIONS.items():
        rows = [row for row in result.rows if row.question == name]
        if rows:
            panels = {
                operation: [row for row in rows if row.operation == operation]
                for operation in OPERATIONS
            }
            title = f"{question.title}: ms by {question.unit}; p50 solid, p99 dotted"
            figures[name] = _panels(title, panels, _growth)
    return figures


def _growth(axes: Axes, rows: Sequence[GrowthRow]) -> None:
    sizes = sorted({row.size for row in rows})
    for number, (engine, level) in enumerate(
        dict.fromkeys((row.engine, row.level) for row in rows)
    ):
        by_size = {row.size: row for row in rows if (row.engine, row.level) == (engine, level)}
        for value, style, label in (("p50", "-", f"{engine}, {level}"), ("p99", ":", None)):
            axes.plot(
                range(len(sizes)),
                [getattr(by_size[size], value) for size in sizes],
                style,
                color=f"C{number}",
                marker=".",
                label=label,
            )
    axes.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes])
    axes.set_yscale("log")
    axes.grid(alpha=0.3)


def of_endurance(result: Endurance) -> Figures:
    """Return a figure of memory by requests, and one of the size of each database."""
    memory = {life.engine: life.memory for life in result.lives}
    space = {life.engine: life.space for life in result.lives}
    return {
        "memory": _panels("Memory of each worker, MB, by millions of requests", memory, _memory),
        "disk": _panels("Size of the database, MB", space, _space),
    }


def _memory(axes: Axes, samples: Sequence[Memory]) -> None:
    requests = [each.requests / 1e6 for each in samples]
    for number in range(len(samples[0].workers)):
        axes.plot(
            requests,
            [each.workers[number] / MEGABYTE for each in samples],
            label=f"worker {number + 1}",
        )
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)


def _space(axes: Axes, steps: Sequence[Space]) -> None:
    axes.barh([each.step for each in steps], [each.size / MEGABYTE for each in steps])
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
