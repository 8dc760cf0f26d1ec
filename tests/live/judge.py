"""The verdict on a load: all promises were kept, and enough happened to say so."""

from collections.abc import Callable

from tests.live.checks import check
from tests.live.history import Claim, Deletion, History, Outcome, Page, Post, Record
from tests.live.load import Load

LEAST_PER_SECOND = 25
"""A run with fewer acknowledged posts, or other requests of a kind, proves nothing."""

Report = Callable[[str], None]


def judge(
    load: Load, report: Report, seconds: float, *, least_per_second: int = LEAST_PER_SECOND
) -> History:
    """Check all promises on what the clients saw, and that they saw a good deal.

    `report` gets a line about what happened in these seconds.
    `least_per_second` is the least number of posts, claims, deletions and pages each.
    """
    history = load.drain()
    report(f"{history.summary()}; unavailable: {load.unavailable}")
    for kind in (Post, Claim, Deletion, Page):
        assert history.count(kind) >= least_per_second * seconds, history.summary()
    violations = check(history)
    assert not violations, "\n".join(map(str, violations[:50]))
    assert history.count(Record, Outcome.REFUSED) == 0, history.summary()
    for queue in history.queues():
        counts = load.clerk.stats(queue.name)
        left = len(queue.drained)
        assert (counts["free"], counts["claimed"], counts["total"]) == (0, left, left)
    load.clerk.close()
    return history
