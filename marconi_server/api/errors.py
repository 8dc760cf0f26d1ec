"""The error catalogue (spec 4.8), and the one place where storage errors become answers.

A responder raises one of the classes below; `document` is how all of them look on the
wire. A storage error passes through responders untouched and meets `HANDLERS`.
"""

import json
import logging
from collections.abc import Callable, Iterable
from typing import Any

import falcon

from marconi_server.api import accept
from marconi_server.auth.contract import IdentityUnavailable, Unauthenticated
from marconi_server.storage.errors import (
    ClaimNotFound,
    MessageClaimed,
    MessageNotFound,
    QueueNotFound,
    StorageConflict,
    StorageUnavailable,
    quoted,
)

log = logging.getLogger(__name__)

_JSON = (falcon.MEDIA_JSON,)

RETRY_AFTER = 30
"""Seconds after which a client may try again what storage could not do (spec 5)."""


def document(title: str, description: str) -> bytes:
    """Return the JSON error document: four blanks of indentation, `title` first."""
    text = json.dumps({"title": title, "description": description}, indent=4, ensure_ascii=False)
    return text.encode()


class InvalidHeaderValue(falcon.HTTPBadRequest):
    """A header that HTTP itself needs makes no sense."""

    def __init__(self, description: str) -> None:
        super().__init__(title="Invalid header value", description=description)


class MissingHeader(falcon.HTTPBadRequest):
    """A header that the operation needs is absent."""

    def __init__(self, name: str) -> None:
        super().__init__(
            title="Missing header", description=f"This request needs the header {name}."
        )


class EmptyProjectHeader(falcon.HTTPBadRequest):
    """`X-Project-Id` is there but names no project."""

    def __init__(self) -> None:
        super().__init__(
            title="Empty project header not allowed",
            description="X-Project-Id is empty. Name a project or leave the header out.",
        )


class InvalidQueueIdentification(falcon.HTTPBadRequest):
    """The queue name or the project id is not one that a queue could have."""

    def __init__(self, description: str) -> None:
        super().__init__(title="Invalid queue identification", description=description)


class InvalidQueryParameter(falcon.HTTPBadRequest):
    """A query parameter has the wrong type."""

    def __init__(self, description: str) -> None:
        super().__init__(title="Invalid query parameter", description=description)


class MissingQueryParameter(falcon.HTTPBadRequest):
    """A query parameter that the operation needs is absent."""

    def __init__(self, name: str) -> None:
        super().__init__(
            title="Missing query parameter",
            description=f"This request needs the query parameter {name}.",
        )


class InvalidCall(falcon.HTTPBadRequest):
    """The request can be read, but asks for something outside the limits."""

    def __init__(self, description: str) -> None:
        super().__init__(title="Invalid API call", description=description)


class InvalidBody(falcon.HTTPBadRequest):
    """The body is not a JSON document of the kind that the operation takes."""

    def __init__(self, description: str) -> None:
        super().__init__(title="Invalid request body", description=description)


class AuthenticationRequired(falcon.HTTPUnauthorized):
    """Nobody knows who asks (spec section 10)."""

    def __init__(self, description: str, challenge: str) -> None:
        super().__init__(
            title="Authentication required", description=description, challenges=[challenge]
        )


class NotFound(falcon.HTTPNotFound):
    """Nothing is there: neither a route nor a queue, message or claim."""

    def __init__(self, description: str) -> None:
        super().__init__(title="Not found", description=description)


class MethodNotAllowed(falcon.HTTPMethodNotAllowed):
    """The resource exists but does not implement the method."""

    def __init__(self, allowed: Iterable[str]) -> None:
        allowed = [*allowed, "OPTIONS"]
        super().__init__(
            allowed,
            title="Method not allowed",
            description=f"This resource answers {', '.join(allowed)}.",
        )


class NotAcceptable(falcon.HTTPNotAcceptable):
    """The client refuses JSON, hence also the error document (spec 4.5)."""

    def __init__(self) -> None:
        super().__init__(title="Media type not acceptable")


class UnableToDelete(falcon.HTTPForbidden):
    """Claims keep a message from being deleted (spec 6.8)."""

    def __init__(self, description: str) -> None:
        super().__init__(title="Unable to delete", description=description)


class NotAuthorized(falcon.HTTPForbidden):
    """The role rules keep the caller from this operation."""

    def __init__(self, rule: str) -> None:
        super().__init__(
            title="Not authorized",
            description=f"The rule {rule} of this server does not let your roles do that.",
        )


class ForeignPage(falcon.HTTPForbidden):
    """A page of somebody else made a browser send this (spec 15.3)."""

    def __init__(self) -> None:
        super().__init__(
            title="Not authorized",
            description="A web page of another origin may not change anything here.",
        )


class MisdirectedRequest(falcon.HTTPError):
    """The client calls this server by a name that it does not have (spec 15.3)."""

    def __init__(self) -> None:
        super().__init__(
            falcon.HTTP_421,
            title="Misdirected request",
            description="This server does not have the name in the header Host. If it should, "
            "its operator has to name it in the option trusted_hosts.",
        )


class LengthRequired(falcon.HTTPLengthRequired):
    """Where the body ends can only be told by its length, and there is none."""

    def __init__(self) -> None:
        super().__init__(
            title="Length required",
            description="This server cannot take a body in chunks. Send it with Content-Length.",
        )


