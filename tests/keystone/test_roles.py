"""Role rules, with roles that a real Keystone gives, over HTTP: the examples of their page."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.docs.markdown import page
from tests.keystone.authenticated import Client, configuration, serve
from tests.keystone.identity import Identity, Project
from tests.support.command import run
from tests.support.live import LiveServer

PAGE = "docs/operations/roles.md"
QUEUE = "/v1/queues/q"
MESSAGES = f"{QUEUE}/messages"
CLAIMS = f"{QUEUE}/claims"
MESSAGE = [{"ttl": 60, "body": "work"}]
CLAIM = {"ttl": 60, "grace": 60}


class Roles:
    """One project of a server, as users with different roles see it."""

    def __init__(self, server: LiveServer, identity: Identity) -> None:
        self.server = server
        self._identity = identity
        self._project = identity.project()

    def __getitem__(self, role: str) -> Client:
        user = self._identity.user(**{role: self._project})
        return Client(self.server.url, self._identity.token(user, self._project))


@pytest.fixture(scope="module", autouse=True)
def _roles(identity: Identity) -> None:
    for name in ("producer", "consumer"):
        identity.role(name)


@pytest.fixture
def server(tmp_path: Path, identity: Identity, project: Project) -> LiveServer:
    """Give a server that was not started yet."""
    token = identity.token(identity.user(reader=project), project)
    return serve(tmp_path, configuration(identity, tmp_path), token, workers=1)


@pytest.fixture
def roles(server: LiveServer, identity: Identity) -> Roles:
    return Roles(server, identity)


def policy_file(server: LiveServer) -> Path:
    return server.config_file.with_name("policy.yaml")


@pytest.fixture
def example(request: pytest.FixtureRequest, server: LiveServer) -> Iterator[None]:
    """Let the server run with the policy file that stands under a heading of the page."""
    blocks = page(PAGE).blocks()
    (text,) = (block.text for block in blocks if block.heading == request.param)
    policy_file(server).write_text(text)
    with server:
        yield
        server.stop()


def assert_refused(answer: requests.Response, rule: str) -> None:
    assert answer.status_code == 403
    assert answer.json()["title"] == "Not authorized"
    assert f"The rule {rule} " in answer.json()["description"]


def test_by_default_any_role_will_do(server: LiveServer, roles: Roles) -> None:
    with server:
        for role in ("member", "reader", "producer"):
            client = roles[role]
            assert client.status("PUT", QUEUE) == 201
            assert client.status("POST", MESSAGES, MESSAGE) == 201
            assert client.status("POST", CLAIMS, CLAIM) == 201
            assert client.status("DELETE", QUEUE) == 204
        server.stop()


@pytest.mark.parametrize(
    "example", ["Producers that cannot claim, consumers that cannot post"], indirect=True
)
@pytest.mark.usefixtures("example")
def test_a_producer_cannot_claim_and_a_consumer_cannot_post(roles: Roles) -> None:
    member, producer, consumer = roles["member"], roles["producer"], roles["consumer"]
    for client in (producer, consumer):
        assert_refused(client.send("PUT", QUEUE), "queues:create")
    assert member.status("PUT", QUEUE) == 201
    assert_refused(consumer.send("POST", MESSAGES, MESSAGE), "messages:post")
    assert producer.status("POST", MESSAGES, MESSAGE) == 201
    assert_refused(producer.send("POST", CLAIMS, CLAIM), "claims:create")
    claimed = consumer.send("POST", CLAIMS, CLAIM)
    assert claimed.status_code == 201
    claim, (message,) = claimed.headers["Location"], claimed.json()
    assert_refused(producer.send("GET", claim), "claims:get")
    assert_refused(producer.send("DELETE", message["href"]), "messages:delete")
    assert consumer.status("PATCH", claim, {"ttl": 100}) == 204
    assert consumer.status("DELETE", message["href"]) == 204
    for client in (producer, consumer):
        assert_refused(client.send("DELETE", QUEUE), "queues:delete")
    assert member.status("POST", MESSAGES, MESSAGE) == 201
    assert member.status("POST", CLAIMS, CLAIM) == 201
    assert member.status("DELETE", QUEUE) == 204


@pytest.mark.parametrize("example", ["An auditor that can only read"], indirect=True)
@pytest.mark.usefixtures("example")
def test_an_auditor_can_only_read(roles: Roles) -> None:
    member, auditor = roles["member"], roles["reader"]
    assert member.status("PUT", QUEUE) == 201
    assert member.status("PUT", f"{QUEUE}/metadata", {"owner": "shop"}) == 204
    (href,) = member.send("POST", MESSAGES, MESSAGE).json()["resources"]
    claim = member.send("POST", CLAIMS, CLAIM).headers["Location"]
    reading = ["/v1", "/v1/queues", f"{QUEUE}/metadata", f"{QUEUE}/stats", href, claim]
    reading += [f"{MESSAGES}?echo=true&include_claimed=true"]
    before = [auditor.send("GET", path) for path in reading]
    assert {answer.status_code for answer in before} == {200}
    for method, path, document, rule in (
        ("PUT", QUEUE, None, "queues:create"),
        ("PUT", f"{QUEUE}/metadata", {}, "queues:metadata:set"),
        ("DELETE", QUEUE, None, "queues:delete"),
        ("POST", MESSAGES, MESSAGE, "messages:post"),
        ("DELETE", href, None, "messages:delete"),
        ("DELETE", f"{MESSAGES}?ids=a", None, "messages:delete_many"),
        ("POST", CLAIMS, CLAIM, "claims:create"),
        ("PATCH", claim, {"ttl": 60}, "claims:renew"),
        ("DELETE", claim, None, "claims:release"),
        ("PUT", "/v1/queues/no such name", None, "queues:create"),
    ):
        assert_refused(auditor.send(method, path, document), rule)
    after = [auditor.send("GET", path) for path in reading]
    assert after[0].json() == before[0].json()
    assert after[2].json() == {"owner": "shop"}
    assert after[3].json()["messages"]["claimed"] == 1
    assert auditor.status("GET", claim) == 200


def test_a_reload_takes_new_rules_and_no_wrong_ones(server: LiveServer, roles: Roles) -> None:
    file = policy_file(server)
    with server:
        reader = roles["reader"]
        assert reader.status("PUT", QUEUE) == 201
        file.write_text('"queues:create": "role:member"\n')
        checked = run("check", "--config-file", str(server.config_file))
        assert f"Role rules: {file}, which sets queues:create\n" in checked.stdout
        server.reload()
        assert_refused(reader.send("PUT", QUEUE), "queues:create")
        file.write_text('"queue:create": "@"\n')
        complaint = f"{file}: rule queue:create is of no operation"
        assert complaint in run("check", "--config-file", str(server.config_file)).stderr
        server.reload()  # workers are replaced nonetheless
        refused = f"Not reloaded, the old configuration stays in force: {complaint}"
        assert refused in server.log()
        assert_refused(reader.send("PUT", QUEUE), "queues:create")
        # A worker that has to be replaced has the rules of the others, and not those of the file.
        (worker,) = server.worker_pids()
        os.kill(worker, signal.SIGKILL)
        server.wait_until(
            lambda: server.worker_pids() not in ([worker], []) and server.is_healthy(),
            30,
            "does not replace a worker",
        )
        assert_refused(reader.send("PUT", QUEUE), "queues:create")
        server.stop()


def test_a_wrong_policy_file_stops_the_start(server: LiveServer) -> None:
    policy_file(server).write_text('"claims:create": "worker"\n')
    done = run("--config-file", str(server.config_file))
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line == (
        f"marconi-server: {policy_file(server)}: "
        "rule claims:create is 'worker', which makes no sense as a rule"
    )
