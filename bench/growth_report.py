"""What people read of growth: a table for each question."""

from collections.abc import Sequence
from statistics import median

from bench.points import QUESTIONS
from bench.results import Growth, GrowthRow
from bench.tables import page, table


def markdown(result: Growth) -> str:
    """Return the report of growth."""
    return page(result, {QUESTIONS[name].title: text for name, text in sections(result).items()})


def sections(result: Growth) -> dict[str, str]:
    """Return a table for each question that was asked, by its name."""
    found = {}
    for name, question in QUESTIONS.items():
        rows = [row for row in result.rows if row.question == name]
        if rows:
            found[name] = f"Milliseconds, p50 / p99, by {question.unit}:\n\n{_table(rows)}"
    return found


def _table(rows: Sequence[GrowthRow]) -> str:
    sizes = sorted({row.size for row in rows})
    series: dict[tuple[str, str, str], dict[int, GrowthRow]] = {}
    for row in rows:
        series.setdefault((row.engine, row.level, row.operation), {})[row.size] = row
    head = ["engine", "level", "operation", *(f"{size:,}" for size in sizes), "growth of p50"]
    lines = []
    for names, by_size in series.items():
        cells = [f"{by_size[size].p50:.2f} / {by_size[size].p99:.2f}" for size in sizes]
        growth = factor(by_size[sizes[0]], by_size[sizes[-1]])
        lines.append([*names, *cells, f"{growth:.2f}"])
    return table(head, lines, ("engine", "level", "operation"))


def factor(small: GrowthRow, large: GrowthRow) -> float:
    """Return how many times as long it takes at the larger size.

    The median of the factors round by round, as the machine may be slower in one round than in
    another.
    """
    pairs = zip(small.rounds, large.rounds, strict=True)
    return median(its.p50 / mine.p50 for mine, its in pairs)
