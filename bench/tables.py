"""Markdown: tables that can be read as they are, and what stands around them."""

from collections.abc import Collection, Mapping, Sequence

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


def page(result: Result, sections: Mapping[str, str]) -> str:
    """Return what is printed of a result: what it was taken on, and the sections, by heading.

    Those without a text are left out.
    """
    conditions = "\n".join(f"* {name}: {value}" for name, value in result.conditions.items())
    parts = [f"## {heading}\n\n{text}" for heading, text in sections.items() if text]
    head = [f"# {result.started}", f"`{result.command}`", conditions]
    return "\n\n".join([*head, *parts]) + "\n"
