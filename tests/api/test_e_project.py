"""Cases E: the header X-Project-Id."""

import pytest

from tests.api.client import Client, Queue, assert_error

EMPTY = "Empty project header not allowed"


@pytest.mark.case(45)
@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "DELETE"])
def test_empty_on_queue(client: Client, queue: Queue, method: str) -> None:
    answer = client.of("").request(method, queue.path)
    assert answer.status == 400
    if method == "GET":
        assert_error(answer, 400, EMPTY)


@pytest.mark.case(46)
def test_empty_on_queues(client: Client) -> None:
    assert_error(client.of("").get("/v1/queues"), 400, EMPTY)


@pytest.mark.case(47, 49, 50)
@pytest.mark.parametrize("project", [None, "p" * 256, "two words"])
def test_none_longest_and_blank_inside(client: Client, missing: Queue, project: str | None) -> None:
    assert client.of(project).put(missing.path).status == 201


@pytest.mark.case(48)
def test_too_long_on_queue(client: Client, missing: Queue) -> None:
    answer = client.of("p" * 264).put(missing.path)
    assert_error(answer, 400, "Invalid queue identification")


@pytest.mark.case(51)
def test_too_long_on_queues(client: Client) -> None:
    answer = client.of("p" * 264).get("/v1/queues")
    assert_error(answer, 400, "Invalid queue identification")


@pytest.mark.case(52)
@pytest.mark.parametrize("project", ["480924", "word", None])
def test_life_of_a_queue(client: Client, missing: Queue, project: str | None) -> None:
    client = client.of(project)
    queue = missing.path
    assert client.get(f"{queue}/stats").status == 404
    assert client.get(f"{queue}/metadata").status == 404
    assert client.put(queue).status == 201
    assert client.head(queue).status == 204
    assert client.put(f"{queue}/metadata", {"a": 1}).status == 204
    assert client.get(f"{queue}/metadata").status == 200
    assert client.get(f"{queue}/metadata").json() == {"a": 1}
    assert client.get(f"{queue}/stats").status == 200
    assert client.delete(queue).status == 204
    assert client.get(queue).status == 404
