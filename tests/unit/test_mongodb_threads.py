"""Threads that wait for the database: how many, in which order, and what of calls nobody wants."""

import threading
from collections.abc import Iterator

import pytest

from marconi_server.storage.mongodb.threads import Threads
from tests.support.waiting import PATIENCE

NAME = "test-mongodb"


def running() -> int:
    return sum(thread.name == NAME for thread in threading.enumerate())


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads(2, NAME)
    yield threads
    threads.close()
    assert running() == 0


class Held(threading.Thread):
    """A caller whose call goes on until it is let go."""

    def __init__(self, threads: Threads) -> None:
        super().__init__(daemon=True)
        self._threads = threads
        self._begun, self._end = threading.Event(), threading.Event()
        self.start()
        assert self._begun.wait(PATIENCE)

    def run(self) -> None:
        def call() -> None:
            self._begun.set()
            assert self._end.wait(PATIENCE)

        self._threads.run(call, PATIENCE)

    def let_go(self) -> None:
        self._end.set()
        self.join(PATIENCE)
        assert not self.is_alive()


def test_a_call_is_made_in_another_thread_and_its_result_comes_back(threads: Threads) -> None:
    assert threads.run(threading.get_ident, PATIENCE) != threading.get_ident()


def test_what_a_call_raises_is_raised_here(threads: Threads) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        threads.run(fail, PATIENCE)
    assert threads.run(lambda: 1, PATIENCE) == 1


def test_there_are_no_more_threads_than_allowed_and_none_before_they_are_needed(
    threads: Threads,
) -> None:
    assert running() == 0
    held = [Held(threads) for _ in range(2)]
    assert running() == 2
    with pytest.raises(TimeoutError):
        threads.run(lambda: 1, 0.01)
    assert running() == 2
    for each in held:
        each.let_go()


def test_a_call_whose_time_is_up_before_it_begins_is_not_made(threads: Threads) -> None:
    held = [Held(threads) for _ in range(2)]
    made = []
    with pytest.raises(TimeoutError):
        threads.run(lambda: made.append("late"), 0.01)
    for each in held:
        each.let_go()
    threads.run(lambda: made.append("next"), PATIENCE)
    assert made == ["next"]


def test_close_waits_for_what_is_being_done(threads: Threads) -> None:
    held = Held(threads)
    closing = threading.Thread(target=threads.close)
    closing.start()
    assert closing.is_alive()
    held.let_go()
    closing.join(PATIENCE)
    assert running() == 0
    threads.close()
