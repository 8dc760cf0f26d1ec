"""Ids of messages and claims, 24 lower-case hexadecimal digits, and markers (spec 2 and 11)."""

import re
from typing import Final

_WELL_FORMED: Final = re.compile(r"[0-9a-f]{24}").fullmatch

_LARGEST: Final = 2**63 - 1


def is_well_formed(identifier: str) -> bool:
    """Tell whether a driver of ours could have minted this id."""
    return _WELL_FORMED(identifier) is not None


def parse_marker(marker: str | None) -> int | None:
    """Return the position to go on from, or `None` for a marker that makes no sense."""
    if marker is None:
        return 0
    if not (marker.isascii() and marker.isdecimal() and len(marker) <= 19):
        return None
    position = int(marker)
    return position if position <= _LARGEST else None
