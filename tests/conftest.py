"""What all tiers share: a test's tier is the folder it lives in."""

import signal
from pathlib import Path

import pytest

# Ctrl-C has to reach the servers that tests start, also where the run itself was started with
# the signal ignored, as in the background of a shell.
signal.signal(signal.SIGINT, signal.default_int_handler)

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the name of its folder, so that `-m live` selects a tier."""
    for item in items:
        item.add_marker(item.path.relative_to(HERE).parts[0])
