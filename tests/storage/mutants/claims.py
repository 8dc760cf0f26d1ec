"""Wrong about claims."""

import time
from collections.abc import Sequence

from marconi_server.storage.contract import Claim
from marconi_server.storage.errors import ClaimNotFound
from tests.storage.memory import (
    Claims,
    HeldClaim,
    HeldMessage,
)
from tests.storage.mutants.mutant import YIELD, seen_by


class _OtherChoice(Claims):
    """Base of claims that choose wrong messages."""

    def create(
        self, project: str | None, queue: str, *, ttl: int, grace: int, limit: int
    ) -> Claim | None:
        with self._now() as now:
            chosen = self.choose(self._data.visible(project, queue, now), now, limit)
            if not chosen:
                return None
            claim = HeldClaim(f"c{self._data.next_number()}", ttl, now)
            for message in chosen:
                message.claim = claim
                self._data.lengthen(message, now, self.life(ttl, grace))
            return self._claim(claim, chosen, now)

    def life(self, ttl: int, grace: int) -> int:
        return ttl + grace

    def choose(self, visible: Sequence[HeldMessage], now: float, limit: int) -> list[HeldMessage]:
        return [message for message in visible if not self._data.is_claimed(message, now)][:limit]


@seen_by("TestClaims", "TestConcurrentClaims", "TestSeveralStores", "TestRelease", "TestFaults")
class ClaimsTwice(_OtherChoice):
    def choose(self, visible: Sequence[HeldMessage], now: float, limit: int) -> list[HeldMessage]:
        right = super().choose(visible, now, limit)
        claimed = [message for message in visible if self._data.is_claimed(message, now)]
        return claimed[:1] + right[: limit - 1] if claimed and right else right


@seen_by("TestClaims")
class ClaimsTheNewest(_OtherChoice):
    def choose(self, visible: Sequence[HeldMessage], now: float, limit: int) -> list[HeldMessage]:
        return super().choose(visible, now, len(visible))[-limit:]


@seen_by("TestClaims")
class ClaimsOneTooMany(_OtherChoice):
    def choose(self, visible: Sequence[HeldMessage], now: float, limit: int) -> list[HeldMessage]:
        return super().choose(visible, now, limit + 1)


@seen_by("TestClaims")
class ClaimsAtMostTwenty(_OtherChoice):
    def choose(self, visible: Sequence[HeldMessage], now: float, limit: int) -> list[HeldMessage]:
        return super().choose(visible, now, min(limit, 20))


@seen_by("TestClaims", "TestHousekeeping")
class ClaimsOnlyWhatWasNeverClaimed(_OtherChoice):
    def choose(self, visible: Sequence[HeldMessage], now: float, limit: int) -> list[HeldMessage]:
        return [message for message in visible if message.claim is None][:limit]


@seen_by("TestLengthening")
class ForgetsGrace(_OtherChoice):
    def life(self, ttl: int, grace: int) -> int:
        return ttl


@seen_by("TestClaims", "TestExpiry", "TestQueues")
class ClaimsNothing(Claims):
    def create(
        self, project: str | None, queue: str, *, ttl: int, grace: int, limit: int
    ) -> Claim | None:
        claim = super().create(project, queue, ttl=ttl, grace=grace, limit=limit)
        return claim or Claim("c1", ttl, 0, [])


@seen_by("TestConcurrentClaims", "TestSeveralStores")
class ClaimsWithoutALock(Claims):
    def create(
        self, project: str | None, queue: str, *, ttl: int, grace: int, limit: int
    ) -> Claim | None:
        now = self._store.check()
        free = [
            message
            for message in self._data.visible(project, queue, now)
            if not self._data.is_claimed(message, now)
        ][:limit]
        time.sleep(YIELD)
        if not free:
            return None
        claim = HeldClaim(f"c{self._data.next_number()}", ttl, now)
        for message in free:
            message.claim = claim
        return self._claim(claim, free, now)


@seen_by("TestClaims", "TestDeletion", "TestConcurrentClaims")
class ReturnsEmptyClaims(Claims):
    def get(self, project: str | None, queue: str, claim_id: str) -> Claim:
        try:
            return super().get(project, queue, claim_id)
        except ClaimNotFound:
            return Claim(claim_id, 60, 0, [])


@seen_by("TestDeletion", "TestClaims", "TestRenewal")
class RenewsAnything(Claims):
    def renew(
        self, project: str | None, queue: str, claim_id: str, *, ttl: int, grace: int
    ) -> None:
        try:
            super().renew(project, queue, claim_id, ttl=ttl, grace=grace)
        except ClaimNotFound:
            return


@seen_by("TestRenewal", "TestClaims")
class RevivesEndedClaims(Claims):
    def renew(
        self, project: str | None, queue: str, claim_id: str, *, ttl: int, grace: int
    ) -> None:
        with self._now() as now:
            for message in self._data.visible(project, queue, now):
                if message.claim and message.claim.id == claim_id:
                    message.claim.started = now
            super().renew(project, queue, claim_id, ttl=ttl, grace=grace)


