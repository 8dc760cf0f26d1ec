"""What all tiers share: a test's tier is the folder it lives in."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the name of its folder, so that `-m live` selects a tier."""
    for item in items:
        item.add_marker(item.path.relative_to(HERE).parts[0])
