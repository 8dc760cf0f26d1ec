"""Wrong about listing messages."""

from collections.abc import Callable
from typing import Any

from marconi_server.storage.contract import Message, Page
from tests.storage.memory import (
    MemoryStore,
    Messages,
)
from tests.storage.mutants.mutant import seen_by


class OtherPages(Messages):
    """Base of wrong pages."""

    def list(
        self,
        project: str | None,
        queue: str,
        *,
        marker: str | None,
        limit: int,
        exclude_client: str | None,
        include_claimed: bool,
    ) -> Page[Message]:
        def right(**other: Any) -> Page[Message]:
            asked: dict[str, Any] = {
                "marker": marker,
                "limit": limit,
                "exclude_client": exclude_client,
                "include_claimed": include_claimed,
            }
            return super(OtherPages, self).list(project, queue, **asked | other)

        with self._now():
            return self.wrong(right, marker, limit)

    def wrong(
        self, right: Callable[..., Page[Message]], marker: str | None, limit: int
    ) -> Page[Message]:
        raise NotImplementedError


@seen_by("TestPaging", "TestQueues", "TestConcurrentPosting", "TestReopening", "TestHousekeeping")
class SkipsAMessageBehindAMarker(OtherPages):
    def wrong(
        self, right: Callable[..., Page[Message]], marker: str | None, limit: int
    ) -> Page[Message]:
        page = right()
        return Page(page.items[1:], page.marker) if marker and len(page.items) > 1 else page


@seen_by("TestPaging", "TestConcurrentPosting")
class RepeatsAMessageBehindAMarker(OtherPages):
    def wrong(
        self, right: Callable[..., Page[Message]], marker: str | None, limit: int
    ) -> Page[Message]:
        if marker and marker.isdigit() and (page := right()).items:
            return right(marker=str(int(marker) - 1) if int(marker) > 1 else None) or page
        return right()


@seen_by("TestPaging")
class WantsTheMessageOfTheMarker(OtherPages):
    def wrong(
        self, right: Callable[..., Page[Message]], marker: str | None, limit: int
    ) -> Page[Message]:
        everything = right(marker=None, exclude_client=None, include_claimed=True, limit=10**6)
        known = marker is None or f"m{marker}" in [message.id for message in everything.items]
        return right() if known else Page([], None)


@seen_by("TestPaging", "TestIdentifiers")
class StartsAgainAtABadMarker(OtherPages):
    def wrong(
        self, right: Callable[..., Page[Message]], marker: str | None, limit: int
    ) -> Page[Message]:
        page = right()
        return page if page.items else right(marker=None)


@seen_by("TestIdentifiers")
class ReadsMarkersAsPythonDoes(OtherPages):
    def wrong(
        self, right: Callable[..., Page[Message]], marker: str | None, limit: int
    ) -> Page[Message]:
        try:
            return right(marker=marker and str(max(int(marker), 0) or None))
        except ValueError:
            return Page([], None)


@seen_by("TestIdentifiers")
class FailsOnBadMarkers(OtherPages):
    def wrong(
        self, right: Callable[..., Page[Message]], marker: str | None, limit: int
    ) -> Page[Message]:
        return right(marker=str(int(marker)) if marker else None)


@seen_by("TestPaging")
class KeepsTheMarkerOfAnEmptyPage(OtherPages):
    def wrong(
        self, right: Callable[..., Page[Message]], marker: str | None, limit: int
    ) -> Page[Message]:
        page = right()
        return page if page.items else Page([], marker)


@seen_by("TestPaging")
class HasNoMarkerOnAShortPage(OtherPages):
    def wrong(
        self, right: Callable[..., Page[Message]], marker: str | None, limit: int
    ) -> Page[Message]:
        page = right()
        return page if len(page.items) == limit else Page(page.items, None)


@seen_by("TestPaging")
class LimitsBeforeItFilters(OtherPages):
    def wrong(
        self, right: Callable[..., Page[Message]], marker: str | None, limit: int
    ) -> Page[Message]:
        first = right(exclude_client=None, include_claimed=True)
        ids = [message.id for message in first.items]
        items = [message for message in right().items if message.id in ids]
        return Page(items, first.marker if items else None)


@seen_by("TestPaging", "TestClaims", "TestRelease")
class ListsClaimedMessages(OtherPages):
    def wrong(
        self, right: Callable[..., Page[Message]], marker: str | None, limit: int
    ) -> Page[Message]:
        return right(include_claimed=True)


@seen_by("TestPaging", "TestClaims")
class NeverListsClaimedMessages(OtherPages):
    def wrong(
        self, right: Callable[..., Page[Message]], marker: str | None, limit: int
    ) -> Page[Message]:
        return right(include_claimed=False)


@seen_by("TestPaging", "TestReopening")
class ListsThePostersOwn(OtherPages):
    def wrong(
        self, right: Callable[..., Page[Message]], marker: str | None, limit: int
    ) -> Page[Message]:
        return right(exclude_client=None)


@seen_by("TestPaging")
class SwapsMessagesOnAPage(OtherPages):
    def wrong(
        self, right: Callable[..., Page[Message]], marker: str | None, limit: int
    ) -> Page[Message]:
        page = right()
        return Page(page.items[::-1], page.marker)


@seen_by("TestPaging")
class HasAMarkerOnAnEmptyPage(OtherPages):
    def wrong(
        self, right: Callable[..., Page[Message]], marker: str | None, limit: int
    ) -> Page[Message]:
        page = right()
        return page if page.items else Page([], marker or "1")


@seen_by("TestPaging")
class ShowsEachMessageOnce(OtherPages):
    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self._shown: set[str] = set()

    def wrong(
        self, right: Callable[..., Page[Message]], marker: str | None, limit: int
    ) -> Page[Message]:
        page = right()
        items = [message for message in page.items if message.id not in self._shown]
        self._shown.update(message.id for message in items)
        return Page(items, page.marker if items else None)


@seen_by("TestIdentifiers")
class HasLettersInMarkers(OtherPages):
    def wrong(
        self, right: Callable[..., Page[Message]], marker: str | None, limit: int
    ) -> Page[Message]:
        page = right(marker=marker and marker.removeprefix("m"))
        return Page(page.items, page.marker and f"m{page.marker}")


@seen_by("TestIsolation")
class FollowsMarkersThroughAllQueues(Messages):
    def list(
        self,
        project: str | None,
        queue: str,
        *,
        marker: str | None,
        limit: int,
        exclude_client: str | None,
        include_claimed: bool,
    ) -> Page[Message]:
        with self._now() as now:
            found = [
                message
                for scope, name in self._data.queues
                if name == queue or marker
                for message in self._data.visible(scope, name, now)
                if message.position > int(marker or 0)
            ][:limit]
            last = str(found[-1].position) if found else None
            return Page([self._message(message, now) for message in found], last)
