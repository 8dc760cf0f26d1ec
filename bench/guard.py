"""What has become slower: a contest beside the ones that were kept before it."""

from pathlib import Path
from typing import Final

from bench import results
from bench.results import BASELINE, Contest, ratio

TOLERANCE: Final = 0.15
"""How far a share may fall before it is worth a line: less than that is noise."""

Which = tuple[str, int, str]
"""A case, a number of connections, a contender."""

Shares = dict[Which, tuple[float, str]]
"""Shares of the baseline, and when each was taken."""


def shares(result: Contest) -> Shares:
    """Return the share of each valid row of a contest."""
    return {
        (row.case, row.connections, row.contender): (share, result.started)
        for row in result.rows
        if row.contender != result.baseline
        and (share := ratio(row, result.rows, result.baseline)) is not None
    }


def last_shares(folder: Path, baseline: str = BASELINE) -> Shares:
    """Return the last share of each row that was kept, as not every contest has all rows."""
    kept = [results.read(path, Contest) for path in results.stored(folder, "contest")]
    last: Shares = {}
    for result in sorted(kept, key=lambda each: each.started):
        if result.baseline == baseline:
            last |= shares(result)
    return last


def fallen(result: Contest, before: Shares) -> list[str]:
    """Return a line for each row whose share fell by more than the tolerance."""
    lines = []
    for which, (share, _) in shares(result).items():
        was, when = before.get(which, (0.0, ""))
        if share < was * (1 - TOLERANCE):
            case, connections, contender = which
            lines.append(
                f"{case}, {connections} connections, {contender}: {share:.1%} of"
                f" {result.baseline}, {1 - share / was:.0%} less than the {was:.1%} of {when}"
            )
    return lines
