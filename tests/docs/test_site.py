"""The documentation as a site: its start page, and the navigation that is made of it."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
import requests

from tests.docs.markdown import CHECKOUT, page, pages
from tests.docs.walkthrough import steps, walk
from tests.support.live import LiveServer

START = page("docs/index.md")

SCREEN = 30
"""Lines of text that a reader sees without scrolling."""


@pytest.fixture(scope="module")
def conf() -> ModuleType:
    """What Sphinx is given; it imports nothing of Sphinx, which is not installed here."""
    spec = importlib.util.spec_from_file_location("conf", CHECKOUT / "docs" / "conf.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_is_in_exactly_one_group(conf: ModuleType) -> None:
    groups: dict[str, dict[str, str]] = conf.navigation(START.text)
    assert list(groups) == ["Start", "For clients", "For operators", "Reference", "For developers"]
    entered = [
        (START.path.parent / f"{path}.md").resolve()
        for group in groups.values()
        for path in group.values()
    ]
    assert sorted(entered) == sorted(each.path for each in pages() if each is not START)


def test_names_in_the_navigation_are_short_and_tell_pages_apart(conf: ModuleType) -> None:
    """And none is a time stamp, as those of benchmark runs were."""
    names = [name for group in conf.navigation(START.text).values() for name in group]
    assert len(set(names)) == len(names) == len(pages()) - 1
    for name in names:
        assert len(name) <= 30
        assert not re.search(r"\d{4}", name)


def test_every_page_has_a_title_of_words() -> None:
    for each in pages():
        assert re.match(r"# [A-Z][^\d]+\n", each.text), each.name


def test_sphinx_is_given_a_table_of_contents_for_each_group(conf: ModuleType) -> None:
    groups: dict[str, dict[str, str]] = conf.navigation(START.text)
    blocks = re.findall(
        r"^```{toctree}\n(.*?)^```$", conf.contents(START.text), re.DOTALL | re.MULTILINE
    )
    assert len(blocks) == len(groups)
    for block, (caption, group) in zip(blocks, groups.items(), strict=True):
        options, _, entries = block.partition("\n\n")
        assert options.splitlines() == [":hidden:", f":caption: {caption}"]
        assert entries.splitlines() == [f"{name} <{path}>" for name, path in group.items()]


def test_the_start_page_shows_the_first_commands_on_one_screen() -> None:
    top, _, _ = START.text.partition("\n## ")
    assert top.count("\n") <= SCREEN
    run, first = START.blocks()
    assert run.text in top
    assert first.text in top


def test_the_set_up_is_that_of_the_readme() -> None:
    readme = page("README.md")
    assert START.blocks()[0].text == readme.blocks()[0].text
    for line in START.blocks()[1].text.splitlines():
        assert line.strip("]',") in readme.text


def test_the_first_commands_work(tmp_path: Path) -> None:
    with LiveServer(tmp_path) as server:
        walk(steps(START.blocks()[1:]), server.url, tmp_path)
        stats = requests.get(f"{server.url}/v1/queues/orders/stats", timeout=60).json()
    assert (stats["messages"]["claimed"], stats["messages"]["free"]) == (1, 0)
