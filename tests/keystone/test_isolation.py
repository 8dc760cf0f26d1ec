"""Two projects cannot see each other's queues: every route, with the token of each."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import requests
from falcon.routing.util import map_http_methods

from marconi_server.api.app import routes
from marconi_server.config.settings import Settings
from marconi_server.storage.sqlite.driver import SQLiteOptions, SQLiteStore
from tests.keystone.authenticated import Client, configuration, serve
from tests.keystone.identity import Identity
from tests.support.live import LiveServer

QUERIES = {
    ("GET", "/v1/queues"): ["", "?detailed=true", "?marker=a"],
    ("GET", "/v1/queues/{queue}/messages"): [
        "?echo=true&include_claimed=true",
        "?ids={message_id},{free_id}",
        "?marker={marker}&echo=true",
    ],
    ("DELETE", "/v1/queues/{queue}/messages"): ["?ids={message_id},{free_id}"],
    ("DELETE", "/v1/queues/{queue}/messages/{message_id}"): ["", "?claim_id={claim_id}"],
}
"""What is asked for besides the path alone."""

BODIES = {
    ("POST", "/v1/queues/{queue}/messages"): [{"ttl": 60, "body": "theirs"}],
    ("POST", "/v1/queues/{queue}/claims"): {"ttl": 60, "grace": 60},
    ("PATCH", "/v1/queues/{queue}/claims/{claim_id}"): {"ttl": 120},
    ("PUT", "/v1/queues/{queue}/metadata"): {"owner": "them"},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, identity: Identity) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("server")
    token = identity.token(*identity.anybody())
    with serve(folder, configuration(identity, folder), token) as server:
        yield server
        server.stop()


def requests_of_the_api(tmp: Any) -> list[tuple[str, str, str]]:
    """Give method, path and query of every operation that is about a project's own things."""
    store = SQLiteStore.open(SQLiteOptions(database=str(tmp / "unused.db")))
    found = [
        (method, path, query)
        for path, resource in routes(Settings(), store)
        for method in sorted(map_http_methods(resource))
        for query in QUERIES.get((method, path), [""])
        if path not in ("/v1", "/v1/health")
    ]
    store.close()
    return found


class Owner:
    """A project with a queue, in which one message is claimed and one is not."""

    def __init__(self, server: LiveServer, identity: Identity, queue: str) -> None:
        self.client = Client(server.url, identity.token(*identity.anybody()))
        self.queue = f"/v1/queues/{queue}"
        assert self.client.status("PUT", self.queue) == 201
        assert self.client.status("PUT", f"{self.queue}/metadata", {"owner": "us"}) == 204
        messages = [{"ttl": 3600, "body": "claimed"}, {"ttl": 3600, "body": "free"}]
        posted = self.client.send("POST", f"{self.queue}/messages", messages).json()["resources"]
        claim = {"ttl": 3600, "grace": 60}
        claimed = self.client.send("POST", f"{self.queue}/claims?limit=1", claim)
        self.names = {
            "queue": queue,
            "message_id": posted[0].rpartition("/")[2],
            "free_id": posted[1].rpartition("/")[2],
            "claim_id": claimed.headers["Location"].rpartition("/")[2],
            "marker": "0",
        }

    def state(self) -> list[Any]:
        """All that can be seen of the queue, but for what time changes."""
        pages = [
            self.client.send("GET", path)
            for path in (
                "/v1/queues?detailed=true",
                self.queue,
                f"{self.queue}/metadata",
                f"{self.queue}/stats",
                f"{self.queue}/messages?echo=true&include_claimed=true",
                f"{self.queue}/claims/{self.names['claim_id']}",
            )
        ]
        return [shape(page) for page in pages]


def shape(answer: requests.Response) -> tuple[int, str]:
    """The status and the text of an answer, without ages."""
    return answer.status_code, re.sub(r'"age": \d+', '"age": 0', answer.text)


def outcome(answer: requests.Response, names: dict[str, str]) -> tuple[int, str, str | None]:
    """An answer with the names of things in place of themselves."""
    text = answer.text
    location = answer.headers.get("Location", "")
    for name, value in names.items():
        text, location = text.replace(value, f"<{name}>"), location.replace(value, f"<{name}>")
    ids = re.compile(r"[0-9a-f]{24}")  # of what the request itself made
    return answer.status_code, ids.sub("<new>", text), ids.sub("<new>", location)


def test_projects_do_not_see_each_other(
    server: LiveServer, identity: Identity, tmp_path: Any
) -> None:
    """What belongs to another project is for every request like what was never there."""
    owner = Owner(server, identity, f"q-{uuid4().hex}")
    absent = {**owner.names, "queue": f"x-{uuid4().hex}"}
    stranger = Client(server.url, identity.token(*identity.anybody()))
    before = owner.state()
    assert [status for status, _ in before] == [200, 204, 200, 200, 200, 200]
    tried = set()
    for method, path, query in requests_of_the_api(tmp_path):
        body = BODIES.get((method, path))
        answers = []
        for names in (owner.names, absent):
            # As if it were new each time: what one request makes is not there for the next.
            assert stranger.status("DELETE", f"/v1/queues/{names['queue']}") == 204
            target = (path + query).format(**names)
            answers.append(outcome(stranger.send(method, target, body), names))
        assert answers[0] == answers[1], (method, path, query)
        assert answers[0][0] in (201, 204, 404), (method, path, query)
        assert owner.state() == before, (method, path, query)
        tried.add((method, path))
    assert len(tried) > 15


def test_the_same_name_in_both(server: LiveServer, identity: Identity) -> None:
    queue = f"q-{uuid4().hex}"
    ours, theirs = (Owner(server, identity, queue) for _ in range(2))
    before = theirs.state()
    assert ours.client.status("DELETE", f"{ours.queue}/messages/{theirs.names['free_id']}") == 204
    assert ours.client.status("PUT", f"{ours.queue}/metadata", {"owner": "nobody"}) == 204
    assert ours.client.status("DELETE", ours.queue) == 204
    assert theirs.state() == before