@seen_by("TestRenewal")
class RenewsWithoutStartingAgain(Claims):
    def renew(
        self, project: str | None, queue: str, claim_id: str, *, ttl: int, grace: int
    ) -> None:
        with self._now() as now:
            started = self._find(project, queue, claim_id, now)[0].started
            super().renew(project, queue, claim_id, ttl=ttl, grace=grace)
            self._find(project, queue, claim_id, now)[0].started = started


@seen_by("TestRenewal")
class NeverShortensClaims(Claims):
    def renew(
        self, project: str | None, queue: str, claim_id: str, *, ttl: int, grace: int
    ) -> None:
        longest = max(ttl, self.get(project, queue, claim_id).ttl)
        super().renew(project, queue, claim_id, ttl=longest, grace=grace)


@seen_by("TestLengthening")
class RenewsWithoutGrace(Claims):
    def renew(
        self, project: str | None, queue: str, claim_id: str, *, ttl: int, grace: int
    ) -> None:
        super().renew(project, queue, claim_id, ttl=ttl, grace=0)


@seen_by("TestLengthening")
class RenewsOnlyTheFirstMessage(Claims):
    def renew(
        self, project: str | None, queue: str, claim_id: str, *, ttl: int, grace: int
    ) -> None:
        with self._now() as now:
            claim, messages = self._find(project, queue, claim_id, now)
            claim.started, claim.ttl = now, ttl
            for message in messages[1:]:
                self._data.lengthen(message, now, ttl + grace)


@seen_by("TestClaims")
class ReleasesAllClaims(Claims):
    def release(self, project: str | None, queue: str, claim_id: str) -> None:
        with self._now() as now:
            for message in self._data.visible(project, queue, now):
                message.claim = None


@seen_by("TestRelease")
class ReleasesToTheEnd(Claims):
    def release(self, project: str | None, queue: str, claim_id: str) -> None:
        with self._now() as now:
            for message in self._data.visible(project, queue, now):
                if message.claim and message.claim.id == claim_id:
                    message.claim = None
                    messages = self._queue(project, queue).messages
                    messages.remove(message)
                    messages.append(message)


@seen_by("TestLengthening")
class TakesBackTheLengthenedLife(Claims):
    def release(self, project: str | None, queue: str, claim_id: str) -> None:
        with self._now() as now:
            for message in self._data.visible(project, queue, now):
                if message.claim and message.claim.id == claim_id:
                    message.expires = min(message.expires, now + 60)
            super().release(project, queue, claim_id)


@seen_by("TestRelease", "TestStats", "TestFaults")
class NeverReleases(Claims):
    def release(self, project: str | None, queue: str, claim_id: str) -> None:
        self._store.check()


@seen_by("TestClaims")
class ClaimsOfOnePoster(_OtherChoice):
    def choose(self, visible: Sequence[HeldMessage], now: float, limit: int) -> list[HeldMessage]:
        right = super().choose(visible, now, limit)
        return [message for message in right if message.client_id == right[0].client_id]


@seen_by("TestClaims")
class TakesTheAgeOfTheMessage(Claims):
    def _claim(self, claim: HeldClaim, messages: list[HeldMessage], now: float) -> Claim:
        right = super()._claim(claim, messages, now)
        return Claim(right.id, right.ttl, right.messages[0].age, right.messages)


@seen_by("TestRenewal", "TestDeletion")
class RenewsUnderANewId(Claims):
    def renew(
        self, project: str | None, queue: str, claim_id: str, *, ttl: int, grace: int
    ) -> None:
        with self._now() as now:
            super().renew(project, queue, claim_id, ttl=ttl, grace=grace)
            claim, _ = self._find(project, queue, claim_id, now)
            claim.id = f"c{self._data.next_number()}"


@seen_by("TestRenewal")
class RenewsOneMessageOnly(Claims):
    def renew(
        self, project: str | None, queue: str, claim_id: str, *, ttl: int, grace: int
    ) -> None:
        with self._now() as now:
            super().renew(project, queue, claim_id, ttl=ttl, grace=grace)
            for message in self._find(project, queue, claim_id, now)[1][1:]:
                message.claim = None


@seen_by("TestIdentifiers")
class FailsOnBadClaimIds(Claims):
    def get(self, project: str | None, queue: str, claim_id: str) -> Claim:
        return super().get(project, queue, f"c{int(claim_id.removeprefix('c'))}")


@seen_by("TestIdentifiers")
class TakesMessageIdsForClaims(Claims):
    def get(self, project: str | None, queue: str, claim_id: str) -> Claim:
        with self._now() as now:
            for message in self._data.visible(project, queue, now):
                if message.id == claim_id and message.claim:
                    return super().get(project, queue, message.claim.id)
            return super().get(project, queue, claim_id)
