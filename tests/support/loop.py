"""The worker's part in what a connection does, turned by hand, with a clock set by hand."""

import logging
import selectors

from marconi_server.server.answers import Environ
from marconi_server.server.connection import Connection


class Loop:
    """What `marconi_server.server.connection.Server` asks for."""

    def __init__(self) -> None:
        self.alive = True
        self.now = 0.0
        self.keepalive = 75.0
        self.farewell = 1.0
        self.request_timeout = 30.0
        self.selector: selectors.BaseSelector = selectors.DefaultSelector()
        self.log = logging.getLogger("test")
        self.dispatched: list[Environ] = []
        self.closed: list[Connection] = []

    def dispatch(self, connection: Connection, environ: Environ) -> None:
        self.dispatched.append(environ)

    def forget(self, connection: Connection) -> None:
        self.closed.append(connection)

    def turn(self) -> None:
        """Do what there is to do without waiting."""
        for key, _ in self.selector.select(0):
            key.data()
