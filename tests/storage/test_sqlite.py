"""SQLite keeps the storage contract."""

from pathlib import Path

import pytest

from marconi_server.storage.conformance import StorageConformance
from tests.storage.conftest import SQLiteHarness


@pytest.fixture
def harness(tmp_path: Path) -> SQLiteHarness:
    return SQLiteHarness(tmp_path)


class TestSQLite(StorageConformance):
    pass
