"""All of it at once: two nodes on one MongoDB that ask Keystone, behind HAProxy."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.balancers.balancer import HAProxy
from tests.keystone.authenticated import Client, configuration, serve
from tests.keystone.identity import Identity
from tests.mongodb.deployment import Deployment
from tests.support.live import LiveServer


@pytest.fixture
def nodes(
    identity: Identity, token: str, mongodb: Deployment, mongodb_database: str, tmp_path: Path
) -> Iterator[list[LiveServer]]:
    config = configuration(
        identity,
        tmp_path,
        drivers={"storage": "mongodb"},
        authentication={"open_health": "true"},
        **{
            "drivers:storage:mongodb": {"uri": mongodb.uri, "database": mongodb_database},
            "drivers:transport:wsgi": {"access_log": "true"},
        },
    )
    with ExitStack() as stack:
        yield [stack.enter_context(serve(tmp_path, config, token, workers=1)) for _ in range(2)]


def test_a_message_goes_its_way(
    nodes: list[LiveServer], identity: Identity, token: str, tmp_path: Path
) -> None:
    with HAProxy(tmp_path, [node.port for node in nodes]) as balancer:
        client = Client(balancer.url, token)
        assert client.status("PUT", "/v1/queues/q") == 201
        posted = client.send("POST", "/v1/queues/q/messages", [{"ttl": 60, "body": "one"}])
        assert posted.status_code == 201
        listed = client.send("GET", "/v1/queues/q/messages?echo=true").json()["messages"]
        assert [message["body"] for message in listed] == ["one"]
        claimed = client.send("POST", "/v1/queues/q/claims", {"ttl": 60, "grace": 60}).json()
        assert [message["href"].partition("?")[0] for message in claimed] == [listed[0]["href"]]
        assert client.status("DELETE", claimed[0]["href"]) == 204
        assert client.send("GET", "/v1/queues/q/stats").json()["messages"]["total"] == 0

        other = Client(balancer.url, identity.token(*identity.anybody()))
        assert other.status("GET", "/v1/queues/q") == 404
        for nobody in (Client(balancer.url, None), Client(balancer.url, "unknown")):
            assert nobody.status("GET", "/v1/queues/q") == 401
        assert Client(balancer.url, None).status("GET", "/v1/health") == 204
    for node in nodes:
        assert "/v1/queues/q" in node.log(), "a node got no requests"
        node.stop()
