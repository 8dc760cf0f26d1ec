"""The empty responder: what Falcon and the HTTP server cost before anything is done.

It is served by the very class that serves the product, so that all its settings are the same.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import falcon

from marconi_server import settings as configuration
from marconi_server.service import Service
from marconi_server.settings import Drivers, General, Settings, Wsgi


class Empty:
    """The one resource."""

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """Answer with a small JSON document that is already made."""
        response.data = b'{"status": "ok"}'


class EmptyService(Service):
    """The service of `marconi-server` around the empty responder.

    `worker_class` is a name as gunicorn takes it; `None` stands for the one of the product.
    """

    def __init__(self, read_settings: Callable[[], Settings], worker_class: str | None) -> None:
        self._worker_class = worker_class
        super().__init__(read_settings, announce=lambda _url: None)

    def load_config(self) -> None:
        """Take the settings of the product, apart from the worker class."""
        super().load_config()
        if self._worker_class is not None:
            self.cfg.set("worker_class", self._worker_class)

    def load(self) -> Any:
        """Return the empty application in place of the product."""
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
    arguments = parser.parse_args()
    overrides = {
        (General.GROUP, "auth_strategy"): "",
        (Drivers.GROUP, "storage"): "sqlite",
        ("drivers:storage:sqlite", "database"): str(arguments.embedded),
        (Wsgi.GROUP, "port"): arguments.port,
        (Wsgi.GROUP, "workers"): arguments.workers,
        (Wsgi.GROUP, "threads"): arguments.threads,
    }
    EmptyService(lambda: configuration.load([], overrides), arguments.worker_class).run()


if __name__ == "__main__":
    main()
