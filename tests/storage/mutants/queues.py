"""Wrong about queues, metadata and counts."""

import json
import time
from collections.abc import Sequence

from marconi_server.storage.contract import (
    MessageStamp,
    Page,
    Queue,
    QueueStats,
)
from marconi_server.storage.errors import QueueNotFound
from tests.storage.memory import (
    HeldMessage,
    HeldQueue,
    Queues,
)
from tests.storage.mutants.mutant import YIELD, seen_by


@seen_by("TestQueues", "TestConcurrentQueues")
class AlwaysCreates(Queues):
    def create(self, project: str | None, queue: str) -> bool:
        super().create(project, queue)
        return True


@seen_by("TestQueues")
class EmptiesAnExistingQueue(Queues):
    def create(self, project: str | None, queue: str) -> bool:
        existed = self.exists(project, queue)
        self.delete(project, queue)
        super().create(project, queue)
        return not existed


@seen_by("TestQueues", "TestHousekeeping", "TestConcurrentQueues")
class RevivesDeletedQueues(Queues):
    grave: HeldQueue | None = None

    def delete(self, project: str | None, queue: str) -> None:
        with self._now():
            self.grave = self._data.queues.get((project, queue), self.grave)
            super().delete(project, queue)

    def create(self, project: str | None, queue: str) -> bool:
        with self._now():
            created = super().create(project, queue)
            if created and self.grave and queue == "queue":
                self._data.queues[project, queue] = self.grave
            return created


@seen_by("TestQueues", "TestReopening")
class StartsPositionsAgain(Queues):
    def create(self, project: str | None, queue: str) -> bool:
        created = super().create(project, queue)
        if created:
            self._data.last_number = 0
        return created


@seen_by("TestConcurrentQueues")
class CreatesWithoutALock(Queues):
    def create(self, project: str | None, queue: str) -> bool:
        if self.exists(project, queue):
            return False
        time.sleep(YIELD)
        super().create(project, queue)
        return True


class _OtherListing(Queues):
    """Base of wrong listings."""

    def list(
        self, project: str | None, *, marker: str | None, limit: int, detailed: bool
    ) -> Page[Queue]:
        with self._now():
            names = [name for name in self.names(project) if self.is_behind(name, marker)]
            names = names[: self.limit(limit)]
            metadata = {name: self._data.queues[project, name].metadata for name in names}
            return Page(
                [Queue(name, self.detail(metadata[name], detailed)) for name in names],
                self.marker(names, limit),
            )

    def names(self, project: str | None) -> Sequence[str]:
        return sorted(name for scope, name in self._data.queues if scope == project)

    def is_behind(self, name: str, marker: str | None) -> bool:
        return marker is None or name > marker

    def limit(self, limit: int) -> int:
        return limit

    def detail(self, metadata: bytes, detailed: bool) -> bytes | None:
        return metadata if detailed else None

    def marker(self, names: Sequence[str], limit: int) -> str | None:
        return names[-1] if names else None


@seen_by("TestQueueListing")
class ListsQueuesAsCreated(_OtherListing):
    def names(self, project: str | None) -> Sequence[str]:
        return [name for scope, name in self._data.queues if scope == project]


@seen_by("TestQueueListing")
class ListsQueuesWithoutCase(_OtherListing):
    def names(self, project: str | None) -> Sequence[str]:
        return sorted(super().names(project), key=str.lower)


@seen_by("TestQueueListing")
class ListsTheQueueOfTheMarker(_OtherListing):
    def is_behind(self, name: str, marker: str | None) -> bool:
        return marker is None or name >= marker


@seen_by("TestQueueListing")
class WantsAnExistingMarker(_OtherListing):
    def is_behind(self, name: str, marker: str | None) -> bool:
        known = marker is None or ("project", marker) in self._data.queues
        return known and super().is_behind(name, marker)


@seen_by("TestQueueListing")
class ListsOneQueueTooMany(_OtherListing):
    def limit(self, limit: int) -> int:
        return limit + 1


@seen_by("TestQueueListing")
class HasNoMarkerOnTheLastPage(_OtherListing):
    def marker(self, names: Sequence[str], limit: int) -> str | None:
        return names[-1] if len(names) == limit else None


@seen_by("TestQueueListing")
class AlwaysDetails(_OtherListing):
    def detail(self, metadata: bytes, detailed: bool) -> bytes | None:
        return metadata


@seen_by("TestQueueListing", "TestMetadata")
class NeverDetails(_OtherListing):
    def detail(self, metadata: bytes, detailed: bool) -> bytes | None:
        return None


@seen_by("TestMetadata")
class MergesMetadata(Queues):
    def set_metadata(self, project: str | None, queue: str, metadata: bytes) -> None:
        merged = json.loads(self.metadata(project, queue)) | json.loads(metadata)
        super().set_metadata(project, queue, json.dumps(merged).encode())


@seen_by("TestMetadata")
class ParsesMetadata(Queues):
    def set_metadata(self, project: str | None, queue: str, metadata: bytes) -> None:
        super().set_metadata(project, queue, json.dumps(json.loads(metadata)).encode())


@seen_by("TestMetadata", "TestQueues")
class SetsMetadataOfMissingQueues(Queues):
    def set_metadata(self, project: str | None, queue: str, metadata: bytes) -> None:
        self.create(project, queue)
        super().set_metadata(project, queue, metadata)


@seen_by("TestStats", "TestQueues")
class CountsNothingInMissingQueues(Queues):
    def stats(self, project: str | None, queue: str) -> QueueStats:
        try:
            return super().stats(project, queue)
        except QueueNotFound:
            return QueueStats(0, 0)


