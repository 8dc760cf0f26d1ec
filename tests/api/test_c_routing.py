"""Cases C: routing and methods."""

import pytest

from tests.api.client import Client, Queue, assert_error, next_link


@pytest.mark.case(18)
def test_unknown_path(client: Client) -> None:
    assert_error(client.get("/v1/nonsense"), 404, "Not found")


@pytest.mark.case(19)
def test_unknown_path_below_queue(client: Client, queue: Queue) -> None:
    assert_error(client.get(f"{queue.path}/nonsense"), 404, "Not found")


@pytest.mark.case(20)
def test_unknown_path_below_message(client: Client, queue: Queue) -> None:
    assert client.get(f"{queue.messages}/a/b").status == 404


@pytest.mark.case(21)
def test_two_slashes(client: Client) -> None:
    assert client.get("/v1/queues//stats").status == 404


@pytest.mark.case(22)
def test_trailing_slash_is_ignored(client: Client, missing: Queue) -> None:
    answer = client.put(f"{missing.path}/")
    assert answer.status == 201
    assert answer.headers["Location"] == missing.path
    assert client.get(missing.path).status == 204


@pytest.mark.case(23)
def test_trailing_slash_is_not_in_hrefs(client: Client, queue: Queue) -> None:
    answer = client.get("/v1/queues/")
    assert answer.status == 200
    assert [entry["href"] for entry in answer.json()["queues"]] == [queue.path]
    assert next_link(answer).startswith("/v1/queues?")


@pytest.mark.case(24)
def test_no_post_on_queues(client: Client) -> None:
    answer = client.post("/v1/queues")
    assert_error(answer, 405, "Method not allowed")
    assert "GET" in answer.allow()
    assert "POST" not in answer.allow()


@pytest.mark.case(25)
def test_no_post_on_queue(client: Client, queue: Queue) -> None:
    answer = client.post(queue.path)
    assert answer.status == 405
    assert {"DELETE", "GET", "HEAD", "PUT"} <= answer.allow()


@pytest.mark.case(26)
def test_no_get_on_claims(client: Client, queue: Queue) -> None:
    answer = client.get(queue.claims)
    assert answer.status == 405
    assert "POST" in answer.allow()
    assert "GET" not in answer.allow()


@pytest.mark.case(27)
def test_no_put_on_messages(client: Client, queue: Queue) -> None:
    answer = client.put(queue.messages)
    assert answer.status == 405
    assert {"DELETE", "GET", "POST"} <= answer.allow()


@pytest.mark.case(28)
def test_no_post_on_message(client: Client, queue: Queue) -> None:
    answer = client.post(f"{queue.messages}/abc")
    assert answer.status == 405
    assert {"DELETE", "GET"} <= answer.allow()


@pytest.mark.case(29)
def test_no_put_on_claim(client: Client, queue: Queue) -> None:
    answer = client.put(f"{queue.claims}/abc")
    assert answer.status == 405
    assert {"DELETE", "GET", "PATCH"} <= answer.allow()


@pytest.mark.case(30)
@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
def test_only_get_and_put_on_metadata(client: Client, queue: Queue, method: str) -> None:
    answer = client.request(method, f"{queue.path}/metadata")
    assert answer.status == 405
    assert {"GET", "PUT"} <= answer.allow()


@pytest.mark.case(31)
def test_no_put_on_stats(client: Client, queue: Queue) -> None:
    answer = client.put(f"{queue.path}/stats")
    assert answer.status == 405
    assert "GET" in answer.allow()


@pytest.mark.case(32)
def test_options(client: Client, queue: Queue) -> None:
    answer = client.request("OPTIONS", queue.messages)
    assert answer.status == 204
    assert answer.allow() == {"DELETE", "GET", "POST"}


@pytest.mark.case(33)
def test_method_comes_before_accept_and_project(client: Client) -> None:
    assert client.of("").post("/v1/queues", accept="text/html").status == 405


@pytest.mark.case(34)
def test_routing_comes_before_accept(client: Client) -> None:
    assert client.get("/v1/nonsense", accept="text/html").status == 404
