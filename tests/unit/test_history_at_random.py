"""The checks of the live tier against a small model of a server, with chance in every time.

The model does each request at one moment between its start and its end; answers get lost on
either side of that moment. A sound model must never be accused, whatever the clients could not
know; each defect that is planted in it has to be found.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from tests.live.checks import check
from tests.live.history import (
    Claim,
    Deletion,
    History,
    Outcome,
    Page,
    Post,
    Record,
    Release,
    Renewal,
    Seen,
)

SEEDS = range(60)
STEPS = 150
CLAIM_TTLS = (60, 120)
STEP_SECONDS = 2.0
"""A story of 150 steps lasts five claims, so that claims expire in it."""

Effect = Callable[[], tuple[type[Record], dict[str, Any]]]


@dataclass
class Stored:
    id: str
    body: str
    position: int
    claim: str = ""
    hidden_until: float = 0.0


class Model:
    """A server's queue in memory, as the storage contract describes it."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.now = 0.0
        self.messages: list[Stored] = []
        self.claims: dict[str, float] = {}
        self.numbers = count(1)

    def live(self, claim: str) -> bool:
        return self.now < self.claims.get(claim, 0.0)

    def free(self) -> list[Stored]:
        return [one for one in self.messages if not self.live(one.claim)]

    def post(self, bodies: tuple[str, ...]) -> list[str]:
        new = [Stored(f"m{n}", body, n) for body in bodies if (n := next(self.numbers))]
        self.messages += new
        return [one.id for one in new]

    def claim(self, ttl: int, limit: int) -> tuple[str, list[Stored]]:
        taken = self.free()[:limit]
        if not taken:
            return "", []
        claim = f"k{next(self.numbers)}"
        self.claims[claim] = self.now + ttl
        for one in taken:
            one.claim = claim
        return claim, taken

    def holds(self, claim: str) -> bool:
        return self.live(claim) and any(one.claim == claim for one in self.messages)

    def renew(self, claim: str, ttl: int) -> bool:
        if not self.holds(claim):
            return False
        self.claims[claim] = self.now + ttl
        return True

    def release(self, claim: str) -> None:
        self.claims.pop(claim, None)

    def delete(self, id: str, claim: str) -> bool:
        found = next((one for one in self.messages if one.id == id), None)
        if found is None:
            return True
        if found.claim != claim or not self.live(claim):
            return False
        self.messages.remove(found)
        return True

    def delete_many(self, ids: tuple[str, ...]) -> None:
        self.messages = [one for one in self.messages if one.id not in ids]

    def read(self, marker: int, limit: int) -> list[Stored]:
        return [one for one in self.messages if one.position > marker][:limit]


@dataclass
class World:
    """Clients that take turns at random, each with one request at a time."""

    model: Model
    chance: random.Random
    lossy: bool
    records: list[Record] = field(default_factory=list)
    busy_until: dict[str, float] = field(default_factory=dict)
    markers: dict[str, int] = field(default_factory=dict)
    in_hand: dict[str, list[tuple[str, int, list[Seen]]]] = field(default_factory=dict)
    bodies: Any = field(default_factory=lambda: count(1))

    def run(self) -> History:
        for step in range(STEPS):
            self.model.now = (step + 1) * STEP_SECONDS
            self.let_one_act()
        self.lossy = False
        found: tuple[Seen, ...] | None = None
        while found != ():
            self.model.now += 100 * STEP_SECONDS
            page = self.turn("drain", lambda: self.page("drain"))
            assert isinstance(page, Page)
            found = page.messages
        return History(self.records, "drain")

    def let_one_act(self) -> None:
        names = [f"{role}{n}" for role in ("producer", "claimer", "reader") for n in (1, 2, 3)]
        idle = [name for name in names if self.busy_until.get(name, 0.0) < self.model.now]
        if idle:
            name = self.chance.choice(idle)
            acts = {"producer": self.produce, "claimer": self.work, "reader": self.page}
            act = acts[name.rstrip("123")]
            self.turn(name, lambda: act(name))

    def turn(self, name: str, act: Effect) -> Record:
        """Let a client do its request now, with a start before it and an end behind it."""
        now, earliest = self.model.now, self.busy_until.get(name, 0.0)
        start = self.chance.uniform(max(earliest, now - 8), now)
        end = now + self.chance.choice((0.01, 1.0, 8.0))
        fate = self.chance.random() if self.lossy else 1.0
        outcome = Outcome.ACKNOWLEDGED
        if fate < 0.10:
            outcome = Outcome.UNKNOWN
            if fate < 0.03:
                end = self.chance.uniform(start, now)  # the client gave up before it was done
        before = {key: list(value) for key, value in self.in_hand.items()}
        marker = self.markers.get(name, 0)
        kind, found = act()
        if found.pop("refused", False):
            outcome = Outcome.REFUSED if outcome is Outcome.ACKNOWLEDGED else outcome
        if outcome is Outcome.UNKNOWN:
            for answer in ("ids", "messages"):
                if kind is not Deletion:
                    found.pop(answer, None)
            if kind is Claim:
                found.pop("claim_id")
                self.in_hand = before
            self.markers[name] = marker
        self.busy_until[name] = end
        record = kind(client=name, queue="q", start=start, end=end, outcome=outcome, **found)
        self.records.append(record)
        return record

    def produce(self, name: str) -> tuple[type[Record], dict[str, Any]]:
        bodies = tuple(f"b{next(self.bodies)}" for _ in range(self.chance.choice((1, 1, 3))))
        return Post, {"bodies": bodies, "ids": tuple(self.model.post(bodies))}

    def page(self, name: str) -> tuple[type[Record], dict[str, Any]]:
        found = self.model.read(self.markers.get(name, 0), limit=3)
        if found:
            self.markers[name] = found[-1].position
        return Page, {"limit": 3, "messages": shown(found)}

    def work(self, name: str) -> tuple[type[Record], dict[str, Any]]:
        """Claim, or go on with the claim in hand: renew, delete, release or forget it."""
        hand = self.in_hand.setdefault(name, [])
        if not hand:
            ttl = self.chance.choice(CLAIM_TTLS)
            claim, taken = self.model.claim(ttl, limit=4)
            if claim:
                hand.append((claim, ttl, list(shown(taken))))
            return Claim, {"ttl": ttl, "claim_id": claim, "messages": shown(taken)}
        claim, ttl, left = hand[0]
        deed = self.chance.choice(("renew", "delete", "delete", "delete", "bulk", "release"))
        if deed == "renew":
            return Renewal, {
                "claim_id": claim,
                "ttl": ttl,
                "refused": not self.model.renew(claim, ttl),
            }
        if deed == "delete":
            seen = left.pop(0)
            if not left:
                hand.pop()
            refused = not self.model.delete(seen.id, claim)
            return Deletion, {"ids": (seen.id,), "claim_id": claim, "refused": refused}
        hand.pop()
        if deed == "bulk":
            ids = tuple(seen.id for seen in left)
            self.model.delete_many(ids)
            return Deletion, {"ids": ids}
        self.model.release(claim)
        return Release, {"claim_id": claim}


