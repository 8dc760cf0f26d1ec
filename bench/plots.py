"""Plots: one for each question, as SVG that is read on light and on dark pages alike."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Final, Literal, TypeVar

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from bench.results import MEGABYTE, PRODUCT, GrowthRow, Life, Row, product_first
from bench.subjects import OPERATIONS

Item = TypeVar("Item")

INK: Final = "#767a80"
"""Of all that is no figure. It is as far from white as from the black of dark pages."""

OURS: Final = dict(zip(PRODUCT, ("#2b7de0", "#10a37f", "#c9691f"), strict=True))
"""The contenders that are the product have colours."""

OTHERS: Final = "#a3a8ae"
_LINES: Final = (":", "--", "-.")
"""How the lines of others are told apart."""

_ENGINES: Final = {"sqlite": OURS["marconi"], "mongodb": OURS["mongodb"]}
_LIGHT: Final = 0.4

_WIDTH: Final = 7.2
"""Inches: at 96 pixels each it is as wide as the text of the pages."""
_PANEL: Final = 1.8
"""Height of a panel without bars, in inches."""
_BAR: Final = 0.19
"""Height of a bar, in inches."""
_COLUMNS: Final = 3
"""Panels beside each other."""


def short(value: float, _position: object = None) -> str:
    """Return a number for a tick: 20k, 1.5M, 0.1."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{round(value / unit, 1):g}{letter}"
    return f"{value:.0f}" if value >= 10 else f"{value:g}"


def _look() -> AbstractContextManager[None]:
    return matplotlib.rc_context(
        {
            "font.size": 9,
            "axes.titlesize": 9,
            "axes.titleweight": "bold",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.axisbelow": True,
            "grid.alpha": 0.3,
            "legend.frameon": False,
            "savefig.transparent": True,
            **dict.fromkeys(
                (
                    "text.color",
                    "axes.edgecolor",
                    "axes.labelcolor",
                    "axes.titlecolor",
                    "xtick.color",
                    "ytick.color",
                    "grid.color",
                ),
                INK,
            ),
            "svg.fonttype": "none",  # text stays text
            "svg.hashsalt": "marconi",  # the same figures, the same file
        }
    )


def write(figure: Figure, path: Path) -> None:
    """Write a figure as SVG, the same file each time."""
    with _look():
        figure.savefig(path, metadata={"Date": None})


def _panels(
    title: str,
    groups: Mapping[str, Item],
    draw: Callable[[Axes, Item], None],
    *,
    bars: Sequence[str] = (),
    ticks: Callable[[float, object], str] = short,
    share: Literal["x", "y", "none"] = "none",
) -> Figure:
    """Return a figure with a panel for each group, and axes that are alike if they are shared.

    All panels are high enough for the bars, whose names are written beside the first of each line,
    and `ticks` writes the numbers below them. Without bars all have the same lines, and one legend.
    """
    columns = len(groups) if len(groups) < _COLUMNS else 2 if len(groups) == 4 else _COLUMNS
    lines = -(-len(groups) // columns)
    height = len(bars) * _BAR + 0.5 if bars else _PANEL
    with _look():
        layout = ConstrainedLayoutEngine(w_pad=0.12)
        figure = Figure(figsize=(_WIDTH, height * lines + 0.5), layout=layout)
        figure.suptitle(title, x=0.01, horizontalalignment="left")
        grid = figure.subplots(
            lines, columns, squeeze=False, sharex=share == "x", sharey=share == "y"
        )
        panels, free = grid.flat[: len(groups)], grid.flat[len(groups) :]
        for number, (axes, (name, group)) in enumerate(zip(panels, groups.items(), strict=True)):
            axes.set_title(name, loc="left")
            axes.tick_params(labelbottom=True)  # also where one below has the same
            draw(axes, group)
            if bars:
                _finish_bars(axes, [] if number % columns else bars, len(bars))
                axes.xaxis.set_major_formatter(FuncFormatter(ticks))
            else:
                axes.grid()
        for axes in free:
            axes.axis("off")
        if not bars:
            of_all = panels[0].get_legend_handles_labels()
            if len(free):
                free[0].legend(*of_all, loc="center left")
            else:
                figure.legend(*of_all, loc="outside lower center", ncols=4)
    return figure


def _finish_bars(axes: Axes, names: Sequence[str], count: int) -> None:
    axes.set_yticks(range(count) if names else [], names)
    axes.tick_params(left=False)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(count - 0.4, -0.6)  # from the top to the bottom
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.grid(axis="x")


def _by_case(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.case, []).append(row)
    return found


def rates(title: str, rows: Sequence[Row]) -> Figure:
    """Draw what each contender does in each case; with several numbers of connections, by them."""
    contenders = product_first(row.contender for row in rows)
    if len({row.connections for row in rows}) > 1:
        draw = partial(_lines_of_rates, contenders)
        return _panels(title, _by_case(rows), draw, share="y")
    draw = partial(_bars_of_rates, contenders)
    return _panels(title, _by_case(rows), draw, bars=contenders, share="x")


def _lines_of_rates(contenders: Sequence[str], axes: Axes, rows: Sequence[Row]) -> None:
    others = [each for each in contenders if each not in OURS]
    for contender in contenders:
        of_contender = [row for row in rows if row.contender == contender]
        ours = contender in OURS
        axes.errorbar(
            [row.connections for row in of_contender],
            [row.rate for row in of_contender],
            yerr=_spread(of_contender),
            label=contender,
            color=OURS.get(contender, OTHERS),
            linestyle="-" if ours else _LINES[others.index(contender) % len(_LINES)],
            linewidth=2 if ours else 1.5,
            marker=".",
            capsize=2,
        )
    ticks = sorted({row.connections for row in rows})
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [str(each) for each in ticks])
    axes.set_yscale("log")
    _plain_numbers(axes)
    axes.set_xlabel("connections")


