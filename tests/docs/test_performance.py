"""The figures of the documentation are those of results that are kept."""

import re

from bench import publish, results
from bench.cases import CASES
from bench.contenders import CONTENDERS
from bench.guard import TOLERANCE
from tests.docs.markdown import CHECKOUT, page

PERFORMANCE = page("docs/performance.md")
BENCH = page("bench/README.md")


def test_the_page_has_the_figures_of_the_results_that_it_names() -> None:
    assert publish.render(PERFORMANCE.text, publish.sources(PERFORMANCE.text)) == PERFORMANCE.text


def test_there_is_a_place_for_each_kind_of_figures() -> None:
    places = re.findall(r"<!-- figures of (\w+): ", PERFORMANCE.text)
    assert places == list(publish.KINDS)
    assert PERFORMANCE.text.count("<!-- end of figures -->") == len(places)


def test_plots_are_there_and_no_others() -> None:
    images = re.findall(r"!\[[^]]*\]\((performance/[^)]+)\)", PERFORMANCE.text)
    folder = CHECKOUT / "docs" / "performance"
    assert sorted(images) == sorted(f"performance/{path.name}" for path in folder.glob("*"))


def test_every_result_that_is_kept_can_be_read() -> None:
    for kind, (type_, _, _) in publish.KINDS.items():
        for path in results.stored(results.FOLDER, kind):
            assert results.read(path, type_).started
    kept = {path.stem.rpartition("-")[2] for path in results.FOLDER.glob("*.json")}
    assert kept <= publish.KINDS.keys()


def test_every_contender_and_case_is_explained() -> None:
    for name in [*CONTENDERS, *(case.name for case in CASES)]:
        assert re.search(rf"^\|[^|]*`{name}`", BENCH.text, re.MULTILINE), name


def test_what_counts_as_slower_is_what_is_written() -> None:
    for each in (PERFORMANCE, BENCH):
        assert f"more than {TOLERANCE:.0%}".replace("%", " %") in " ".join(each.text.split())
