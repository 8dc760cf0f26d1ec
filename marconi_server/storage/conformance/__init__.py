"""The storage conformance suite: a driver that passes it unmodified is supported.

A driver made elsewhere uses it with pytest, in a test module of its own:

    from marconi_server.storage.conformance import StorageConformance

    @pytest.fixture
    def harness(tmp_path):  # see support.Harness: open, failing, sweep
        return MyHarness(tmp_path)

    class TestMyDriver(StorageConformance):
        pass

Each class in `suite.StorageConformance` is one concern, and each case one promise of
`marconi_server.storage.contract`. Nothing sleeps: a `ManualClock` is the time.
"""

from pkgutil import iter_modules

import pytest

# Before they are imported: an `assert` that fails in them shall show its values.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in iter_modules(__path__)))

from marconi_server.storage.conformance.clock import ManualClock  # noqa: E402
from marconi_server.storage.conformance.suite import StorageConformance  # noqa: E402
from marconi_server.storage.conformance.support import Harness  # noqa: E402

__all__ = ["Harness", "ManualClock", "StorageConformance"]
