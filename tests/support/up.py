"""A service that runs in the foreground, for trials by hand."""

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FrameType
from typing import TypeVar

Service = TypeVar("Service")

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)
"""What a terminal sends that somebody presses a key on, or closes, and what `kill` sends."""


def run(service: AbstractContextManager[Service], say: Callable[[Service], str]) -> int:
    """Print what there is to say of a service when it is up, run it until Ctrl-C; return 0.

    Or until it is told to end in another way, or its terminal is lost; but `nohup` is respected.
    """
    for number in ENDS:  # a shell starts jobs with some of them ignored
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    try:
        with service as running:
            print(say(running), flush=True)  # noqa: T201 - the answer of a command
            while True:
                signal.pause()
    except KeyboardInterrupt:
        return 0


def _end(_number: int, _frame: FrameType | None) -> None:
    for number in ENDS:  # whoever is impatient must not keep us from clearing up
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
