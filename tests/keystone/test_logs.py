"""The log of a server that asks Keystone: request ids everywhere, and tokens nowhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.keystone.authenticated import Client, configuration, serve
from tests.keystone.identity import Identity
from tests.keystone.server import KeystoneServer
from tests.support.live import LiveServer

HEADER = "X-Openstack-Request-Id"
BODY = "a-secret-body"
MESSAGES = [{"ttl": 60, "body": BODY}]
UNKNOWN = "gAAAAAunknown-token"


@pytest.fixture
def server(identity: Identity, token: str, tmp_path: Path) -> Iterator[LiveServer]:
    """A server with an access log, where only administrators may delete queues."""
    (tmp_path / "policy.yaml").write_text('"queues:delete": "role:admin"\n')
    config = configuration(
        identity,
        tmp_path,
        oslo_policy={"policy_file": tmp_path / "policy.yaml"},
        **{"drivers:transport:wsgi": {"access_log": "true"}},
    )
    with serve(tmp_path, config, token, workers=1) as server:
        yield server


def test_every_answer_has_its_id_and_no_line_a_secret(
    keystone: KeystoneServer, server: LiveServer, identity: Identity, token: str
) -> None:
    known, unknown = Client(server.url, token), Client(server.url, UNKNOWN)
    new = identity.token(*identity.anybody())
    answers = [
        known.send("PUT", "/v1/queues/q"),
        known.send("POST", "/v1/queues/q/messages", MESSAGES),
        known.send("POST", "/v1/queues/q/messages", MESSAGES[0]),
        known.send("DELETE", "/v1/queues/q"),
        unknown.send("POST", "/v1/queues/q/messages", MESSAGES),
        Client(server.url, None).send("GET", "/v1/queues"),
    ]
    keystone.stop()
    unavailable = Client(server.url, new).send("POST", "/v1/queues/q/messages", MESSAGES)
    statuses = [answer.status_code for answer in (*answers, unavailable)]
    assert statuses == [201, 201, 400, 403, 401, 401, 503]
    log = server.log()
    for answer in (*answers, unavailable):
        assert f"INFO [{answer.headers[HEADER]}] 127.0.0.1 " in log
    for secret in (token, new, UNKNOWN, BODY):
        assert secret not in log
    # What the filter says is said in a thread of its own, and is about this request all the same.
    about = [line for line in log.splitlines() if keystone.url in line]
    assert "[-] Authentication: keystone at " in about.pop(0), "and the start said where it is"
    assert len(about) > 1
    assert all(f" [{unavailable.headers[HEADER]}] " in line for line in about)
