"""Wrong drivers: each breaks one promise of the storage contract, and the suite has to see it.

All are made from the right one in `memory.py`, by one method that does something else.
"""

from tests.storage.mutants import (  # noqa: F401 - each module registers its mutants
    claims,
    deletion,
    life,
    messages,
    paging,
    queues,
    scopes,
    stores,
)
from tests.storage.mutants.mutant import MUTANTS, Mutant

__all__ = ["MUTANTS", "Mutant"]
