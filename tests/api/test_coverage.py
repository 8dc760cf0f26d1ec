"""Every case of the conformance list has a test here or a place elsewhere."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

CASES = 389
"""How many cases the conformance list has."""

HERE = Path(__file__).parent
KEYSTONE = HERE.parent / "keystone"
"""Where the cases that need authentication are."""

LIVE = HERE.parent / "live"
"""Where those are that are about bytes on the wire."""

ADMIN = "needs the admin API: the tests of shards"
TO_COME = "needs what is not built yet"
ELSEWHERE = {
    **dict.fromkeys(range(316, 342), ADMIN),
    **dict.fromkeys(range(365, 376), "waiting requests, which are to come"),
    **dict.fromkeys(range(376, 385), "Idempotency-Key, which is to come"),
    **dict.fromkeys(range(385, 387), "purge, which is to come"),
    **dict.fromkeys(range(387, 389), "the API document, which is to come"),
    389: TO_COME,
}
"""Cases that other tests cover, with the reason."""


def marked_tests(folder: Path) -> Iterator[tuple[str, list[int]]]:
    """Give each test function of the folder's test files, and the cases that it is marked with."""
    for path in sorted(folder.glob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                marks = [mark for mark in node.decorator_list if isinstance(mark, ast.Call)]
                yield (
                    f"{path.name}::{node.name}",
                    [
                        ast.literal_eval(number)
                        for mark in marks
                        if ast.unparse(mark.func) == "pytest.mark.case"
                        for number in mark.args
                    ],
                )


def covered_cases(folder: Path) -> set[int]:
    return {case for _, cases in marked_tests(folder) for case in cases}


def test_every_case_has_one_place() -> None:
    covered = covered_cases(HERE) | covered_cases(KEYSTONE) | covered_cases(LIVE)
    assert not covered & ELSEWHERE.keys()
    assert covered | ELSEWHERE.keys() == set(range(1, CASES + 1))


def test_no_test_hides_another() -> None:
    names = Counter(name for name, _ in marked_tests(HERE))
    assert [name for name, count in names.items() if count > 1] == []


def test_no_test_is_switched_off() -> None:
    for path in Path(__file__).parent.glob("test_*.py"):
        used = {
            node.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute)
        }
        assert not used & {"skip", "skipif", "importorskip", "xfail"}, path


def test_only_marked_tests_count(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text(
        "@pytest.mark.case(1, 2)\n@pytest.mark.other(3)\ndef test_a(): ...\n"
        "@pytest.mark.case(4)\ndef helper(): ...\n"
        "# @pytest.mark.case(5)\ndef test_b(): ...\n"
    )
    (tmp_path / "helper.py").write_text("@pytest.mark.case(6)\ndef test_c(): ...\n")
    assert covered_cases(tmp_path) == {1, 2}
