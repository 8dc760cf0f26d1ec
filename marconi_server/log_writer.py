"""Writing the log without ever waiting for whoever reads it.

Where the log goes through a pipe or a socket, the reader may be slow, or stop to read for good. Who
logs must not wait for it then: neither a request, nor the master, which would not even see that it
is told to stop. So a thread writes, behind a queue with a bound, and what does not fit into the
queue is lost, counted, and reported.

A file takes what it is given or fails at once, and is written directly: its last line is there
before the answer that it is about.

The descriptor is left as it is. To have it not block (`O_NONBLOCK`) would change it for all
processes that have inherited it, such as the shell.
"""

import logging
import os
import select
import stat
import time
import weakref
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from threading import Event, RLock, Thread
from typing import Final, NamedTuple

MOST_WAITING: Final = 1024**2
"""Bytes that may wait for the reader, for each process."""

FLUSH_SECONDS: Final = 0.5
"""How long the end of a process waits for a reader that takes nothing."""

FLUSHES: Final = 10
"""How often it does as long as the reader takes something."""

GATHER_SECONDS: Final = 0.02
"""How long a line waits for others, to be written together with them."""

_END: Final = Event()  # in the queue, it ends the thread

_BATCH: Final = 64 * 1024  # bytes that are taken out of the queue at a time


class LogWriter(logging.Handler):
    """Writes lines to a file descriptor, which may block or fail; thread-safe, also over forks."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        self._torn = False  # whether a line was written in part
        self._begin()
        # The thread of the parent does not go along, and what waits there is the parent's.
        begin = weakref.WeakMethod(self._begin)
        os.register_at_fork(after_in_child=lambda: (again := begin()) and again())

    def _begin(self) -> None:
        self._queue: SimpleQueue[Lines | Event] = SimpleQueue()
        self._thread: Thread | None = None
        self._given = self._taken = 0  # bytes; the one is of those who log, the other of the thread
        self._lost = 0  # lines that nobody was told of
        self._counting = RLock()  # of these lines; held for a moment only

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line, or drop it."""
        try:
            line = self._encoded(record)
        except Exception:  # as all handlers do: a defect in a line of the log costs this line
            self.handleError(record)
            return
        with self._counting:
            if self._is_file:
                self._write([self._with_report(line)])
            elif self._given - self._taken + len(line) > MOST_WAITING:
                self._lost += 1
            else:
                self._put(self._with_report(line))

    def flush(self) -> None:
        """Wait until all is written, but not for a reader that takes nothing."""
        if self._thread is None:
            return
        done = Event()
        self._queue.put(done)
        for _ in range(FLUSHES):
            taken = self._taken
            if done.wait(FLUSH_SECONDS) or taken == self._taken:
                return

    def close(self) -> None:
        """Let the thread end when it has written all; what is logged afterwards begins another."""
        super().close()
        if self._thread is not None:
            self._queue.put(_END)
            self._thread = None

    def _put(self, lines: "Lines") -> None:
        self._given += len(lines.text)
        self._queue.put(lines)
        if self._thread is None:
            self._thread = Thread(target=self._run, name="log", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        queue = self._queue
        while True:
            batch, event = _batch(queue)
            for part in _parts(batch):
                self._write(part)
                self._taken += sum(len(lines.text) for lines in part)
            if queue.empty():
                with self._counting:
                    report = self._with_report(b"")
                if report.number:
                    self._write([report])
            if event is _END:
                return
            if event is not None:
                event.set()

    def _with_report(self, line: bytes) -> "Lines":
        """Put before a line how many were lost. Whoever gets this has to write it."""
        lost, self._lost = self._lost, 0
        report = self._encoded(_report(lost)) if lost else b""
        return Lines(report + line, lost + bool(line))

    def _write(self, batch: "list[Lines]") -> None:
        text = b"".join(lines.text for lines in batch)
        left = memoryview(b"\n" + text if self._torn else text)
        try:
            while left:
                left = left[self._write_some(left) :]
        except OSError:
            self._torn = self._torn or len(left) < len(text)
            with self._counting:
                self._lost += sum(lines.number for lines in batch)
        else:
            self._torn = False

    def _write_some(self, text: memoryview) -> int:
        while True:
            try:
                return os.write(self._descriptor, text)
            except BlockingIOError:  # somebody has set O_NONBLOCK
                poll = select.poll()
                poll.register(self._descriptor, select.POLLOUT)
                poll.poll()

    def _encoded(self, record: logging.LogRecord) -> bytes:
        return f"{self.format(record)}\n".encode(errors="backslashreplace")


class Lines(NamedTuple):
    """Text to be written, and how many lines of the log are lost with it."""

    text: bytes
    number: int


def _batch(queue: "SimpleQueue[Lines | Event]") -> tuple[list[Lines], Event | None]:
    """Wait for lines; take those that are there, up to an event among them."""
    batch: list[Lines] = []
    size = 0
    item = queue.get()
    # PERF: a thread that is woken for each line takes the interpreter away from the requests.
    if queue.empty():
        time.sleep(GATHER_SECONDS)
    while not isinstance(item, Event):
        batch.append(item)
        size += len(item.text)
        if size >= _BATCH:
            return batch, None
        try:
            item = queue.get_nowait()
        except Empty:
            return batch, None
    return batch, item


def _parts(batch: list[Lines]) -> Iterator[list[Lines]]:
    """Divide what is to be written into parts that a pipe takes as a whole.

    Several processes write into it, and only so much of one is never mixed with what others write.
    """
    part: list[Lines] = []
    size = 0
    for lines in batch:
        if part and size + len(lines.text) > select.PIPE_BUF:
            yield part
            part, size = [], 0
        part.append(lines)
        size += len(lines.text)
    if part:
        yield part


def _report(lost: int) -> logging.LogRecord:
    text = "%s lines of the log were lost here: they could not be written, or nobody read them"
    return logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, (lost,), None)
