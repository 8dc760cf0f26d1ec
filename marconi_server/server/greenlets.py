"""Requests as greenlets on the loop, for stores that wait through `marconi_server.waiting`.

A request runs on the loop until it is answered or has to wait; then the loop goes on with
others and comes back to it. No thread is woken for a request, and the interpreter's lock
stays where it is.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from greenlet import getcurrent, greenlet

from marconi_server import waiting
from marconi_server.server.runner import Request, Serve

Result = TypeVar("Result")


class Greenlets:
    """Runs requests in the thread that makes this object; the `waiting.Loop` of the process.

    `wake` ends the sleep of the loop, and may be called by any thread.
    """

    def __init__(self, serve: Serve, wake: Callable[[], None]) -> None:
        self._serve = serve
        self._wake = wake
        self._hub = getcurrent()
        self._thread = threading.get_ident()
        self._idle: list[greenlet] = []
        self._parked: set[_Parked] = set()
        self._ready: deque[_Parked] = deque()  # of these, the ones whose signal is set
        self._calls: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._soon: deque[Callable[[], None]] = deque()
        self._after_turn: list[Callable[[], None]] = []
        self._stopped = False
        waiting.install(self)

    # The runner: see `marconi_server.server.runner.Runner`

    @property
    def can_go_on(self) -> bool:
        return bool(self._ready or self._calls or self._soon or self._after_turn)

    def run(self, requests: list[Request]) -> None:
        for request in requests:
            if self._calls:  # a thread waits, and with it maybe many requests
                self._run_calls()
            idle = self._idle.pop() if self._idle else greenlet(self._serve_requests)
            idle.switch(request)

    def _serve_requests(self, request: Request) -> None:
        # PERF: a greenlet is kept for the next request. Each has a stack of its own, which
        # the system would have to map and unmap every time.
        while True:
            self._serve(*request)
            self._idle.append(getcurrent())
            request = self._hub.switch()

    def go_on(self) -> None:
        self._run_calls()
        self._run_soon()
        while self._ready:
            self._resume(self._ready.popleft(), is_set=True)

    def end_turn(self) -> None:
        functions, self._after_turn = self._after_turn, []
        for function in functions:
            function()

    def expire(self) -> None:
        now = time.monotonic()
        for parked in [parked for parked in self._parked if parked.deadline <= now]:
            self._resume(parked, is_set=False)

    def stop(self, _seconds: float) -> None:
        self._stopped = True
        self._run_calls()
        self._run_soon()
        while self._after_turn:
            self.end_turn()
        waiting.install(None)

    def _run_calls(self) -> None:
        while self._calls:
            try:
                future, function = self._calls.popleft()
            except IndexError:  # the last one, taken by a thread while we stop
                return
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)

    def _run_soon(self) -> None:
        while self._soon:
            try:
                function = self._soon.popleft()
            except IndexError:  # as above
                return
            function()

    def _resume(self, parked: "_Parked", *, is_set: bool) -> None:
        if parked in self._parked:  # else its wait ended just before the signal was set
            self._parked.remove(parked)
            parked.greenlet.switch(is_set)

    # What storage sees: see `marconi_server.waiting.Loop`

    def runs_caller(self) -> bool:
        return threading.get_ident() == self._thread and getcurrent() is not self._hub

    def signal(self) -> "_Parked":
        return _Parked(self)

    def call(self, function: Callable[[], Result]) -> Result:
        future: Future[Result] = Future()
        self._calls.append((future, function))
        if self._stopped:  # the loop may never look again
            self._run_calls()
        self._wake()
        return future.result()

    def soon(self, function: Callable[[], None]) -> None:
        self._soon.append(function)
        if self._stopped:
            self._run_soon()
        self._wake()

    def after_turn(self, function: Callable[[], None]) -> None:
        self._after_turn.append(function)

    def park(self, parked: "_Parked") -> bool:
        """Put the calling request aside; return whether its signal was set in time."""
        self._parked.add(parked)
        return bool(self._hub.switch())

    def unpark(self, parked: "_Parked") -> None:
        """Let the request go on, soon; called by any thread."""
        self._ready.append(parked)
        self._wake()


class _Parked:
    """A request that waits, and the signal that it waits for."""

    __slots__ = ("_loop", "deadline", "greenlet")

    def __init__(self, loop: Greenlets) -> None:
        self._loop = loop
        self.greenlet = getcurrent()
        self.deadline = 0.0

    def set(self) -> None:
        self._loop.unpark(self)

    def wait(self, timeout: float) -> bool:
        self.deadline = time.monotonic() + timeout
        return self._loop.park(self)
