"""Wrong about faults, closing, several stores and the removal of rows."""

import time
from collections.abc import Callable, Sequence

from marconi_server.storage.contract import Claim, Clock, Message, NewMessage, Page
from marconi_server.storage.errors import StorageUnavailable
from tests.storage.memory import (
    Claims,
    Data,
    HeldQueue,
    MemoryHarness,
    MemoryStore,
    Messages,
)
from tests.storage.mutants.mutant import YIELD, seen_by
from tests.storage.mutants.paging import OtherPages


@seen_by("TestClosing")
class WorksWhenClosed(MemoryStore):
    def close(self) -> None:
        pass


@seen_by("TestFaults", "TestClosing")
class RaisesAnErrorOfItsEngine(MemoryStore):
    def check(self) -> float:
        if self.data.broken or self._closed:
            raise OSError("the memory is broken")
        return super().check()


@seen_by("TestFaults")
class StaysBroken(MemoryStore):
    was_broken = False

    def check(self) -> float:
        self.was_broken = self.was_broken or self.data.broken
        self.data.broken = self.was_broken
        return super().check()


@seen_by("TestFaults")
class TakesAFaultForNothingThere(Messages):
    def get_many(
        self, project: str | None, queue: str, message_ids: Sequence[str]
    ) -> list[Message]:
        return [] if self._data.broken else super().get_many(project, queue, message_ids)


@seen_by("TestFaults")
class WritesHalfABatch(Messages):
    def post(
        self, project: str | None, queue: str, client_id: str, messages: Sequence[NewMessage]
    ) -> list[str]:
        if self._data.broken:
            held = self._data.queues.get((project, queue), HeldQueue())
            held.messages.append(self._held(client_id, messages[0], 2e9))
        return super().post(project, queue, client_id, messages)


@seen_by("TestFaults")
class LosesTheEndOfSomeBatches(Messages):
    posts = 0

    def post(
        self, project: str | None, queue: str, client_id: str, messages: Sequence[NewMessage]
    ) -> list[str]:
        self.posts += 1
        if self.posts % 5:
            return super().post(project, queue, client_id, messages)
        super().post(project, queue, client_id, messages[:1])
        raise StorageUnavailable(reason="The memory broke in the middle.")


@seen_by("TestFaults")
class ClaimsAndThenFails(Claims):
    def create(
        self, project: str | None, queue: str, *, ttl: int, grace: int, limit: int
    ) -> Claim | None:
        broken, self._data.broken = self._data.broken, False
        claim = super().create(project, queue, ttl=ttl, grace=grace, limit=limit)
        self._data.broken = broken
        self._store.check()
        return claim


@seen_by("TestReopening", "TestSeveralStores")
class ForgetsWhenReopened(MemoryHarness):
    def open(self, clock: Clock) -> MemoryStore:
        self._data = Data()
        return super().open(clock)


@seen_by("TestSeveralStores")
class CachesWhatItListed(OtherPages):
    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self._cache: dict[tuple[str | None, int], Page[Message]] = {}

    def wrong(
        self, right: Callable[..., Page[Message]], marker: str | None, limit: int
    ) -> Page[Message]:
        return self._cache.setdefault((marker, limit), right())


@seen_by("TestHousekeeping")
class SweepsClaimedMessages(MemoryStore):
    def sweep(self) -> None:
        super().sweep()
        for queue in self.data.queues.values():
            queue.messages = [message for message in queue.messages if message.claim is None]


@seen_by("TestHousekeeping")
class SweepsEarly(MemoryStore):
    def sweep(self) -> None:
        with self.data.lock:
            now = self._clock() + 3
            for queue in self.data.queues.values():
                queue.messages = [m for m in queue.messages if self.data.is_visible(m, now)]


@seen_by("TestHousekeeping")
class SweepsPositions(MemoryStore):
    def sweep(self) -> None:
        super().sweep()
        if not any(queue.messages for queue in self.data.queues.values()):
            self.data.last_number = 0


@seen_by("TestHousekeeping")
class SweepsWithoutALock(MemoryStore):
    def sweep(self) -> None:
        for queue in self.data.queues.values():
            left, queue.messages = queue.messages, []
            time.sleep(YIELD)
            queue.messages = left
        super().sweep()
