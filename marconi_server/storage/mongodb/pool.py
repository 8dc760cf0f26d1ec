"""Connections that remain of use when a member has changed its role, or somebody its users."""

from typing import Any
from weakref import WeakSet

from pymongo import MongoClient
from pymongo.errors import AutoReconnect
from pymongo.monitoring import ConnectionClosedReason
from pymongo.synchronous.pool import Connection, Pool

_pools: "WeakSet[SteadyPool]" = WeakSet()


def renew_connections(client: MongoClient[Any]) -> None:
    """Open new connections from now on.

    Those of a user who was removed have nobody's rights, also when there is such a user again.
    """
    for pool in list(_pools):
        if pool.opts is client.options.pool_options:
            pool.reset_without_pause()


class SteadyPool(Pool):
    """A pool that keeps no connection opened while the member was neither primary nor secondary.

    A member that steps down is neither for a moment. What it can do pymongo asks once, when
    a connection is opened, and then is told that there are no sessions. Such a connection stays in
    the pool; if the member is primary again, each transaction that gets it fails. As a failed
    connection it is not kept, and what wanted it begins again once there is a primary.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _pools.add(self)

    def connect(self, *args: Any, **kwargs: Any) -> Connection:
        """Open a connection, as pymongo does.

        :raises AutoReconnect: as pymongo, and if the member is neither primary nor secondary
        """
        connection = super().connect(*args, **kwargs)
        # Connections that watch the members have not asked so far, and are for any state. These
        # two are no promises of pymongo: without them it goes on as it does by itself.
        if getattr(self, "is_sdam", True) or getattr(connection, "supports_sessions", True):
            return connection
        connection.close_conn(ConnectionClosedReason.ERROR)
        host, port = self.address
        raise AutoReconnect(f"{host}:{port} is neither primary nor secondary")
