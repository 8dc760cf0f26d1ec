"""The strategy `keystone`: tokens are checked by Keystone, and what it said is remembered.

A token that is known costs a look into a dictionary. One that is not is looked into by
keystonemiddleware in a thread of its own, while its request waits as requests do here: on
the loop of a worker it is put aside, so that a slow Keystone holds up nobody else.
"""

import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from functools import partial
from hashlib import blake2b
from threading import Lock
from typing import Any, Final, Self

from marconi_server import waiting
from marconi_server.auth import identity
from marconi_server.auth.authtoken import AuthToken
from marconi_server.auth.contract import IdentityUnavailable, Unauthenticated
from marconi_server.auth.memory import Memory
from marconi_server.auth.threads import DaemonThreads
from marconi_server.auth.token_filter import SERVICE_TOKEN, TokenFilter, Verdict
from marconi_server.config.settings import Authentication, Settings

VALIDATIONS: Final = 8
"""Tokens of a process that are looked into at the same time."""

# What clients are told; no secrets, in spite of the names.
NO_TOKEN: Final = "This request needs a token, in the header X-Auth-Token."  # noqa: S105
BAD_TOKEN: Final = "The token is not valid, or not any more, or not for this request."  # noqa: S105
NO_PROJECT: Final = "The token is for no project. Ask for one that is."


class Keystone:
    """The authenticator of this strategy: see `marconi_server.auth.contract.Authenticator`.

    Remembers for `token_cache_time` that a token is good, but not beyond the token's own end,
    and for the shorter `refused_token_time` that it is not. The keys are digests: no token is
    kept. What depends on more than the token is not remembered, such as a token that comes
    with that of a service, or one whose access rules name single paths.
    """

    def __init__(
        self,
        section: AuthToken,
        options: Authentication,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._section = section
        self._options = options
        self._where = f"Keystone at {section.url}"
        self._challenge = f'Keystone uri="{section.public_url}"'
        # What comes from memcached may be as old as it gets there. Both together keep the promise.
        theirs = section.cache_time // 2 if section.memcached else 0
        self._cache_time = section.cache_time - theirs
        self._filter = TokenFilter(section, cache_time=theirs)
        # Apart, so that no flood of bad tokens drives the good ones out.
        self._good: Memory[Verdict] = Memory(options.token_cache_size, monotonic)
        self._bad: Memory[Verdict] = Memory(options.token_cache_size, monotonic)
        self._threads: DaemonThreads[Verdict] = DaemonThreads(VALIDATIONS, "keystone")
        self._lock = Lock()
        self._flights: dict[bytes, Future[Verdict]] = {}

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Make it from the settings; see `marconi_server.auth.strategies.open_authenticator`."""
        assert settings.keystone_authtoken is not None  # `config.load` has seen to that
        return cls(settings.keystone_authtoken, settings.authentication)

    def authenticate(self, environ: dict[str, Any]) -> None:
        """Add the identity behind the token to the environ."""
        token = environ.get("HTTP_X_AUTH_TOKEN", environ.get("HTTP_X_STORAGE_TOKEN"))
        if not token:
            raise Unauthenticated(NO_TOKEN, challenge=self._challenge)
        if environ.get(SERVICE_TOKEN):
            verdict = self._wait(self._threads.submit(partial(self._filter.ask, environ.copy())))
        else:
            # PERF: unlike those of OpenSSL, this digest has nothing to look up before it begins.
            key = blake2b(token.encode("latin-1")).digest()
            verdict = self._good.get(key) or self._bad.get(key) or self._find_out(key, environ)
        if verdict.identity is None:
            raise Unauthenticated(BAD_TOKEN, challenge=self._challenge)
        if identity.PROJECT_ID not in verdict.identity:
            raise Unauthenticated(NO_PROJECT, challenge=self._challenge)
        environ.update(verdict.identity)

    def probe(self) -> None:
        """Ask about a token that nobody has, which takes a login."""
        self._filter.ask({"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_X_AUTH_TOKEN": "none"})

    def describe(self) -> list[str]:
        """Say what is used."""
        return self._section.describe()

    def close(self) -> None:
        """Ask no more."""
        self._threads.close()

    def _find_out(self, key: bytes, environ: dict[str, Any]) -> Verdict:
        """Have the token looked into; if that is being done already, wait for the same verdict."""
        with self._lock:
            flight = self._flights.get(key)
            is_first = flight is None
            if flight is None:
                flight = self._threads.submit(partial(self._ask, key, environ.copy()))
                self._flights[key] = flight
                flight.add_done_callback(lambda _: self._flights.pop(key))
        verdict = self._wait(flight)
        if is_first or verdict.seconds > 0:
            return verdict
        # It was for the other request, and says nothing of this one.
        return self._wait(self._threads.submit(partial(self._filter.ask, environ.copy())))

    def _ask(self, key: bytes, environ: dict[str, Any]) -> Verdict:
        verdict = self._filter.ask(environ)
        if verdict.identity is None:
            self._bad.put(key, verdict, min(verdict.seconds, self._options.refused_token_time))
        else:
            self._good.put(key, verdict, min(verdict.seconds, self._cache_time))
        return verdict

    def _wait(self, flight: "Future[Verdict]") -> Verdict:
        """Wait for a verdict, as long as the options allow.

        :raises IdentityUnavailable: it does not come in time
        """
        done = waiting.signal()
        flight.add_done_callback(lambda _: done.set())
        seconds = self._options.timeout
        if not done.wait(seconds):
            flight.cancel()  # if it has not begun yet: nobody waits for it any more
            raise IdentityUnavailable(reason=f"{self._where}: no answer within {seconds} seconds")
        try:
            return flight.result()
        except CancelledError as error:
            raise IdentityUnavailable(reason=f"{self._where}: no answer") from error
