"""When the engine fails, and when the store is closed (spec 9)."""

# ruff: noqa: D102 - a test's name says what it shows

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from threading import Event, Semaphore

import pytest

from marconi_server.storage.conformance.clock import ManualClock
from marconi_server.storage.conformance.support import (
    INSTANT,
    PATIENCE,
    BoundQueue,
    Cases,
    Harness,
    Result,
    flat,
    ids_of,
    together,
)
from marconi_server.storage.contract import Store
from marconi_server.storage.errors import StorageUnavailable


@dataclass(frozen=True)
class Scene:
    """A queue with messages, the first two of which are claimed."""

    queue: BoundQueue
    ids: list[str]
    claim_id: str

    @property
    def store(self) -> Store:
        """The store."""
        return self.queue.store

    def state(self) -> object:
        """Return all that can be seen of the store."""
        return (
            self.store.queues.list(self.queue.project, marker=None, limit=100, detailed=True),
            self.queue.page(),
            self.queue.free_ids(),
            self.queue.stats(),
            self.queue.read_claim(self.claim_id),
        )


Operation = Callable[[Scene], object]

READS: dict[str, Operation] = {
    "ping": lambda s: s.store.ping(),
    "queue exists": lambda s: s.store.queues.exists(s.queue.project, s.queue.name),
    "list queues": lambda s: s.store.queues.list(
        s.queue.project, marker=None, limit=10, detailed=False
    ),
    "get metadata": lambda s: s.store.queues.metadata(s.queue.project, s.queue.name),
    "stats": lambda s: s.queue.stats(),
    "list messages": lambda s: s.queue.page(),
    "list free messages": lambda s: s.queue.page(include_claimed=False, exclude_client="other"),
    "get message": lambda s: s.queue.get(s.ids[0]),
    "get messages": lambda s: s.queue.get_many(*s.ids),
    "get claim": lambda s: s.queue.read_claim(s.claim_id),
}
WRITES: dict[str, Operation] = {
    "create queue": lambda s: s.store.queues.create(s.queue.project, "another"),
    "set metadata": lambda s: s.store.queues.set_metadata(
        s.queue.project, s.queue.name, b'{"b": 2}'
    ),
    "post": lambda s: s.queue.post_numbers(3),
    "delete free message": lambda s: s.queue.delete(s.ids[4]),
    "delete claimed message": lambda s: s.queue.delete(s.ids[0], s.claim_id),
    "delete messages": lambda s: s.queue.delete_many(s.ids[0], s.ids[3]),
    "claim": lambda s: s.queue.try_claim(limit=2),
    "renew claim": lambda s: s.queue.renew(s.claim_id, ttl=600, grace=600),
}
LAST_WRITES: dict[str, Operation] = {
    "release claim": lambda s: s.queue.release(s.claim_id),
    "delete queue": lambda s: s.queue.drop(),
}
"""Those after which the scene's claim cannot be read any more."""

ALL = READS | WRITES | LAST_WRITES


class SceneCases(Cases):
    """Base of the cases below."""

    @pytest.fixture
    def scene(self, store: Store, queue: BoundQueue) -> Scene:
        """Something to work on."""
        store.queues.set_metadata(queue.project, queue.name, b'{"a": 1}')
        ids = queue.post_numbers(5)
        return Scene(queue, ids, queue.claim(limit=2).id)


class FaultCases(SceneCases):
    """Each operation while the engine fails, and afterwards."""

    @pytest.mark.parametrize("operation", ALL.values(), ids=ALL)
    def test_is_unavailable_and_changes_nothing(
        self, harness: Harness, scene: Scene, operation: Operation
    ) -> None:
        before = scene.state()
        with harness.failing():
            for _ in range(2):
                with pytest.raises(StorageUnavailable):
                    operation(scene)
        assert scene.state() == before

    @pytest.mark.parametrize("operation", READS.values(), ids=READS)
    def test_reading_works_again(
        self, harness: Harness, scene: Scene, operation: Operation
    ) -> None:
        before = operation(scene)
        with harness.failing(), pytest.raises(StorageUnavailable):
            operation(scene)
        assert operation(scene) == before

    @pytest.mark.parametrize("operation", WRITES.values(), ids=WRITES)
    def test_writing_works_again(
        self, harness: Harness, scene: Scene, operation: Operation
    ) -> None:
        before = scene.state()
        with harness.failing(), pytest.raises(StorageUnavailable):
            operation(scene)
        operation(scene)
        assert scene.state() != before

    def test_releasing_and_deleting_work_again(self, harness: Harness, scene: Scene) -> None:
        for operation in LAST_WRITES.values():
            with harness.failing(), pytest.raises(StorageUnavailable):
                operation(scene)
        scene.queue.release(scene.claim_id)
        assert scene.queue.free_ids() == scene.ids
        scene.queue.drop()
        assert not scene.store.queues.exists(scene.queue.project, scene.queue.name)

    @pytest.mark.parametrize("operation", ALL.values(), ids=ALL)
    def test_a_fault_is_not_taken_for_a_missing_queue(
        self, harness: Harness, scene: Scene, operation: Operation
    ) -> None:
        missing = replace(scene, queue=BoundQueue(scene.store, name="missing"))
        with harness.failing(), pytest.raises(StorageUnavailable):
            operation(missing)

    def test_a_fault_is_not_taken_for_an_empty_queue(self, harness: Harness, store: Store) -> None:
        empty = BoundQueue(store, name="empty").create()
        (deleted,) = empty.post(b"1")
        empty.delete(deleted)
        looks: list[Callable[[], object]] = [
            empty.page,
            empty.try_claim,
            empty.stats,
            lambda: empty.get(deleted),
            lambda: empty.get_many(deleted),
        ]
        for look in looks:
            with harness.failing(), pytest.raises(StorageUnavailable):
                look()

    def test_every_store_on_the_data_recovers(
        self, harness: Harness, clock: ManualClock, scene: Scene
    ) -> None:
        other = harness.open(clock)
        through_other = replace(scene, queue=BoundQueue(other))
        before = scene.state()
        with harness.failing():
            for seen in (scene, through_other):
                with pytest.raises(StorageUnavailable):
                    seen.queue.post(b"1")
                with pytest.raises(StorageUnavailable):
                    seen.queue.page()
        assert through_other.state() == scene.state() == before
        assert through_other.queue.post(b"1") == scene.queue.ids()[-1:]
        other.close()

    def test_batches_are_whole_after_faults(self, harness: Harness, queue: BoundQueue) -> None:
        numbers = count()

        def post() -> list[str]:
            batch = next(numbers)
            return queue.post(*(f"[{batch}, {part}]".encode() for part in range(3)))

        acknowledged = _with_faults(harness, *[post] * 4)

        bodies = [message.body for page in queue.follow(limit=1000) for message in page.items]
        for batch in _batches(bodies):
            prefix = batch[0].removesuffix(b"0]")
            assert batch == [prefix + b"0]", prefix + b"1]", prefix + b"2]"]
        assert len(set(bodies)) == len(bodies), "none is there twice"
        ids = queue.ids()
        for batches in acknowledged:
            places = [ids.index(message_id) for message_id in flat(batches)]
            assert places == sorted(places)
        assert queue.counts() == (len(bodies), 0)

    def test_claims_are_whole_after_faults(
        self, harness: Harness, clock: ManualClock, queue: BoundQueue
    ) -> None:
        ids = queue.post_numbers(500, ttl=6000)  # more than all attempts can take

        claims = flat(_with_faults(harness, *[lambda: queue.claim(ttl=600, limit=2)] * 4))

        for claim in claims:
            assert queue.read_claim(claim.id) == claim
        held = [message_id for claim in claims for message_id in ids_of(claim)]
        assert len(held) == len(set(held))
        free = queue.free_ids()
        assert set(held).isdisjoint(free)
        assert queue.counts() == (len(free), 500 - len(free))
        clock.advance(600)
        assert ids_of(queue.claim(limit=1000)) == ids


