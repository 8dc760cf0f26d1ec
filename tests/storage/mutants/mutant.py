"""What a mutant is, and the list of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.storage.memory import Data, MemoryHarness, MemoryStore

Kind = TypeVar("Kind", bound=type[Any])

YIELD = 0.0005
"""Seconds in which a driver without a lock lets the other threads in."""


@dataclass(frozen=True)
class Mutant:
    """A wrong driver, and the concern whose cases have to see it."""

    made_from: type[Any]
    concern: str

    def __str__(self) -> str:
        return f"{self.made_from.__name__}-{self.concern}"

    def harness(self) -> MemoryHarness:
        """Make a harness for it."""
        wrong = self.made_from
        if issubclass(wrong, MemoryHarness):
            return wrong()
        if issubclass(wrong, Data):
            return MemoryHarness(wrong())
        if issubclass(wrong, MemoryStore):
            return MemoryHarness(store=wrong)
        parts = tuple(wrong if issubclass(wrong, part) else part for part in MemoryStore.parts)
        return MemoryHarness(store=type("MutantStore", (MemoryStore,), {"parts": parts}))


MUTANTS: list[Mutant] = []


def seen_by(*concerns: str) -> Callable[[Kind], Kind]:
    """Register a class as a mutant, once for each concern that has to see it."""

    def register(wrong: Kind) -> Kind:
        MUTANTS.extend(Mutant(wrong, concern) for concern in concerns)
        return wrong

    return register
