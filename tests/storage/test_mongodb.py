"""MongoDB keeps the storage contract."""

from collections.abc import Iterator

import pytest

from marconi_server.storage.conformance import StorageConformance
from tests.mongodb.deployment import Deployment
from tests.mongodb.store import empty
from tests.storage.conftest import MongoDBHarness


@pytest.fixture
def harness(mongodb: Deployment, mongodb_shared: str) -> Iterator[MongoDBHarness]:
    yield MongoDBHarness(mongodb, mongodb_shared)
    empty(mongodb, mongodb_shared)


class TestMongoDB(StorageConformance):
    pass
