"""How the pages are built, from the top of a checkout: `sphinx-build -W -c docs . build/docs`.

The top is the source folder, since pages there and in `docs` link to each other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = html_title = "Marconi queue server"
extensions = ["myst_parser"]
include_patterns = ["*.md", "bench/*.md", "docs/**.md"]
root_doc = "docs/index"
html_theme = "furo"
html_show_copyright = False
highlight_language = "text"  # of a block that names none
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["_top"]  # the address without a page leads to the first one
myst_heading_anchors = 4
nitpicky = True


def navigation(start_page: str) -> dict[str, dict[str, str]]:
    """Return the groups of the navigation: pages by their name in it.

    They are the lists of the start page, under their headings, so that a page is entered once.
    """
    _, *groups = re.split(r"^## (.*)\n", start_page, flags=re.MULTILINE)
    entries = re.compile(r"^\* \[([^]]+)\]\(([^)]+)\.md\)", re.MULTILINE)
    return {
        heading: dict(entries.findall(text))
        for heading, text in zip(groups[::2], groups[1::2], strict=True)
    }


def contents(start_page: str) -> str:
    """Return the navigation as Sphinx takes it, which readers of the plain file do not need."""
    parts = []
    for heading, pages in navigation(start_page).items():
        lines = [f"{name} <{path}>" for name, path in pages.items()]
        parts.append(
            "\n".join(["```{toctree}", ":hidden:", f":caption: {heading}", "", *lines, "```"])
        )
    return "\n\n".join(parts)


def add_contents(_app: Sphinx, docname: str, source: list[str]) -> None:
    """Give the first page the navigation."""
    if docname == root_doc:
        source[0] += f"\n{contents(source[0])}\n"


def setup(app: Sphinx) -> None:
    """Take part in the build."""
    app.connect("source-read", add_contents)
