"""From measurements to rows, and from rows to the table and the files."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

BASELINE: Final = "empty"
"""The contender that all others are compared with."""


class Measurement(msgspec.Struct, frozen=True):
    """One run of one case by one contender.

    `requests` were answered rightly or wrongly in `seconds`; `p50` and `p99` are
    latencies in milliseconds; `errors` counts wrong answers, failed connections and timeouts, and
    `complaint` shows one. `server_cpu` and `load_cpu` are seconds of CPU per request, of all
    processes of the server and of the load tool; without a load tool of its own, the latter
    is `None` and part of the former. `others` is the share of all the machine's CPU that went to
    other processes meanwhile: 0 on a quiet machine.
    """

    requests: int
    seconds: float
    p50: float
    p99: float
    errors: int
    complaint: str
    server_cpu: float
    load_cpu: float | None
    others: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


class Row(msgspec.Struct, frozen=True):
    """All rounds of one case by one contender at one number of connections, in order."""

    case: str
    connections: int
    contender: str
    rounds: list[Measurement]

    @property
    def errors(self) -> int:
        """The errors of all rounds; any makes the row invalid."""
        return sum(each.errors for each in self.rounds)

    def median(self, value: Callable[[Measurement], float]) -> float:
        """Return the median of a value over the rounds."""
        return median(map(value, self.rounds))


class Result(msgspec.Struct, frozen=True):
    """All of one run of the benchmark: when, on what, how, and what came out."""

    started: str
    command: str
    conditions: dict[str, str]
    rows: list[Row]


def ratio(row: Row, rows: Iterable[Row]) -> float | None:
    """Return the rate of a row as a share of that of the empty responder in the same run.

    The median of the shares round by round, as the machine may be slower in one round than in
    another. `None` if there is nothing valid to compare.
    """
    for other in rows:
        if (other.case, other.connections, other.contender) == (
            row.case,
            row.connections,
            BASELINE,
        ):
            if row.errors or other.errors:
                return None
            pairs = zip(row.rounds, other.rounds, strict=True)
            return median(mine.rate / its.rate for mine, its in pairs)
    return None


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
    "load CPU µs",
    "others",
    f"of {BASELINE}",
)
_WORDS: Final = (_HEAD.index("case"), _HEAD.index("contender"))
"""Columns that are aligned to the left; all others are figures."""


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table, aligned for reading as it is."""
    lines = [_HEAD, *(_cells(row, rows) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = [
        "-" * width if number in _WORDS else "-" * (width - 1) + ":"
        for number, width in enumerate(widths)
    ]
    return "\n".join(
        "| "
        + " | ".join(
            cell.ljust(width) if number in _WORDS else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in (lines[0], rule, *lines[1:])
    )


def _cells(row: Row, rows: Sequence[Row]) -> tuple[str, ...]:
    rates = [each.rate for each in row.rounds]
    loads = [each.load_cpu for each in row.rounds if each.load_cpu is not None]
    share = ratio(row, rows)
    return (
        row.case,
        str(row.connections),
        row.contender,
        f"{median(rates):,.0f}",
        f"{min(rates):,.0f}",
        f"{max(rates):,.0f}",
        f"{row.median(lambda each: each.p50):.2f}",
        f"{row.median(lambda each: each.p99):.2f}",
        str(row.errors),
        f"{row.median(lambda each: each.server_cpu) * 1e6:.1f}",
        f"{median(loads) * 1e6:.1f}" if loads else "-",
        f"{max(each.others for each in row.rounds):.0%}",
        "invalid" if row.errors else "-" if share is None else f"{share:.0%}",
    )


def complaints(rows: Iterable[Row]) -> list[str]:
    """Return a line for each invalid row that says what went wrong first."""
    return [
        f"{row.case}, {row.connections} connections, {row.contender}: "
        + next(each.complaint for each in row.rounds if each.errors)
        for row in rows
        if row.errors
    ]


def markdown(result: Result) -> str:
    """Return the report that people read."""
    parts = [
        f"# {result.started}",
        f"`{result.command}`",
        "\n".join(f"* {name}: {value}" for name, value in result.conditions.items()),
        table(result.rows),
    ]
    if invalid := complaints(result.rows):
        parts.append("Invalid rows:\n\n" + "\n".join(f"* {line}" for line in invalid))
    return "\n\n".join(parts) + "\n"


def write(result: Result, folder: Path) -> Path:
    """Write the report as Markdown and as JSON; return the path of the former."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.started.replace(':', '')}.md"
    path.write_text(markdown(result), "utf-8")
    path.with_suffix(".json").write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
    return path
