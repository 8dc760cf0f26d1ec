"""What all tiers share: a test's tier is the folder it lives in."""

import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

# Ctrl-C and a lost terminal have to reach what tests start, also where the run itself was started
# with these signals ignored, as in the background of a shell or under nohup. What is started
# inherits that a signal is ignored, and not that it has a handler.
signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)

pytest_plugins = [
    "tests.mongodb.plugin",
    "tests.support.distribution",
    "tests.support.keeping",
    "tests.support.measuring",
]

HERE = Path(__file__).parent

REPORT = "report"
"""The property of a test that has a line about it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the name of its folder, so that `-m live` selects a tier."""
    for item in items:
        item.add_marker(item.path.relative_to(HERE).parts[0])


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Give a function that takes a line about this test for the end of the run."""
    return partial(record_property, REPORT)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for reports in terminalreporter.stats.values():
        for each in reports:
            for name, line in getattr(each, "user_properties", ()):
                if name == REPORT and each.when == "call":
                    terminalreporter.write_line(f"{each.nodeid}: {line}")
