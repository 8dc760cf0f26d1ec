"""Every operation of the API, and the name under which role rules speak of it."""

from dataclasses import dataclass
from typing import Final

from marconi_server.api.v1 import QUEUES


@dataclass(frozen=True)
class Operation:
    """What one or more methods of a route do, and the rule that says who may."""

    rule: str
    path: str
    methods: tuple[str, ...]
    description: str


_QUEUE: Final = f"{QUEUES}/{{queue}}"
_METADATA: Final = f"{_QUEUE}/metadata"
_MESSAGES: Final = f"{_QUEUE}/messages"
_MESSAGE: Final = f"{_MESSAGES}/{{message_id}}"
_CLAIMS: Final = f"{_QUEUE}/claims"
_CLAIM: Final = f"{_CLAIMS}/{{claim_id}}"

OPERATIONS: Final = (
    Operation("home", "/v1", ("GET",), "Read the home document."),
    Operation("health", "/v1/health", ("GET", "HEAD"), "Ask whether the server is well."),
    Operation("queues:list", QUEUES, ("GET",), "List the queues of the project."),
    Operation("queues:create", _QUEUE, ("PUT",), "Create a queue."),
    Operation("queues:exists", _QUEUE, ("GET", "HEAD"), "Ask whether a queue exists."),
    Operation("queues:delete", _QUEUE, ("DELETE",), "Delete a queue with all that is in it."),
    Operation("queues:metadata:get", _METADATA, ("GET",), "Read the metadata of a queue."),
    Operation("queues:metadata:set", _METADATA, ("PUT",), "Replace the metadata of a queue."),
    Operation("queues:stats", f"{_QUEUE}/stats", ("GET",), "Count the messages of a queue."),
    Operation("messages:post", _MESSAGES, ("POST",), "Post messages."),
    Operation("messages:list", _MESSAGES, ("GET",), "List messages, or get several by their ids."),
    Operation("messages:delete_many", _MESSAGES, ("DELETE",), "Delete messages, claimed or not."),
    Operation("messages:get", _MESSAGE, ("GET",), "Get one message."),
    Operation("messages:delete", _MESSAGE, ("DELETE",), "Delete one message, if claims allow it."),
    Operation("claims:create", _CLAIMS, ("POST",), "Claim messages."),
    Operation("claims:get", _CLAIM, ("GET",), "Read a claim with its messages."),
    Operation("claims:renew", _CLAIM, ("PATCH",), "Renew a claim."),
    Operation("claims:release", _CLAIM, ("DELETE",), "Release a claim."),
)

RULES: Final = {
    (operation.path, method): operation.rule
    for operation in OPERATIONS
    for method in operation.methods
}
"""The rule of each route and method."""
