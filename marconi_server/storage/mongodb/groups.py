"""Work on one queue in groups: contention stays in the process and does not reach the server.

Of the requests that want something done to the same queue, one leads: it waits for the turn of this
process, if there are turns, and then does it for all that wait, in one go. Those that come
meanwhile form the next group, led by one of them. So a process has at most one such piece of
work under way for each queue, and the more clients there are, the more share it; nobody waits just
to let a group grow.
"""

import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Generic, TypeVar, cast

from marconi_server import waiting
from marconi_server.storage.errors import StorageUnavailable

Key = TypeVar("Key", bound=Hashable)
Request = TypeVar("Request")
Result = TypeVar("Result")

LARGEST_GROUP: Final = 100
"""Requests that are done together."""

HEAVIEST_GROUP: Final = 10_000
"""What they may weigh, unless it is a single one: what takes the database about a second. More at
once could not be done in time, each time that the clients try again."""

Aside = Callable[[Callable[[], None]], None]
"""Runs a function where it may wait for the database, and returns when that is done."""


class Job(Generic[Request, Result]):
    """A request that a client waits for. Whoever does it sets `result` or `error`."""

    __slots__ = ("done", "error", "leads", "request", "result", "turn")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.result: Result | None = None
        self.error: BaseException | None = None
        self.leads = False
        self.done = False
        self.turn = waiting.signal()

    def outcome(self) -> Result:
        """Return the result, or raise the error."""
        if self.error is not None:
            raise self.error
        return cast(Result, self.result)


class Groups(Generic[Key, Request, Result]):
    """Does requests in groups by key."""

    def __init__(
        self,
        work: Callable[[Key, Sequence[Job[Request, Result]]], None],
        aside: Aside,
        *,
        turn: Callable[[Key], AbstractContextManager[object]] = nullcontext,
        weigh: Callable[[Request], int] = lambda _: 1,
        timeout: float,
    ) -> None:
        """`work` does the jobs, at least one; what it raises is the error of all of them.

        It runs inside of `turn`. `weigh` tells how much there is to do for a request. `timeout`
        in seconds is how long a job waits for others.
        """
        self._work = work
        self._aside = aside
        self._turn = turn
        self._weigh = weigh
        self._timeout = timeout
        self._lock = threading.Lock()
        self._lines: dict[Key, deque[Job[Request, Result]]] = {}

    def do(self, key: Key, request: Request) -> Result:
        """Have the request done and return its result.

        :raises StorageUnavailable: that took longer than the timeout
        :raises Exception: what `work` raised or left as the error
        """
        job: Job[Request, Result] = Job(request)
        with self._lock:
            line = self._lines.get(key)
            if line is None:
                self._lines[key] = deque()
                job.leads = True
            else:
                line.append(job)
        if not job.leads and not job.turn.wait(self._timeout):
            self._give_up(key, job)
        if job.leads:
            self._lead(key, job)
        return job.outcome()

    def _gather(self, key: Key) -> None:
        """Wait until a turn of the loop brings no more.

        PERF: requests that were just answered are followed by others of the same clients. To
        look for these costs less than a round trip for each half of them.
        """
        line = self._lines[key]
        gathered = -1
        while gathered < len(line) < LARGEST_GROUP:
            gathered = len(line)
            turn = waiting.signal()
            waiting.after_turn(turn.set)
            turn.wait(self._timeout)

    def _lead(self, key: Key, leader: Job[Request, Result]) -> None:
        if waiting.on_loop():
            self._gather(key)
        group = [leader]

        def work() -> None:
            with self._turn(key):
                self._close(key, group)  # not before it is our turn, which can take a while
                self._work(key, group)

        try:
            self._aside(work)
        except BaseException as error:  # of whatever kind: each of the callers raises it
            _fail(group, error)
        self._pass_on(key, leader)
        for job in group[1:]:
            job.done = True
            job.turn.set()

    def _close(self, key: Key, group: list[Job[Request, Result]]) -> None:
        """Take into the group what waits by now."""
        with self._lock:
            if group[0].done:  # its leader has lost patience with a thread that was late
                return
            line = self._lines[key]
            weight = self._weigh(group[0].request)
            while line and len(group) < LARGEST_GROUP:
                weight += self._weigh(line[0].request)
                if weight > HEAVIEST_GROUP:
                    break
                group.append(line.popleft())

    def _pass_on(self, key: Key, leader: Job[Request, Result]) -> None:
        """Let the first of those that came meanwhile lead."""
        with self._lock:
            leader.done = True
            line = self._lines[key]
            if line:
                successor = line.popleft()
                successor.leads = True
                successor.turn.set()
            else:
                del self._lines[key]

    def _give_up(self, key: Key, job: Job[Request, Result]) -> None:
        with self._lock:
            if job.leads or job.done:  # at the last moment
                return
            # There is no line any more if the last group has just ended.
            begun = job not in self._lines.get(key, ())
            if not begun:
                self._lines[key].remove(job)
        state = "was not finished" if begun else "did not begin"
        raise StorageUnavailable(reason=f"MongoDB: a request {state} within {self._timeout:g} s.")


def _fail(group: Sequence[Job[Any, Any]], error: BaseException) -> None:
    for job in group:
        job.error = error
        if isinstance(error, StorageUnavailable):  # each caller raises one of its own
            job.error = type(error)(reason=error.reason)
            job.error.__cause__ = error.__cause__
