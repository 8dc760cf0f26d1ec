"""Finding storage drivers, and refusing what is none."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from marconi_server.config.load import load
from marconi_server.config.settings import Drivers, Settings
from marconi_server.storage import registry
from marconi_server.storage.conformance import ManualClock
from marconi_server.storage.contract import NewMessage
from marconi_server.storage.errors import StorageUnusable
from marconi_server.storage.sqlite.driver import SQLiteOptions, SQLiteStore

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a package that registers `example` as a storage driver."""

    def install(target: str, source: str) -> None:
        (tmp_path / "example_driver.py").write_text(source)
        metadata = tmp_path / "example_driver-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: example-driver\nVersion: 1.0\n"
        )
        (metadata / "entry_points.txt").write_text(f"[{registry.GROUP}]\nexample = {target}\n")
        monkeypatch.syspath_prepend(tmp_path)

    yield install
    sys.modules.pop("example_driver", None)


def refusal(name: str) -> str:
    """Ask for a driver that has to be refused, and return the line that says why."""
    with pytest.raises(StorageUnusable) as caught:
        registry.driver(name)
    return str(caught.value)


def test_sqlite_is_there() -> None:
    assert "sqlite" in registry.names()
    assert registry.driver("sqlite") is SQLiteStore


def test_names_are_listed_without_loading_a_driver(install: Install) -> None:
    install("example_driver:Store", "raise RuntimeError('loaded')\n")
    assert "example" in registry.names()


def test_a_driver_made_elsewhere_is_found_with_its_options(install: Install) -> None:
    install(
        "example_driver:ExampleStore",
        "from dataclasses import dataclass\n"
        "from marconi_server.config.options import option\n"
        "from marconi_server.storage.sqlite.driver import SQLiteStore\n"
        "@dataclass(frozen=True)\n"
        "class ExampleOptions:\n"
        "    GROUP = 'drivers:storage:example'\n"
        "    size: int = option(3, minimum=1, help='How large.')\n"
        "class ExampleStore(SQLiteStore):\n"
        "    Options = ExampleOptions\n",
    )
    assert registry.driver("example").__name__ == "ExampleStore"
    size = ("drivers:storage:example", "size")
    assert load([], {("drivers", "storage"): "example", size: "4"}).store.size == 4


def test_an_unknown_name_is_refused_with_those_that_exist() -> None:
    line = refusal("mongodbb")
    assert line.startswith("This build has no storage driver 'mongodbb'. ")
    assert "sqlite" in line


def test_a_driver_that_cannot_be_imported_is_refused(install: Install) -> None:
    install("example_driver:Store", "import a_library_that_is_not_installed\n")
    assert "No module named 'a_library_that_is_not_installed'" in refusal("example")


def test_a_driver_that_is_not_in_its_module_is_refused(install: Install) -> None:
    install("example_driver:Missing", "")
    assert "Missing" in refusal("example")


@pytest.mark.parametrize("source", ["class Driver: pass\n", "Driver = 5\n"])
def test_what_is_not_a_store_is_refused(source: str, install: Install) -> None:
    install("example_driver:Driver", source)
    line = refusal("example")
    assert "example_driver:Driver" in line
    assert "is not a subclass of marconi_server.storage.contract.Store" in line


def test_a_bug_in_a_driver_is_not_hidden(install: Install) -> None:
    install("example_driver:Driver", "1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        registry.driver("example")


def test_a_store_is_opened_with_its_options_and_the_clock(tmp_path: Path) -> None:
    clock = ManualClock()
    options = SQLiteOptions(database=str(tmp_path / "marconi.db"))
    store = registry.open_store(Settings(drivers=Drivers(storage="sqlite"), store=options), clock)
    try:
        store.queues.create(None, "q")
        store.messages.post(None, "q", "c", [NewMessage(ttl=60, body=b"1")])
        clock.advance(7)
        newest = store.queues.stats(None, "q").newest
    finally:
        store.close()
    assert newest is not None
    assert newest.age == 7
    assert (tmp_path / "marconi.db").exists()


def test_a_checked_store_can_be_opened_after_the_check(tmp_path: Path) -> None:
    options = SQLiteOptions(database=str(tmp_path / "marconi.db"))
    settings = Settings(drivers=Drivers(storage="sqlite"), store=options)
    registry.check_store(settings)
    # SQLite removes its -wal file when the last connection closes: nothing is left open.
    assert not (tmp_path / "marconi.db-wal").exists()
    registry.check_store(settings)


def test_a_checked_store_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    options = SQLiteOptions(database=str(tmp_path / "missing" / "marconi.db"))
    settings = Settings(drivers=Drivers(storage="sqlite"), store=options)
    with pytest.raises(StorageUnusable):
        registry.check_store(settings)
