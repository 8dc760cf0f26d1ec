"""Threads that wait for the database, for requests on an event loop, which must not."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar, cast

from marconi_server import waiting

Result = TypeVar("Result")


class _Call:
    """A call that a request waits for, and its outcome."""

    __slots__ = ("abandoned", "done", "error", "function", "result")

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self.result: Any = None
        self.error: BaseException | None = None
        self.abandoned = False
        self.done = waiting.signal()


class Threads:
    """Makes calls in up to `size` threads, which are started when they are needed.

    PERF: as an executor of the standard library, but without its futures, whose locks and
    callbacks cost a fifth of a list, and without its latencies where many threads want the
    interpreter.
    """

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._lock = Lock()
        self._threads: list[Thread] = []
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()

    def run(self, function: Callable[[], Result], timeout: float) -> Result:
        """Have a thread make a call, behind those that wait, and return its result.

        :raises TimeoutError: it has not ended within so many seconds; it may go on if it has begun
        :raises BaseException: what the call raised
        """
        call = _Call(function)
        self._calls.put(call)
        if len(self._threads) < self._size:
            self._start_one()
        if not call.done.wait(timeout):
            call.abandoned = True
            raise TimeoutError
        if call.error is not None:
            raise call.error
        return cast(Result, call.result)

    def close(self) -> None:
        """Make the calls that wait, end the threads, and wait for that; idempotent."""
        with self._lock:
            threads, self._threads = self._threads, []
        for _ in threads:
            self._calls.put(None)
        for thread in threads:
            thread.join()

    def _start_one(self) -> None:
        with self._lock:
            if len(self._threads) < self._size:
                thread = Thread(target=self._work, name=self._name, daemon=True)
                thread.start()
                self._threads.append(thread)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            if call.abandoned:
                continue
            try:
                call.result = call.function()
            except BaseException as error:
                call.error = error
            call.done.set()
