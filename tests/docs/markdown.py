"""What the tests of the documentation read from Markdown: code blocks, headings, links."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]

PAGES = sorted(
    [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md"), *CHECKOUT.glob("bench/*.md")]
)
"""All pages of the documentation."""

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A code block: its language, its text, and the heading above it."""

    language: str
    text: str
    heading: str


class Page:
    """A page of the documentation."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text()
        self.prose = _BLOCK.sub("", self.text)

    @property
    def name(self) -> str:
        return str(self.path.relative_to(CHECKOUT))

    def headings(self) -> list[str]:
        return _HEADING.findall(self.prose)

    def anchors(self) -> set[str]:
        """The names under which links reach the headings, as GitHub makes them."""
        return {
            re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            for heading in self.headings()
        }

    def blocks(self) -> list[Block]:
        """The code blocks, in order."""
        found = []
        for match in _BLOCK.finditer(self.text):
            above = _HEADING.findall(_BLOCK.sub("", self.text[: match.start()]))
            found.append(Block(match[1], match[2], above[-1] if above else ""))
        return found

    def code(self) -> list[str]:
        """What stands in backticks within the text, blocks apart."""
        return _CODE.findall(self.prose)

    def links(self) -> list[str]:
        """The links to other places of the checkout."""
        return [link for link in _LINK.findall(self.prose) if "://" not in link]


@cache
def page(name: str) -> Page:
    """Return a page by its path in the checkout."""
    return Page(CHECKOUT / name)


def pages() -> list[Page]:
    """Return all pages."""
    return [page(str(path.relative_to(CHECKOUT))) for path in PAGES]
