"""Waiting for what others do, and not for ever."""

import time
from collections.abc import Callable

PATIENCE = 300.0
"""Bound of a wait, in seconds: more than anything takes, on any machine."""


def wait_until(
    condition: Callable[[], bool],
    complaint: Callable[[], str] = lambda: "it does not come about",
    *,
    seconds: float = PATIENCE,
    pause: float = 0.02,
) -> None:
    """Poll a condition, with a pause between two looks; fail with the complaint in the end."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, complaint()
        time.sleep(pause)
