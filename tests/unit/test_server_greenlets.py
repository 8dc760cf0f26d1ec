"""Requests on the loop: they wait without a thread, and other threads get their turn."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from marconi_server import waiting
from marconi_server.server.answers import Environ
from marconi_server.server.connection import Connection
from marconi_server.server.greenlets import Greenlets


class Loop:
    """A loop without connections; each request is a function, and a name to remember it by."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.woken = threading.Event()
        self.greenlets = Greenlets(self._serve, self.woken.set)

    def _serve(self, connection: Connection, environ: Environ) -> None:
        name = cast(str, connection)
        self.events.append(f"{name} begins")
        result = environ["function"]()
        self.events.append(f"{name} ends" if result is None else f"{name}: {result}")

    def run(self, **requests: Callable[[], Any]) -> None:
        self.greenlets.run(
            [
                (cast(Connection, name), {"function": function})
                for name, function in requests.items()
            ]
        )

    def turn(self) -> None:
        """Sleep until somebody wakes the loop, then go on once."""
        assert self.woken.wait(10)
        self.woken.clear()
        self.greenlets.go_on()


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.greenlets.stop(1)
    assert not waiting.on_loop()


def test_a_request_that_need_not_wait_is_answered_at_once(loop: Loop) -> None:
    loop.run(a=lambda: None, b=waiting.on_loop)
    assert loop.events == ["a begins", "a ends", "b begins", "b: True"]
    assert not waiting.on_loop()  # the loop itself is no request


def test_a_request_that_waits_lets_others_go_first(loop: Loop) -> None:
    signals: list[waiting.Signal] = []

    def wait() -> bool:
        signals.append(waiting.signal())
        return signals[-1].wait(10)

    loop.run(a=wait, b=lambda: None)
    assert loop.events == ["a begins", "b begins", "b ends"]
    assert not loop.greenlets.can_go_on
    threading.Thread(target=signals[0].set).start()
    loop.turn()
    assert loop.events[-1] == "a: True"


def test_a_signal_that_is_set_before_the_wait_counts(loop: Loop) -> None:
    def wait() -> bool:
        signal = waiting.signal()
        signal.set()
        return signal.wait(10)

    loop.run(a=wait)
    assert loop.greenlets.can_go_on
    loop.turn()
    assert loop.events[-1] == "a: True"


def test_a_wait_ends_at_its_deadline_and_a_late_signal_does_nothing(loop: Loop) -> None:
    signals: list[waiting.Signal] = []

    def wait() -> bool:
        signals.append(waiting.signal())
        return signals[-1].wait(0)

    loop.run(a=wait, b=lambda: waiting.signal().wait(60))
    loop.greenlets.expire()
    assert loop.events == ["a begins", "b begins", "a: False"]
    signals[0].set()
    loop.turn()
    assert loop.events == ["a begins", "b begins", "a: False"]


def test_another_thread_has_something_done_on_the_loop(loop: Loop) -> None:
    with ThreadPoolExecutor(1) as threads:
        called = threads.submit(waiting.call, threading.get_ident)
        loop.turn()
        assert called.result(5) == threading.get_ident()


def test_what_fails_on_the_loop_fails_for_the_thread(loop: Loop) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with ThreadPoolExecutor(1) as threads:
        called = threads.submit(waiting.call, fail)
        loop.turn()
        with pytest.raises(ZeroDivisionError):
            called.result(5)
    loop.run(a=lambda: None)
    assert loop.events[-1] == "a ends"


def test_calls_come_before_the_next_request(loop: Loop) -> None:
    with ThreadPoolExecutor(1) as threads:
        called = threads.submit(waiting.call, lambda: loop.events.append("call"))
        assert loop.woken.wait(10)
        loop.run(a=lambda: None)
        called.result(5)
    assert loop.events == ["call", "a begins", "a ends"]


def test_what_is_left_for_the_end_of_a_turn_is_done_once_and_may_come_back(loop: Loop) -> None:
    def again() -> None:
        loop.events.append("first")
        waiting.after_turn(lambda: loop.events.append("second"))

    loop.run(a=lambda: waiting.after_turn(again), b=lambda: None)
    assert loop.greenlets.can_go_on  # the loop must not sleep now
    assert loop.events[-1] == "b ends"
    loop.greenlets.end_turn()
    assert loop.events[-1] == "first"
    assert loop.greenlets.can_go_on
    loop.greenlets.end_turn()
    loop.greenlets.end_turn()
    assert loop.events[-2:] == ["first", "second"]
    assert not loop.greenlets.can_go_on


def test_what_is_left_for_the_end_of_a_turn_is_done_before_the_loop_stops(loop: Loop) -> None:
    loop.run(a=lambda: waiting.after_turn(lambda: waiting.after_turn(lambda: None)))
    loop.greenlets.stop(1)
    assert not loop.greenlets.can_go_on


def test_what_is_left_for_a_turn_that_never_comes_is_dropped(loop: Loop) -> None:
    loop.greenlets.stop(1)
    done: list[int] = []
    waiting.soon(lambda: waiting.after_turn(lambda: done.append(1)))  # as a writer thread does
    assert done == []


def test_another_thread_wants_something_soon(loop: Loop) -> None:
    threads: list[int] = []
    thread = threading.Thread(
        target=waiting.soon, args=(lambda: threads.append(threading.get_ident()),)
    )
    thread.start()
    thread.join(10)
    loop.turn()
    assert threads == [threading.get_ident()]
    loop.greenlets.stop(1)
    loop.greenlets.soon(lambda: threads.append(0))
    waiting.soon(lambda: threads.append(1))
    assert threads[1:] == [0, 1]


def test_threads_serve_themselves_when_the_loop_has_stopped(loop: Loop) -> None:
    with ThreadPoolExecutor(1) as threads:
        early = threads.submit(loop.greenlets.call, threading.get_ident)
        assert loop.woken.wait(10)
        loop.greenlets.stop(1)
        assert early.result(5) == threading.get_ident()
        late = threads.submit(loop.greenlets.call, threading.get_ident)
        assert late.result(5) != threading.get_ident()
        assert threads.submit(waiting.call, lambda: 7).result(5) == 7


def test_a_thread_beside_the_loop_sleeps(loop: Loop) -> None:
    def wait(timeout: float) -> bool:
        signal = waiting.signal()
        if timeout:
            threading.Thread(target=signal.set).start()
        return signal.wait(timeout)

    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(wait, 10).result(20)
        assert not threads.submit(wait, 0).result(20)
    assert not loop.greenlets.can_go_on


def test_many_waits_all_end(loop: Loop) -> None:
    """Signals set by several threads at once while the loop goes on."""
    signals: list[waiting.Signal] = []
    count = 500

    def wait() -> bool:
        signals.append(waiting.signal())
        return signals[-1].wait(60)

    loop.run(**{f"r{number}": wait for number in range(count)})
    with ThreadPoolExecutor(8) as threads:
        for signal in signals:
            threads.submit(signal.set)
        deadline = time.monotonic() + 10
        while len(loop.events) < 2 * count:
            assert time.monotonic() < deadline
            loop.greenlets.go_on()
    assert sum(event.endswith(": True") for event in loop.events) == count
