"""Cases O: one message."""

import pytest

from tests.api.client import Client, Queue, assert_empty, assert_error


@pytest.mark.case(228)
def test_get(client: Client, queue: Queue) -> None:
    href = queue.post_body({"to": "ann"})
    answer = client.get(href)
    assert answer.status == 200
    assert answer.json() == {"href": href, "ttl": 300, "age": 0, "body": {"to": "ann"}}
    assert answer.headers["Content-Location"] == href


@pytest.mark.case(229)
def test_get_with_claim_id(client: Client, queue: Queue) -> None:
    [href] = queue.post_n(1)
    answer = client.get(f"{href}?claim_id=anything")
    assert answer.status == 200
    assert answer.json()["href"] == href
    assert answer.headers["Content-Location"] == f"{href}?claim_id=anything"


@pytest.mark.case(230)
def test_get_needs_no_client_id(client: Client, queue: Queue) -> None:
    [href] = queue.post_n(1)
    assert client.get(href, client_id=None).status == 200


@pytest.mark.case(352)
@pytest.mark.parametrize("id_", ["x" * 8000, "%00" * 2000, "%F0%9F%98%80" * 600], ids=len)
def test_get_a_long_id(client: Client, queue: Queue, id_: str) -> None:
    """Errors repeat the beginning of what they are about."""
    for path in (f"{queue.messages}/{id_}", f"{queue.claims}/{id_}"):
        answer = client.get(path)
        assert_error(answer, 404, "Not found")
        description = answer.json()["description"]
        assert "…" in description
        assert len(description) < 300
        assert client.delete(path).status == 204


@pytest.mark.case(231)
def test_get_in_another_project(client: Client, other: Client, queue: Queue) -> None:
    [href] = queue.post_n(1)
    assert other.get(href).status == 404
    assert client.of(None).get(href).status == 404


@pytest.mark.case(232)
def test_get_missing(client: Client, queue: Queue, missing: Queue) -> None:
    assert client.get(f"{queue.messages}/non-existing-message").status == 404
    assert client.get(f"{missing.messages}/a").status == 404


@pytest.mark.case(233)
def test_get_below_another_queue(client: Client, queue: Queue) -> None:
    [href] = queue.post_n(1)
    client.create("another")
    Queue(client, "another").post_n(1)
    assert client.get(href.replace(queue.name, "another")).status == 404


@pytest.mark.case(234)
def test_delete(client: Client, queue: Queue) -> None:
    href, *_ = queue.post_n(3)
    assert_empty(client.delete(href), 204)
    assert client.get(href).status == 404
    assert client.delete(href).status == 204
    assert queue.counts() == (0, 2, 2)


@pytest.mark.case(235)
def test_delete_missing(client: Client, queue: Queue, missing: Queue) -> None:
    assert client.delete(f"{queue.messages}/non-existing").status == 204
    assert client.delete(f"{missing.messages}/non-existing").status == 204


@pytest.mark.case(236)
def test_delete_in_another_project(client: Client, other: Client, queue: Queue) -> None:
    [href] = queue.post_n(1)
    assert other.delete(href).status == 204
    other.create(queue.name)
    theirs = queue.of(other).post_n(1)
    assert other.delete(href).status == 204
    assert client.get(href).status == 200
    assert queue.of(other).listed() == theirs


@pytest.mark.case(237)
def test_delete_with_body(client: Client, queue: Queue) -> None:
    [href] = queue.post_n(1)
    assert client.delete(href, b"null").status == 204
    assert client.get(href).status == 404


@pytest.mark.case(238)
def test_delete_with_empty_claim_id(client: Client, queue: Queue) -> None:
    [href] = queue.post_n(1)
    assert client.delete(f"{href}?claim_id=").status == 204
    assert client.get(href).status == 404
