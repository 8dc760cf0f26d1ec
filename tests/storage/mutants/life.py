"""Wrong about time, and the life of messages and claims."""

import math

from marconi_server.storage.contract import Message
from tests.storage.memory import (
    Data,
    HeldClaim,
    HeldMessage,
    Messages,
)
from tests.storage.mutants.mutant import seen_by


@seen_by("TestExpiry", "TestStats", "TestMessages", "TestPaging", "TestHousekeeping")
class ReportsExpiredMessages(Data):
    def is_visible(self, message: HeldMessage, now: float) -> bool:
        return True


@seen_by("TestExpiry")
class SweepsAMinuteLate(Data):
    def is_visible(self, message: HeldMessage, now: float) -> bool:
        return now < message.expires + 60


@seen_by("TestExpiry", "TestLengthening")
class KeepsMessagesForOneInstantMore(Data):
    def is_visible(self, message: HeldMessage, now: float) -> bool:
        return now <= message.expires


@seen_by("TestExpiry", "TestLengthening")
class KeepsWholeSeconds(Data):
    def is_visible(self, message: HeldMessage, now: float) -> bool:
        return math.floor(now) < math.floor(message.expires)


@seen_by("TestMessages", "TestClaims")
class CountsAgeInCalendarSeconds(Data):
    def age(self, since: float, now: float) -> int:
        return math.floor(now) - math.floor(since)


@seen_by("TestMessages", "TestStats")
class RoundsAgeUp(Data):
    def age(self, since: float, now: float) -> int:
        return math.ceil(now - since)


@seen_by("TestLengthening")
class NeverLengthens(Data):
    def lengthen(self, message: HeldMessage, now: float, life: int) -> None:
        pass


@seen_by("TestLengthening")
class LengthensByComparingTtls(Data):
    def lengthen(self, message: HeldMessage, now: float, life: int) -> None:
        if message.ttl < life:
            super().lengthen(message, now, life)


@seen_by("TestLengthening")
class LowersTheReportedTtl(Data):
    def lengthen(self, message: HeldMessage, now: float, life: int) -> None:
        if message.expires < now + life:
            message.expires, message.ttl = now + life, life


@seen_by("TestLengthening")
class KeepsTheReportedTtl(Data):
    def lengthen(self, message: HeldMessage, now: float, life: int) -> None:
        message.expires = max(message.expires, now + life)


@seen_by("TestLengthening")
class ShortensLife(Data):
    def lengthen(self, message: HeldMessage, now: float, life: int) -> None:
        super().lengthen(message, now, life)
        message.expires = now + life


@seen_by("TestLengthening")
class CapsTheLengthenedLife(Data):
    def lengthen(self, message: HeldMessage, now: float, life: int) -> None:
        super().lengthen(message, now, life)
        message.expires = min(message.expires, message.created + 1_209_600)


@seen_by("TestLengthening", "TestStats")
class RestartsAge(Data):
    def lengthen(self, message: HeldMessage, now: float, life: int) -> None:
        super().lengthen(message, now, life)
        message.created = now


@seen_by("TestClaims", "TestRenewal", "TestStats", "TestDeletion", "TestHousekeeping")
class NeverEndsClaims(Data):
    def is_live(self, claim: HeldClaim, now: float) -> bool:
        return True


@seen_by("TestClaims", "TestRenewal", "TestStats")
class EndsClaimsOneInstantLate(Data):
    def is_live(self, claim: HeldClaim, now: float) -> bool:
        return now <= claim.started + claim.ttl


@seen_by("TestClaims", "TestRenewal")
class EndsClaimsEarly(Data):
    def is_live(self, claim: HeldClaim, now: float) -> bool:
        return now < math.floor(claim.started) + claim.ttl


@seen_by("TestExpiry", "TestLengthening")
class ReportsTheLifeThatIsLeft(Messages):
    def _message(self, message: HeldMessage, now: float) -> Message:
        right = super()._message(message, now)
        return Message(right.id, math.ceil(message.expires - now), right.age, right.body)
