"""A service that runs in the foreground, for trials by hand."""

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

Service = TypeVar("Service")


def run(service: AbstractContextManager[Service], say: Callable[[Service], str]) -> int:
    """Print what there is to say of a service when it is up, run it until Ctrl-C; return 0."""
    for number in signal.SIGINT, signal.SIGTERM:  # a shell starts jobs with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    try:
        with service as running:
            print(say(running), flush=True)  # noqa: T201 - the answer of a command
            while True:
                signal.pause()
    except KeyboardInterrupt:
        return 0
