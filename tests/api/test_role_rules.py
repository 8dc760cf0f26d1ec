"""Role rules on the API: each operation has one, and who is refused learns nothing else."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from falcon.routing.util import map_http_methods

from marconi_server.api.app import create_app, routes
from marconi_server.api.v1.operations import OPERATIONS, RULES
from marconi_server.auth.roles import RoleRules
from marconi_server.config.settings import Settings
from tests.api.client import Answer, Client, Queue, assert_error
from tests.support.faulty import FaultyStore

WORKER = {"X-Roles": "reader,worker"}

Ruled = Callable[..., Client]


@pytest.fixture
def ruled(settings: Settings, store: FaultyStore) -> Ruled:
    """Make a client of an app with these rules, which differ from the defaults."""

    def ruled(**rules: str) -> Client:
        return Client(create_app(settings, store, role_rules=RoleRules(rules)), uuid4().hex)

    return ruled


def ask(client: Client, path: str, method: str) -> Answer:
    """Send the plainest request of an operation."""
    path = path.format(queue="q", message_id="m", claim_id="c")
    bodies: dict[str, Any] = {"POST": [], "PUT": {}, "PATCH": {}}
    return client.request(method, path, bodies.get(method), client_id="me", headers=WORKER)


def test_every_operation_has_a_rule(settings: Settings, store: FaultyStore) -> None:
    operations = {
        (path, method)
        for path, resource in routes(settings, store)
        for method in map_http_methods(resource)
    }
    assert operations == RULES.keys()
    assert len(RULES) == sum(len(operation.methods) for operation in OPERATIONS)
    assert len({operation.rule for operation in OPERATIONS}) == len(OPERATIONS)


@pytest.mark.parametrize("rule", [operation.rule for operation in OPERATIONS])
def test_a_rule_is_about_its_operation_and_no_other(rule: str, ruled: Ruled) -> None:
    client = ruled(**{rule: "role:somebody-else"})
    for (path, method), each in RULES.items():
        answer = ask(client, path, method)
        assert (answer.status == 403) == (each == rule), (method, path)
        if each == rule and method != "HEAD":
            assert_error(answer, 403, "Not authorized")
            assert rule in answer.json()["description"]


@pytest.mark.parametrize("rule", [operation.rule for operation in OPERATIONS])
def test_who_has_the_role_passes(rule: str, ruled: Ruled) -> None:
    client = ruled(**{rule: "role:worker"})
    for path, method in RULES:
        assert ask(client, path, method).status != 403


def test_a_refusal_comes_before_everything_but_the_method(ruled: Ruled, store: FaultyStore) -> None:
    client = ruled(**dict.fromkeys(set(RULES.values()), "!"))
    client.of(None).put("/v1/queues/there")
    claims = "/v1/queues/{}/claims"
    with store.failing(ZeroDivisionError("the store was asked")):
        for answer in (
            client.post(claims.format("there"), {"ttl": 60, "grace": 60}),
            client.post(claims.format("missing"), {"ttl": 60, "grace": 60}),
            client.post(claims.format("no queue name")),
            client.post(claims.format("q"), b"no JSON", accept="text/plain"),
            client.post(claims.format("q"), headers={"X-Project-Id": ""}),
            client.post(claims.format("q") + "?limit=many", headers={"Content-Length": "0"}),
            client.get("/v1/health"),
        ):
            assert_error(answer, 403, "Not authorized")
        assert_error(client.get("/v1/nothing"), 404, "Not found")
        assert_error(client.delete(claims.format("q")), 405, "Method not allowed")
        assert client.request("OPTIONS", claims.format("q")).status == 204


def test_a_refused_request_changes_nothing(ruled: Ruled) -> None:
    client = ruled(**{"queues:delete": "role:admin", "messages:post": "role:admin"})
    queue = Queue(client, "q")
    client.create("q")
    assert_error(queue.post([{"ttl": 60, "body": 1}]), 403, "Not authorized")
    assert_error(client.delete(queue.path), 403, "Not authorized")
    assert client.names() == ["q"]
    assert queue.counts() == (0, 0, 0)


def test_without_rules_roles_do_not_matter(client: Client) -> None:
    for path, method in RULES:
        assert ask(client, path, method).status != 403
