"""Threads for calls that may hang, which the end of the process does not wait for."""

from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Generic, TypeVar

Result = TypeVar("Result")


class DaemonThreads(Generic[Result]):
    """Makes calls in up to `size` threads, which are started when they are needed.

    The executors of the standard library keep a process from ending as long as a call hangs: a
    worker that was told to stop would stay until the identity service is heard of again.
    """

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._lock = Lock()
        self._threads = 0
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def submit(self, function: Callable[[], Result]) -> Future[Result]:
        """Have a call made, behind those that wait; it can be cancelled until it begins.

        What it writes to the log is of the request that the caller handles.
        """
        future: Future[Result] = Future()
        context = copy_context()

        def call() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(context.run(function))
                except BaseException as error:
                    future.set_exception(error)

        self._calls.put(call)
        with self._lock:
            if self._threads < self._size:
                self._threads += 1
                Thread(target=self._work, name=self._name, daemon=True).start()
        return future

    def close(self) -> None:
        """Let the threads end when they have made the calls that wait; wait for nothing."""
        with self._lock:
            for _ in range(self._threads):
                self._calls.put(None)
            self._threads = 0

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