def shown(messages: list[Stored]) -> tuple[Seen, ...]:
    return tuple(Seen(one.id, one.body) for one in messages)


def history(model: type[Model], seed: int, *, lossy: bool) -> History:
    chance = random.Random(seed)
    return World(model(chance), chance, lossy).run()


@pytest.mark.parametrize("lossy", [False, True])
def test_a_sound_server_is_never_accused(lossy: bool) -> None:
    for seed in SEEDS:
        assert check(history(Model, seed, lossy=lossy)) == [], f"seed {seed}"


class LosesMessages(Model):
    def post(self, bodies: tuple[str, ...]) -> list[str]:
        ids = super().post(bodies)
        if self.chance.random() < 0.1:
            self.messages.pop()
        return ids


class AltersBodies(Model):
    def post(self, bodies: tuple[str, ...]) -> list[str]:
        ids = super().post(bodies)
        if self.chance.random() < 0.1:
            self.messages[-1].body += " "
        return ids


class ClaimsTwice(Model):
    def free(self) -> list[Stored]:
        return self.messages if self.chance.random() < 0.1 else super().free()


class ForgetsClaims(Model):
    def claim(self, ttl: int, limit: int) -> tuple[str, list[Stored]]:
        claim, taken = super().claim(ttl, limit)
        if claim and self.chance.random() < 0.1:
            del self.claims[claim]
        return claim, taken


class DeletesLate(Model):
    """Says that a message is deleted, and forgets about it."""

    def delete(self, id: str, claim: str) -> bool:
        return self.chance.random() < 0.1 or super().delete(id, claim)


class ClaimsNewestFirst(Model):
    def free(self) -> list[Stored]:
        free = super().free()
        return free[1:] + free[:1] if self.chance.random() < 0.1 else free


class ListsInAnyOrder(Model):
    def read(self, marker: int, limit: int) -> list[Stored]:
        found = super().read(marker, limit)
        if self.chance.random() < 0.1:
            found.reverse()
        return found


class Insertion(Model):
    """Takes a position first and puts the message there when it likes."""

    def post(self, bodies: tuple[str, ...]) -> list[str]:
        ids = super().post(bodies)
        if self.chance.random() < 0.3:
            for one in self.messages[-len(bodies) :]:
                one.hidden_until = self.now + 3 * STEP_SECONDS
        return ids

    def free(self) -> list[Stored]:
        return [one for one in super().free() if one.hidden_until < self.now]

    def read(self, marker: int, limit: int) -> list[Stored]:
        found = [one for one in super().read(marker, 10**6) if one.hidden_until < self.now]
        return found[:limit]


class SplitsBatches(Insertion):
    """Shows a batch one by one."""

    def post(self, bodies: tuple[str, ...]) -> list[str]:
        ids = Model.post(self, bodies)
        for place, one in enumerate(self.messages[-len(bodies) :]):
            one.hidden_until = self.now + place * STEP_SECONDS
        return ids


class MixesBatches(Model):
    """Puts a message in front of the last of the batch before."""

    def post(self, bodies: tuple[str, ...]) -> list[str]:
        ids = super().post(bodies)
        if len(self.messages) > 1 and self.chance.random() < 0.3:
            last, first = self.messages[-2:]
            last.position, first.position = first.position, last.position
            self.messages[-2:] = first, last
        return ids


@pytest.mark.parametrize(
    ("model", "promise"),
    [
        (LosesMessages, "P1"),
        (AltersBodies, "P2"),
        (ClaimsTwice, "P4"),
        (ForgetsClaims, "P4"),
        (DeletesLate, "P5"),
        (ClaimsNewestFirst, "P6"),
        (ListsInAnyOrder, "P6"),
        (Insertion, "P7"),
        (SplitsBatches, "P8"),
        (MixesBatches, "P8"),
    ],
)
@pytest.mark.parametrize("lossy", [False, True])
def test_a_defect_is_found(model: type[Model], promise: str, lossy: bool) -> None:
    accused = {
        violation.promise
        for seed in SEEDS
        for violation in check(history(model, seed, lossy=lossy))
    }
    assert promise in accused
