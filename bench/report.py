"""What people read of a contest: its tables."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Final

from bench.results import BASELINE, Contest, Row, product_first, ratio
from bench.tables import page, table

_HEAD: Final = (
    "case",
    "connections",
    "contender",
    "requests/s",
    "min",
    "max",
    "p50 ms",
    "p99 ms",
    "errors",
    "server CPU µs",
    "database CPU µs",
    "load CPU µs",
    "others",
)
_HEAD_AT_RATES: Final = (
    "case",
    "connections",
    "contender",
    "of its maximum",
    "asked/s",
    "requests/s",
    "p50 ms",
    "p99 ms",
    "worst p99 ms",
    "errors",
    "server CPU µs",
    "load CPU µs",
    "others",
)
_WORDS: Final = ("case", "contender")


def rates(rows: Sequence[Row], baseline: str = BASELINE) -> str:
    """Return the table of how much each contender does."""
    lines = [_cells(row, rows, baseline) for row in rows if row.percent is None]
    return table((*_HEAD, f"of {baseline}"), lines, _WORDS)


def overview(rows: Sequence[Row], baseline: str = BASELINE) -> str:
    """Return rates and shares with a column for each contender, for each number of connections."""
    parts = []
    full = [row for row in rows if row.percent is None]
    for connections in dict.fromkeys(row.connections for row in full):
        of_these = [row for row in full if row.connections == connections]
        contenders = product_first(row.contender for row in of_these)
        cells = {(row.case, row.contender): _overview_cell(row, rows, baseline) for row in of_these}
        lines = [
            [case, *(cells.get((case, contender), "-") for contender in contenders)]
            for case in dict.fromkeys(row.case for row in of_these)
        ]
        plural = "s" if connections > 1 else ""
        unit = (
            f"Requests a second at {connections} connection{plural}"
            f" (and the share of `{baseline}`):"
        )
        parts.append(f"{unit}\n\n{table(['case', *contenders], lines, ('case',))}")
    return "\n\n".join(parts)


def _overview_cell(row: Row, rows: Sequence[Row], baseline: str) -> str:
    share = ratio(row, rows, baseline)
    if row.errors:
        return "invalid"
    return f"{row.rate:,.0f}" + ("" if share is None else f" ({share:.0%})")


def latencies(rows: Sequence[Row]) -> str:
    """Return the table of latencies at fixed rates; nothing if there are none."""
    lines = [_cells_at_rate(row) for row in rows if row.percent is not None]
    return table(_HEAD_AT_RATES, lines, _WORDS) if lines else ""


def _cells(row: Row, rows: Sequence[Row], baseline: str) -> tuple[str, ...]:
    share = ratio(row, rows, baseline)
    return (
        row.case,
        str(row.connections),
        row.contender,
        f"{row.rate:,.0f}",
        f"{min(each.rate for each in row.rounds):,.0f}",
        f"{max(each.rate for each in row.rounds):,.0f}",
        f"{row.median(lambda each: each.p50):.2f}",
        f"{row.median(lambda each: each.p99):.2f}",
        str(row.errors),
        _microseconds(each.server_cpu for each in row.rounds),
        _microseconds(each.database_cpu for each in row.rounds),
        _microseconds(each.load_cpu for each in row.rounds),
        _others(row),
        "invalid" if row.errors else "-" if share is None else f"{share:.0%}",
    )


def _cells_at_rate(row: Row) -> tuple[str, ...]:
    return (
        row.case,
        str(row.connections),
        row.contender,
        f"{row.percent}%",
        f"{row.asked:,.0f}",
        f"{row.rate:,.0f}",
        f"{row.median(lambda each: each.p50):.2f}" if row.held else "not held",
        f"{row.median(lambda each: each.p99):.2f}" if row.held else "not held",
        f"{max(each.p99 for each in row.rounds):.2f}" if row.held else "not held",
        str(row.errors),
        _microseconds(each.server_cpu for each in row.rounds),
        _microseconds(each.load_cpu for each in row.rounds),
        _others(row),
    )


def _microseconds(seconds: Iterable[float | None]) -> str:
    known = [each for each in seconds if each is not None]
    return f"{median(known) * 1e6:.1f}" if known else "-"


def _others(row: Row) -> str:
    return f"{max(each.others for each in row.rounds):.0%}"


def complaints(rows: Iterable[Row]) -> list[str]:
    """Return a line for each invalid row that says what went wrong first."""
    return [
        f"{row.case}, {row.connections} connections, {row.contender}: "
        + next(each.complaint for each in row.rounds if each.errors)
        for row in rows
        if row.errors
    ]


def markdown(result: Contest) -> str:
    """Return the report of a contest."""
    return page(
        result,
        {
            "Requests a second": rates(result.rows, result.baseline),
            "Latency at fixed rates": latencies(result.rows),
            "Invalid rows": "\n".join(f"* {line}" for line in complaints(result.rows)),
        },
    )
