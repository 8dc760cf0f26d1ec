"""How many connections each worker has: what the workers of one master tell each other.

All workers wait at the same listener, and the kernel lets the quickest have every new
connection: without more, one worker gets nearly all that come at the same time and the others idle.
"""

import functools
import mmap

SLOTS = 1024
"""Workers that can be told apart; with more, some share a slot and balance badly."""

FRESH_SECONDS = 2.0
"""Age at which what a worker said of itself is not believed any more."""


class Loads:
    """A table in memory that processes share which are forked after it was made.

    Times are seconds on a clock that is the same for all processes. There are no locks: a
    number read while it changes leads to a worse choice once, and to nothing else.
    """

    def __init__(self) -> None:
        # For each slot the time of the last sign of life and the number of connections.
        self._cells = memoryview(mmap.mmap(-1, 16 * SLOTS)).cast("d")
        self._own = 0
        self._others: list[int] = []

    def join(self, number: int) -> None:
        """Become the worker of this number, in this process."""
        self._own = 2 * (number % SLOTS)

    def beat(self, now: float) -> None:
        """Give a sign of life, and look who else is alive."""
        cells = self._cells
        cells[self._own] = now
        self._others = [
            index
            for index in range(0, 2 * SLOTS, 2)
            if cells[index] > now - FRESH_SECONDS and index != self._own
        ]

    def tell(self, connections: int) -> None:
        """Say how many connections this worker has."""
        self._cells[self._own + 1] = connections

    def leave(self) -> None:
        """Take no more connections."""
        self._cells[self._own] = 0.0

    def is_heavy(self, connections: int) -> bool:
        """Tell whether another worker should have the next connection rather than this one.

        Some difference is fine: to be exact would make each of many clients wait its turn.
        """
        slack = 2 + connections // 8
        return any(self._cells[other + 1] + slack < connections for other in self._others)

    def others_have_room(self, limit: int) -> bool:
        """Tell whether another worker has fewer than so many connections."""
        return any(self._cells[other + 1] < limit for other in self._others)


@functools.cache
def shared_loads() -> Loads:
    """Return the table of this process, which those forked from it later share with it."""
    return Loads()
