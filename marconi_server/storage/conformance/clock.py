"""A clock that moves only when told to."""

from threading import Lock


class ManualClock:
    """A `Clock` for tests: gives the same time until `advance` is called. Thread-safe.

    Starts at a time of today's size with a broken second, since a driver that keeps
    whole seconds, or seconds since its own start, shall be found out.
    """

    def __init__(self, start: float = 1_700_000_000.25) -> None:
        self._now = start
        self._lock = Lock()

    def __call__(self) -> float:
        """Give the time as seconds since the epoch."""
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> None:
        """Let `seconds`, which are not negative, pass at once.

        :raises ValueError: `seconds` is negative
        """
        if seconds < 0:
            raise ValueError(f"time does not run backwards: {seconds}")
        with self._lock:
            self._now += seconds
