"""The seed's walk-through (spec section 11) on a live server, by curl and by its program."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.live import LiveServer

HEADERS = {
    "X-Auth-Token": "0123456789abcdef",
    "Accept": "application/json",
    "Content-Type": "application/json",
}
CLIENT = {"Client-ID": "QClient"}
ID = "[0-9a-f]{24}"
MESSAGES = "/v1/queues/samplequeue/messages"
CLAIMS = "/v1/queues/samplequeue/claims"
ONE = '\n[{"ttl": 300, "body": {"event": "one"}}]'
TWO = '[{"ttl": 300, "body": {"event": "two"}}, {"ttl": 60, "body": {"event": "three"}}]'


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        assert self.headers["content-type"] == "application/json; charset=utf-8"
        assert self.headers["content-length"] == str(len(self.body))
        return json.loads(self.body)

    @property
    def is_empty(self) -> bool:
        """Whether the answer is a 204 as it has to be: without body, length and type."""
        bare = not self.headers.keys() & {"content-length", "content-type"}
        return self.status == 204 and self.body == b"" and bare


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with LiveServer(tmp_path, workers=2) as server:
        yield server
        server.stop()


def curl(
    server: LiveServer,
    method: str,
    path: str,
    data: str | None = None,
    headers: dict[str, str] = HEADERS,
) -> Answer:
    """Send a request as the seed does, with a curl of its own."""
    command = [
        "curl",
        "--silent",
        "--show-error",
        "--include",
        "--noproxy",
        "*",
        "--max-time",
        "30",
    ]
    command += ["--request", method, server.url + path]
    for name, value in headers.items():
        command += ["--header", f"{name}: {value}"]
    if data is not None:
        command += ["--data-binary", data]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=60)
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    status, *lines = head.decode("ascii").split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines)
    return Answer(
        int(status.split()[1]), {name.lower(): value for name, value in fields.items()}, body
    )


def post(server: LiveServer, data: str) -> Answer:
    return curl(server, "POST", MESSAGES, data, HEADERS | CLIENT)


def ids_of(posted: Answer) -> list[str]:
    """Return the ids of a post's answer, after a look at its `Location` and its hrefs."""
    document = posted.json()
    assert document["partial"] is False
    ids = [href.removeprefix(f"{MESSAGES}/") for href in document["resources"]]
    assert all(re.fullmatch(ID, id) for id in ids)
    assert posted.headers["location"] == f"{MESSAGES}?ids={','.join(ids)}"
    return ids


def test_walk_through(server: LiveServer) -> None:
    walk_through(server)
    unquoted = curl(server, "GET", f"{MESSAGES}?echo=true", headers={})
    assert unquoted.status == 400
    assert unquoted.json()["title"] == "Missing header"


def walk_through(server: LiveServer) -> None:
    """Without request 2, which needs Keystone, and 9, which is request 8 a minute later."""
    ask_a_server_without_queues(server)
    create_a_queue_and_list_it(server)
    first, *pair = post_and_list_messages(server)
    assert curl(server, "DELETE", f"{MESSAGES}/{first}").is_empty
    claim_and_delete(server, *pair)


def ask_a_server_without_queues(server: LiveServer) -> None:
    """Requests 1 and 3."""
    assert curl(server, "GET", "/v1/queues").is_empty
    assert curl(server, "GET", "/v1/health").is_empty


def create_a_queue_and_list_it(server: LiveServer) -> None:
    """Requests 4 and 5."""
    created = curl(server, "PUT", "/v1/queues/samplequeue")
    assert (created.status, created.body) == (201, b"")
    assert created.headers["content-length"] == "0"
    assert created.headers["location"] == "/v1/queues/samplequeue"

    listed = curl(server, "GET", "/v1/queues")
    assert listed.status == 200
    assert listed.headers["content-length"] == "140"
    assert listed.headers["content-location"] == "/v1/queues"
    assert listed.json() == {
        "queues": [{"href": "/v1/queues/samplequeue", "name": "samplequeue"}],
        "links": [{"href": "/v1/queues?marker=samplequeue", "rel": "next"}],
    }


