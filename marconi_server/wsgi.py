"""The WSGI application: `build_app` for who has a store, `application` for any WSGI host.

`marconi_server.wsgi:application` is configured by the files that the environment variable
`MARCONI_CONFIG_FILE` names (separated as in `PATH`), or by the default files. It reads them and
opens its store with the first request that a process gets, so hosts may load it before they fork.
"""

import atexit
import logging
import os
import time
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any, Final, cast
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from marconi_server.api.app import create_app, create_stand_in
from marconi_server.auth.contract import Authenticator
from marconi_server.auth.strategies import open_authenticator
from marconi_server.config.files import ConfigFiles
from marconi_server.config.load import Configuration, default_files
from marconi_server.config.options import SettingsError
from marconi_server.config.settings import Settings
from marconi_server.config.unused import CONFIG_FILE_VARIABLE
from marconi_server.request_ids import RequestIds
from marconi_server.storage import registry
from marconi_server.storage.contract import Store
from marconi_server.storage.errors import StorageError, StorageUnavailable

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 1.0
"""Time between attempts to read a wrong configuration, or to open a store that does not answer."""


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
    """The WSGI application of a process, which finds out itself what it needs, when it is needed.

    While the configuration is wrong, or the store does not open, requests that need it get
    503 (spec section 9), and every `RETRY_SECONDS` one of them tries again: no restart is needed.
    What was read without a fault is not read again.

    :param read_settings: as `marconi_server.config.load.load`
    """

    def __init__(
        self, read_settings: Callable[[], Settings], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._read_settings = read_settings
        self._monotonic = monotonic
        self._opening = Lock()
        self._settings: Settings | None = None
        self._authenticator: Authenticator | None = None
        self._store: Store | None = None
        self._app: WSGIApplication | None = None
        self._stand_in: WSGIApplication | None = None
        self._next_attempt = monotonic()

    def open(self) -> WSGIApplication:
        """Read the settings and open the store unless that was done, and return what serves it.

        :raises SettingsError: as `read_settings`
        :raises StorageError: as `read_settings` and `registry.open_store`
        """
        with self._opening:
            return self._open()

    def close(self) -> None:
        """Close the store; idempotent."""
        with self._opening:
            if self._authenticator is not None:
                self._authenticator.close()
            if self._store is not None:
                self._store.close()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request (PEP 3333)."""
        app = self._app or self._open_or_stand_in()
        return app(environ, start_response)

    def _open(self) -> WSGIApplication:
        if self._app is None:
            if self._settings is None:
                settings = self._read_settings()
                self._authenticator = open_authenticator(settings)
                self._settings = settings
            self._store = registry.open_store(self._settings)
            self._app = build_app(self._settings, self._store, self._authenticator)
        return self._app

    def _open_or_stand_in(self) -> WSGIApplication:
        with self._opening:
            if self._stand_in is not None and self._monotonic() < self._next_attempt:
                return self._app or self._stand_in
            try:
                return self._open()
            except (SettingsError, StorageError) as error:
                self._stand_in = self._make_stand_in(error)
                self._next_attempt = self._monotonic() + RETRY_SECONDS
                return self._stand_in

    def _make_stand_in(self, error: Exception) -> WSGIApplication:
        """Return what answers for now, and say why in the log."""
        if self._settings is None:
            logger.error("The configuration is wrong, requests get 503: %s", error)
            return RequestIds(create_stand_in("The server is not configured as it should be."))
        logger.error("The store does not open, requests get 503: %s", error)
        return build_app(self._settings, cast(Store, _NoStore(str(error))), self._authenticator)


class _NoStore:
    """Stands in for a store that does not open: every operation says so."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def __getattr__(self, name: str) -> Any:
        return self  # groups of operations and operations alike

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise StorageUnavailable(reason=self._reason)


def _paths() -> list[str]:
    named = os.environ.get(CONFIG_FILE_VARIABLE)
    return named.split(os.pathsep) if named else default_files()


# Read again after a fault, which a pipe cannot be.
_files: Final = ConfigFiles(_paths)


def _read_environment() -> Settings:
    """Read the configuration that the environment names, and warn of what may be typos.

    :raises SettingsError: it is wrong
    :raises StorageUnusable: there is no such storage driver
    """
    configuration = Configuration(_files.read())
    settings = configuration.settings()
    for remark in configuration.remarks(settings, is_command=False):
        logger.warning(remark.text)
    atexit.register(application.close)
    return settings


# An attribute as any other: uWSGI and mod_wsgi look for it in the dictionary of the module.
application: Final = Application(_read_environment)
