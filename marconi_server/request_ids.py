"""A request id for every request: taken from the client or made, told in the answer and the log.

Whoever runs the application begins each request: our worker, or `RequestIds` under another
WSGI host. Ids look as in all of OpenStack, `req-` and a UUID. They tell requests apart and
are no secrets.
"""

import os
import re
from collections.abc import Iterable
from contextvars import ContextVar
from functools import cache
from itertools import count
from typing import Any, Final
from uuid import uuid4
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

HEADER: Final = "X-Openstack-Request-Id"

VARIABLE: Final = "openstack.request_id"
"""Where the WSGI environment of a request that was begun has its id."""

NONE: Final = "-"
"""What stands for the id where no request is handled."""

_well_formed = re.compile(r"req-[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch

# A variable of the context: each thread and each greenlet has its own value.
_current: ContextVar[str] = ContextVar("request_id", default=NONE)

_numbers = count()


def current() -> str:
    """Return the id of the request that the caller handles, or `NONE`."""
    return _current.get()


def begin(environ: dict[str, Any]) -> str:
    """Give a request its id, which is `current` from now on, and return it.

    That is the one that the client sent if it is well-formed, else a new one.
    """
    given = environ.get("HTTP_X_OPENSTACK_REQUEST_ID")
    request_id = _mint() if given is None or not _well_formed(given) else given
    environ[VARIABLE] = request_id
    _current.set(request_id)
    return request_id


def end() -> None:
    """Say that no request is handled any more."""
    _current.set(NONE)


class RequestIds:
    """WSGI middleware that begins a request unless the host has done so, and tells its id."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request (PEP 3333)."""
        if VARIABLE in environ:
            return self._application(environ, start_response)
        header = (HEADER, begin(environ))

        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            return start_response(status, [*headers, header], *exc_info)

        try:
            return self._application(environ, start)
        finally:
            end()


def _mint() -> str:
    # PERF: a random UUID for each request would cost ten times as much.
    return f"{_beginning()}{next(_numbers):012x}"


@cache
def _beginning() -> str:
    """Return what all ids of this process begin with."""
    return f"req-{uuid4()}"[:-12]


os.register_at_fork(after_in_child=_beginning.cache_clear)