def post_and_list_messages(server: LiveServer) -> tuple[str, str, str]:
    """Requests 6, 7, 8 and 10, with the ampersand that the shell cuts off."""
    posted = post(server, ONE)
    assert posted.status == 201
    assert posted.headers["content-length"] == "93"
    (one,) = ids_of(posted)

    posted = post(server, TWO)
    assert posted.status == 201
    assert posted.headers["content-length"] == "153"
    two, three = ids_of(posted)

    listed = curl(server, "GET", f"{MESSAGES}?echo=true", headers=HEADERS | CLIENT)
    assert listed.status == 200
    assert listed.headers["content-location"] == f"{MESSAGES}?echo=true"
    document = listed.json()
    expected = [(one, 300, "one"), (two, 300, "two"), (three, 60, "three")]
    for message, (id, ttl, event) in zip(document["messages"], expected, strict=True):
        age = message.pop("age")
        assert isinstance(age, int)
        assert 0 <= age < 60
        assert message == {"href": f"{MESSAGES}/{id}", "ttl": ttl, "body": {"event": event}}
    (link,) = document["links"]
    assert link["rel"] == "next"
    path, _, query = link["href"].partition("?")
    assert path == MESSAGES
    parameters = dict(pair.split("=") for pair in query.split("&"))
    assert parameters.keys() == {"marker", "echo"}
    assert parameters["marker"].isdigit()
    assert parameters["echo"] == "true"
    assert curl(server, "GET", link["href"], headers=HEADERS | CLIENT).status == 204

    query = f"?echo=true&ids={one}"
    found = curl(server, "GET", MESSAGES + query, headers=HEADERS | CLIENT)
    assert found.status == 200
    assert found.headers["content-location"] == MESSAGES + query
    (message,) = found.json()["messages"]
    assert found.json().keys() == {"messages"}
    assert message["body"] == {"event": "one"}
    return one, two, three


def claim_and_delete(server: LiveServer, first: str, second: str) -> None:
    """Requests 11 and 12; the messages are of any age."""
    claimed = curl(server, "POST", f"{CLAIMS}?limit=2", '{"ttl": 60, "grace": 60}')
    assert claimed.status == 201
    location = claimed.headers["location"]
    assert re.fullmatch(f"{CLAIMS}/{ID}", location)
    claim = location.rpartition("/")[2]
    ages = [message.pop("age") for message in claimed.json()]
    messages = claimed.json()
    assert claimed.headers["content-length"] == str(306 + sum(len(str(age)) - 1 for age in ages))
    assert [message["href"] for message in messages] == [
        f"{MESSAGES}/{id}?claim_id={claim}" for id in (first, second)
    ]
    assert [message["ttl"] for message in messages] == [300, 120]
    assert [message["body"] for message in messages] == [{"event": "two"}, {"event": "three"}]

    assert curl(server, "DELETE", messages[0]["href"]).is_empty
    gone = curl(server, "GET", f"{MESSAGES}/{first}")
    assert gone.status == 404
    assert gone.json()["title"] == "Not found"
    assert curl(server, "GET", f"{MESSAGES}/{second}").status == 200


def run_program(server: LiveServer) -> list[int]:
    """Do what the seed's Python program does, with bodies on every method."""
    queue = f"{server.url}/v1/queues/testqueue1"
    headers = HEADERS | {"Client-ID": "QClient1"}
    with requests.Session() as session:
        session.trust_env = False
        session.headers.update(headers)
        answers = [session.get(f"{queue}/stats", data="null")]
        if answers[0].status_code != 200:
            answers.append(session.put(queue, data=json.dumps({"metadata": "My Queue"})))
        messages = [{"ttl": 60, "body": {"item": item}} for item in (1, 2)]
        answers.append(session.post(f"{queue}/messages", data=json.dumps(messages)))
        assert len(answers[-1].json()["resources"]) == 2
        wish = json.dumps({"ttl": 60, "grace": 60})
        answers.append(session.post(f"{queue}/claims?limit=2", data=wish))
        claimed = answers[-1].json()
        assert [message["body"] for message in claimed] == [{"item": 1}, {"item": 2}]
        answers += [session.delete(server.url + one["href"], data="null") for one in claimed]
        stats = session.get(f"{queue}/stats", data="null")
        assert stats.json() == {"messages": {"claimed": 0, "free": 0, "total": 0}}
    return [answer.status_code for answer in answers]


def test_the_program_runs_twice(server: LiveServer) -> None:
    run_program_twice(server)


def run_program_twice(server: LiveServer) -> None:
    """Cases 345 and 346."""
    assert run_program(server) == [404, 201, 201, 201, 204, 204]
    assert run_program(server) == [200, 201, 201, 204, 204]
