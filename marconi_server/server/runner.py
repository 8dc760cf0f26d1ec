"""How the worker runs requests: the seam between its loop and the application."""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Protocol

from marconi_server.server.answers import Environ
from marconi_server.server.connection import Connection

Request = tuple[Connection, Environ]

Serve = Callable[[Connection, Environ], None]
"""Runs the application and leaves the answer for the loop to send."""


class Runner(Protocol):
    """Runs requests. Only the loop calls it."""

    @property
    def can_go_on(self) -> bool:
        """Whether `go_on` has anything to do: then the loop must not sleep."""

    def run(self, requests: list[Request]) -> None:
        """Begin complete requests."""

    def go_on(self) -> None:
        """Go on with requests that waited and need not wait any longer."""

    def end_turn(self) -> None:
        """Do what was left for the end of a turn, when all that had arrived was begun."""

    def expire(self) -> None:
        """Go on with requests that have waited too long; called about twice a second."""

    def stop(self, seconds: float) -> None:
        """Finish within so many seconds."""


class Threads:
    """Runs requests in threads, for stores that make their callers wait."""

    can_go_on = False

    def __init__(self, serve: Serve, count: int) -> None:
        self._serve = serve
        self._requests: SimpleQueue[Request | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, name=f"request-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def run(self, requests: list[Request]) -> None:
        for request in requests:
            self._requests.put(request)

    def go_on(self) -> None:
        """Do nothing: threads go on by themselves."""

    def end_turn(self) -> None:
        """Do nothing: nothing was left."""

    def expire(self) -> None:
        """Do nothing: threads look at the time themselves."""

    def stop(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        for _ in self._threads:
            self._requests.put(None)
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _run(self) -> None:
        while (request := self._requests.get()) is not None:
            self._serve(*request)
