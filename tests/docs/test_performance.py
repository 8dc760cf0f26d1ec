"""The figures of the documentation are those of results that are kept."""

import re

import pytest

from bench import publish, results
from bench.cases import CASES
from bench.contenders import CONTENDERS
from bench.guard import TOLERANCE
from tests.docs.markdown import CHECKOUT, Page, page

PERFORMANCE = page("docs/performance.md")
BENCH = page("bench/README.md")

each_page = pytest.mark.parametrize("page", [PERFORMANCE, BENCH], ids=lambda page: page.name)

SHOWN = [section for each in (PERFORMANCE, BENCH) for section in publish.sections(each.text)]

KEPT = {path.stem: path for path in results.FOLDER.iterdir()}


@each_page
def test_a_page_has_the_figures_of_the_results_that_it_names(page: Page) -> None:
    assert page.path in publish.PAGES
    assert publish.render(page.text, page.path.parent) == page.text


@each_page
def test_every_place_for_figures_is_one(page: Page) -> None:
    begun, ended = page.text.count("<!-- figures of "), page.text.count("<!-- end of figures -->")
    assert begun == ended == len(publish.sections(page.text)) > 0


def test_every_result_is_shown_with_what_it_was_taken_on() -> None:
    assert {section.name for section in SHOWN} == KEPT.keys()
    assert {results.kind_of(path) for path in KEPT.values()} == publish.KINDS.keys()
    with_conditions = {each.name for each in SHOWN if publish.CONDITIONS in each.views}
    assert with_conditions == KEPT.keys()


def test_results_are_kept_once_and_under_names() -> None:
    """No time stamps, and nothing that could be made from them again."""
    for path in KEPT.values():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*\.json", path.name)


def test_every_result_says_how_to_repeat_it() -> None:
    """The table has the commands that gave the results, and the names under which they are kept."""
    rows = re.findall(r"^\| `([\w-]+)\.json` \|[^|]*\| `([^`]+)` \|$", BENCH.text, re.MULTILINE)
    assert len(rows) == len(KEPT)
    for stem, arguments in rows:
        command, _, name = f"python -m bench {arguments}".partition(" --name ")
        kind = publish.KINDS[results.kind_of(KEPT[stem])].type
        assert results.read(KEPT[stem], kind).command.partition(" --name ")[0] == command
        assert stem == "-".join(filter(None, (results.kind_of(KEPT[stem]), name)))


def test_plots_are_there_and_no_others() -> None:
    images = re.findall(r"!\[[^]]*\]\((performance/[^)]+)\)", PERFORMANCE.text)
    assert sorted(images) == sorted(f"performance/{path.name}" for path in publish.PLOTS.glob("*"))
    assert not list(CHECKOUT.glob("bench/**/*.svg"))


def test_every_plot_says_what_it_shows() -> None:
    for title in re.findall(r"!\[([^]]*)\]", PERFORMANCE.text):
        assert len(title.split()) >= 3


def test_every_contender_and_case_is_explained() -> None:
    for name in [*CONTENDERS, *(case.name for case in CASES)]:
        assert re.search(rf"^\|[^|]*`{name}`", BENCH.text, re.MULTILINE), name


def test_what_counts_as_slower_is_what_is_written() -> None:
    for each in (PERFORMANCE, BENCH):
        assert f"more than {TOLERANCE:.0%}".replace("%", " %") in " ".join(each.text.split())
