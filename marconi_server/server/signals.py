"""What signals do to a worker.

Python runs a signal handler in the middle of whatever runs: of a request, or of a library. What a
handler raised there, a request would answer with 500, or swallow. So handlers only take note,
and the loop, which a signal wakes up, acts.
"""

import faulthandler
import os
import signal
import sys
from typing import Any, Final

from gunicorn.workers import base

QUIT_SECONDS: Final = 10
"""How long a worker that has to end at once may take; then it ends wherever it is."""


class SignalledWorker(base.Worker):  # type: ignore[misc]  # gunicorn has no types
    """A gunicorn worker; this part of it listens to signals.

    alive        false when it has to stop (SIGTERM; SIGINT and SIGQUIT as well)
    in_haste     whether the stop waits for nobody (SIGINT, SIGQUIT)
    reopens_log  whether the files of the log were moved away (SIGUSR1)

    SIGABRT, which gunicorn sends to a worker that hangs, ends the process for certain, and
    writes to stderr where it was.
    """

    alive: bool
    booted: bool  # whether the application is loaded

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take note of nothing so far."""
        super().__init__(*args, **kwargs)
        self.in_haste = False
        self.reopens_log = False

    def init_signals(self) -> None:
        """Listen; called by gunicorn before the application is loaded."""
        faulthandler.disable()  # else it would leave SIGABRT to those who come after it
        super().init_signals()
        # No handler in Python: the worker may hang where Python never gets to run it.
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
        self._last_words = sys.stderr or open(os.devnull, "w")  # noqa: SIM115 - for good
        faulthandler.enable(self._last_words)
        # Meant for the master; a closed terminal, for one, sends SIGHUP to all processes.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)

    def handle_quit(self, _number: int, _frame: object) -> None:
        """Note that the worker has to end at once."""
        if not self.booted:
            os._exit(0)  # it serves nobody, and may be waiting for the store
        if not self.in_haste:
            self.in_haste = True
            self.alive = False
            faulthandler.dump_traceback_later(QUIT_SECONDS, exit=True, file=self._last_words)

    def handle_usr1(self, _number: int, _frame: object) -> None:
        """Note that the files of the log were moved away."""
        self.reopens_log = True

    def handle_winch(self, _number: int, _frame: object) -> None:
        """Do nothing: a worker has no terminal."""
