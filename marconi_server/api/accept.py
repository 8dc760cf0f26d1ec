"""The header `Accept` (spec 4.5), read in time that grows with its length and no faster.

Falcon's own reading of it takes seconds for a value that is made for that, and remembers values.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

LONGEST: Final = 4096
"""Bytes of a value that is looked at; a longer one is as good as one that cannot be parsed."""

# What stands between separators, which do not count inside quotes. Possessive quantifiers keep
# both linear.
_RANGES: Final = re.compile(r'(?:[^,"]++|"(?:[^"\\]++|\\.)*+"?)++')
_PARAMETERS: Final = re.compile(r'(?:[^;"]++|"(?:[^"\\]++|\\.)*+"?)++')

_ABOVE_ZERO: Final = re.compile(r"0?\.0*+[1-9][0-9]*+|1(?:\.0*+)?")


def allows(environ: Mapping[str, Any], media_types: Sequence[str]) -> bool:
    """Tell whether the client of a WSGI request takes one of the media types.

    By the letter of the spec, one range that matches is enough, whatever others say.
    """
    accept: str = environ.get("HTTP_ACCEPT", "")
    if not accept or accept == "*/*" or accept in media_types:  # PERF: nearly always
        return True
    if len(accept) > LONGEST:
        return False
    accept = accept.strip().lower()
    wanted = {*media_types, *(f"{each.partition('/')[0]}/*" for each in media_types), "*/*", "*"}
    for item in _RANGES.findall(accept):
        media_range, _, parameters = item.partition(";")
        if media_range.strip() in wanted and _has_quality(parameters):
            return True
    return not accept


def _has_quality(parameters: str) -> bool:
    """Tell whether the quality of a range, which is 1 if none is given, is above zero."""
    quality = "1"
    for parameter in _PARAMETERS.findall(parameters):
        name, equals, value = parameter.partition("=")
        if equals and name.strip() == "q":
            quality = value.strip().strip('"')
    return _ABOVE_ZERO.fullmatch(quality) is not None