class ClosingCases(SceneCases):
    """A store that was closed."""

    @pytest.mark.parametrize("operation", ALL.values(), ids=ALL)
    def test_is_unavailable_and_changes_nothing(
        self, harness: Harness, clock: ManualClock, scene: Scene, operation: Operation
    ) -> None:
        before = scene.state()
        scene.store.close()
        with pytest.raises(StorageUnavailable):
            operation(scene)
        store = harness.open(clock)
        assert replace(scene, queue=BoundQueue(store)).state() == before
        store.close()

    def test_is_idempotent(self, store: Store) -> None:
        store.close()
        store.close()
        with pytest.raises(StorageUnavailable):
            store.ping()

    def test_leaves_no_thread(self, harness: Harness, clock: ManualClock) -> None:
        before = set(threading.enumerate())
        store = harness.open(clock)
        BoundQueue(store).create().post(b"1")
        store.close()
        deadline = time.monotonic() + PATIENCE
        while not set(threading.enumerate()) <= before:  # some end a moment after they were told to
            assert time.monotonic() < deadline, "a thread goes on"
            time.sleep(INSTANT)

    def test_while_others_use_it(self, harness: Harness, clock: ManualClock) -> None:
        queue = BoundQueue(harness.open(clock)).create()
        started = Event()

        def post_until_closed() -> list[str]:
            ids: list[str] = []
            for _ in range(10_000):
                try:
                    ids += queue.post_numbers(2)
                except StorageUnavailable:
                    return ids
                started.set()
            raise AssertionError("a closed store goes on")

        def close() -> list[str]:
            started.wait(PATIENCE)
            queue.store.close()
            return []

        *posted, _ = together(*[post_until_closed] * 4, close)
        store = harness.open(clock)
        ids = BoundQueue(store).ids()
        assert set(flat(posted)) <= set(ids), "what was answered is there"
        assert len(ids) % 2 == 0
        store.close()


def _batches(bodies: list[bytes]) -> list[list[bytes]]:
    """Cut a listing into batches of three."""
    return [bodies[start : start + 3] for start in range(0, len(bodies), 3)]


def _with_faults(harness: Harness, *actions: Callable[[], Result]) -> list[list[Result]]:
    """Repeat each action in a thread of its own, while the engine fails and heals by turns.

    In each turn some attempts end while the engine works, some are under way when it fails, and
    some begin after that. Returns the results of those that succeeded, for each thread.
    """
    permits, ended = Semaphore(0), Semaphore(0)
    done = Event()

    def repeat(action: Callable[[], Result]) -> list[Result]:
        results: list[Result] = []
        wrong: Exception | None = None
        while permits.acquire(timeout=PATIENCE) and not done.is_set():
            try:
                results.append(action())
            except StorageUnavailable:
                pass
            except Exception as error:
                wrong = error  # raised in the end, since the turns go on with every thread
            finally:
                ended.release()
        if wrong:
            raise wrong
        return results

    def attempts_end(number: int) -> None:
        for _ in range(number):
            assert ended.acquire(timeout=PATIENCE), "an operation does not return"

    def fail_and_heal() -> list[Result]:
        try:
            for _ in range(6):
                permits.release(16)
                attempts_end(8)
                with harness.failing():
                    attempts_end(8)
                    permits.release(8)
                    attempts_end(8)
        finally:
            done.set()
            permits.release(len(actions))
        return []

    *results, _ = together(
        *(lambda action=action: repeat(action) for action in actions), fail_and_heal
    )
    return results
