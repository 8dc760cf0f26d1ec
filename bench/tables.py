"""Markdown: tables that can be read as they are, and what stands around them."""

from collections.abc import Collection, Sequence

from bench.results import Result


def table(head: Sequence[str], lines: Sequence[Sequence[str]], words: Collection[str]) -> str:
    """Return a table; the columns of `words` are aligned to the left, the figures to the right."""
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    rule = [
        "-" * width if name in words else "-" * (width - 1) + ":"
        for name, width in zip(head, widths, strict=True)
    ]
    return "\n".join(
        "| "
        + " | ".join(
            cell.ljust(width) if name in words else cell.rjust(width)
            for name, cell, width in zip(head, line, widths, strict=True)
        )
        + " |"
        for line in (head, rule, *lines)
    )


def page(result: Result, *parts: str) -> str:
    """Return a report that people read: what it was taken on, and its parts, those that are any."""
    conditions = "\n".join(f"* {name}: {value}" for name, value in result.conditions.items())
    head = [f"# {result.started}", f"`{result.command}`", conditions]
    return "\n\n".join([*head, *filter(None, parts)]) + "\n"
