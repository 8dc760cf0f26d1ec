"""Cases 305 to 313 of the conformance list: what a server answers that authenticates."""

from collections.abc import Iterator

import pytest
import requests

from tests.keystone.authenticated import Client, configuration, serve
from tests.keystone.identity import Identity
from tests.keystone.server import KeystoneServer
from tests.support.live import LiveServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, identity: Identity) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("server")
    project = identity.project()
    token = identity.token(identity.user(member=project), project)
    config = configuration(identity, folder, authentication={"timeout": 2})
    with serve(folder, config, token, workers=1) as server:
        yield server
        server.stop()


@pytest.fixture
def client(server: LiveServer, token: str) -> Client:
    return Client(server.url, token)


@pytest.fixture
def nobody(server: LiveServer) -> Client:
    return Client(server.url, None)


def assert_unauthorized(answer: requests.Response, identity: Identity) -> None:
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == f'Keystone uri="{identity.url}"'
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.json().keys() == {"title", "description"}
    assert answer.json()["title"] == "Authentication required"


@pytest.mark.case(305)
def test_no_token(nobody: Client, identity: Identity) -> None:
    assert_unauthorized(nobody.send("GET", "/v1/queues"), identity)


@pytest.mark.case(306)
def test_an_unknown_token(server: LiveServer, identity: Identity) -> None:
    assert_unauthorized(Client(server.url, "unknown").send("GET", "/v1/queues"), identity)


@pytest.mark.case(307)
def test_a_token_and_no_project_header(client: Client) -> None:
    assert client.status("GET", "/v1/queues") == 204
    assert client.status("PUT", "/v1/queues/mine") == 201
    assert client.send("GET", "/v1/queues").json()["queues"][0]["name"] == "mine"


@pytest.mark.case(308)
def test_an_unknown_path(nobody: Client, client: Client) -> None:
    assert nobody.status("GET", "/v1/480924/queues/") == 401
    assert client.status("GET", "/v1/480924/queues/") == 404


@pytest.mark.case(309)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1"), ("GET", "/v1/health"), ("POST", "/v1/queues")]
)
def test_everything_needs_a_token(nobody: Client, method: str, path: str) -> None:
    assert nobody.status(method, path) == 401


@pytest.mark.case(310)
def test_head(nobody: Client) -> None:
    answer = nobody.send("HEAD", "/v1/queues/q")
    assert (answer.status_code, answer.content) == (401, b"")
    assert answer.headers["WWW-Authenticate"].startswith("Keystone ")


@pytest.mark.case(311)
def test_a_forged_project(client: Client, server: LiveServer, identity: Identity) -> None:
    other = identity.project()
    theirs = Client(server.url, identity.token(identity.user(member=other), other))
    forged = {"X-Project-Id": other.id}
    assert client.send("PUT", "/v1/queues/q", headers=forged).status_code == 201
    assert client.status("GET", "/v1/queues/q") == 204
    assert theirs.status("GET", "/v1/queues/q") == 404


@pytest.mark.case(312)
def test_nothing_is_created_without_a_valid_token(client: Client, server: LiveServer) -> None:
    assert Client(server.url, "invalid").status("PUT", "/v1/queues/q") == 401
    assert client.status("GET", "/v1/queues/q") == 404


@pytest.mark.case(313)
def test_the_identity_service_is_down(keystone: KeystoneServer, client: Client) -> None:
    keystone.stop()
    answer = client.send("GET", "/v1/queues")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "30"
    assert answer.json()["title"] == "Service temporarily unavailable"


@pytest.mark.case(363)
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://evil.example"},
        {"Host": "evil.example"},
    ],
)
def test_a_token_is_better_than_an_origin(client: Client, headers: dict[str, str]) -> None:
    assert client.send("PUT", "/v1/queues/q", headers=headers).status_code == 201
    assert client.send("GET", "/v1/queues/q", headers=headers).status_code == 204