def _plain_numbers(axes: Axes) -> None:
    """Write the powers of ten beside a logarithmic axis as numbers."""
    axes.yaxis.set_major_formatter(FuncFormatter(short))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _bars_of_rates(contenders: Sequence[str], axes: Axes, rows: Sequence[Row]) -> None:
    places = [contenders.index(row.contender) for row in rows]
    axes.barh(
        places,
        [row.rate for row in rows],
        height=0.75,
        xerr=_spread(rows),
        color=[OURS.get(row.contender, OTHERS) for row in rows],
        error_kw={"ecolor": INK, "elinewidth": 1},
        capsize=2,
    )
    fastest = [max(each.rate for each in row.rounds) for row in rows]
    for place, row, end in zip(places, rows, fastest, strict=True):
        _note(axes, end, place, short(row.rate))
    # The widest panel decides; there is room for the numbers behind the bars.
    axes.set_xlim(0, max(axes.get_xlim()[1], 1.3 * max(fastest)))


def _note(axes: Axes, end: float, place: int, text: str) -> None:
    """Write something behind the end of a bar."""
    axes.annotate(
        text,
        (end, place),
        xytext=(3, 0),
        textcoords="offset points",
        verticalalignment="center",
        fontsize=8,
    )


def _spread(rows: Sequence[Row]) -> list[list[float]]:
    """Return how far the slowest and the fastest round are from the median."""
    return [
        [row.rate - min(each.rate for each in row.rounds) for row in rows],
        [max(each.rate for each in row.rounds) - row.rate for row in rows],
    ]


def latencies(title: str, rows: Sequence[Row]) -> Figure:
    """Draw p50 and p99 of rows at fixed rates."""
    several = len({row.connections for row in rows}) > 1

    def name(row: Row) -> str:
        return f"{row.contender}, {row.percent}%" + (f", {row.connections}" if several else "")

    contenders = product_first(row.contender for row in rows)
    ordered = sorted(rows, key=lambda row: contenders.index(row.contender))
    bars = list(dict.fromkeys(map(name, ordered)))

    def draw(axes: Axes, group: Sequence[Row]) -> None:
        longest = max((_p99(row) for row in group if row.held), default=1.0)
        for row in group:
            place = bars.index(name(row))
            if not row.held:
                _note(axes, 0, place, "not held")
                continue
            colour = OURS.get(row.contender, OTHERS)
            p50 = row.median(lambda each: each.p50)
            axes.barh(place, _p99(row), height=0.75, color=colour, alpha=_LIGHT)
            axes.barh(place, p50, height=0.75, color=colour)
            _note(axes, _p99(row), place, f"{p50:.0f} / {_p99(row):.0f}")
        axes.set_xlim(0, 1.5 * longest)

    return _panels(title, _by_case(rows), draw, bars=bars)


def _p99(row: Row) -> float:
    return row.median(lambda each: each.p99)


def growth(title: str, rows: Sequence[GrowthRow]) -> Figure:
    """Draw latencies by size, with a panel for each operation."""
    panels = {name: [row for row in rows if row.operation == name] for name in OPERATIONS}
    return _panels(title, panels, _growth, share="y")


def _growth(axes: Axes, rows: Sequence[GrowthRow]) -> None:
    sizes = sorted({row.size for row in rows})
    for engine, level in dict.fromkeys((row.engine, row.level) for row in rows):
        by_size = {row.size: row for row in rows if (row.engine, row.level) == (engine, level)}
        for value, style in (("p50", "-"), ("p99", ":")):
            axes.plot(
                range(len(sizes)),
                [getattr(by_size[size], value) for size in sizes],
                style,
                color=_ENGINES[engine],
                alpha=1 if level == "HTTP" else _LIGHT,
                marker=".",
                label=f"{engine}, {level}, {value}",
            )
    axes.set_xticks(range(len(sizes)), [short(size) for size in sizes])
    axes.set_yscale("log")
    _plain_numbers(axes)


def memory(title: str, lives: Sequence[Life]) -> Figure:
    """Draw the memory of each worker by requests."""
    return _panels(title, {life.engine: life for life in lives}, _memory)


def _memory(axes: Axes, life: Life) -> None:
    requests = [each.requests for each in life.memory]
    for number in range(len(life.memory[0].workers)):
        axes.plot(
            requests,
            [each.workers[number] / MEGABYTE for each in life.memory],
            "-" if number == 0 else _LINES[(number - 1) % len(_LINES)],
            color=_ENGINES[life.engine],
            label=f"worker {number + 1}",
        )
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(short))
    axes.set_xlabel("requests")
    axes.set_ylim(0, 1.2 * max(max(each.workers) for each in life.memory) / MEGABYTE)


def disk(title: str, lives: Sequence[Life]) -> Figure:
    """Draw the size of each database at the steps of its life."""
    steps = list(dict.fromkeys(each.step for life in lives for each in life.space))

    def draw(axes: Axes, life: Life) -> None:
        for each in life.space:
            size = each.size / MEGABYTE
            axes.barh(steps.index(each.step), size, height=0.75, color=_ENGINES[life.engine])
            _note(axes, size, steps.index(each.step), f"{size:,.0f}")
        axes.set_xlim(0, 1.2 * max(each.size for each in life.space) / MEGABYTE)

    groups = {life.engine: life for life in lives}
    return _panels(title, groups, draw, bars=steps, ticks=lambda size, _: f"{size:,.0f}")
