"""What coverage measures besides this process: a pytest plugin.

Of the servers and commands that tests start, it follows those of tests with the mark `measured`.
Together they run all that no test runs in its own process. To follow all of them would double the
time of each start.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy

import pytest
from coverage import Coverage

VARIABLE = "COVERAGE_PROCESS_CONFIG"
"""The environment variable that has a new Python process measured."""

CONFIGURATION = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "measured: coverage follows what the test starts")
    measuring = Coverage.current()
    is_elsewhere = bool(config.option.numprocesses)  # other processes run the tests
    if measuring is not None and not is_elsewhere:
        config.stash[CONFIGURATION] = _with_greenlets(measuring)


@contextmanager
def paused() -> Iterator[None]:
    """Do not measure what the block runs."""
    measuring = Coverage.current()
    if measuring is not None:
        measuring.stop()
    try:
        yield
    finally:
        if measuring is not None:
            measuring.start()


def _with_greenlets(measuring: Coverage) -> str:
    """Have coverage follow the greenlets of servers, and only there.

    In this process threads come and go all the time. Where coverage knows of greenlets, each leaves
    a callback behind, and if another thread ends during that, Python 3.11 never leaves it.
    """
    config = copy(measuring.config)
    config.concurrency = [*config.concurrency, "greenlet"]
    return config.serialize()


@pytest.hookimpl(tryfirst=True)  # before any fixture starts a server
def pytest_runtest_setup(item: pytest.Item) -> None:
    if CONFIGURATION in item.config.stash and item.get_closest_marker("measured"):
        os.environ[VARIABLE] = item.config.stash[CONFIGURATION]
    else:
        os.environ.pop(VARIABLE, None)
