"""Paths of access rules, as application credentials have them: `/v1/queues/*/messages/**`.

Whoever makes an application credential writes them. keystonemiddleware makes regular expressions
of them, in which all other characters keep the meaning that they have there; so a rule could be
made that keeps a process busy for ever. Here they stand for themselves.
"""

import re
from typing import Final

LONGEST_PATH: Final = 512
"""Characters. Nothing that this API has is at a longer path, so no rule means one."""

# One segment (`*`, or a name in braces), anything at all, or text.
_PARTS: Final = re.compile(r"(\*(?!\*)|\{[^{}]*\})|(\*\*)|([^*{}]+|[{}])")


def matches(path: str, pattern: str) -> bool:
    """Tell whether the pattern of a rule is for this path.

    The time it takes is that of one look at the path for each part of the pattern.
    """
    if len(path) > LONGEST_PATH:
        return False
    ends = {0}  # where what was matched so far may end
    for segment, anything, text in _PARTS.findall(pattern):
        if segment:
            ends = _within_segments(path, ends)
        elif anything:
            ends = set(range(min(ends), len(path) + 1))
        else:
            ends = {end + len(text) for end in ends if path.startswith(text, end)}
        if not ends:
            return False
    return len(path) in ends


def _within_segments(path: str, starts: set[int]) -> set[int]:
    """Return where one character or more behind a start may end, without a slash."""
    ends = set()
    is_inside = False
    for index, character in enumerate(path):
        is_inside = character != "/" and (is_inside or index in starts)
        if is_inside:
            ends.add(index + 1)
    return ends
