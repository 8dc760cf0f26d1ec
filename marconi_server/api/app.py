"""The WSGI application: its routes, its checks and its error handlers.

A request goes through the steps of spec section 3: `Router` (404, 405, OPTIONS), then
`Checks` (Accept, project, queue name), then the responder of the resource. Where clients are
authenticated, `Authentication` comes before all that, and `Authorization` before the checks; where
they are not, `Origins` comes first.
"""

from typing import TYPE_CHECKING, Any

import falcon
from falcon.routing import CompiledRouter

from marconi_server.api import errors, requests
from marconi_server.api.origins import Origins
from marconi_server.api.v1.claims import ClaimResource, ClaimsResource
from marconi_server.api.v1.health import HealthResource
from marconi_server.api.v1.home import HomeResource
from marconi_server.api.v1.messages import MessageResource, MessagesResource
from marconi_server.api.v1.operations import RULES
from marconi_server.api.v1.queues import (
    MetadataResource,
    QueueResource,
    QueuesResource,
    StatsResource,
)
from marconi_server.auth import identity
from marconi_server.auth.contract import Authenticator
from marconi_server.config.settings import Settings
from marconi_server.storage.contract import Store

if TYPE_CHECKING:  # it imports oslo.policy, which only an authenticated server needs
    from marconi_server.auth.roles import RoleRules


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

        :raises InvalidCall: path or query are too long
        :raises NotFound: nothing is at this path
        :raises MethodNotAllowed: the resource does not implement the method
        :raises falcon.HTTPStatus: the answer to OPTIONS
        """
        assert req is not None
        requests.check_target(req)
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


class Authentication:
    """Who asks: step 1 of spec section 3, before there is any look at the path."""

    def __init__(self, authenticator: Authenticator, *, open_health: bool) -> None:
        self._authenticator = authenticator
        self._open = ("/v1/health",) if open_health else ()

    def process_request(self, req: falcon.Request, _resp: falcon.Response) -> None:
        """Put the identity behind the token in the place of what the client says of itself.

        :raises Unauthenticated: there is none
        :raises IdentityUnavailable: there is no telling
        """
        identity.remove(req.env)
        if req.path not in self._open:
            self._authenticator.authenticate(req.env)


class Authorization:
    """Whether the role rules let the caller do what it asks for.

    It is the first thing to be checked once the operation is known: who may not use an operation
    learns nothing of queues, limits or storage from it, only what the documentation says anyway.
    """

    def __init__(self, role_rules: "RoleRules") -> None:
        self._role_rules = role_rules
        # PERF: with the default rules this look-up is all that there is to a request.
        self._open = frozenset(
            operation for operation, rule in RULES.items() if role_rules.is_open(rule)
        )

    def process_resource(
        self, req: falcon.Request, _resp: falcon.Response, _resource: object, _params: object
    ) -> None:
        """Let the caller pass, or not.

        :raises NotAuthorized: the rule of the operation is against it
        """
        operation = (req.uri_template or "", req.method)
        if operation not in self._open:
            rule = RULES[operation]
            if not self._role_rules.allows(rule, req.env):
                raise errors.NotAuthorized(rule)


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


class NothingWorks:
    """Refuses every request, whatever it is for."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def process_request(self, _req: falcon.Request, _resp: falcon.Response) -> None:
        """Say that nothing can be done now.

        :raises TemporarilyUnavailable: always
        """
        raise errors.TemporarilyUnavailable(self._reason)


def create_stand_in(reason: str) -> falcon.App[falcon.Request, falcon.Response]:
    """Return an application that can do nothing for now, and says why in one sentence."""
    app = falcon.App(middleware=[NothingWorks(reason)])
    app.set_error_serializer(errors.serialize)
    return app


def create_app(
    settings: Settings,
    store: Store,
    authenticator: Authenticator | None = None,
    role_rules: "RoleRules | None" = None,
) -> falcon.App[falcon.Request, falcon.Response]:
    """Return the application that offers the store under the v1 API.

    Without an `authenticator` everybody is believed. `role_rules` need one, which says what
    roles the caller has.
    """
    middleware: list[Authentication | Authorization | Checks | Origins] = []
    if authenticator is None:
        middleware.append(Origins(settings.wsgi.trusted_hosts))
    else:
        open_health = settings.authentication.open_health
        middleware.append(Authentication(authenticator, open_health=open_health))
    if role_rules is not None:
        middleware.append(Authorization(role_rules))
    middleware.append(Checks())
    app = falcon.App(router=Router(), middleware=middleware)
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
