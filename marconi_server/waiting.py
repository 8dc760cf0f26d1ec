"""How a request waits for another thread, which depends on where the request runs.

In a thread of its own it sleeps. On the event loop of a worker it must not: the loop puts it
aside, goes on with other requests, and comes back to it. Storage drivers wait through
this module and need not know which of the two it is.
"""

import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

Result = TypeVar("Result")


class Signal(Protocol):
    """What one request waits for, once."""

    def set(self) -> None:
        """End the wait; called once, by any thread."""

    def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds; return whether the signal was set."""


class Loop(Protocol):
    """An event loop on which requests run."""

    def runs_caller(self) -> bool:
        """Tell whether the caller is a request that runs on this loop."""

    def signal(self) -> Signal:
        """Return a signal for a request on this loop to wait for."""

    def call(self, function: Callable[[], Result]) -> Result:
        """Run a short function on the loop, between requests, and return its result.

        Called by other threads. What two threads take turns at, with the interpreter's lock
        changing hands each time, one thread does several times as fast.
        """

    def soon(self, function: Callable[[], None]) -> None:
        """Run a short function on the loop, without waiting for it; called by any thread."""

    def after_turn(self, function: Callable[[], None]) -> None:
        """Run a short function at the end of this turn of the loop, or of the next one.

        By then all requests have run, or wait, that have arrived meanwhile. Called on the loop.
        """


_loop: Loop | None = None


def install(loop: Loop | None) -> None:
    """Tell which loop requests of this process run on, or that they run in threads."""
    global _loop
    _loop = loop


def signal() -> Signal:
    """Return a signal that suits the caller."""
    if _loop is not None and _loop.runs_caller():
        return _loop.signal()
    return _Sleep()


def on_loop() -> bool:
    """Tell whether the caller is a request on an event loop, which must not sleep."""
    return _loop is not None and _loop.runs_caller()


def call(function: Callable[[], Result]) -> Result:
    """Run a short function where requests run: on the loop if there is one, else here."""
    return function() if _loop is None else _loop.call(function)


def soon(function: Callable[[], None]) -> None:
    """Run a short function where requests run, on the loop if there is one, else here."""
    if _loop is None:
        function()
    else:
        _loop.soon(function)


def after_turn(function: Callable[[], None]) -> None:
    """Run a short function at the end of a turn of the loop, on which the caller runs.

    A loop that has stopped has no more turns, and nobody waits for what they would do.
    """
    loop = _loop
    if loop is not None:
        loop.after_turn(function)


class _Sleep:
    """A signal for a thread; a bare lock is the lightest thing to sleep on."""

    __slots__ = ("_lock", "set")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.set = self._lock.release

    def wait(self, timeout: float) -> bool:
        return self._lock.acquire(timeout=timeout)
