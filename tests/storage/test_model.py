"""SQLite gives the same answers as the model in memory, whatever is asked and when."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from marconi_server.storage.conformance import Harness, ManualClock
from marconi_server.storage.contract import NewMessage, Page, Store
from marconi_server.storage.errors import StorageError
from tests.storage.conftest import SQLiteHarness
from tests.storage.memory import MemoryHarness
from tests.storage.mutants import Mutant, claims, deletion, life, paging, queues, scopes

Scope = tuple[str | None, str]
Named = tuple[Scope, str]
"""A message, claim or marker: the queue where it was made, and its shared name."""

SCOPES: Sequence[Scope] = [("p", "a"), ("p", "b"), (None, "a")]

CLAIM_TTLS = [60, 61, 120]


@dataclass
class Side:
    """One of the two stores, and its own ids and markers for the names that both sides share."""

    harness: Harness
    store: Store
    own: dict[str, str] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)

    def name(self, kind: str, identifier: str) -> str:
        """Give a new id the next shared name, and return it."""
        name = f"{kind} {len(self.shared)}"
        self.shared[identifier] = name
        self.own[name] = identifier
        return name

    def id(self, name: str) -> str:
        """Return the id of a shared name; what is no name stands for itself."""
        return self.own.get(name, name)

    def ids(self, named: Sequence[Named]) -> list[str]:
        """Return the ids of several, whatever their queues."""
        return [self.id(name) for _, name in named]


class DriverAgainstModel(RuleBasedStateMachine):
    """Does everything twice.

    What is done in a step comes from a random generator of its own, not from rules: hypothesis
    draws rules so unevenly that few claims come into being, and most of what can go wrong with
    them is never tried. It still leaves out steps until a failure is short.
    """

    def make_harness(self, folder: Path) -> Harness:
        return SQLiteHarness(folder)

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.ends: set[float] = set()
        self.messages: list[Named] = [(SCOPES[0], "unknown")]
        self.claims: list[Named] = [(SCOPES[0], "malformed!")]
        self.markers: list[Named] = []
        self.folder = TemporaryDirectory()
        harnesses = [self.make_harness(Path(self.folder.name)), MemoryHarness()]
        self.sides = [Side(harness, harness.open(self.clock)) for harness in harnesses]

    @initialize()
    def create_queues(self) -> None:
        for scope in SCOPES:
            self.create(scope)

    def teardown(self) -> None:
        for side in self.sides:
            side.store.close()
        self.folder.cleanup()

    def both(self, operation: Callable[[Side], Any]) -> Any:
        """Run the operation on both sides, compare, and return what both answered."""
        answer, expected = (self._answer(side, operation) for side in self.sides)
        assert answer == expected
        return answer

    def _answer(self, side: Side, operation: Callable[[Side], Any]) -> Any:
        try:
            answer = operation(side)
        except StorageError as error:
            return type(error).__name__
        return _named(side, msgspec.to_builtins(answer, builtin_types=(bytes,)))

    @rule(random=st.randoms(use_true_random=True))
    def step(self, random: Random) -> None:
        (operation,) = random.choices(list(self.WEIGHTS), list(self.WEIGHTS.values()))
        note(operation.__name__)
        operation(self, random)

    # Queues.

    def create(self, scope: Scope) -> None:
        self.both(lambda side: side.store.queues.create(*scope))

    def drop(self, random: Random) -> None:
        scope = _scope(random)
        self.both(lambda side: side.store.queues.delete(*scope))
        self.both(lambda side: side.store.messages.post(*scope, "one", [NewMessage(60, b"1")]))
        self.create(scope)

    def set_metadata(self, random: Random) -> None:
        scope, document = _scope(random), random.choice([b"{}", b'{ "a":1}'])
        self.both(lambda side: side.store.queues.set_metadata(*scope, document))

    def list_queues(self, random: Random) -> None:
        marker, limit = random.choice([None, "", "a", "b", "aa"]), random.randint(1, 3)
        detailed = random.choice([True, False])
        self.both(
            lambda side: side.store.queues.list("p", marker=marker, limit=limit, detailed=detailed)
        )

    # Messages.

    def post(self, random: Random) -> None:
        scope, client = _scope(random), random.choice(["one", "two"])
        ttls = random.choices([60, 90, 150, 600, 6000], k=random.randint(1, 4))
        batch = [NewMessage(ttl, b"%d" % n) for n, ttl in enumerate(ttls)]
        answer = self.both(
            lambda side: [
                side.name("message", identifier)
                for identifier in side.store.messages.post(*scope, client, batch)
            ]
        )
        self.messages += [(scope, name) for name in answer]
        self.ends.update(self.clock() + ttl for ttl in ttls)

    def page(self, random: Random) -> None:
        start: Sequence[tuple[Scope, str | None]] = [(_scope(random), None), *self.markers[-4:]]
        scope, marker = random.choice(start)
        limit, exclude = random.randint(1, 3), random.choice([None, None, "one", "two"])
        include_claimed = random.choice([True, False])

        def page(side: Side) -> object:
            page = side.store.messages.list(
                *scope,
                marker=marker and side.id(marker),
                limit=limit,
                exclude_client=exclude,
                include_claimed=include_claimed,
            )
            if page.marker is None:
                return page
            # A marker may look like one of another queue: it is named after its message.
            name = f"{scope} behind {side.shared[page.items[-1].id]}"
            side.own[name] = page.marker
            return Page(page.items, name)

        for _ in range(3):
            marker = self.both(page)["marker"]
            if marker is None:
                break
            self.markers.append((scope, marker))

    def read(self, random: Random) -> None:
        scope = _scope(random)
        named = random.choices(self.messages[-12:], k=random.randint(1, 5))
        self.both(lambda side: side.store.messages.get_many(*scope, side.ids(named)))
        home, name = named[0]
        self.both(lambda side: side.store.messages.get(*home, side.id(name)))
        self.both(lambda side: side.store.messages.get(*scope, side.id(name)))

    def delete(self, random: Random) -> None:
        scope, name = random.choice(self.messages[-12:])
        _, claim = random.choice([(scope, None), *self.claims[-4:]])
        self.delete_one(scope, name, claim)

    def delete_one(self, scope: Scope, name: str, claim: str | None) -> None:
        self.both(
            lambda side: side.store.messages.delete(
                *scope, side.id(name), None if claim is None else side.id(claim)
            )
        )

    def delete_many(self, random: Random) -> None:
        scope, named = _scope(random), random.choices(self.messages[-12:], k=random.randint(0, 2))
        self.both(lambda side: side.store.messages.delete_many(*scope, side.ids(named)))

    # Claims.

    def claim(self, random: Random) -> None:
        scope, limit = _scope(random), random.randint(1, 3)
        ttl, grace = random.choice(CLAIM_TTLS), random.choice([60, 100])

        def claim(side: Side) -> object:
            claim = side.store.claims.create(*scope, ttl=ttl, grace=grace, limit=limit)
            if claim:
                side.name("claim", claim.id)
            return claim

        if answer := self.both(claim):
            self.claims.append((scope, answer["id"]))
            self.ends.update((self.clock() + ttl, self.clock() + ttl + grace))

    def read_claim(self, random: Random) -> None:
        scope, name = random.choice(self.claims[-2:])
        self.both(lambda side: side.store.claims.get(*scope, side.id(name)))

    def delete_claimed(self, random: Random) -> None:
        scope, name = random.choice(self.claims[-2:])
        answer = self.both(lambda side: side.store.claims.get(*scope, side.id(name)))
        if answer != "ClaimNotFound":
            message = random.choice(answer["messages"])["id"]
            self.delete_one(scope, message, None)
            self.delete_one(scope, message, random.choice(self.claims)[1])
            self.delete_one(scope, message, name)

    def renew(self, random: Random) -> None:
        scope, name = random.choice(self.claims[-2:])
        ttl, grace = random.choice(CLAIM_TTLS), random.choice([0, 60, 180])
        self.both(lambda side: side.store.claims.renew(*scope, side.id(name), ttl=ttl, grace=grace))
        self.ends.update((self.clock() + ttl, self.clock() + ttl + grace))

    def release(self, random: Random) -> None:
        scope, name = random.choice(self.claims[-2:])
        self.both(lambda side: side.store.claims.release(*scope, side.id(name)))

    def use_claim_elsewhere(self, random: Random) -> None:
        home, name = random.choice(self.claims[-2:])
        scope = random.choice([scope for scope in SCOPES if scope != home])
        self.both(lambda side: side.store.claims.get(*scope, side.id(name)))
        self.both(lambda side: side.store.claims.renew(*scope, side.id(name), ttl=60, grace=60))
        self.both(lambda side: side.store.claims.release(*scope, side.id(name)))

    # Time, removal, closing.

    def advance(self, random: Random) -> None:
        """Go to an instant at which a life may end, or to one before or just after it."""
        offset = random.choice([-29.875, -0.125, 0, 0, 0.125])
        coming = sorted(end + offset for end in self.ends if end + offset > self.clock())
        if coming:
            self.clock.advance(random.choice(coming[:3]) - self.clock())

    def sweep(self, random: Random) -> None:
        for side in self.sides:
            side.harness.sweep(side.store)

    def reopen(self, random: Random) -> None:
        for side in self.sides:
            side.store.close()
            side.store = side.harness.open(self.clock)

    WEIGHTS: ClassVar[dict[Callable[[Any, Random], None], int]] = {
        post: 5,
        claim: 5,
        advance: 4,
        page: 3,
        delete: 2,
        delete_claimed: 2,
        renew: 2,
        read: 1,
        delete_many: 1,
        read_claim: 1,
        release: 1,
        use_claim_elsewhere: 1,
        set_metadata: 1,
        list_queues: 1,
        drop: 1,
        sweep: 1,
        reopen: 1,
    }

    @invariant()
    def all_that_can_be_seen(self) -> None:
        def look(side: Side, scope: Scope) -> object:
            return (
                side.store.queues.metadata(*scope),
                side.store.queues.stats(*scope),
                look_at_messages(side, scope, include_claimed=True),
                look_at_messages(side, scope, include_claimed=False),
            )

        def look_at_messages(side: Side, scope: Scope, *, include_claimed: bool) -> object:
            return side.store.messages.list(
                *scope,
                marker=None,
                limit=1000,
                exclude_client=None,
                include_claimed=include_claimed,
            ).items

        self.both(lambda side: [look(side, scope) for scope in SCOPES])


def _scope(random: Random) -> Scope:
    """Choose a queue: mostly one, so that things happen to it."""
    return random.choice([SCOPES[0], *SCOPES])


def _named(side: Side, value: Any) -> Any:
    """Replace ids by shared names, and times by what a driver has to keep of them."""
    if isinstance(value, dict):
        return {key: _named(side, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_named(side, item) for item in value]
    if isinstance(value, float):
        return round(value, 3)
    return side.shared.get(value, value) if isinstance(value, str) else value


SETTINGS = settings(
    max_examples=60,
    stateful_step_count=50,
    deadline=None,  # how long a step takes decides nothing
    database=None,  # nothing is left behind
)

TestSQLiteAgainstModel = pytest.mark.seconds(10)(DriverAgainstModel.TestCase)
TestSQLiteAgainstModel.settings = SETTINGS


@pytest.mark.parametrize(
    "wrong",
    [
        claims.ClaimsTwice,
        claims.ReleasesAllClaims,
        deletion.DeletesWithAnyClaim,
        life.KeepsMessagesForOneInstantMore,
        life.NeverLengthens,
        life.RestartsAge,
        paging.RepeatsAMessageBehindAMarker,
        queues.CountsEndedClaims,
        scopes.IgnoresProjects,
    ],
)
def test_a_wrong_driver_is_found(wrong: type[Any]) -> None:
    class WrongAgainstModel(DriverAgainstModel):
        def make_harness(self, folder: Path) -> Harness:
            return Mutant(wrong, "any").harness()

    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            WrongAgainstModel,
            # The same steps in each run: luck does not decide whether it is found.
            settings=settings(SETTINGS, phases=[Phase.generate], derandomize=True),
        )
