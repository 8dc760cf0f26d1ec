"""Cases T: storage failure."""

from typing import Any

import pytest

from tests.api.client import C1, Answer, Client, Queue, assert_empty, assert_error, id_of
from tests.support.faulty import FaultyStore

MESSAGE = [{"ttl": 300, "body": 1}]


@pytest.mark.case(299)
@pytest.mark.parametrize(
    ("method", "path", "body", "subject"),
    [
        ("PUT", "/v1/queues/{queue}", None, "queue"),
        ("DELETE", "/v1/queues/{queue}", None, "queue"),
        ("GET", "/v1/queues", None, "queue"),
        ("GET", "/v1/queues/{queue}/metadata", None, "metadata"),
        ("PUT", "/v1/queues/{queue}/metadata", {}, "metadata"),
        ("GET", "/v1/queues/{queue}/stats", None, "stats"),
        ("POST", "/v1/queues/{queue}/messages", MESSAGE, "message"),
        ("GET", "/v1/queues/{queue}/messages", None, "message"),
        ("GET", "/v1/queues/{queue}/messages?ids={message}", None, "message"),
        ("DELETE", "/v1/queues/{queue}/messages?ids={message}", None, "message"),
        ("GET", "/v1/queues/{queue}/messages/{message}", None, "message"),
        ("DELETE", "/v1/queues/{queue}/messages/{message}", None, "message"),
        ("POST", "/v1/queues/{queue}/claims", {"ttl": 60, "grace": 60}, "claim"),
        ("GET", "/v1/queues/{queue}/claims/{claim}", None, "claim"),
        ("PATCH", "/v1/queues/{queue}/claims/{claim}", {"ttl": 60}, "claim"),
        ("DELETE", "/v1/queues/{queue}/claims/{claim}", None, "claim"),
    ],
)
def test_every_operation(
    client: Client,
    store: FaultyStore,
    queue: Queue,
    method: str,
    path: str,
    body: Any,
    subject: str,
) -> None:
    message = id_of(queue.post_n(2)[1])
    claim = id_of(queue.claimed("?limit=1")[0])
    url = path.format(queue=queue.name, message=message, claim=claim)
    with store.failing():
        answer = client.request(method, url, body, client_id=C1)
    assert_error(answer, 503, "Service temporarily unavailable")
    assert answer.headers["Retry-After"] == "30"
    # Section 9: the description says which action failed.
    assert subject in answer.json()["description"].lower()


@pytest.mark.case(300)
def test_no_location(client: Client, store: FaultyStore, missing: Queue) -> None:
    with store.failing():
        answer = client.put(missing.path)
    assert answer.status == 503
    assert answer.headers["Location"] is None


@pytest.mark.case(301)
def test_check_queue(client: Client, store: FaultyStore, queue: Queue) -> None:
    with store.failing():
        get, head = client.get(queue.path), client.head(queue.path)
    assert_error(get, 503, "Service temporarily unavailable")
    assert_empty(head, 503)
    assert get.headers["Retry-After"] == head.headers["Retry-After"] == "30"


@pytest.mark.case(302)
def test_validation_comes_first(client: Client, store: FaultyStore, queue: Queue) -> None:
    with store.failing():
        assert queue.post([{"ttl": 59, "body": 1}]).status == 400
        assert queue.post(MESSAGE, client_id=None).status == 400
        assert client.patch(f"{queue.claims}/a", b"[").status == 400


@pytest.mark.case(303)
def test_what_needs_no_storage(client: Client, store: FaultyStore) -> None:
    with store.failing():
        assert client.get("/v1").status == 200
        assert client.get("/v1/nonsense").status == 404
        assert client.post("/v1/queues").status == 405
        assert client.get("/v1/queues", accept="text/html").status == 406


def use_everything(client: Client, queue: Queue) -> list[Answer]:
    """Do something with each resource."""
    post = queue.post(MESSAGE)
    claim = queue.claim()
    return [
        client.put(queue.path),
        client.get("/v1/queues"),
        client.put(f"{queue.path}/metadata", {}),
        client.get(f"{queue.path}/stats"),
        client.get("/v1/health"),
        post,
        claim,
    ]


@pytest.mark.case(304)
def test_recovery(client: Client, store: FaultyStore, queue: Queue) -> None:
    with store.failing():
        assert [answer.status for answer in use_everything(client, queue)] == [503] * 7
    answers = use_everything(client, queue)
    assert [answer.status for answer in answers] == [204, 200, 204, 200, 204, 201, 201]
    # Nothing of what failed was done.
    assert queue.counts() == (1, 0, 1)
