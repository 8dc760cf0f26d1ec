"""MongoDB keeps the storage contract."""

import pytest

from marconi_server.storage.conformance import StorageConformance
from tests.storage.conftest import MongoDBHarness


@pytest.fixture
def harness(mongodb_harness: MongoDBHarness) -> MongoDBHarness:
    return mongodb_harness


class TestMongoDB(StorageConformance):
    pass
