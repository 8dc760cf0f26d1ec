"""What a balancer does with nodes that are sick, and never does with a post."""

from collections.abc import Iterator
from http.client import HTTPConnection, HTTPSConnection, RemoteDisconnected
from pathlib import Path

import pytest

from tests.balancers.balancer import SECONDS, Balancer, HAProxy
from tests.balancers.stub import Stub
from tests.support.certificates import Authority
from tests.support.waiting import wait_until

Stubs = tuple[Stub, Stub]


@pytest.fixture
def stubs() -> Iterator[Stubs]:
    one, two = Stub(), Stub()
    with one.running(), two.running():
        yield one, two


@pytest.fixture
def balancer(kind: type[Balancer], stubs: Stubs, tmp_path: Path) -> Iterator[Balancer]:
    with kind(tmp_path, [stub.port for stub in stubs]) as balancer:
        yield balancer


def ask(balancer: Balancer, method: str, headers: dict[str, str] | None = None) -> int:
    """Send a request on a connection of its own, and return the status; 0 for none."""
    connection = HTTPConnection("127.0.0.1", balancer.port, timeout=SECONDS)
    try:
        connection.request(method, "/v1/x", b"[]", headers or {})
        return connection.getresponse().status
    except (RemoteDisconnected, ConnectionResetError):
        return 0
    finally:
        connection.close()


def requests_of(stubs: Stubs) -> list[str]:
    return [request for stub in stubs for request in stub.requests]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_may_have_had_its_effect_is_not_sent_again(
    method: str, balancer: Balancer, stubs: Stubs
) -> None:
    assert {ask(balancer, method) for _ in range(4)} == {200}
    before = len(requests_of(stubs))
    for stub in stubs:
        stub.hangs_up = True
    # The connections to the nodes are used already: this is where balancers like to repeat.
    assert ask(balancer, method) in (0, 502)
    assert len(requests_of(stubs)) == before + 1


def test_a_node_that_is_away_costs_nothing(kind: type[Balancer], tmp_path: Path) -> None:
    one, two = Stub(), Stub()
    with two.running():
        with one.running():
            pass  # from now on connections to it are refused
        with kind(tmp_path, [one.port, two.port]) as balancer:
            assert [ask(balancer, "POST") for _ in range(20)] == [200] * 20
    assert (len(one.requests), len(two.requests)) == (0, 20)


def test_connections_to_nodes_are_kept(balancer: Balancer, stubs: Stubs) -> None:
    connection = HTTPConnection("127.0.0.1", balancer.port, timeout=SECONDS)
    for _ in range(50):
        connection.request("POST", "/v1/x", b"[]")
        assert connection.getresponse().read() == b""
    connection.close()
    assert len(requests_of(stubs)) == 50
    assert sum(len(stub.connections) for stub in stubs) <= 10


def test_what_clients_say_of_themselves_does_not_reach_nodes(
    balancer: Balancer, stubs: Stubs
) -> None:
    lies = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    assert ask(balancer, "GET", lies) == 200
    (headers,) = [headers for stub in stubs for headers in stub.headers]
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"


def test_tls_at_the_balancer(kind: type[Balancer], stubs: Stubs, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with kind(tmp_path, [stub.port for stub in stubs], authority.both_file) as balancer:
        connection = HTTPSConnection(
            "127.0.0.1", balancer.port, timeout=SECONDS, context=authority.client()
        )
        connection.request("GET", "/v1/x", headers={"X-Forwarded-Proto": "http"})
        assert connection.getresponse().status == 200
        connection.close()
    (headers,) = [headers for stub in stubs for headers in stub.headers]
    assert headers["x-forwarded-proto"] == "https"


def test_haproxy_leaves_a_node_alone_whose_store_does_not_answer(
    stubs: Stubs, tmp_path: Path
) -> None:
    sick, healthy = stubs
    with HAProxy(tmp_path, [stub.port for stub in stubs]) as balancer:
        for is_healthy in (False, True):
            sick.is_healthy = is_healthy
            wait_until(lambda: gets_a_share(sick, balancer) == sick.is_healthy)
        assert healthy.requests


def gets_a_share(stub: Stub, balancer: Balancer) -> bool:
    before = len(stub.requests)
    assert {ask(balancer, "GET") for _ in range(4)} == {200}
    return len(stub.requests) > before
