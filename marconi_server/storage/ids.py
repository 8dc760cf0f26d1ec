"""Ids of messages and claims: 24 lower-case hexadecimal digits (spec 2 and 11)."""

import re
from typing import Final

_WELL_FORMED: Final = re.compile(r"[0-9a-f]{24}").fullmatch


def is_well_formed(identifier: str) -> bool:
    """Tell whether a driver of ours could have minted this id."""
    return _WELL_FORMED(identifier) is not None
