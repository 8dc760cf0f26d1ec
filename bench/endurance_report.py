"""What people read of endurance: memory after many requests, and the size of the database."""

from collections.abc import Sequence
from typing import Final

from bench.results import Endurance, Life, Memory
from bench.tables import page, table

_SHOWN: Final = 10
"""Samples of memory in a table."""

MEGABYTE: Final = 1e6


def markdown(result: Endurance) -> str:
    """Return the report of endurance."""
    return page(result, *sections(result))


def sections(result: Endurance, heading: str = "##") -> list[str]:
    """Return a heading and two tables for each engine."""
    return [
        f"{heading} {life.engine}\n\n{_memory(life)}\n\n{_space(life)}" for life in result.lives
    ]


def shown(memory: Sequence[Memory]) -> list[Memory]:
    """Return some of the samples, evenly spread, the first and the last with them."""
    last = len(memory) - 1
    numbers = sorted({round(last * number / (_SHOWN - 1)) for number in range(_SHOWN)})
    return [memory[number] for number in numbers]


def _memory(life: Life) -> str:
    workers = range(1, len(life.memory[0].workers) + 1)
    head = ["requests so far", *(f"worker {number}, MB" for number in workers)]
    lines = [
        [f"{each.requests:,}", *(f"{size / MEGABYTE:.1f}" for size in each.workers)]
        for each in shown(life.memory)
    ]
    return table(head, lines, ())


def _space(life: Life) -> str:
    lines = [[each.step, f"{each.size / MEGABYTE:,.1f}"] for each in life.space]
    return table(["database", "MB"], lines, ("database",))
