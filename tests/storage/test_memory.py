"""The model keeps the storage contract: the suite asks for nothing impossible."""

import pytest

from marconi_server.storage.conformance import StorageConformance
from tests.storage.memory import MemoryHarness


@pytest.fixture
def harness() -> MemoryHarness:
    return MemoryHarness()


class TestMemory(StorageConformance):
    pass
