"""Write the figures of the results that are kept, and their plots, into the documentation.

A page names a result and what of it is shown, `<!-- figures of growth: conditions messages -->`,
and what is between that and `<!-- end of figures -->` comes from here. Nobody copies a figure by
hand, and a test finds one that is not that of its result.
"""

import argparse
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure

from bench import endurance_report, growth_report, plots, profile, report, results
from bench.options import Unfit
from bench.points import QUESTIONS
from bench.results import Contest, Endurance, Growth, Profile, Result
from bench.servers import ROOT

PAGES: Final = (ROOT / "docs" / "performance.md", ROOT / "bench" / "README.md")

PLOTS: Final = ROOT / "docs" / "performance"

_SECTION: Final = re.compile(
    r"(?P<head><!-- figures of (?P<name>[\w-]+): (?P<views>[^>]*?) -->)\n.*?"
    r"(?P<end><!-- end of figures -->)",
    re.DOTALL,
)

_FOLD: Final = 14
"""Lines of a table above which a reader has to open it."""


@dataclass(frozen=True)
class View:
    """A way to show a part of a result: its title, its table, and its plot if it has one."""

    title: str
    text: str
    figure: Figure | None = None


@dataclass(frozen=True)
class Section:
    """A place for figures on a page: the result, and which views of it."""

    name: str
    views: tuple[str, ...]


def _of_contest(result: Contest) -> dict[str, View]:
    full = [row for row in result.rows if row.percent is None]
    views = {"rows": View("All rows and columns", report.rates(full, result.baseline))}
    if valid := [row for row in full if not row.errors]:
        title = "Requests a second"
        overview = report.overview(full, result.baseline)
        views["rates"] = View(title, overview, plots.rates(title, valid))
    steady = [row for row in result.rows if row.percent is not None]
    if valid := [row for row in steady if not row.errors]:
        title = "Milliseconds at fixed rates, p50 (strong) and p99 (faint)"
        views["latencies"] = View(title, report.latencies(steady), plots.latencies(title, valid))
    return views


def _of_growth(result: Growth) -> dict[str, View]:
    views = {}
    for name, text in growth_report.sections(result).items():
        title = f"Milliseconds by {QUESTIONS[name].unit}"
        rows = [row for row in result.rows if row.question == name]
        views[name] = View(title, text, plots.growth(title, rows))
    return views


def _of_endurance(result: Endurance) -> dict[str, View]:
    memory, disk = "MB of memory by requests so far", "MB on disk as all messages come and go"
    return {
        "memory": View(
            memory,
            "\n\n".join(map(endurance_report.memory, result.lives)),
            plots.memory(memory, result.lives),
        ),
        "disk": View(
            disk,
            "\n\n".join(map(endurance_report.disk, result.lives)),
            plots.disk(disk, result.lives),
        ),
    }


def _of_profile(result: Profile) -> dict[str, View]:
    return {name: View(name, text) for name, text in profile.sections(result).items()}


@dataclass(frozen=True)
class Kind:
    """How a result of a kind is read, and shown: views by name."""

    type: type[Result]
    show: Callable[[Any], dict[str, View]]


KINDS: Final = {
    "contest": Kind(Contest, _of_contest),
    "growth": Kind(Growth, _of_growth),
    "endurance": Kind(Endurance, _of_endurance),
    "profile": Kind(Profile, _of_profile),
}


CONDITIONS: Final = "conditions"
"""The view that all results have: when, how and on what they were taken."""


def main(argv: Sequence[str]) -> int:
    """Write the pages and the plots; return the exit status.

    :raises SystemExit: argparse ends the process in this way
    :raises Unfit: a page shows what is not there
    """
    parser = argparse.ArgumentParser(prog="python -m bench report", description=__doc__)
    parser.parse_args(argv)
    rendered = {page: render(page.read_text("utf-8"), page.parent) for page in PAGES}
    PLOTS.mkdir(exist_ok=True)
    for old in PLOTS.glob("*.svg"):
        old.unlink()
    for page, text in rendered.items():
        page.write_text(text, "utf-8")
        for section in sections(text):
            _draw(section)
        print(f"Written to {page}")
    return 0


def sections(text: str) -> list[Section]:
    """Return the places for figures in a text."""
    return [
        Section(match["name"], tuple(match["views"].split())) for match in _SECTION.finditer(text)
    ]


def render(text: str, folder: Path) -> str:
    """Return the text of a page in this folder, with the figures that are kept.

    :raises Unfit: it shows what is not there
    """

    def fill(match: re.Match[str]) -> str:
        (section,) = sections(match[0])
        return "\n\n".join([match["head"], *_parts(section, folder), match["end"]])

    return _SECTION.sub(fill, text)


def _parts(section: Section, folder: Path) -> Iterator[str]:
    result, views = _look_up(section)
    for name in section.views:
        if name == CONDITIONS:
            yield _conditions(result, os.path.relpath(_file(section), folder))
            continue
        view = views[name]
        if view.figure is not None:
            yield f"![{view.title}]({os.path.relpath(_plot(section, name), folder)})"
        if view.text.count("\n") >= _FOLD:
            summary = "As a table" if view.figure else view.title
            yield f"<details><summary>{summary}</summary>\n\n{view.text}\n\n</details>"
        else:
            yield view.text


def _draw(section: Section) -> None:
    _, views = _look_up(section)
    for name in section.views:
        if name != CONDITIONS and (figure := views[name].figure) is not None:
            plots.write(figure, _plot(section, name))


def _look_up(section: Section) -> tuple[Result, dict[str, View]]:
    """Read the result of a section.

    :raises Unfit: it is not there, or has not all the views
    """
    path = _file(section)
    if not path.exists():
        raise Unfit(f"there is no {path}")
    kind = KINDS[results.kind_of(path)]
    result = results.read(path, kind.type)
    views = kind.show(result)
    if missing := set(section.views) - views.keys() - {CONDITIONS}:
        raise Unfit(f"{path} has no {', '.join(sorted(missing))}, only {', '.join(views)}")
    return result, views


def _file(section: Section) -> Path:
    return results.FOLDER / f"{section.name}.json"


def _plot(section: Section, view: str) -> Path:
    return PLOTS / f"{section.name}-{view}.svg"


def _conditions(result: Result, link: str) -> str:
    where = result.conditions
    return (
        f"<small>Taken on {result.started[:10]} with `{result.command}`"
        f" on {where.get('cores', 'unknown')} cores, {where.get('disk', 'an unknown disk')}"
        f" ([every round]({link})).</small>"
    )
