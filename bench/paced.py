"""Load over HTTP at a fixed rate: `run`, and the process that it starts.

Requests are due at even intervals, whatever becomes of those before. One whose time has come when
all connections wait for answers goes out as soon as one is free, and its latency counts from when
it was due. So a server that stops for a while is not asked less, which would hide it ("coordinated
omission").

wrk has no such mode. Those that have do not come from Debian or PyPI, or hold a rate by sending
that of a second at once and then pausing.
"""

import gc
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final, Protocol

import msgspec

from bench.cases import BODIES, Load
from bench.client import Answer, Connection, request
from bench.outcome import Outcome
from bench.servers import ROOT, BenchError

_GRACE_SECONDS: Final = 30.0

_RANDOM: Final = b"x" * (len(BODIES[0]) - 2)
"""What a load has where random letters go."""


class Order(msgspec.Struct, frozen=True):
    """What the process is to do; times in seconds, `rate` in requests a second."""

    port: int
    load: Load
    headers: dict[str, str]
    connections: int
    rate: float
    seconds: float
    timeout: float


def run(
    port: int,
    load: Load,
    headers: Mapping[str, str],
    *,
    connections: int,
    rate: float,
    seconds: float,
    timeout: float,
) -> tuple[Outcome, float]:
    """Put load on a server in a process of its own; return the outcome and its seconds of CPU.

    `timeout` is in seconds; an answer that takes longer is an error.

    :raises BenchError: it failed
    """
    order = Order(port, load, dict(headers), connections, rate, seconds, timeout)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "bench.paced"],
            cwd=ROOT,
            input=msgspec.json.encode(order),
            stdout=subprocess.PIPE,
            timeout=seconds + timeout + _GRACE_SECONDS,
            check=True,
        )
    except subprocess.SubprocessError as error:
        raise BenchError(f"The load tool failed: {error}") from error
    return msgspec.json.decode(done.stdout, type=tuple[Outcome, float])


class Script(Protocol):
    """What is sent, as the scripts of `lua/` have it."""

    def next(self) -> tuple[bytes, Any]:
        """Return a request, and what `is_right` has to know to judge its answer."""

    def is_right(self, answer: Answer, sent: Any) -> bool:
        """Judge an answer."""


def script(load: Load, headers: Mapping[str, str]) -> Script:
    """Return the script of a load, with its arguments."""
    kinds: dict[str, Callable[..., Script]] = {"single.lua": Single, "cycle.lua": Cycle}
    return kinds[load.script](load.path, headers, *load.arguments)


class Single:
    """The same request again and again."""

    def __init__(
        self, path: str, headers: Mapping[str, str], status: str, method: str, body: str = ""
    ) -> None:
        self._requests = _in_turn(method, path, headers, body)
        self._status = int(status)

    def next(self) -> tuple[bytes, None]:
        """Return the next request."""
        return next(self._requests), None

    def is_right(self, answer: Answer, _sent: None) -> bool:
        """Tell whether the status is the expected one."""
        return answer.status == self._status


class Cycle:
    """Post, claim and delete: each answer leaves behind what is to be done next."""

    def __init__(
        self, path: str, headers: Mapping[str, str], post: str, claim: str, size: str
    ) -> None:
        self._headers = headers
        self._messages = f"{path}/messages"
        self._posts = _in_turn("POST", self._messages, headers, post)
        self._claim = request("POST", f"{path}/claims?limit={size}", headers, claim.encode())
        self._size = int(size)
        self._claims_due = 0
        self._deletions_due: list[bytes] = []

    def next(self) -> tuple[bytes, str]:
        """Return what is furthest on its way: a deletion, else a claim, else a post."""
        if self._deletions_due:
            return self._deletions_due.pop(), "deletion"
        if self._claims_due:
            self._claims_due -= 1
            return self._claim, "claim"
        return next(self._posts), "post"

    def is_right(self, answer: Answer, sent: str) -> bool:
        """Judge an answer, and note what follows it."""
        if sent == "deletion":
            return answer.status == 204
        if answer.status != 201:
            return False
        if sent == "post":
            self._claims_due += 1
            return True
        paths = [each["href"] for each in msgspec.json.decode(answer.body)]
        if self._size > 1:
            ids = ",".join(path.rpartition("/")[2].partition("?")[0] for path in paths)
            path = f"{self._messages}?ids={ids}"
        else:
            path = paths[0]
        self._deletions_due.append(request("DELETE", path, self._headers))
        return len(paths) == self._size