@seen_by("TestStats", "TestHousekeeping")
class CountsEndedClaims(Queues):
    def stats(self, project: str | None, queue: str) -> QueueStats:
        stats = super().stats(project, queue)
        with self._now() as now:
            visible = self._data.visible(project, queue, now)
            claimed = sum(message.claim is not None for message in visible)
        return QueueStats(claimed, len(visible) - claimed, stats.oldest, stats.newest)


@seen_by("TestStats")
class TakesTheOldestFreeForTheOldest(Queues):
    def stats(self, project: str | None, queue: str) -> QueueStats:
        with self._now() as now:
            stats = super().stats(project, queue)
            for message in self._data.visible(project, queue, now):
                if not self._data.is_claimed(message, now):
                    return QueueStats(
                        stats.claimed, stats.free, self._stamp(message, now), stats.newest
                    )
            return stats


@seen_by("TestQueues")
class FailsToDeleteTwice(Queues):
    def delete(self, project: str | None, queue: str) -> None:
        with self._now():
            self._queue(project, queue)
            super().delete(project, queue)


@seen_by("TestQueues")
class DeletesAllQueuesOfTheProject(Queues):
    def delete(self, project: str | None, queue: str) -> None:
        with self._now():
            for scope, name in list(self._data.queues):
                if scope == project:
                    super().delete(project, name)


@seen_by("TestQueues")
class SaysThatEachQueueExists(Queues):
    def exists(self, project: str | None, queue: str) -> bool:
        self._store.check()
        return True


@seen_by("TestQueues")
class TakesOneNameForNothing(Queues):
    def exists(self, project: str | None, queue: str) -> bool:
        return super().exists(project, queue) and queue != "NULL"


@seen_by("TestQueueListing")
class ListsDeletedQueues(_OtherListing):
    deleted: tuple[str, ...] = ()

    def delete(self, project: str | None, queue: str) -> None:
        with self._now():
            self._queue(project, queue).messages.clear()
            self.deleted = (*self.deleted, queue)

    def exists(self, project: str | None, queue: str) -> bool:
        return super().exists(project, queue) and queue not in self.deleted


@seen_by("TestQueueListing")
class HasAMarkerOnAnEmptyPage(_OtherListing):
    def marker(self, names: Sequence[str], limit: int) -> str | None:
        return names[-1] if names else ""


@seen_by("TestIdentifiers", "TestQueueListing")
class HasQueueMarkersOfItsOwn(_OtherListing):
    def is_behind(self, name: str, marker: str | None) -> bool:
        return super().is_behind(name, marker and marker.removeprefix("after-"))

    def marker(self, names: Sequence[str], limit: int) -> str | None:
        return f"after-{names[-1]}" if names else None


@seen_by("TestIdentifiers")
class WantsAsciiMarkers(_OtherListing):
    def is_behind(self, name: str, marker: str | None) -> bool:
        return marker is None or name.encode() > marker.encode("ascii")


@seen_by("TestMetadata")
class StartsWithoutMetadata(Queues):
    def create(self, project: str | None, queue: str) -> bool:
        created = super().create(project, queue)
        if created:
            self.set_metadata(project, queue, b"null")
        return created


@seen_by("TestMetadata")
class SharesMetadata(Queues):
    def set_metadata(self, project: str | None, queue: str, metadata: bytes) -> None:
        with self._now():
            self._queue(project, queue)
            for held in self._data.queues.values():
                held.metadata = metadata


@seen_by("TestConcurrentQueues")
class SetsMetadataInHalves(Queues):
    def set_metadata(self, project: str | None, queue: str, metadata: bytes) -> None:
        super().set_metadata(project, queue, metadata[: len(metadata) // 2])
        time.sleep(YIELD)
        super().set_metadata(project, queue, metadata)


class _OtherStats(Queues):
    """Base of wrong counts."""

    def stats(self, project: str | None, queue: str) -> QueueStats:
        with self._now() as now:
            right = super().stats(project, queue)
            return self.wrong(right, self._data.visible(project, queue, now))

    def wrong(self, right: QueueStats, visible: Sequence[HeldMessage]) -> QueueStats:
        raise NotImplementedError


@seen_by("TestStats")
class CountsOnePoster(_OtherStats):
    def wrong(self, right: QueueStats, visible: Sequence[HeldMessage]) -> QueueStats:
        others = sum(message.client_id != visible[0].client_id for message in visible)
        return QueueStats(right.claimed, right.free - others, right.oldest, right.newest)


@seen_by("TestStats")
class CountsAllQueues(_OtherStats):
    def wrong(self, right: QueueStats, visible: Sequence[HeldMessage]) -> QueueStats:
        everything = sum(len(held.messages) for held in self._data.queues.values())
        return QueueStats(right.claimed, everything - right.claimed, right.oldest, right.newest)


@seen_by("TestStats")
class StampsAnEmptyQueue(_OtherStats):
    def wrong(self, right: QueueStats, visible: Sequence[HeldMessage]) -> QueueStats:
        nothing = MessageStamp("", 0, 0)
        return QueueStats(
            right.claimed, right.free, right.oldest or nothing, right.newest or nothing
        )


@seen_by("TestStats")
class HasNoNewestOfOne(_OtherStats):
    def wrong(self, right: QueueStats, visible: Sequence[HeldMessage]) -> QueueStats:
        newest = right.newest if len(visible) > 1 else None
        return QueueStats(right.claimed, right.free, right.oldest, newest)
