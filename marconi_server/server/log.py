"""gunicorn's log as a part of ours, and the access log."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from gunicorn.glogging import Logger

from marconi_server.server.answers import Answer, Environ

access_logger: Final = logging.getLogger("marconi_server.access")

SELDOM_SECONDS: Final = 60.0
"""Time between two lines that clients could otherwise fill the log with."""


class Seldom:
    """Writes a line, but not again for a while, however often there is reason to."""

    def __init__(self, write: Callable[..., None]) -> None:
        self._write = write
        self._next = float("-inf")

    def __call__(self, now: float, message: str, *arguments: object) -> None:
        """Write the line if it is time; `now` is in seconds on any clock that does not go back."""
        if now >= self._next:
            self._next = now + SELDOM_SECONDS
            self._write(message, *arguments)


class Log(Logger):  # type: ignore[misc] # gunicorn has no types
    """Hands the events of gunicorn to the root logger, which knows formats and request ids."""

    def setup(self, cfg: Any) -> None:
        """Take over gunicorn's settings; called by it at the start and at a reload."""
        self.cfg = cfg
        self.error_log.propagate = True

    def access(
        self, answer: Answer, _headers: object, environ: Environ, duration: timedelta
    ) -> None:
        """Write a line about an answered request; the worker calls this for each."""
        client = environ.get("REMOTE_ADDR", "-")
        method, target, status = environ["REQUEST_METHOD"], environ["RAW_URI"], answer.status[:3]
        seconds = duration.total_seconds()
        access_logger.info(
            '%s "%s %s" %s %d bytes %.6f s',
            client,
            method,
            _printable(target),
            status,
            answer.sent,
            seconds,
            extra={
                "fields": {
                    "client": client,
                    "method": method,
                    "target": target,
                    "status": int(status),
                    "bytes": answer.sent,
                    "seconds": seconds,
                }
            },
        )


def _printable(target: str) -> str:
    """Return a request target in which nothing ends a line or moves a cursor."""
    if target.isascii() and target.isprintable():
        return target
    return target.encode("unicode_escape").decode()