def _in_turn(method: str, path: str, headers: Mapping[str, str], body: str) -> Iterator[bytes]:
    """Give requests whose bodies have random letters where `body` has many an x."""
    pieces = body.encode().split(_RANDOM)
    texts = cycle(each[1:-1] for each in BODIES)
    runs = len(pieces) - 1
    varied = [
        pieces[0] + b"".join(next(texts) + piece for piece in pieces[1:])
        for _ in range(-(-len(BODIES) // runs) if runs else 1)
    ]
    return cycle([request(method, path, headers, each) for each in varied])


@dataclass
class Tally:
    """What came back: latencies in seconds, and what was wrong."""

    latencies: list[float] = field(default_factory=list)
    wrong: int = 0
    first_wrong: str = ""
    unanswered: int = 0

    def note(self, latency: float, answer: Answer, right: bool) -> None:
        """Count an answer."""
        self.latencies.append(latency)
        if not right:
            self.wrong += 1
            self.first_wrong = self.first_wrong or f"{answer.status} {answer.body[:200]!r}"

    def outcome(self, seconds: float, timeout: float) -> Outcome:
        """Sum up a load that lasted so many seconds."""
        ranked = sorted(self.latencies) or [0.0]
        return Outcome(
            requests=len(self.latencies),
            microseconds=int(seconds * 1e6),
            p50=int(ranked[len(ranked) // 2] * 1e6),
            p99=int(ranked[len(ranked) * 99 // 100] * 1e6),
            wrong=self.wrong,
            first_wrong=self.first_wrong,
            unanswered=self.unanswered,
            timeouts=sum(latency > timeout for latency in self.latencies),
        )


def drive(order: Order, sends: Script, connections: list[Connection]) -> Outcome:
    """Send requests when they are due, for the time of the order, and read the answers."""
    by_number = {each.socket.fileno(): each for each in connections}
    free = deque(connections)
    waiting: dict[Connection, tuple[float, Any]] = {}
    tally = Tally()
    sent_so_far = 0
    start = now = next_due = time.perf_counter()
    end = start + order.seconds
    with closing(select.epoll()) as epoll:
        for number in by_number:
            epoll.register(number, select.EPOLLIN)
        while now < end or ((waiting or next_due < end) and now < end + order.timeout):
            while free and next_due <= now and next_due < end:
                connection = free.popleft()
                message, sent = sends.next()
                waiting[connection] = next_due, sent
                with suppress(OSError):  # it stays among those that wait
                    connection.send(message)
                sent_so_far += 1
                next_due = start + sent_so_far / order.rate
            until = end + order.timeout if waiting else end
            if free and next_due < end:
                until = next_due
            # epoll waits for whole milliseconds; a wait for epoll is as exact as the clock.
            if until > now:
                select.select([epoll], [], [], until - now)
            for number, _ in epoll.poll(0):
                connection = by_number[number]
                try:
                    answer = connection.receive()
                except OSError:  # so does this one
                    epoll.unregister(number)
                    continue
                if answer is not None:
                    due, sent = waiting.pop(connection)
                    right = sends.is_right(answer, sent)
                    tally.note(time.perf_counter() - due, answer, right)
                    free.append(connection)
            now = time.perf_counter()
    tally.unanswered = len(waiting)
    return tally.outcome(max(now, end) - start, order.timeout)


def main() -> None:
    """Do what the order on the standard input says; print the outcome, and its CPU in seconds."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    sends = script(order.load, order.headers)
    with ExitStack() as stack:
        connections = [
            stack.enter_context(closing(Connection(order.port, timeout=None)))
            for _ in range(order.connections)
        ]
        gc.freeze()
        gc.disable()  # a collection would look like a slow answer
        before = time.process_time()
        outcome = drive(order, sends, connections)
        cpu = time.process_time() - before
    sys.stdout.buffer.write(msgspec.json.encode((outcome, cpu)))


if __name__ == "__main__":
    main()
