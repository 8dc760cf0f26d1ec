"""The WSGI application: `build_app` for who has a store, `application` for any WSGI host.

`marconi_server.wsgi:application` is configured by the files that the environment variable
`MARCONI_CONFIG_FILE` names (separated as in `PATH`), or by the default files. It opens its
store with the first request that a process gets, so hosts may load it before they fork.
"""

import atexit
import logging
import os
import time
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any, Final, cast
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from marconi_server.api.app import create_app
from marconi_server.auth.contract import Authenticator
from marconi_server.auth.strategies import open_authenticator
from marconi_server.config.files import read_files
from marconi_server.config.load import Configuration, default_files
from marconi_server.config.settings import Settings
from marconi_server.request_ids import RequestIds
from marconi_server.storage import registry
from marconi_server.storage.contract import Store
from marconi_server.storage.errors import StorageError, StorageUnavailable

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 1.0
"""Time between attempts to open a store that does not answer."""


def build_app(
    settings: Settings, store: Store, authenticator: Authenticator | None = None
) -> WSGIApplication:
    """Make the WSGI application that serves an open store.

    Without an authenticator it opens that of the settings.
    """
    if not settings.general.auth_strategy:
        return RequestIds(create_app(settings, store))
    from marconi_server.auth.roles import RoleRules  # which needs much that nobody else does

    authenticator = authenticator or open_authenticator(settings)
    return RequestIds(create_app(settings, store, authenticator, RoleRules(settings.role_rules)))


class Application:
    """The WSGI application of a process, which opens its store itself.

    While the store does not open, requests that need it get 503 (spec section 9), and
    every `RETRY_SECONDS` one of them tries again: no restart is needed.
    """

    def __init__(self, settings: Settings, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._authenticator = open_authenticator(settings)
        self._opening = Lock()
        self._store: Store | None = None
        self._app: WSGIApplication | None = None
        self._stand_in: WSGIApplication | None = None
        self._next_attempt = monotonic()

    def open(self) -> WSGIApplication:
        """Open the store if that was not done yet, and return what serves it.

        :raises StorageError: as `registry.open_store`
        """
        with self._opening:
            return self._open()

    def close(self) -> None:
        """Close the store; idempotent."""
        if self._authenticator is not None:
            self._authenticator.close()
        with self._opening:
            if self._store is not None:
                self._store.close()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request (PEP 3333)."""
        app = self._app or self._open_or_stand_in()
        return app(environ, start_response)

    def _open(self) -> WSGIApplication:
        if self._app is None:
            self._store = registry.open_store(self._settings)
            self._app = self._build_app(self._store)
        return self._app

    def _open_or_stand_in(self) -> WSGIApplication:
        with self._opening:
            if self._app is None and self._monotonic() < self._next_attempt:
                assert self._stand_in is not None
                return self._stand_in
            try:
                return self._open()
            except StorageError as error:
                logger.error("The store does not open, requests get 503: %s", error)
                self._next_attempt = self._monotonic() + RETRY_SECONDS
                self._stand_in = self._build_app(cast(Store, _NoStore(str(error))))
                return self._stand_in

    def _build_app(self, store: Store) -> WSGIApplication:
        return build_app(self._settings, store, self._authenticator)


class _NoStore:
    """Stands in for a store that does not open: every operation says so."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def __getattr__(self, name: str) -> Any:
        return self  # groups of operations and operations alike

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise StorageUnavailable(reason=self._reason)


def _load() -> Application:
    named = os.environ.get("MARCONI_CONFIG_FILE")
    files = named.split(os.pathsep) if named else default_files()
    configuration = Configuration(read_files(files))
    settings = configuration.settings()
    for remark in configuration.remarks(settings, is_command=False):
        logger.warning(remark.text)
    registry.check_store(settings)
    loaded = Application(settings)
    atexit.register(loaded.close)
    return loaded


_loading = Lock()


def __getattr__(name: str) -> Any:
    """Make `application` when a host first asks for it: importing this module does nothing.

    :raises SettingsError: the configuration is wrong
    :raises StorageError: the store does not open
    """
    if name != "application":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with _loading:
        if name not in globals():
            globals()[name] = _load()
    return globals()[name]
