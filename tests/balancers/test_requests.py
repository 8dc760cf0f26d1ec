"""What clients send and nodes answer comes through a balancer as it is."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from tests.balancers.balancer import SECONDS, Balancer, HAProxy, Nginx
from tests.balancers.conftest import sqlite_node
from tests.support.live import LiveServer
from tests.support.wire import exchange

ID = "req-c0ffee00-1234-4321-abcd-0123456789ab"

VARYING = {"date", "server", "connection", "x-openstack-request-id"}
"""Headers in which an answer through a balancer may differ from one without."""


class Answer:
    """An answer, with header names in lower case."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def lasting(self) -> tuple[int, dict[str, str], bytes]:
        """What has to be the same each time."""
        kept = {name: value for name, value in self.headers.items() if name not in VARYING}
        return self.status, kept, self.body


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with sqlite_node(tmp_path_factory.mktemp("node")) as node:
        yield node


@pytest.fixture(scope="module", params=[HAProxy, Nginx], ids=lambda kind: kind.program)
def balancer(
    request: pytest.FixtureRequest, node: LiveServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Balancer]:
    """A balancer with one node; the place of the second one is taken by the same."""
    with request.param(tmp_path_factory.mktemp("balancer"), [node.port] * 2) as balancer:
        assert ask(balancer.port, "PUT", "/v1/queues/q").status in (201, 204)
        yield balancer


def ask(
    port: int,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    source: str = "127.0.0.1",
) -> Answer:
    connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS, source_address=(source, 0))
    sent = {"Client-ID": "c", **(headers or {})}
    content = json.dumps(body) if isinstance(body, list | dict) else body
    connection.request(method, path, content, sent)
    response = connection.getresponse()
    answer = Answer(
        response.status,
        {name.lower(): value for name, value in response.getheaders()},
        response.read(),
    )
    connection.close()
    return answer


def test_http_1_0_needs_no_host(balancer: Balancer) -> None:
    assert exchange(balancer.port, b"GET /v1/health HTTP/1.0\r\n\r\n").status == 204


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1"),
        ("GET", "/v1/"),
        ("HEAD", "/v1/health"),
        ("GET", "/v1/health"),
        ("OPTIONS", "/v1/queues/q/messages"),
        ("POST", "/v1/queues"),
        ("BREW", "/v1/queues"),
        ("GET", "/v1/queues?limit=3&detailed=true"),
        ("GET", "/v1/queues?limit=21"),
        ("GET", "/v1/queues/q"),
        ("HEAD", "/v1/queues/q"),
        ("GET", "/v1/queues/q/"),
        ("GET", "/v1//queues/q"),
        ("GET", "/v1/queues/a%2Fb"),
        ("GET", "/v1/queues/%71"),
        ("DELETE", "/v1/queues/a.b"),
        ("GET", "/v1/queues/a%2Eb/stats"),
        ("PUT", "/v1/queues/%2e"),
        ("PUT", "/v1/queues/.%2E"),
        ("GET", "/v1/queues/../queues/q"),
        ("GET", "/v1/queues/none"),
        ("GET", "/v1/queues/q/messages?ids=a%2Cb,,c"),
        ("DELETE", "/v1/queues/q/messages/x?claim_id=y"),
        ("PUT", "/v1/queues/q"),
        ("PUT", "/v1/queues/q/metadata"),
        ("GET", "/"),
    ],
)
def test_answers_are_the_same_as_without(
    method: str, path: str, balancer: Balancer, node: LiveServer
) -> None:
    direct, through = ask(node.port, method, path), ask(balancer.port, method, path)
    assert direct.lasting == through.lasting


def test_the_project_and_the_client_come_through(balancer: Balancer) -> None:
    project = {"X-Project-Id": f"p-{balancer.program}"}
    assert ask(balancer.port, "PUT", "/v1/queues/own", headers=project).status == 201
    assert ask(balancer.port, "PUT", "/v1/queues/own", headers=project).status == 204
    missing = ask(balancer.port, "GET", "/v1/queues/own", headers={"X-Project-Id": ""})
    assert missing.status == 400


def test_a_name_with_a_dot(balancer: Balancer) -> None:
    assert ask(balancer.port, "PUT", "/v1/queues/a%2Eb").headers["location"] == "/v1/queues/a.b"
    assert ask(balancer.port, "GET", "/v1/queues/a.b").status == 204
    assert ask(balancer.port, "DELETE", "/v1/queues/a.b").status == 204


@pytest.mark.parametrize("is_chunked", [False, True])
def test_the_largest_post(is_chunked: bool, balancer: Balancer) -> None:
    empty = len(json.dumps([{"ttl": 60, "body": ""}]))
    for size, status in ((262_144, 201), (262_145, 400)):
        body = json.dumps([{"ttl": 60, "body": "x" * (size - empty)}]).encode()
        assert len(body) == size
        content: Any = iter([body[:1000], body[1000:]]) if is_chunked else body
        answer = ask(balancer.port, "POST", "/v1/queues/q/messages", content)
        assert answer.status == status
        if status == 400:
            assert json.loads(answer.body)["title"] == "Invalid API call"


def test_a_post_of_many_messages(balancer: Balancer) -> None:
    """As many as fit in the largest post, and as many ids as fit in a request."""
    messages = [{"ttl": 60, "body": number} for number in range(9000)]
    posted = ask(balancer.port, "POST", "/v1/queues/q/messages", messages)
    assert posted.status == 201
    path = posted.headers["location"]
    resources = json.loads(posted.body)["resources"]
    assert len(resources) == 9000
    first = ",".join(href.rpartition("/")[2] for href in resources[:1000])
    listed = ask(balancer.port, "GET", f"{path}?ids={first}")
    assert [message["body"] for message in json.loads(listed.body)] == list(range(1000))
    assert ask(balancer.port, "DELETE", f"{path}?ids={first}").status == 204


def test_the_node_knows_the_client_and_its_request_id(balancer: Balancer, node: LiveServer) -> None:
    given = f"{ID[:-1]}{len(balancer.program)}"
    headers = {"X-Openstack-Request-Id": given, "X-Forwarded-For": "203.0.113.9"}
    answer = ask(balancer.port, "GET", "/v1/queues/q", headers=headers, source="127.0.0.2")
    assert answer.headers["x-openstack-request-id"] == given
    (line,) = [line for line in node.log().splitlines() if given in line]
    assert ' 127.0.0.2 "GET /v1/queues/q" 204 ' in line
    node.wait_until(lambda: given in balancer.access_log(), SECONDS, "is not in its log")
