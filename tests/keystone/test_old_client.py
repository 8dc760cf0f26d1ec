"""python-zaqarclient 3.0.1, the last release that speaks v1, goes through all of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from zaqarclient.queues import client as zaqarclient
from zaqarclient.queues.v1.api import V1
from zaqarclient.transport import errors
from zaqarclient.transport.http import HttpTransport

from tests.keystone.authenticated import configuration, serve
from tests.keystone.identity import Identity, Project, User
from tests.support.live import LiveServer

SURFACE = {operation for operation in V1.schema if not operation.startswith(("pool_", "flavor_"))}
"""Its operations. Pools and flavors came after v1."""


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Note the operations that the client sends, and let them go on."""
    operations: set[str] = set()
    send = HttpTransport.send

    def note_and_send(self: Any, request: Any) -> Any:
        operations.add(request.operation)
        return send(self, request)

    monkeypatch.setattr(HttpTransport, "send", note_and_send)
    return operations


@pytest.fixture
def open_client(tmp_path: Path) -> Iterator[Any]:
    """Give a client of a server without authentication, in a project of its own choice."""
    with LiveServer(tmp_path) as server:
        options = {"os_project_id": uuid4().hex}
        conf = {"auth_opts": {"backend": "noauth", "options": options}}
        yield zaqarclient.Client(server.url, version=1, conf=conf)
        server.stop()


@pytest.fixture
def keystone_client(
    identity: Identity, tmp_path: Path, token: str, user: User, project: Project
) -> Iterator[Any]:
    """Give a client that logs in at Keystone, for each request anew, as it always does."""
    with serve(tmp_path, configuration(identity, tmp_path), token) as server:
        options = {
            "os_auth_url": identity.url,
            "os_username": user.name,
            "os_password": user.password,
            "os_user_domain_id": "default",
            "os_project_name": project.name,
            "os_project_domain_id": "default",
        }
        conf = {"auth_opts": {"backend": "keystone", "options": options}}
        yield zaqarclient.Client(server.url, version=1, conf=conf)
        server.stop()


def test_without_authentication(open_client: Any, sent: set[str]) -> None:
    go_through_everything(open_client)
    assert sent >= SURFACE


def test_with_keystone(keystone_client: Any, sent: set[str]) -> None:
    go_through_everything(keystone_client)
    assert sent >= SURFACE


def go_through_everything(client: Any) -> None:
    assert client.health() is True
    assert list(client.queues()) == []
    work_on_queues(client)
    queue = client.queue("jobs")
    post_and_list(client, queue)
    get_and_delete(queue)
    claim_and_work(queue)
    queue.delete()
    assert not queue.exists()


def work_on_queues(client: Any) -> None:
    for name in ("a", "b", "c"):
        queue = client.queue(name)  # which creates it
        assert queue.exists()
        client.queue(name)  # and once more
    queue.metadata(new_meta={"owner": "me", "size": 3})
    assert queue.metadata(force_reload=True) == {"owner": "me", "size": 3}
    queue.metadata(new_meta={})
    assert queue.metadata(force_reload=True) == {}
    assert [each.name for each in client.queues(limit=2)] == ["a", "b"]
    assert [each.name for each in client.queues(marker="a", detailed=True)] == ["b", "c"]
    assert [each.name for each in client.queues(limit=1).stream()] == ["a", "b", "c"]
    for name in ("a", "b", "c"):
        client.queue(name, auto_create=False).delete()
    missing = client.queue("a", auto_create=False)
    assert not missing.exists()
    with pytest.raises(errors.ResourceNotFound) as caught:
        missing.stats  # noqa: B018 - a property that sends a request
    assert caught.value.args
    missing.delete()


def post_and_list(client: Any, queue: Any) -> None:
    assert list(queue.messages(echo=True)) == []
    posted = queue.post([{"ttl": 300, "body": {"n": n}} for n in range(5)])
    assert len(posted["resources"]) == 5
    queue.post({"ttl": 300, "body": "single"})
    assert queue.stats["messages"]["free"] == 6
    assert list(queue.messages()) == []  # its own
    page = list(queue.messages(echo=True, limit=4, include_claimed=True))
    assert [message.body for message in page] == [{"n": n} for n in range(4)]
    everything = queue.messages(echo=True, limit=4).stream()
    assert [message.body for message in everything] == [*({"n": n} for n in range(5)), "single"]
    followed = client.follow("/v1/queues/jobs/messages?echo=true&limit=1")
    assert followed["messages"][0]["body"] == {"n": 0}
    with pytest.raises(errors.MalformedRequest):
        queue.post({"ttl": 1, "body": "too short a life"})


def get_and_delete(queue: Any) -> None:
    first, second, third, *_ = queue.messages(echo=True)
    assert queue.message(first._id).body == first.body
    found = queue.messages(first._id, second._id)
    assert [message.body for message in found] == [first.body, second.body]
    first.delete()
    with pytest.raises(errors.ResourceNotFound):
        queue.message(first._id)
    queue.delete_messages(second._id, third._id)
    assert queue.stats["messages"]["total"] == 3


def claim_and_work(queue: Any) -> None:
    claim = queue.claim(ttl=300, grace=60, limit=2)
    first, second = claim
    assert [first.body, second.body] == [{"n": 3}, {"n": 4}]
    assert queue.stats["messages"]["claimed"] == 2
    assert claim.age < 60
    claim.update(ttl=400, grace=100)
    claim.update(ttl=500)
    same = queue.claim(id=claim.id)
    assert same.ttl == 500
    assert [message.body for message in same] == [{"n": 3}, {"n": 4}]
    with pytest.raises(errors.ForbiddenError):
        queue.message(first._id).delete()  # without naming the claim
    assert first.claim_id == claim.id
    first.delete()
    claim.delete()
    assert queue.stats["messages"].keys() >= {"free", "claimed", "total", "oldest", "newest"}
    assert [message.body for message in queue.claim(ttl=60, grace=60)] == [{"n": 4}, "single"]
    assert list(queue.claim(ttl=60, grace=60)) == []  # nothing is left


def test_what_it_makes_of_a_bad_token(identity: Identity, tmp_path: Path, token: str) -> None:
    with serve(tmp_path, configuration(identity, tmp_path), token) as server:
        options = {"os_auth_token": "none"}
        conf = {"auth_opts": {"backend": "keystone", "options": options}}
        client = zaqarclient.Client(server.url, version=1, conf=conf)
        with pytest.raises(errors.UnauthorizedError) as caught:
            client.health()
        assert "Authentication required" in str(caught.value)
        server.stop()
