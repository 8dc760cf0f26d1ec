"""A bounded memory for what has been found out about tokens."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Memory(Generic[Value]):
    """Remembers values by key, each for a time of its own, and never more than `size` of them.

    A new one takes the place of the oldest. Safe to use from several threads; reading takes no
    lock and does not depend on how many there are. `monotonic` gives seconds.
    """

    def __init__(self, size: int, monotonic: Callable[[], float]) -> None:
        self._size = size
        self._monotonic = monotonic
        self._lock = Lock()
        self._values: OrderedDict[bytes, tuple[float, Value]] = OrderedDict()

    def get(self, key: bytes) -> Value | None:
        """Return the value, or `None` if there is none or its time is over."""
        found = self._values.get(key)
        if found is None or found[0] <= self._monotonic():
            return None
        return found[1]

    def put(self, key: bytes, value: Value, seconds: float) -> None:
        """Remember a value for so many seconds; not at all if these are not above zero."""
        if seconds <= 0:
            return
        with self._lock:
            self._values.pop(key, None)
            while len(self._values) >= self._size:
                self._values.popitem(last=False)
            self._values[key] = (self._monotonic() + seconds, value)
