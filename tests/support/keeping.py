"""Nothing is left behind by tests: a pytest plugin."""

from collections.abc import Iterator

import pytest

from tests.support import keeper
from tests.support.waiting import wait_until


def pytest_configure(config: pytest.Config) -> None:
    keeper.run_folder()
    if hasattr(config, "workerinput"):  # one of several processes that run the tests
        keeper.enter(config.workerinput["workerid"])


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    """See to it that every process that the tests started is gone at their end."""
    folder = str(keeper.run_folder())
    before = keeper.processes(folder)
    yield

    def left() -> set[int]:
        return keeper.processes(folder) - before

    wait_until(lambda: not left(), lambda: f"left behind: {left()}")
