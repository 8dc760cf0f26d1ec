"""The conformance suite turns red for every wrong driver, and each of its cases can."""

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from marconi_server.storage.conformance import StorageConformance
from tests.storage.memory import MemoryHarness
from tests.storage.mutants import MUTANTS, Mutant
from tests.support import measuring

HERE = Path(__file__).parent
CONCERNS = [name for name in vars(StorageConformance) if name.startswith("Test")]

CANNOT_BE_SHOWN = {
    "test_leaves_no_thread",  # the thread would be left behind here as well
}


class Run:
    """Runs one concern against several drivers, with a pytest of its own.

    `cases` has the names of all cases, and `errors` for each driver what was raised in which case.
    """

    def __init__(self, concern: str, drivers: Sequence[Mutant]) -> None:
        self._drivers = drivers
        self.cases: set[str] = set()
        self.errors: defaultdict[Mutant, dict[str, BaseException]] = defaultdict(dict)
        with measuring.paused():  # what wrong drivers reach is no evidence
            pytest.main(
                [
                    f"{HERE / 'any_driver.py'}::TestAnyDriver::{concern}",
                    f"--rootdir={HERE.parent.parent}",
                    *("--tb=no", "--capture=no"),
                    *("-p", "no:randomly", "-p", "no:cacheprovider"),
                    # These watch the whole process, which is the outer run's affair.
                    *("-p", "no:faulthandler", "-p", "no:unraisableexception"),
                ],
                plugins=[self],
            )

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        metafunc.parametrize("harness", self._drivers, indirect=True, ids=str)

    @pytest.fixture
    def harness(self, request: pytest.FixtureRequest) -> MemoryHarness:
        driver: Mutant = request.param
        return driver.harness()

    def pytest_runtest_call(self, item: pytest.Function) -> None:
        self.cases.add(item.originalname)

    def pytest_exception_interact(self, node: pytest.Function, call: pytest.CallInfo[None]) -> None:
        assert call.excinfo is not None
        driver = node.callspec.params["harness"]
        assert isinstance(driver, Mutant)
        self.errors[driver][node.originalname] = call.excinfo.value.with_traceback(None)


@cache
def run_of(concern: str) -> Run:
    """Run a concern against the right driver, and the wrong ones that it has to see."""
    return Run(concern, [_right(concern), *_wrong(concern)])


def _right(concern: str) -> Mutant:
    return Mutant(MemoryHarness, concern)


def _wrong(concern: str) -> list[Mutant]:
    return [mutant for mutant in MUTANTS if mutant.concern == concern]


def together(concern: str) -> pytest.MarkDecorator:
    """Let the tests that look at the run of a concern be in one process."""
    return pytest.mark.group(f"suite {concern}")


each_concern = pytest.mark.parametrize(
    "concern", [pytest.param(concern, marks=together(concern)) for concern in CONCERNS]
)


@pytest.mark.parametrize(
    "mutant",
    [pytest.param(mutant, id=str(mutant), marks=together(mutant.concern)) for mutant in MUTANTS],
)
def test_a_wrong_driver_is_found(mutant: Mutant) -> None:
    errors = run_of(mutant.concern).errors[mutant]
    assert errors
    mistakes_in_a_mutant = AttributeError, NameError, NotImplementedError, TypeError
    for error in errors.values():
        assert not isinstance(error, mistakes_in_a_mutant)


@each_concern
def test_the_right_driver_passes(concern: str) -> None:
    run = run_of(concern)
    assert run.cases
    assert not run.errors[_right(concern)]


@each_concern
def test_each_case_can_fail(concern: str) -> None:
    run = run_of(concern)
    failed = {case for wrong in _wrong(concern) for case in run.errors[wrong]}
    assert run.cases - failed <= CANNOT_BE_SHOWN
