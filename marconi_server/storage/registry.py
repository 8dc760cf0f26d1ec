"""The storage drivers of this installation, found through their entry points."""

import sys
import time
from contextlib import closing
from functools import lru_cache
from importlib.metadata import EntryPoints, entry_points
from typing import TYPE_CHECKING, Final

from marconi_server.storage.contract import Clock, Store
from marconi_server.storage.errors import StorageUnusable

if TYPE_CHECKING:  # the settings hold the section of a driver, and so import this module
    from marconi_server.config.settings import Settings

GROUP: Final = "marconi_server.storage"


def names() -> list[str]:
    """Return the names of all drivers, sorted, without loading any of them."""
    return sorted(_entry_points(tuple(sys.path)).names)


@lru_cache(maxsize=1)
def _entry_points(_path: tuple[str, ...]) -> EntryPoints:
    """PERF: this reads about every package on the path."""
    return entry_points(group=GROUP)


def driver(name: str) -> type[Store]:
    """Return the driver of this name.

    :raises StorageUnusable: there is none, it cannot be imported, or it is not a `Store`
    """
    found = _entry_points(tuple(sys.path)).select(name=name)
    if not found:
        raise StorageUnusable(
            reason=f"This build has no storage driver {name!r}.",
            remedy=f"Set option storage of [drivers] to one that it has ({', '.join(names())}), "
            "or start with --embedded, which needs nothing else.",
        )
    (entry_point, *_) = found
    try:
        loaded = entry_point.load()
    except (ImportError, AttributeError) as error:
        raise StorageUnusable(
            reason=f"The storage driver {name!r} cannot be loaded: {error}.",
            remedy="Install what it needs, or choose another.",
        ) from error
    if not (isinstance(loaded, type) and issubclass(loaded, Store)):
        raise StorageUnusable(
            reason=f"{entry_point.value} is registered as storage driver {name!r} but is not a "
            f"subclass of {Store.__module__}.{Store.__qualname__}.",
            remedy="Correct its package, or choose another driver.",
        )
    return loaded


def open_store(settings: "Settings", clock: Clock = time.time) -> Store:
    """Open the store that the settings choose.

    :raises StorageUnusable: the driver, its section or the store itself is unfit for use
    :raises StorageUnavailable: the engine does not answer
    """
    return driver(settings.drivers.storage).open(settings.store, clock)


def check_store(settings: "Settings", clock: Clock = time.time) -> str:
    """Prove that the store opens and answers, leave nothing open, and return its description.

    For a process that forks its workers: a store must not be open across a fork.

    :raises StorageError: as `open_store` and `Store.ping`
    """
    with closing(open_store(settings, clock)) as store:
        store.ping()
        return store.describe()
