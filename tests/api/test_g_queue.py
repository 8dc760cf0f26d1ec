"""Cases G: creating, checking and deleting a queue."""

import pytest

from tests.api.client import Client, Queue, assert_empty, assert_error


@pytest.mark.case(66)
def test_create(client: Client, missing: Queue) -> None:
    answer = client.put(missing.path)
    assert_empty(answer, 201)
    assert answer.headers["Content-Length"] == "0"
    assert answer.headers["Location"] == missing.path


@pytest.mark.case(67)
def test_create_again(client: Client, queue: Queue) -> None:
    answer = client.put(queue.path)
    assert_empty(answer, 204)
    assert answer.headers["Location"] == queue.path


@pytest.mark.case(68)
def test_create_again_changes_nothing(client: Client, queue: Queue) -> None:
    client.put(f"{queue.path}/metadata", {"owner": "billing"})
    queue.post_n(3)
    stats = client.get(f"{queue.path}/stats").json()
    assert stats["messages"]["total"] == 3

    assert client.put(queue.path).status == 204
    assert client.get(f"{queue.path}/metadata").json() == {"owner": "billing"}
    assert client.get(f"{queue.path}/stats").json() == stats


@pytest.mark.case(69, 70, 71)
@pytest.mark.parametrize("body", [b'{"queue": "Has Metadata"}', b"null", b"{not json"])
def test_body_is_never_looked_at(client: Client, missing: Queue, body: bytes) -> None:
    assert client.put(missing.path, body).status == 201
    metadata = client.get(f"{missing.path}/metadata")
    assert metadata.status == 200
    assert metadata.json() == {}


@pytest.mark.case(72, 73)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_check(client: Client, queue: Queue, method: str) -> None:
    answer = client.request(method, queue.path)
    assert_empty(answer, 204)
    assert answer.headers["Content-Location"] == queue.path


@pytest.mark.case(74)
def test_check_missing(client: Client, missing: Queue) -> None:
    assert_error(client.get(missing.path), 404, "Not found")
    assert_empty(client.head(missing.path), 404)


@pytest.mark.case(75)
def test_check_with_body(client: Client, queue: Queue) -> None:
    assert client.get(queue.path, b"null").status == 204


@pytest.mark.case(76)
def test_delete(client: Client, queue: Queue) -> None:
    assert_empty(client.delete(queue.path), 204)
    assert client.get(queue.path).status == 404
    assert client.get(f"{queue.path}/stats").status == 404
    assert client.get(f"{queue.path}/metadata").status == 404


@pytest.mark.case(77)
def test_delete_missing(client: Client, missing: Queue) -> None:
    assert client.delete(missing.path).status == 204


@pytest.mark.case(78)
def test_delete_twice(client: Client, queue: Queue) -> None:
    assert client.delete(queue.path).status == 204
    assert client.delete(queue.path).status == 204


@pytest.mark.case(79)
def test_recreated_queue_is_empty(client: Client, queue: Queue) -> None:
    hrefs = queue.post_n(3)
    client.put(f"{queue.path}/metadata", {"owner": "billing"})
    claim, _ = queue.claimed("?limit=1")

    assert client.delete(queue.path).status == 204
    assert client.put(queue.path).status == 201
    assert client.get(f"{queue.path}/metadata").json() == {}
    assert queue.counts() == (0, 0, 0)
    assert [client.get(href).status for href in hrefs] == [404] * 3
    assert client.get(claim).status == 404


@pytest.mark.case(80)
def test_no_client_id_needed(client: Client, missing: Queue) -> None:
    queue = missing.path
    assert client.put(queue).status == 201
    assert client.get(queue).status == 204
    assert client.head(queue).status == 204
    assert client.get("/v1/queues").status == 200
    assert client.put(f"{queue}/metadata", {}).status == 204
    assert client.get(f"{queue}/metadata").status == 200
    assert client.get(f"{queue}/stats").status == 200
    assert client.delete(queue).status == 204
