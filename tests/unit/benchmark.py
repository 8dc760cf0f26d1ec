"""What the tests of the benchmark share."""

import os
from pathlib import Path

import pytest

from bench import __main__ as command
from bench import options, publish, results, wrk
from bench.cases import CASES, Case
from bench.results import Kept


def case(name: str) -> Case:
    """Return a case by its name."""
    (found,) = (case for case in CASES if case.name == name)
    return found


def demand_wrk() -> None:
    """Skip the test where there is no wrk; in CI it fails."""
    if not wrk.available():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(wrk.MISSING)


def cells(table: str) -> list[list[str]]:
    """Return the cells of the lines of Markdown tables in a text, without the rules."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if not line.startswith("| -")
    ]


def measure(
    arguments: str, kind: type[Kept], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> tuple[Kept, dict[str, publish.View]]:
    """Run a command; return the result that it keeps, and the views of that.

    Nothing else may be left.
    """
    monkeypatch.setattr(options, "MEMORY", ())  # whatever disk the tests run on
    work, kept = tmp_path / "work", tmp_path / "kept"
    work.mkdir()
    places = ["--folder", str(work), "--results", str(kept), "--name", "trial"]
    assert command.main([*arguments.split(), *places]) == 0
    assert list(work.iterdir()) == []
    (path,) = kept.iterdir()
    (shown,) = (each for each in publish.KINDS.values() if each.type is kind)
    assert path == results.place(kept, path.stem.removesuffix("-trial"), "trial")
    assert publish.KINDS[results.kind_of(path)] is shown
    result = results.read(path, kind)
    assert result.command.startswith(f"python -m bench {arguments}")
    return result, shown.show(result)
