"""Cases W: the seed's transcripts and its program, each as one run (spec section 11)."""

import pytest

from marconi_server.storage.conformance import ManualClock
from tests.api.client import Answer, Client, Queue, hrefs_of, id_of, next_link, query_of

TOKEN = {"X-Auth-Token": "0123456789abcdef"}
ONE = b'\n[{"ttl": 300, "body": {"event": "one"}}]\n'
TWO = b'[{"ttl": 300, "body": {"event": "two"}}, {"ttl": 60, "body": {"event": "three"}}]'
BODIES = [{"event": "one"}, {"event": "two"}, {"event": "three"}]


@pytest.fixture
def seed(client: Client) -> Queue:
    """Give the seed's queue, not created yet, in no project."""
    return Queue(client.of(None), "samplequeue")


def length(answer: Answer, of_24: int, ids: int) -> bool:
    """Tell whether Content-Length is the seed's, which was made with ids of 24 characters."""
    given = len(id_of(answer.json()["resources"][0]))
    return answer.headers["Content-Length"] == str(of_24 + ids * (given - 24))


@pytest.mark.case(342)
def test_transcript(seed: Queue, clock: ManualClock) -> None:
    client = seed.client
    # 1 and 3
    assert client.get("/v1/queues", headers=TOKEN).status == 204
    assert client.get("/v1/health", headers=TOKEN).status == 204
    # 4
    answer = client.put(seed.path, headers=TOKEN)
    assert answer.status == 201
    assert answer.headers["Content-Length"] == "0"
    assert answer.headers["Location"] == "/v1/queues/samplequeue"
    # 5
    answer = client.get("/v1/queues", headers=TOKEN)
    assert answer.status == 200
    assert answer.headers["Content-Length"] == "140"
    assert answer.headers["Content-Location"] == "/v1/queues"
    assert [queue["name"] for queue in answer.json()["queues"]] == ["samplequeue"]
    assert next_link(answer) == "/v1/queues?marker=samplequeue"
    # 6
    answer = seed.post(ONE, "QClient", headers=TOKEN)
    assert answer.status == 201
    assert length(answer, 93, 1)
    [first] = answer.json()["resources"]
    assert answer.headers["Location"] == f"{seed.messages}?ids={id_of(first)}"
    # 7
    answer = seed.post(TWO, "QClient", headers=TOKEN)
    assert answer.status == 201
    assert length(answer, 153, 2)
    second, third = answer.json()["resources"]
    assert answer.headers["Location"] == f"{seed.messages}?ids={id_of(second)},{id_of(third)}"
    # 8
    answer = seed.page("?echo=true", "QClient", headers=TOKEN)
    assert answer.status == 200
    assert answer.headers["Content-Location"] == f"{seed.messages}?echo=true"
    assert [message["body"] for message in answer.json()["messages"]] == BODIES
    assert [message["age"] for message in answer.json()["messages"]] == [0, 0, 0]
    assert set(query_of(next_link(answer))) == {"marker", "echo"}
    assert query_of(next_link(answer))["echo"] == "true"
    # 10
    answer = seed.page(f"?echo=true&ids={id_of(first)}", "QClient", headers=TOKEN)
    assert answer.status == 200
    assert set(answer.json()) == {"messages"}
    assert [message["body"] for message in answer.json()["messages"]] == BODIES[:1]
    # 11
    assert client.delete(first, headers=TOKEN).status == 204
    clock.advance(5)
    body = {"ttl": 60, "grace": 60}
    answer = client.post(f"{seed.claims}?limit=2", body, client_id="QClient", headers=TOKEN)
    assert answer.status == 201
    location = answer.headers["Location"]
    assert location is not None
    ids = 2 * (len(id_of(second)) + len(id_of(location)) - 2 * 24)
    assert answer.headers["Content-Length"] == str(306 + ids)
    claimed = answer.json()
    assert location == f"{seed.claims}/{id_of(location)}"
    assert hrefs_of(claimed) == [f"{href}?claim_id={id_of(location)}" for href in (second, third)]
    assert [(message["ttl"], message["age"]) for message in claimed] == [(300, 5), (120, 5)]
    # 12
    assert client.delete(claimed[0]["href"], headers=TOKEN).status == 204
    assert client.get(second).status == 404


@pytest.mark.case(343, 344)
def test_claim_of_two_out_of_three(seed: Queue) -> None:
    client = seed.client
    client.put(seed.path)
    hrefs = [
        *seed.post(ONE, "QClient").json()["resources"],
        *seed.post(TWO, "QClient").json()["resources"],
    ]
    assert seed.listed("?echo=true", "QClient") == hrefs

    claim, claimed = seed.claimed("?limit=2", ttl=60, grace=60)
    assert claimed == hrefs[:2]

    assert client.delete(f"{hrefs[0]}?claim_id={id_of(claim)}").status == 204
    assert seed.claimed("?limit=2", ttl=60, grace=60)[1] == hrefs[2:]
    assert seed.listed("?echo=true", "QClient") == []
    assert client.get(hrefs[1]).status == 200


def run_program(queue: Queue) -> list[int]:
    """Do what the seed's program does; give the status of each answer."""
    client = queue.client
    answers = [client.get(f"{queue.path}/stats", b"null", headers=TOKEN)]
    if answers[0].status != 200:
        answers += [client.put(queue.path, {"metadata": "My Queue"}, headers=TOKEN)]
    messages = [{"ttl": 60, "body": {"item": n}} for n in (1, 2)]
    answers += [queue.post(messages, "QClient1", headers=TOKEN)]
    assert len(answers[-1].json()["resources"]) == 2
    body = {"ttl": 60, "grace": 60}
    answers += [client.post(f"{queue.claims}?limit=2", body, client_id="QClient1", headers=TOKEN)]
    claimed = answers[-1].json()
    assert [message["body"] for message in claimed] == [{"item": 1}, {"item": 2}]
    answers += [client.delete(message["href"], b"null", headers=TOKEN) for message in claimed]
    assert queue.counts() == (0, 0, 0)
    return [answer.status for answer in answers]


@pytest.mark.case(345, 346)
def test_program_twice(client: Client) -> None:
    queue = Queue(client.of(None), "testqueue1")
    assert run_program(queue) == [404, 201, 201, 201, 204, 204]
    assert run_program(queue) == [200, 201, 201, 204, 204]
