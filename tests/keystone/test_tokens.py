"""Tokens of all kinds, sent over HTTP to a live server."""

from collections.abc import Iterator
from typing import Final

import pytest

from tests.keystone.authenticated import Client, configuration, serve
from tests.keystone.identity import Identity, User
from tests.support.live import LiveServer
from tests.support.waiting import wait_until

CACHE_SECONDS: Final = 1

PATIENCE: Final = 60.0
"""Bound of the wait for a token to be refused that is refused a second later."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, identity: Identity) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("server")
    token = identity.token(*identity.anybody())
    config = configuration(identity, folder, keystone_authtoken={"token_cache_time": CACHE_SECONDS})
    with serve(folder, config, token) as server:
        yield server
        server.stop()


@pytest.fixture
def client(server: LiveServer, token: str) -> Client:
    return Client(server.url, token)


def wait_for_refusal(client: Client) -> None:
    wait_until(lambda: client.status("GET", "/v1/queues") == 401, pause=0.05)


def test_a_revoked_token(client: Client, identity: Identity, token: str) -> None:
    assert client.status("PUT", "/v1/queues/q") == 201
    identity.revoke(token)
    wait_for_refusal(client)


def test_an_empty_token(server: LiveServer) -> None:
    answer = Client(server.url, None).send("GET", "/v1/queues", headers={"X-Auth-Token": ""})
    assert answer.status_code == 401
    assert "X-Auth-Token" in answer.json()["description"]


def test_a_token_without_a_project(server: LiveServer, identity: Identity, user: User) -> None:
    identity.grant(user, "reader")
    for token in (identity.unscoped_token(user), identity.system_token(user)):
        client = Client(server.url, token)
        for _ in range(2):
            answer = client.send("PUT", "/v1/queues/q")
            assert answer.status_code == 401
            assert "no project" in answer.json()["description"]
            assert answer.headers["WWW-Authenticate"].startswith("Keystone uri=")
        # Nor does it help to name one.
        forged = {"X-Project-Id": identity.project().id}
        assert client.send("PUT", "/v1/queues/q", headers=forged).status_code == 401


def test_a_client_that_refuses_json_gets_no_document(server: LiveServer) -> None:
    answer = Client(server.url, None).send("GET", "/v1", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.content) == (401, b"")
    assert answer.headers["Content-Length"] == "0"


FORGED = (
    "X-Project-Id",
    "X-Tenant-Id",
    "X-Tenant",
    "x-project-id",
    "X-PROJECT-ID",
)


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_project(client: Client, name: str) -> None:
    """Whether the token is new to the server or not."""
    for queue in ("first", "second"):
        path = f"/v1/queues/{queue}"
        assert client.send("PUT", path, headers={name: "theirs"}).status_code == 201
        assert client.status("GET", path) == 204
        assert client.send("GET", path, headers={name: "theirs"}).status_code == 204


def test_an_empty_project_header_is_as_good_as_none(client: Client) -> None:
    assert client.send("GET", "/v1/queues", headers={"X-Project-Id": ""}).status_code == 204


def test_links_are_relative(client: Client) -> None:
    """The filter would make them absolute, if answers went through it."""
    created = client.send("PUT", "/v1/queues/q")
    assert created.headers["Location"] == "/v1/queues/q"
    posted = client.send("POST", "/v1/queues/q/messages", [{"ttl": 60, "body": 1}])
    assert posted.headers["Location"].startswith("/v1/queues/q/messages?ids=")
    claimed = client.send("POST", "/v1/queues/q/claims", {"ttl": 60, "grace": 60})
    assert claimed.headers["Location"].startswith("/v1/queues/q/claims/")


def test_a_large_body_is_read_whole(client: Client) -> None:
    """The filter sees a copy of the head: the body is left for whom it is meant."""
    assert client.status("PUT", "/v1/queues/q") == 201
    body = "x" * 200_000
    posted = client.send("POST", "/v1/queues/q/messages", [{"ttl": 60, "body": body}])
    assert posted.status_code == 201
    message = client.send("GET", posted.json()["resources"][0]).json()
    assert message["body"] == body


def test_no_token_is_in_the_log(
    client: Client, server: LiveServer, identity: Identity, token: str
) -> None:
    assert client.status("GET", "/v1/queues") == 204
    revoked = identity.token(*identity.anybody())
    identity.revoke(revoked)
    assert Client(server.url, revoked).status("GET", "/v1/queues") == 401
    assert Client(server.url, "gAAAA-unknown").status("GET", "/v1/queues") == 401
    log = server.log()
    assert "Booting worker" in log
    for secret in (token, revoked, "gAAAA-unknown"):
        assert secret[:20] not in log
