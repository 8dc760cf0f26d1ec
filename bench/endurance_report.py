"""What people read of endurance: memory after many requests, and the size of the database."""

from collections.abc import Sequence
from typing import Final

from bench.results import MEGABYTE, Endurance, Life, Memory
from bench.tables import page, table

_SHOWN: Final = 10
"""Samples of memory in a table."""


def markdown(result: Endurance) -> str:
    """Return the report of endurance."""
    return page(result, {life.engine: f"{memory(life)}\n\n{disk(life)}" for life in result.lives})


def shown(samples: Sequence[Memory]) -> list[Memory]:
    """Return some of the samples, evenly spread, the first and the last with them."""
    last = len(samples) - 1
    numbers = sorted({round(last * number / (_SHOWN - 1)) for number in range(_SHOWN)})
    return [samples[number] for number in numbers]


def memory(life: Life) -> str:
    """Return the table of the memory of each worker."""
    workers = range(1, len(life.memory[0].workers) + 1)
    head = [f"requests to {life.engine}", *(f"worker {number}, MB" for number in workers)]
    lines = [
        [f"{each.requests:,}", *(f"{size / MEGABYTE:.1f}" for size in each.workers)]
        for each in shown(life.memory)
    ]
    return table(head, lines, ())


def disk(life: Life) -> str:
    """Return the table of the size of the database."""
    lines = [[each.step, f"{each.size / MEGABYTE:,.1f}"] for each in life.space]
    return table([life.engine, "MB"], lines, (life.engine,))
