"""The empty responder: what Falcon and the HTTP server cost before anything is done.

With `--api` it is not empty: all of the product but the store, which does nothing. Either is
served by the very class that serves the product, so that all its settings are the same.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import falcon
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

from bench.nothing import NOTHING
from marconi_server import logs
from marconi_server.config import load as configuration
from marconi_server.config.settings import Drivers, General, Settings, Wsgi
from marconi_server.server.service import Service
from marconi_server.storage.contract import Store
from marconi_server.wsgi import build_app


class Empty:
    """The one resource."""

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """Answer with a small JSON document that is already made."""
        response.data = b'{"status": "ok"}'


class EmptyService(Service):
    """The service of `marconi-server` around the empty responder.

    `worker_class` is a name as gunicorn takes it; `None` stands for the one of the product.
    `in_threads` lets that run requests in threads, and not on its loop. `api` puts the API of the
    product in the place of the responder.
    """

    def __init__(
        self,
        read_settings: Callable[[], Settings],
        worker_class: str | None,
        *,
        in_threads: bool,
        api: bool,
    ) -> None:
        self._worker_class = worker_class
        self._in_threads = in_threads
        self._api = api
        super().__init__(read_settings, announce=lambda _url: None)

    def load_config(self) -> None:
        """Take the settings of the product, apart from the worker class.

        The log of the product leaves it to its worker whether there is one of requests.
        """
        super().load_config()
        if self._worker_class is not None:
            self.cfg.set("worker_class", self._worker_class)
            self.cfg.set("logger_class", "gunicorn.glogging.Logger")

    def _post_fork(self, arbiter: Arbiter, worker: Worker) -> None:
        super()._post_fork(arbiter, worker)
        if self._in_threads:
            worker.on_loop = False

    def load(self) -> Any:
        """Return the application in place of the product."""
        if self._api:
            return build_app(self._settings, cast(Store, NOTHING))
        app = falcon.App()
        app.add_route("/", Empty())
        return app


def main() -> None:
    """Serve on a free port of 127.0.0.1 until a signal comes."""
    parser = argparse.ArgumentParser(prog="python -m bench.empty", description=__doc__)
    # The service proves its store before it starts.
    parser.add_argument("--embedded", type=Path, required=True, metavar="FILE")
    parser.add_argument("--port", required=True)
    parser.add_argument("--workers", required=True)
    parser.add_argument("--threads", required=True)
    parser.add_argument("--worker-class")
    parser.add_argument("--in-threads", action="store_true")
    parser.add_argument("--api", action="store_true")
    arguments = parser.parse_args()
    logs.configure()  # the harness reads there which port it is
    overrides = {
        (General.GROUP, "auth_strategy"): "",
        (Drivers.GROUP, "storage"): "sqlite",
        ("drivers:storage:sqlite", "database"): str(arguments.embedded),
        (Wsgi.GROUP, "port"): arguments.port,
        (Wsgi.GROUP, "workers"): arguments.workers,
        (Wsgi.GROUP, "threads"): arguments.threads,
    }
    EmptyService(
        lambda: configuration.load([], overrides),
        arguments.worker_class,
        in_threads=arguments.in_threads,
        api=arguments.api,
    ).run()


if __name__ == "__main__":
    main()
