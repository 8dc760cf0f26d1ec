"""The HTTP service: its listening socket, gunicorn's master around it, and the reload."""

import logging
import os
import signal
import ssl
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Final

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker as BaseWorker

from marconi_server.config.options import SettingsError
from marconi_server.config.settings import Settings
from marconi_server.server import report
from marconi_server.server.address import bind, url
from marconi_server.server.certificates import server_context
from marconi_server.server.log import Log
from marconi_server.server.proxies import Proxies
from marconi_server.storage import registry
from marconi_server.storage.errors import StorageError
from marconi_server.wsgi import Application

logger = logging.getLogger(__name__)

_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - heartbeats must not wait for a disk


class Service(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    """gunicorn, run from our settings.

    The socket is bound and the store is proven before gunicorn starts, so that what is
    wrong there is one line. Each worker opens the store for itself, after the fork.
    """

    def __init__(
        self, read_settings: Callable[[], Settings], announce: Callable[[str], None]
    ) -> None:
        """Read the settings, bind the socket and prove the store.

        `read_settings` is asked again on SIGHUP. `announce` gets the URL once it listens.

        :raises SettingsError: the configuration is wrong, or there is no listening on its address
        :raises StorageError: the store does not open
        """
        self._read_settings = read_settings
        self._announce = announce
        self._settings = read_settings()
        self._tls = server_context(self._settings.wsgi)
        store = registry.check_store(self._settings)
        self._bind = bind(self._settings.wsgi)
        _report(self._settings, store)
        self._application: Application | None = None
        self._early_signals: SimpleQueue[int] = SimpleQueue()
        super().__init__(prog="marconi-server")

    def load_config(self) -> None:
        """Hand our settings to gunicorn; called by it at the start and at a reload."""
        wsgi = self._settings.wsgi
        values = {
            "bind": self._bind,
            "workers": wsgi.workers,
            "threads": wsgi.threads,
            "worker_class": "marconi_server.server.worker.Worker",
            "worker_connections": wsgi.connections,
            "keepalive": wsgi.keepalive,
            "certfile": wsgi.cert_file or None,
            "keyfile": wsgi.key_file or None,
            "ssl_context": self._ssl_context,
            "graceful_timeout": wsgi.graceful_timeout,
            "worker_tmp_dir": _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else None,
            "control_socket_disable": True,
            "logger_class": Log,
            "accesslog": "-" if wsgi.access_log else None,
            "proc_name": "marconi-server",
            "when_ready": self._when_ready,
            "post_fork": self._post_fork,
            "post_worker_init": self._post_worker_init,
            "worker_exit": self._worker_exit,
        }
        for name, value in values.items():
            self.cfg.set(name, value)

    def reload(self) -> None:
        """Take over a changed configuration (SIGHUP), or keep the old one if it is wrong."""
        try:
            settings = self._read_settings()
            tls = server_context(settings.wsgi)
            store = registry.check_store(settings)
            if (settings.wsgi.bind, settings.wsgi.port) != (
                self._settings.wsgi.bind,
                self._settings.wsgi.port,
            ):
                self._bind = bind(settings.wsgi)
        except (SettingsError, StorageError) as error:
            logger.error("Not reloaded, the old configuration stays in force: %s", error)
            return
        self._settings, self._tls = settings, tls
        _report(settings, store)
        super().reload()

    def load(self) -> Any:
        """Return the WSGI application of this worker; called by gunicorn in each.

        The store was fit for use when the server started. One that is not any more is a fault
        like any other: 503 until it is put right.
        """
        self._application = Application(lambda: self._settings)
        try:
            return self._application.open()
        except StorageError as error:
            logger.error("The store does not open, requests get 503: %s", error)
            return self._application  # which goes on trying

    def _ssl_context(self, _config: Any, _default: Any) -> ssl.SSLContext | None:
        """Return what the start or a reload has read; a worker may find the files half changed."""
        return self._tls

    def _when_ready(self, arbiter: Arbiter) -> None:
        self._announce(url(arbiter.LISTENERS[0].sock, "https" if self._tls else "http"))

    def _post_fork(self, arbiter: Arbiter, worker: BaseWorker) -> None:
        """Give the worker what gunicorn has no settings for: see `server.worker.Worker`."""
        self._early_signals = arbiter.SIG_QUEUE
        worker.request_timeout = self._settings.wsgi.request_timeout
        worker.farewell = self._settings.wsgi.drain_timeout
        if networks := self._settings.wsgi.trusted_proxies:
            worker.proxies = Proxies(networks)
        worker.max_body = self._settings.limits.largest_body
        worker.on_loop = registry.driver(self._settings.drivers.storage).cooperative

    def _post_worker_init(self, worker: BaseWorker) -> None:
        """Heed a stop that was asked for before the worker had signal handlers of its own.

        Until then it has those of the master, which only note the signal in a queue: the
        worker would go on, and the stop would take the whole graceful timeout.
        """
        while not self._early_signals.empty():
            if self._early_signals.get_nowait() in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
                worker.alive = False

    def _worker_exit(self, _arbiter: Arbiter, _worker: BaseWorker) -> None:
        if self._application is not None:
            self._application.close()


def _report(settings: Settings, store: str) -> None:
    """Write into the log what serves from now on."""
    for line in report.lines(settings, store):
        logger.info(line)
    for line in report.warnings(settings):
        logger.warning(line)
