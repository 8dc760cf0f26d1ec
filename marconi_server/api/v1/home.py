"""The home document (spec 7.1): where everything is, for clients that discover it."""

import json
from typing import Any

import falcon

MEDIA_TYPE = "application/json-home"

QUEUE = {"queue_name": "param/queue_name"}


def _relation(
    template: str, variables: dict[str, str], allow: list[str], **hints: Any
) -> dict[str, Any]:
    return {
        "href-template": template,
        "href-vars": variables,
        "hints": {"allow": allow, "formats": {falcon.MEDIA_JSON: {}}} | hints,
    }


ACCEPT_POST = {"accept-post": [falcon.MEDIA_JSON]}

DOCUMENT = {
    "resources": {
        "rel/queues": _relation(
            "/v1/queues{?marker,limit,detailed}",
            {
                "marker": "param/marker",
                "limit": "param/queue_limit",
                "detailed": "param/detailed",
            },
            ["GET"],
        ),
        "rel/queue": _relation("/v1/queues/{queue_name}", QUEUE, ["GET", "HEAD", "PUT", "DELETE"]),
        "rel/queue-metadata": _relation("/v1/queues/{queue_name}/metadata", QUEUE, ["GET", "PUT"]),
        "rel/queue-stats": _relation("/v1/queues/{queue_name}/stats", QUEUE, ["GET"]),
        "rel/messages": _relation(
            "/v1/queues/{queue_name}/messages{?marker,limit,echo,include_claimed}",
            QUEUE
            | {
                "marker": "param/marker",
                "limit": "param/messages_limit",
                "echo": "param/echo",
                "include_claimed": "param/include_claimed",
            },
            ["GET"],
        ),
        "rel/post-messages": _relation(
            "/v1/queues/{queue_name}/messages", QUEUE, ["POST"], **ACCEPT_POST
        ),
        "rel/claim": _relation(
            "/v1/queues/{queue_name}/claims{?limit}",
            QUEUE | {"limit": "param/claim_limit"},
            ["POST"],
            **ACCEPT_POST,
        ),
    }
}


class HomeResource:
    """`/v1`: the same for everybody, and without storage."""

    MEDIA_TYPES = (falcon.MEDIA_JSON, MEDIA_TYPE)

    def __init__(self) -> None:
        self._body = json.dumps(DOCUMENT).encode()

    def on_get(self, _req: falcon.Request, resp: falcon.Response, **_: object) -> None:
        """Return the home document."""
        resp.data = self._body
        resp.content_type = MEDIA_TYPE
        resp.cache_control = ["max-age=86400"]
