"""keystonemiddleware's auth_token filter, asked about one request at a time.

The filter is meant to stand in front of an application. Here it stands in front of nothing: it
gets a copy of the head of a request, and what it made of it is the verdict. So neither bodies nor
answers go through it, and it may run in a thread of its own.

This is the place where its errors, and those of the libraries below it, become ours.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final
from wsgiref.types import WSGIApplication

import webob.exc
from keystoneauth1.exceptions import ClientException
from keystonemiddleware import auth_token

from marconi_server.auth import access_rules, identity, token_data
from marconi_server.auth.authtoken import AuthToken
from marconi_server.auth.contract import IdentityUnavailable
from marconi_server.config.masking import text_without_secrets

SERVICE_TOKEN: Final = "HTTP_X_SERVICE_TOKEN"  # noqa: S105 - the name of a variable

LONGEST_TOKEN: Final = 4096
"""Characters. Those of Keystone have some hundred; and what makes Keystone choke is no outage."""

_CACHE: Final = "marconi.token_cache"


@dataclass(frozen=True)
class Verdict:
    """What a token is worth.

    identity  the variables of who asks; `None` if the token is not valid
    seconds   for how long the same token is worth the same, with whatever request; 0 if
              another request may lead to another verdict
    """

    identity: Mapping[str, str] | None
    seconds: float


INVALID: Final = Verdict(None, math.inf)
"""Of a token that Keystone does not know, or not any more."""

NOT_HERE: Final = Verdict(None, 0.0)
"""Of a token that is valid, but not for this request."""


class TokenFilter:
    """Asks about tokens; safe to use from several threads. `now` is the time since the epoch."""

    def __init__(
        self, section: AuthToken, *, cache_time: int, now: Callable[[], float] = time.time
    ) -> None:
        """Set the filter up; `cache_time` is that of memcached, in seconds."""
        self._now = now
        options = {"oslo_config_config": section.conf, **section.overrides()}
        # 0 would mean for ever.
        options["token_cache_time"] = cache_time or -1
        if not section.memcached:
            # Its own cache has no bound, and looks through all of itself each time.
            options["cache"] = _CACHE
        self._filter = _Filter(_pass, options, url=section.url)

    def ask(self, environ: Mapping[str, Any]) -> Verdict:
        """Return the verdict on a request that has a token; it may take many seconds.

        :raises IdentityUnavailable: Keystone does not answer, or refuses to work for us
        """
        tokens = [environ.get("HTTP_X_AUTH_TOKEN", environ.get("HTTP_X_STORAGE_TOKEN", ""))]
        tokens.append(environ.get(SERVICE_TOKEN, ""))
        if not all(map(_is_plausible, tokens)):
            return INVALID
        asked = {**environ, "wsgi.input": BytesIO(), _CACHE: _NO_CACHE}
        try:
            statuses = self._run(asked)
        except _UnknownToken:
            return INVALID
        if not statuses[0].startswith("204"):
            return NOT_HERE
        token = asked["keystone.token_auth"].user
        restricted = token.bind or token.application_credential_access_rules is not None
        seconds = 0.0 if restricted else token.expires.timestamp() - self._now()
        return Verdict(identity.extract(asked), seconds)

    def _run(self, environ: dict[str, Any]) -> list[str]:
        """Run the filter; return the status of its answer."""
        statuses: list[str] = []

        def start_response(status: str, _headers: object, _error: object = None) -> Any:
            statuses.append(status)

        for _ in self._filter(environ, start_response):
            pass
        return statuses


class _UnknownToken(Exception):
    """Keystone does not know the token. No error of the filter, so it passes through."""


class _Filter(auth_token.AuthProtocol):  # type: ignore[misc] # it has no types
    """The filter, which tells what Keystone said rather than what to answer."""

    def __init__(self, app: WSGIApplication, options: dict[str, Any], *, url: str) -> None:
        super().__init__(app, options)
        self.url = url

    def fetch_token(self, token: str, **options: Any) -> Any:
        try:
            with self._expecting_a_token():
                data = super().fetch_token(token, **options)
                token_data.check(data["token"])
                return data
        except auth_token.InvalidToken as error:
            raise _UnknownToken from error
        except (ClientException, webob.exc.HTTPServiceUnavailable) as error:
            raise IdentityUnavailable(reason=f"Keystone at {self.url}: {_reason(error)}") from error

    def _validate_token(self, auth_ref: Any, **options: Any) -> None:
        with self._expecting_a_token():  # whose end is a time
            super()._validate_token(auth_ref, **options)

    def validate_allowed_request(self, request: Any, token: Any) -> None:
        """Judge by access rules, if the token has any; their paths are compared here."""
        credential = token.get("application_credential")
        if credential and credential.get("access_rules") is not None:
            path = request.path
            rules = [
                {**rule, "path": "**"}
                for rule in credential["access_rules"]
                if access_rules.matches(path, rule["path"])
            ]
            token = {**token, "application_credential": {**credential, "access_rules": rules}}
        super().validate_allowed_request(request, token)

    @contextmanager
    def _expecting_a_token(self) -> Iterator[None]:
        """Take for an outage what the library makes of a 200 with something else in it.

        That may be from a proxy in between.
        """
        try:
            yield
        except _NO_TOKEN as error:
            self._identity_server.invalidate()  # it may have been the answer to our own login
            text = repr(error)[:_LONGEST_TEXT]
            raise IdentityUnavailable(
                reason=f"Keystone at {self.url}: its answer is not a token ({text})"
            ) from error


_NO_TOKEN: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
)

_LONGEST_TEXT: Final = 200


def _reason(error: BaseException) -> str:
    """Return what the library that talks to Keystone had to say, in one line."""
    told = next((each for each in _causes(error) if isinstance(each, ClientException)), error)
    return text_without_secrets(" ".join(str(told).split()))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__context__


def _pass(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Stand in for the application: whoever gets here is let through."""
    start_response("204 No Content", [])
    return []


def _is_plausible(token: str) -> bool:
    """Tell whether this could be a token at all: something that a header can carry."""
    return len(token) <= LONGEST_TOKEN and token.isascii() and token.isprintable()


class _NoCache:
    """A cache that forgets at once, in the form in which the filter takes one from the environ."""

    def get(self, _key: str) -> None:
        return None

    def set(self, _key: str, _value: bytes, time: int) -> None:
        pass


_NO_CACHE: Final = _NoCache()
