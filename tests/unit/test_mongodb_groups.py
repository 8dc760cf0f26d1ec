"""Requests on one queue in groups: who leads, who waits, who is told what."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from marconi_server import waiting
from marconi_server.storage.errors import StorageConflict, StorageUnavailable
from marconi_server.storage.mongodb.groups import LARGEST_GROUP, Groups, Job
from tests.support.waiting import PATIENCE, wait_until


class HandSignal:
    """A signal whose time is up when the test says so, and not before."""

    def __init__(self) -> None:
        self._end = threading.Event()
        self._is_set = False
        self.is_deaf = False
        """Whether it learns of being set no more, as one whose time is up at that moment."""

    def set(self) -> None:
        if not self.is_deaf:
            self._is_set = True
            self._end.set()

    def expire(self) -> None:
        self._end.set()

    def wait(self, timeout: float) -> bool:
        assert self._end.wait(PATIENCE)
        return self._is_set


class HandLoop:
    """Gives such signals, for all waits of the process; its turns are over at once."""

    def __init__(self) -> None:
        self.signals: list[HandSignal] = []
        """Those of the callers, in the order in which they came."""
        self.turns: list[HandSignal] = []
        """For each turn, what waits for its end, if turns last until the test ends them."""
        self.turns_last = False

    def runs_caller(self) -> bool:
        return True

    def signal(self) -> HandSignal:
        self.signals.append(HandSignal())
        return self.signals[-1]

    def after_turn(self, function: Callable[[], None]) -> None:
        (waits,) = (signal for signal in self.signals if signal.set == function)
        self.signals.remove(waits)
        if self.turns_last:
            self.turns.append(waits)
        else:
            waits.set()


@pytest.fixture(autouse=True)
def loop() -> Iterator[HandLoop]:
    loop = HandLoop()
    waiting.install(loop)  # type: ignore[arg-type] # what else a loop does is not used here
    yield loop
    waiting.install(None)


@pytest.fixture
def signals(loop: HandLoop) -> list[HandSignal]:
    return loop.signals


class Work:
    """Answers each request with its double; each group ends when the test says so."""

    def __init__(self) -> None:
        self.groups: list[tuple[str, list[int]]] = []
        self._begun = threading.Semaphore(0)
        self._may_end = threading.Semaphore(0)
        self._error: BaseException | None = None

    def __call__(self, key: str, jobs: Sequence[Job[int, int]]) -> None:
        self.groups.append((key, [job.request for job in jobs]))
        self._begun.release()
        assert self._may_end.acquire(timeout=PATIENCE)
        if self._error is not None:
            raise self._error
        for job in jobs:
            job.result = 2 * job.request

    def wait_until_begun(self) -> list[int]:
        """Wait until one more group is at work, and return its requests."""
        assert self._begun.acquire(timeout=PATIENCE)
        return self.groups[-1][1]

    def end(self, error: BaseException | None = None) -> None:
        """Let one group end."""
        self._error = error
        self._may_end.release()


class Caller(threading.Thread):
    """A client that wants something done."""

    def __init__(self, groups: Groups[str, int, int], request: int, key: str = "q") -> None:
        super().__init__(daemon=True)
        self._groups, self._key, self._request = groups, key, request
        self._result: int | None = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._groups.do(self._key, self._request)
        except BaseException as error:  # looked at by the test
            self._error = error

    def result(self) -> int | None:
        self._end()
        assert self._error is None
        return self._result

    def error(self) -> BaseException | None:
        self._end()
        return self._error

    def _end(self) -> None:
        self.join(PATIENCE)
        assert not self.is_alive(), "a caller waits for ever"


def here(work: Callable[[], None]) -> None:
    work()


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def groups(work: Work) -> Iterator[Groups[str, int, int]]:
    groups: Groups[str, int, int] = Groups(work, here, timeout=7)
    yield groups
    assert groups._lines == {}, "something is left, and the queue is stuck"


def line_up(groups: Groups[str, int, int], requests: Sequence[int]) -> list[Caller]:
    """Start callers while a group is at work; return when all of them wait, in this order."""
    callers = []
    for request in requests:
        waiting_now = len(groups._lines["q"])
        callers.append(Caller(groups, request))
        wait_until(lambda before=waiting_now: len(groups._lines["q"]) > before)  # type: ignore[misc]
    return callers


def work_on(
    work: Work, groups: Groups[str, int, int], requests: Sequence[int]
) -> tuple[Caller, list[Caller]]:
    """Let one caller work, and others wait."""
    first = Caller(groups, 1)
    assert work.wait_until_begun() == [1]
    return first, line_up(groups, requests)


def test_one_request_is_done_by_its_caller(work: Work, groups: Groups[str, int, int]) -> None:
    work.end()
    assert groups.do("q", 3) == 6
    assert work.groups == [("q", [3])]


def test_those_that_come_meanwhile_are_the_next_group_and_the_first_of_them_leads(
    work: Work, groups: Groups[str, int, int]
) -> None:
    first, others = work_on(work, groups, [2, 3, 4])
    work.end()
    assert first.result() == 2
    assert work.wait_until_begun() == [2, 3, 4]
    work.end()
    assert [caller.result() for caller in others] == [4, 6, 8]
    assert len(work.groups) == 2


def test_a_group_has_a_largest_weight_which_a_single_request_may_exceed(work: Work) -> None:
    groups = Groups(work, here, weigh=lambda request: 1000 * request, timeout=7)
    first, others = work_on(work, groups, [4, 6, 1, 12, 3])
    work.end()
    assert first.result() == 2
    for group in ([4, 6], [1], [12], [3]):
        assert work.wait_until_begun() == group
        work.end()
    assert [caller.result() for caller in others] == [8, 12, 2, 24, 6]


def test_a_group_has_a_largest_size_and_the_rest_is_the_next(
    work: Work, groups: Groups[str, int, int]
) -> None:
    first, others = work_on(work, groups, range(2, LARGEST_GROUP + 5))
    for _ in range(3):
        work.end()
    assert [caller.result() for caller in (first, *others)] == [
        2 * number for number in range(1, LARGEST_GROUP + 5)
    ]
    assert [len(group) for _, group in work.groups] == [1, LARGEST_GROUP, 3]


def test_those_that_come_while_the_group_waits_for_its_turn_are_of_it(work: Work) -> None:
    turn = threading.Lock()

    @contextmanager
    def take(_key: str) -> Iterator[None]:
        with turn:
            yield

    groups: Groups[str, int, int] = Groups(work, here, turn=take, timeout=7)
    with turn:
        first = Caller(groups, 1)
        wait_until(lambda: "q" in groups._lines)
        others = line_up(groups, [2, 3])
    assert work.wait_until_begun() == [1, 2, 3]
    work.end()
    assert [caller.result() for caller in (first, *others)] == [2, 4, 6]


def test_a_group_whose_leader_has_given_up_takes_nobody_with_it(work: Work) -> None:
    late: list[Callable[[], None]] = []

    def busy(run: Callable[[], None]) -> None:
        late.append(run)
        if len(late) == 1:
            raise StorageUnavailable(reason="all threads are busy")
        run()

    groups: Groups[str, int, int] = Groups(work, busy, timeout=7)
    assert isinstance(Caller(groups, 1).error(), StorageUnavailable)
    second = Caller(groups, 2)
    assert work.wait_until_begun() == [2]
    (third,) = line_up(groups, [3])
    belated = threading.Thread(target=late[0])
    belated.start()
    assert work.wait_until_begun() == [1]
    for _ in range(3):
        work.end()
    assert (second.result(), third.result()) == (4, 6)
    belated.join(PATIENCE)
    assert groups._lines == {}


def test_the_leader_begins_when_a_turn_of_the_loop_has_brought_no_more(
    work: Work, groups: Groups[str, int, int], loop: HandLoop
) -> None:
    loop.turns_last = True
    first = Caller(groups, 1)
    wait_until(lambda: len(loop.turns) == 1)
    others = line_up(groups, [2, 3])
    loop.turns[0].set()
    wait_until(lambda: len(loop.turns) == 2)
    others += line_up(groups, [4])
    loop.turns[1].set()
    wait_until(lambda: len(loop.turns) == 3)
    assert work.groups == []
    loop.turns[2].set()
    assert work.wait_until_begun() == [1, 2, 3, 4]
    work.end()
    assert [caller.result() for caller in (first, *others)] == [2, 4, 6, 8]


def test_other_keys_do_not_wait(work: Work, groups: Groups[str, int, int]) -> None:
    callers = [Caller(groups, 1, key) for key in ("a", "b")]
    for _ in callers:
        work.wait_until_begun()
    assert sorted(work.groups) == [("a", [1]), ("b", [1])]
    for _ in callers:
        work.end()
    assert [caller.result() for caller in callers] == [2, 2]


def test_who_waits_too_long_for_a_group_is_not_done(
    work: Work, groups: Groups[str, int, int], signals: list[HandSignal]
) -> None:
    first, (second, third) = work_on(work, groups, [2, 3])
    signals[1].expire()
    error = second.error()
    assert isinstance(error, StorageUnavailable)
    assert "did not begin within 7 s" in error.reason
    work.end()
    assert first.result() == 2
    assert work.wait_until_begun() == [3]
    work.end()
    assert third.result() == 6


def test_who_waits_too_long_within_a_group_is_told_that_it_may_yet_be_done(
    work: Work, groups: Groups[str, int, int], signals: list[HandSignal]
) -> None:
    first, (second, third) = work_on(work, groups, [2, 3])
    work.end()
    assert first.result() == 2
    assert work.wait_until_begun() == [2, 3]
    signals[2].expire()
    error = third.error()
    assert isinstance(error, StorageUnavailable)
    assert "was not finished within 7 s" in error.reason
    work.end()
    assert second.result() == 4


def test_whose_time_is_up_when_it_is_to_lead_leads(
    work: Work, groups: Groups[str, int, int], signals: list[HandSignal]
) -> None:
    first, (second,) = work_on(work, groups, [2])
    signals[1].is_deaf = True
    work.end()
    assert first.result() == 2
    signals[1].expire()
    assert work.wait_until_begun() == [2]
    work.end()
    assert second.result() == 4


def test_whose_time_is_up_when_it_was_done_has_its_result(
    work: Work, groups: Groups[str, int, int], signals: list[HandSignal]
) -> None:
    first, (second, third) = work_on(work, groups, [2, 3])
    signals[2].is_deaf = True
    work.end()
    assert first.result() == 2
    assert work.wait_until_begun() == [2, 3]
    work.end()
    assert second.result() == 4
    signals[2].expire()
    assert third.result() == 6


def test_whose_time_is_up_just_before_it_hears_that_it_was_done_is_unavailable(
    work: Work, groups: Groups[str, int, int], signals: list[HandSignal]
) -> None:
    first, (second, third) = work_on(work, groups, [2, 3])
    work.end()
    assert first.result() == 2
    assert work.wait_until_begun() == [2, 3]
    pass_on = groups._pass_on

    def pass_on_and_wait(key: str, leader: Job[int, int]) -> None:
        pass_on(key, leader)
        signals[2].expire()
        assert isinstance(third.error(), StorageUnavailable)

    groups._pass_on = pass_on_and_wait  # type: ignore[method-assign]
    work.end()
    assert second.result() == 4


@pytest.mark.parametrize("kind", [StorageUnavailable, StorageConflict])
def test_each_caller_raises_an_error_of_its_own(
    work: Work, groups: Groups[str, int, int], kind: type[StorageUnavailable]
) -> None:
    first, others = work_on(work, groups, [2, 3, 4])
    work.end()
    assert first.result() == 2
    work.wait_until_begun()
    cause = ConnectionError("gone")
    error = kind(reason="MongoDB is away.")
    error.__cause__ = cause
    work.end(error)
    errors = [caller.error() for caller in others]
    assert [type(each) for each in errors] == [kind] * 3
    assert {str(each) for each in errors} == {"MongoDB is away."}
    assert all(each is not None and each.__cause__ is cause for each in errors)
    assert len(set(map(id, errors))) == 3, "a traceback would grow with each caller"


@pytest.mark.parametrize("error", [KeyError("a defect"), SystemExit(1), KeyboardInterrupt()])
def test_whatever_ends_the_work_of_a_group_the_queue_goes_on(
    work: Work, groups: Groups[str, int, int], error: BaseException
) -> None:
    first, (second, third) = work_on(work, groups, [2, 3])
    work.end(error)
    assert first.error() is error
    assert work.wait_until_begun() == [2, 3]
    work.end(error)
    assert second.error() is error
    assert third.error() is error
    work.end()
    assert groups.do("q", 4) == 8