class TemporarilyUnavailable(falcon.HTTPServiceUnavailable):
    """What was asked could not be done now (spec 9); `failure` says what, in a sentence."""

    def __init__(self, failure: str) -> None:
        super().__init__(
            title="Service temporarily unavailable",
            description=f"{failure} Please try again in a few seconds.",
            retry_after=RETRY_AFTER,
        )


def serialize(req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError) -> None:
    """Write the error document; Falcon calls this for every HTTP error."""
    if isinstance(error, NotAcceptable):
        return
    # This one comes before the check of what the client accepts.
    if isinstance(error, AuthenticationRequired) and not accept.allows(req.env, _JSON):
        return
    # Only Falcon itself raises errors without a description: for a method of its own making.
    resp.data = document(error.title, error.description or "This request makes no sense here.")
    resp.content_type = falcon.MEDIA_JSON + "; charset=utf-8"


FAILURES = {
    ("/v1/queues", "GET"): "The queues could not be listed.",
    ("/v1/queues/{queue}", "DELETE"): "The queue could not be deleted.",
    ("/v1/queues/{queue}", "GET"): "The queue could not be looked up.",
    ("/v1/queues/{queue}", "HEAD"): "The queue could not be looked up.",
    ("/v1/queues/{queue}", "PUT"): "The queue could not be created.",
    ("/v1/queues/{queue}/metadata", "GET"): "The metadata could not be retrieved.",
    ("/v1/queues/{queue}/metadata", "PUT"): "The metadata could not be updated.",
    ("/v1/queues/{queue}/stats", "GET"): "The stats could not be read.",
    ("/v1/queues/{queue}/messages", "DELETE"): "The messages could not be deleted.",
    ("/v1/queues/{queue}/messages", "GET"): "The messages could not be listed.",
    ("/v1/queues/{queue}/messages", "POST"): "The messages could not be enqueued.",
    ("/v1/queues/{queue}/messages/{message_id}", "DELETE"): "The message could not be deleted.",
    ("/v1/queues/{queue}/messages/{message_id}", "GET"): "The message could not be retrieved.",
    ("/v1/queues/{queue}/claims", "POST"): "The claim could not be created.",
    ("/v1/queues/{queue}/claims/{claim_id}", "DELETE"): "The claim could not be deleted.",
    ("/v1/queues/{queue}/claims/{claim_id}", "GET"): "The claim could not be queried.",
    ("/v1/queues/{queue}/claims/{claim_id}", "PATCH"): "The claim could not be updated.",
}
"""What to say when storage fails, by route and method: the table of spec 9."""


def log_unavailable(req: falcon.Request, error: StorageUnavailable) -> None:
    """Tell the operator on one line what storage could not do, and why.

    Of the engine's own error the kind is enough: the reason has what matters of its text, of which
    the rest may quote messages.
    """
    cause = f" ({type(error.__cause__).__name__})" if error.__cause__ else ""
    log.warning("%s %r: storage unavailable: %s%s", req.method, req.path, error, cause)


def _queue_not_found(
    _req: falcon.Request, _resp: falcon.Response, error: QueueNotFound, _params: dict[str, Any]
) -> None:
    raise NotFound(f"There is no queue {quoted(error.queue)} in this project.") from error


def _item_not_found(
    _req: falcon.Request,
    _resp: falcon.Response,
    error: MessageNotFound | ClaimNotFound,
    _params: dict[str, Any],
) -> None:
    raise NotFound(str(error)) from error


def _message_claimed(
    _req: falcon.Request, _resp: falcon.Response, error: MessageClaimed, _params: dict[str, Any]
) -> None:
    raise UnableToDelete(f"{error} A valid claim_id is needed.") from error


def _storage_unavailable(
    req: falcon.Request, _resp: falcon.Response, error: StorageUnavailable, _params: dict[str, Any]
) -> None:
    log_unavailable(req, error)
    failure = FAILURES[req.uri_template or "", req.method]
    if isinstance(error, StorageConflict):
        failure += " Others are writing to the queue at the same time."
    raise TemporarilyUnavailable(failure) from error


def _unauthenticated(
    _req: falcon.Request, _resp: falcon.Response, error: Unauthenticated, _params: dict[str, Any]
) -> None:
    raise AuthenticationRequired(str(error), error.challenge) from error


def _identity_unavailable(
    req: falcon.Request, _resp: falcon.Response, error: IdentityUnavailable, _params: dict[str, Any]
) -> None:
    log.warning("%s %r: identity service unavailable: %s", req.method, req.path, error)
    raise TemporarilyUnavailable("The token could not be checked.") from error


def _unexpected(
    req: falcon.Request, _resp: falcon.Response, error: Exception, _params: dict[str, Any]
) -> None:
    log.error("%s %r: unexpected error", req.method, req.path, exc_info=error)
    raise falcon.HTTPInternalServerError(
        title="Internal server error",
        description="The server has a defect. Its log tells more.",
    ) from error


HANDLERS: tuple[tuple[type[Exception], Callable[..., None]], ...] = (
    (QueueNotFound, _queue_not_found),
    (MessageNotFound, _item_not_found),
    (ClaimNotFound, _item_not_found),
    (MessageClaimed, _message_claimed),
    (StorageUnavailable, _storage_unavailable),
    (Unauthenticated, _unauthenticated),
    (IdentityUnavailable, _identity_unavailable),
    (Exception, _unexpected),
)
"""Which function answers which exception; Falcon takes the most specific one."""
