"""What all tiers share: a test's tier is the folder it lives in."""

import os
import signal
import sys
from collections.abc import Callable
from copy import copy
from pathlib import Path

import pytest
from coverage import Coverage

# Ctrl-C has to reach the servers that tests start, also where the run itself was started with
# the signal ignored, as in the background of a shell.
signal.signal(signal.SIGINT, signal.default_int_handler)


def measure_greenlets_in_servers() -> None:
    """Have coverage follow the greenlets of the servers that tests start, and only there.

    In this process threads come and go all the time. Where coverage knows of greenlets, each leaves
    a callback behind, and if another thread ends during that, Python 3.11 never leaves it.
    """
    measuring = Coverage.current()
    if measuring is not None:
        config = copy(measuring.config)
        config.concurrency = [*config.concurrency, "greenlet"]
        os.environ["COVERAGE_PROCESS_CONFIG"] = config.serialize()


measure_greenlets_in_servers()

pytest_plugins = ["tests.mongodb.plugin"]

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the name of its folder, so that `-m live` selects a tier."""
    for item in items:
        item.add_marker(item.path.relative_to(HERE).parts[0])


@pytest.fixture
def report(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], None]:
    """Give a function that writes a line about this test to the terminal."""

    def write(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{request.node.name}: {line}\n")

    return write
