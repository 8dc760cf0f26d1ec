"""Which clients of a worker give way to others when there is no room for all."""

from collections import deque
from collections.abc import Set
from heapq import nsmallest
from typing import Final

from marconi_server.server.connection import Connection

MOST_HELD: Final = 256 * 1024 * 1024
"""Bytes of answers that a worker keeps for clients which are slow to take them."""

_AT_ONCE: Final = 64
"""Connections that are picked to give way with one look at all."""


def _order(one: Connection) -> tuple[bool, float]:
    """Sort who gives way: readers only if nobody is idle."""
    return bool(one.held), one.gives_way_at


class Room:
    """Makes room among the connections of a worker."""

    def __init__(self, connections: Set[Connection]) -> None:
        self._connections = connections
        self._next: deque[Connection] = deque()

    def make(self, now: float) -> bool:
        """Close the connection that has been idle or stuck for longest; return whether one was."""
        while True:
            if not self._next:
                idle = [one for one in self._connections if one.gives_way_at <= now]
                self._next.extend(nsmallest(_AT_ONCE, idle, key=_order))
                if not self._next:
                    return False
            one = self._next.popleft()
            if one in self._connections and one.gives_way_at <= now and one.give_way():
                return True

    def relieve(self) -> int:
        """Close the slowest readers if they hold too much memory; return how many.

        One may hold more than that alone: an answer is as large as it was asked for.
        """
        held = {one: one.held for one in self._connections}
        total = sum(held.values())
        if total <= MOST_HELD:
            return 0
        slow = sorted((one for one in held if held[one]), key=_order)
        closed = 0
        for one in slow[:-1]:
            if total <= MOST_HELD:
                break
            one.close()
            total -= held[one]
            closed += 1
        return closed
