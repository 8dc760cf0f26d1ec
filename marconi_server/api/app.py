"""The WSGI application: its routes, its checks and its error handlers.

A request goes through the steps of spec section 3: `Router` (404, 405, OPTIONS), then
`Checks` (Accept, project, queue name), then the responder of the resource.
"""

from typing import Any

import falcon
from falcon.routing import CompiledRouter

from marconi_server.api import errors, requests
from marconi_server.api.claims import ClaimResource, ClaimsResource
from marconi_server.api.health import HealthResource
from marconi_server.api.home import HomeResource
from marconi_server.api.messages import MessageResource, MessagesResource
from marconi_server.api.queues import (
    MetadataResource,
    QueueResource,
    QueuesResource,
    StatsResource,
)
from marconi_server.settings import Settings
from marconi_server.storage.contract import Store


def routes(settings: Settings, store: Store) -> list[tuple[str, object]]:
    """Return which resource answers at which path."""
    limits = settings.limits
    return [
        ("/v1", HomeResource()),
        ("/v1/health", HealthResource(store)),
        ("/v1/queues", QueuesResource(store, limits)),
        ("/v1/queues/{queue}", QueueResource(store)),
        ("/v1/queues/{queue}/metadata", MetadataResource(store, limits)),
        ("/v1/queues/{queue}/stats", StatsResource(store)),
        ("/v1/queues/{queue}/messages", MessagesResource(store, limits)),
        ("/v1/queues/{queue}/messages/{message_id}", MessageResource(store)),
        ("/v1/queues/{queue}/claims", ClaimsResource(store, limits)),
        ("/v1/queues/{queue}/claims/{claim_id}", ClaimResource(store, limits)),
    ]


class Router(CompiledRouter):
    """Falcon's router, strict about slashes, and answering what needs no resource."""

    def __init__(self) -> None:
        super().__init__()
        self._methods: dict[str, list[str]] = {}

    def add_route(self, uri_template: str, resource: object, **kwargs: Any) -> None:
        """Add a route, and note which methods the resource implements."""
        self._methods[uri_template] = sorted(self.map_http_methods(resource, **kwargs))
        super().add_route(uri_template, resource, **kwargs)

    def find(self, uri: str, req: falcon.Request | None = None) -> Any:
        """Find the resource for a request; one trailing slash is gone from `uri` already.

        :raises NotFound: nothing is at this path
        :raises MethodNotAllowed: the resource does not implement the method
        :raises falcon.HTTPStatus: the answer to OPTIONS
        """
        assert req is not None
        if "//" in uri or uri.endswith("/") or _has_encoded_slash(req):
            route = None
        else:
            route = super().find(uri, req)
        if route is None:
            raise errors.NotFound("There is nothing at this path.")
        methods = self._methods[route[3] or ""]
        if req.method not in methods:
            if req.method == "OPTIONS":
                raise falcon.HTTPStatus(falcon.HTTP_204, {"Allow": ", ".join(methods)})
            raise errors.MethodNotAllowed(methods)
        return route


class Checks:
    """What is checked for every implemented method, before anything else."""

    def process_resource(
        self,
        req: falcon.Request,
        _resp: falcon.Response,
        resource: object,
        params: dict[str, Any],
    ) -> None:
        """Run steps 4 to 6 of spec section 3; give the responder its project."""
        requests.check_accept(req, getattr(resource, "MEDIA_TYPES", (falcon.MEDIA_JSON,)))
        params["project"] = requests.project_id(req)
        if "queue" in params:
            requests.check_queue_name(params["queue"])


def create_app(settings: Settings, store: Store) -> falcon.App[falcon.Request, falcon.Response]:
    """Return the application that offers the store under the v1 API."""
    app = falcon.App(router=Router(), middleware=[Checks()])
    app.req_options.strip_url_path_trailing_slash = True
    app.req_options.keep_blank_qs_values = False  # an empty value counts as absent (spec 4.3)
    # An answer without a body has no type; Falcon knows None, but does not say so.
    app.resp_options.default_media_type = None  # type: ignore[assignment]
    app.set_error_serializer(errors.serialize)
    for kind, handler in errors.HANDLERS:
        app.add_error_handler(kind, handler)
    for template, resource in routes(settings, store):
        app.add_route(template, resource)
    return app


def _has_encoded_slash(req: falcon.Request) -> bool:
    """Tell whether the path has `%2F`, which the WSGI host has turned into a slash."""
    raw = req.env.get("RAW_URI") or req.env.get("REQUEST_URI") or ""
    return "%2" in raw and "%2f" in raw.partition("?")[0].lower()
