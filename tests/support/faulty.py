"""A store that can be switched to failing."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self, cast

from marconi_server.storage.contract import Claims, Clock, Messages, Queues, Store
from marconi_server.storage.errors import StorageUnavailable


class FaultyStore(Store):
    """Another store, whose operations raise an error instead while it is failing."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._failure: Exception | None = None
        self.queues = cast(Queues, _Operations(self, store.queues))
        self.messages = cast(Messages, _Operations(self, store.messages))
        self.claims = cast(Claims, _Operations(self, store.claims))

    @contextmanager
    def failing(self, failure: Exception | None = None) -> Iterator[None]:
        """Let every operation raise `failure`, by default `StorageUnavailable`."""
        self._failure = failure or StorageUnavailable(reason="switched to failing")
        try:
            yield
        finally:
            self._failure = None

    def check(self) -> None:
        """Raise the failure if the store is failing."""
        if self._failure is not None:
            raise self._failure

    @classmethod
    def open(cls, options: Any, clock: Clock) -> Self:
        """Not a driver: it wraps a store that is open already."""
        raise NotImplementedError

    def ping(self) -> None:
        """Ask the wrapped store, unless failing."""
        self.check()
        self._store.ping()

    def close(self) -> None:
        """Close the wrapped store, failing or not."""
        self._store.close()


class _Operations:
    """One group of operations of a store, behind the switch."""

    def __init__(self, store: FaultyStore, group: object) -> None:
        self._store = store
        self._group = group

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._group, name)

        def guarded(*args: Any, **kwargs: Any) -> Any:
            self._store.check()
            return operation(*args, **kwargs)

        return guarded
