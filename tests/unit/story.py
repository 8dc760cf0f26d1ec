"""Histories made by hand, for tests of the checks of the live tier."""

from dataclasses import dataclass, field
from typing import Any

from tests.live.checks import check
from tests.live.history import (
    Claim,
    Deletion,
    History,
    Outcome,
    Page,
    Post,
    Release,
    Renewal,
    Seen,
)

ACKNOWLEDGED, REFUSED, FAILED, UNKNOWN = Outcome


def seen(*bodies: str) -> tuple[Seen, ...]:
    return tuple(Seen(f"id-{body}", body) for body in bodies)


@dataclass
class Story:
    """A history made by hand: a step takes a second, a second after the one before.

    `at` gives the start and the end of a step that overlaps with others. The message with body
    x has the id "id-x". The story ends with a drain that finds the bodies `left`.
    """

    records: list[Any] = field(default_factory=list)
    now: float = 0.0

    def common(
        self,
        client: str,
        outcome: Outcome = ACKNOWLEDGED,
        at: tuple[float, float] | None = None,
        queue: str = "q",
    ) -> dict[str, Any]:
        start, end = at or (self.now + 1, self.now + 2)
        self.now = max(self.now, end)
        return {"client": client, "queue": queue, "start": start, "end": end, "outcome": outcome}

    def post(self, *bodies: str, **common: Any) -> None:
        values = self.common("producer", **common)
        given = ids(*bodies) if values["outcome"] is ACKNOWLEDGED else ()
        self.records.append(Post(bodies=bodies, ids=given, **values))

    def claim(self, claim_id: str, *bodies: str, ttl: int = 60, **common: Any) -> None:
        self.records.append(
            Claim(
                claim_id=claim_id,
                ttl=ttl,
                messages=seen(*bodies),
                **self.common("claimer", **common),
            )
        )

    def claim_nothing(self, **common: Any) -> None:
        self.records.append(Claim(ttl=60, **self.common("claimer", **common)))

    def lose_claim(self) -> None:
        """Make a claim whose answer does not come back."""
        self.claim_nothing(outcome=UNKNOWN)

    def renew(self, claim_id: str, ttl: int = 60, **common: Any) -> None:
        self.records.append(Renewal(claim_id=claim_id, ttl=ttl, **self.common("claimer", **common)))

    def release(self, claim_id: str, **common: Any) -> None:
        self.records.append(Release(claim_id=claim_id, **self.common("claimer", **common)))

    def delete(self, *bodies: str, claim_id: str = "", **common: Any) -> None:
        self.records.append(
            Deletion(ids=ids(*bodies), claim_id=claim_id, **self.common("claimer", **common))
        )

    def read(self, *bodies: str, **page: Any) -> None:
        self.show(*seen(*bodies), **page)

    def show(self, *messages: Seen, reader: str = "reader", limit: int = 3, **common: Any) -> None:
        self.records.append(Page(messages=messages, limit=limit, **self.common(reader, **common)))

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def broken(self, *left: str) -> set[str]:
        """End the story and tell which promises were broken in it."""
        self.read(*left, reader="drain", limit=len(left) + 1)
        return {one.promise for one in check(History(self.records, "drain"))}


def ids(*bodies: str) -> tuple[str, ...]:
    return tuple(f"id-{body}" for body in bodies)
