"""The conformance suite turns red for every wrong driver."""

from collections.abc import Callable
from pathlib import Path

import pytest

from marconi_server.storage.conformance import StorageConformance
from tests.storage.memory import MemoryHarness
from tests.storage.mutants import MUTANTS, Mutant

HERE = Path(__file__).parent


class Run:
    """Runs one concern against a driver, with a pytest of its own, up to the first failure."""

    def __init__(self, make_harness: Callable[[], MemoryHarness], concern: str) -> None:
        self._make_harness = make_harness
        self.passed = 0
        self.errors: list[BaseException] = []
        self.status = pytest.main(
            [
                f"{HERE / 'any_driver.py'}::TestAnyDriver::{concern}",
                f"--rootdir={HERE.parent.parent}",
                *("--exitfirst", "--tb=no", "--capture=no"),
                *("-p", "no:randomly", "-p", "no:cacheprovider"),
                # These watch the whole process, which is the outer run's affair.
                *("-p", "no:faulthandler", "-p", "no:unraisableexception"),
            ],
            plugins=[self],
        )

    @pytest.fixture
    def harness(self) -> MemoryHarness:
        return self._make_harness()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.passed += report.passed and report.when == "call"

    def pytest_exception_interact(self, call: pytest.CallInfo[None]) -> None:
        assert call.excinfo is not None
        self.errors.append(call.excinfo.value)


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_wrong_driver_is_found(mutant: Mutant) -> None:
    run = Run(mutant.harness, mutant.concern)
    assert run.status == pytest.ExitCode.TESTS_FAILED
    (error,) = run.errors
    mistakes_of_a_mutant_itself = AttributeError, NameError, NotImplementedError, TypeError
    assert not isinstance(error, mistakes_of_a_mutant_itself)


@pytest.mark.parametrize("concern", [name for name in vars(StorageConformance) if name[0] != "_"])
def test_the_right_driver_passes_in_the_same_way(concern: str) -> None:
    run = Run(MemoryHarness, concern)
    assert run.status == pytest.ExitCode.OK
    assert run.passed
    assert concern in {mutant.concern for mutant in MUTANTS}, "nobody shows that it can fail"
