"""The suite, for a driver whose harness comes from the run (`test_suite.py`)."""

from marconi_server.storage.conformance import StorageConformance


class TestAnyDriver(StorageConformance):
    pass
