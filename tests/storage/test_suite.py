"""The conformance suite turns red for every wrong driver, and each of its cases can."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

from marconi_server.storage.conformance import StorageConformance
from tests.storage.memory import MemoryHarness
from tests.storage.mutants import MUTANTS, Mutant

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


@pytest.fixture(scope="module")
def runs() -> dict[str, Run]:
    """Each concern against the right driver, and the wrong ones that it has to see."""
    return {concern: Run(concern, [_right(concern), *_wrong(concern)]) for concern in CONCERNS}


def _right(concern: str) -> Mutant:
    return Mutant(MemoryHarness, concern)


def _wrong(concern: str) -> list[Mutant]:
    return [mutant for mutant in MUTANTS if mutant.concern == concern]


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_wrong_driver_is_found(runs: dict[str, Run], mutant: Mutant) -> None:
    errors = runs[mutant.concern].errors[mutant]
    assert errors
    mistakes_in_a_mutant = AttributeError, NameError, NotImplementedError, TypeError
    for error in errors.values():
        assert not isinstance(error, mistakes_in_a_mutant)


@pytest.mark.parametrize("concern", CONCERNS)
def test_the_right_driver_passes(runs: dict[str, Run], concern: str) -> None:
    assert runs[concern].cases
    assert not runs[concern].errors[_right(concern)]


@pytest.mark.parametrize("concern", CONCERNS)
def test_each_case_can_fail(runs: dict[str, Run], concern: str) -> None:
    run = runs[concern]
    failed = {case for wrong in _wrong(concern) for case in run.errors[wrong]}
    assert run.cases - failed <= CANNOT_BE_SHOWN
