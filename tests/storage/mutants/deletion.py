"""Wrong about deleting."""

from collections.abc import Sequence

from marconi_server.storage.errors import MessageClaimed
from tests.storage.memory import (
    HeldMessage,
    Messages,
)
from tests.storage.mutants.mutant import seen_by


@seen_by("TestDeletion", "TestSeveralStores", "TestConcurrentClaims")
class ForgetsTheClaimOnDeletion(Messages):
    def _check_claim(self, message: HeldMessage, claim_id: str | None, now: float) -> None:
        pass


@seen_by("TestDeletion")
class DeletesWithAnyClaim(Messages):
    def _check_claim(self, message: HeldMessage, claim_id: str | None, now: float) -> None:
        if claim_id is None:
            super()._check_claim(message, claim_id, now)


@seen_by("TestDeletion", "TestHousekeeping")
class DeletesWithAnEndedClaim(Messages):
    def _check_claim(self, message: HeldMessage, claim_id: str | None, now: float) -> None:
        if not (message.claim and message.claim.id == claim_id):
            super()._check_claim(message, claim_id, now)


@seen_by("TestDeletion", "TestHousekeeping")
class DeletesFreeMessagesWithAnyClaim(Messages):
    def _check_claim(self, message: HeldMessage, claim_id: str | None, now: float) -> None:
        if self._data.is_claimed(message, now):
            super()._check_claim(message, claim_id, now)


@seen_by("TestDeletion")
class WantsAnEndedClaim(Messages):
    def _check_claim(self, message: HeldMessage, claim_id: str | None, now: float) -> None:
        if claim_id != (message.claim.id if message.claim else None):
            raise MessageClaimed(message_id=message.id, claim_id=claim_id)


class _OtherDeletion(Messages):
    """Base of wrong deletions."""

    def delete(
        self, project: str | None, queue: str, message_id: str, claim_id: str | None
    ) -> None:
        self.wrong(project, queue, message_id, claim_id)

    def wrong(self, project: str | None, queue: str, message_id: str, claim_id: str | None) -> None:
        raise NotImplementedError

    right = Messages.delete


@seen_by("TestDeletion")
class IgnoresAMalformedClaim(_OtherDeletion):
    def wrong(self, project: str | None, queue: str, message_id: str, claim_id: str | None) -> None:
        malformed = claim_id is None or not claim_id.startswith("c")
        self.right(project, queue, message_id, None if malformed else claim_id)


@seen_by("TestDeletion")
class DeletesInSpiteOfAMalformedClaim(_OtherDeletion):
    def wrong(self, project: str | None, queue: str, message_id: str, claim_id: str | None) -> None:
        if claim_id is None or claim_id.startswith("c"):
            self.right(project, queue, message_id, claim_id)
        else:
            self.delete_many(project, queue, [message_id])


@seen_by("TestDeletion", "TestStats", "TestExpiry", "TestQueues")
class WantsSomethingToDelete(_OtherDeletion):
    def wrong(self, project: str | None, queue: str, message_id: str, claim_id: str | None) -> None:
        self.get(project, queue, message_id)
        self.right(project, queue, message_id, claim_id)


@seen_by("TestDeletion", "TestReopening")
class DeletesTheWholeClaim(_OtherDeletion):
    def wrong(self, project: str | None, queue: str, message_id: str, claim_id: str | None) -> None:
        with self._now() as now:
            of_claim = [
                message.id
                for message in self._data.visible(project, queue, now)
                if claim_id and message.claim and message.claim.id == claim_id
            ]
            self.right(project, queue, message_id, claim_id)
            self.delete_many(project, queue, of_claim)


@seen_by("TestDeletion", "TestStats")
class SparesClaimedMessages(Messages):
    def delete_many(self, project: str | None, queue: str, message_ids: Sequence[str]) -> None:
        with self._now() as now:
            claimed = {
                message.id
                for message in self._data.visible(project, queue, now)
                if self._data.is_claimed(message, now)
            }
            super().delete_many(project, queue, [i for i in message_ids if i not in claimed])


@seen_by("TestDeletion", "TestSeveralStores")
class DeletesOnlyTheFirst(Messages):
    def delete_many(self, project: str | None, queue: str, message_ids: Sequence[str]) -> None:
        super().delete_many(project, queue, message_ids[:1])


@seen_by("TestDeletion")
class DeletesNoMoreThanAPage(Messages):
    def delete_many(self, project: str | None, queue: str, message_ids: Sequence[str]) -> None:
        super().delete_many(project, queue, message_ids[:999])
