"""Write the figures of results, with their plots, into `docs/performance.md`.

Nobody copies a figure by hand, and a test finds one that is not that of its result.
"""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench import endurance_report, growth_report, options, plots, profile, report, results
from bench.results import Contest, Endurance, Growth, Profile, Result
from bench.servers import ROOT

PAGE: Final = ROOT / "docs" / "performance.md"

_SECTION: Final = re.compile(
    r"<!-- figures of (?P<kind>\w+): (?P<files>[^>]*?) -->\n.*?<!-- end of figures -->", re.DOTALL
)
_NOT_YET: Final = "none"


def _contest(result: Contest, images: Mapping[str, str]) -> list[str]:
    return [
        report.overview(result.rows, result.baseline),
        images.get("rates", ""),
        report.latencies(result.rows),
        images.get("latencies", ""),
    ]


def _growth(result: Growth, images: Mapping[str, str]) -> list[str]:
    sections = growth_report.sections(result, "###")
    return [part for name, text in sections.items() for part in (text, images[name])]


def _endurance(result: Endurance, images: Mapping[str, str]) -> list[str]:
    return [*endurance_report.sections(result, "###"), *images.values()]


def _profile(result: Profile, _images: Mapping[str, str]) -> list[str]:
    return profile.sections(result, "###")


def _no_plots(_result: Profile) -> plots.Figures:
    return {}


Parts = Callable[[Any, Mapping[str, str]], list[str]]

KINDS: Final[dict[str, tuple[type[Result], Callable[[Any], plots.Figures], Parts]]] = {
    "contest": (Contest, plots.of_contest, _contest),
    "growth": (Growth, plots.of_growth, _growth),
    "endurance": (Endurance, plots.of_endurance, _endurance),
    "profile": (Profile, _no_plots, _profile),
}
"""How a result of each kind is read, drawn, and put into words."""


def main(argv: Sequence[str]) -> int:
    """Write the page; return the exit status.

    :raises SystemExit: argparse ends the process in this way
    """
    parser = argparse.ArgumentParser(prog="python -m bench report", description=__doc__)
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="file",
        help="results (.json) to publish: those of a kind replace what the page has of that kind"
        " (the newest of each kind)",
    )
    chosen: dict[str, list[Path]] = {}
    files = parser.parse_args(argv).files or [
        path for kind in KINDS for path in results.stored(results.FOLDER, kind)[:1]
    ]
    for path in files:
        kind = path.stem.rpartition("-")[2]
        if kind not in KINDS or path.resolve().parent != results.FOLDER:
            return options.fail(f"{path} is not a result in bench/results")
        chosen.setdefault(kind, []).append(path)
    text = render(PAGE.read_text("utf-8"), chosen)
    PAGE.write_text(text, "utf-8")
    folder = PAGE.with_suffix("")
    for kind, paths in chosen.items():
        for path in paths:
            draw(kind, path, folder)
    for plot in folder.glob("*.svg"):
        if plot.name not in text:  # it was of an earlier result
            plot.unlink()
    print(f"Written to {PAGE} and {folder}")
    return 0


def render(text: str, chosen: Mapping[str, Sequence[Path]]) -> str:
    """Return the text of the page with the figures of results, by kind."""

    def section(match: re.Match[str]) -> str:
        kind = match["kind"]
        if kind not in chosen:
            return match[0]
        files = " ".join(path.name for path in chosen[kind])
        parts = [figures(kind, path) for path in chosen[kind]]
        return "\n\n".join(
            [f"<!-- figures of {kind}: {files} -->", *parts, "<!-- end of figures -->"]
        )

    return _SECTION.sub(section, text)


def sources(text: str) -> dict[str, list[Path]]:
    """Return the results that the page has its figures from."""
    return {
        match["kind"]: [results.FOLDER / name for name in match["files"].split()]
        for match in _SECTION.finditer(text)
        if match["files"] != _NOT_YET
    }


def figures(kind: str, path: Path) -> str:
    """Return the figures of a result, as Markdown."""
    type_, plotted, parts = KINDS[kind]
    result = results.read(path, type_)
    images = {
        name: f"![{kind}: {name}]({PAGE.stem}/{path.stem}-{name}.svg)" for name in plotted(result)
    }
    where = result.conditions
    head = (
        f"Taken with `{result.command}` on {where.get('cores', 'unknown')} cores,"
        f" {where.get('disk', 'an unknown disk')} ([all of it](../bench/results/{path.stem}.md))."
    )
    return "\n\n".join([head, *filter(None, parts(result, images))])


def draw(kind: str, path: Path, folder: Path) -> list[Path]:
    """Draw the plots of a result into the folder of the page."""
    type_, plotted, _ = KINDS[kind]
    folder.mkdir(exist_ok=True)
    return plots.write(plotted(results.read(path, type_)), folder / path.name)
