"""The verdict on a load: all promises were kept, and enough happened to say so."""

from collections.abc import Callable

from tests.live.checks import check
from tests.live.history import History, Outcome, Record
from tests.live.load import Load, enough

Report = Callable[[str], None]


def judge(load: Load, report: Report) -> History:
    """Check all promises on what the clients saw, and that they saw a good deal.

    `report` gets a line about what happened.
    """
    history = load.drain()
    report(f"{history.summary()}; unavailable: {load.unavailable}")
    assert load.least > 0
    assert enough(history, load.least), history.summary()
    violations = check(history)
    assert not violations, "\n".join(map(str, violations[:50]))
    assert history.count(Record, Outcome.REFUSED) == 0, history.summary()
    for queue in history.queues():
        counts = load.clerk.stats(queue.name)
        left = len(queue.drained)
        assert (counts["free"], counts["claimed"], counts["total"]) == (0, left, left)
    load.clerk.close()
    return history
