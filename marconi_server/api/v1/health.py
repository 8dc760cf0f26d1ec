"""Health (spec 7.2): what a load balancer asks before it sends requests here."""

import falcon

from marconi_server.api import errors
from marconi_server.storage.contract import Store
from marconi_server.storage.errors import StorageUnavailable


class HealthResource:
    """`/v1/health`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def on_get(self, req: falcon.Request, resp: falcon.Response, **_: object) -> None:
        """Tell whether storage answers: 204, or a bare 503."""
        try:
            self._store.ping()
        except StorageUnavailable as error:
            # The failure is the answer here, not an error on the way to one.
            errors.log_unavailable(req, error)
            resp.status = falcon.HTTP_503
        else:
            resp.status = falcon.HTTP_204

    def on_head(self, _req: falcon.Request, resp: falcon.Response, **_: object) -> None:
        """Tell that the process serves HTTP."""
        resp.status = falcon.HTTP_204
