"""Cases J: stats of a queue."""

import re
from datetime import UTC, datetime

import pytest

from marconi_server.storage.conformance import ManualClock
from tests.api.client import Client, Queue, ids_query

EMPTY = {"messages": {"claimed": 0, "free": 0, "total": 0}}


@pytest.mark.case(127)
def test_new_queue(client: Client, queue: Queue) -> None:
    answer = client.get(f"{queue.path}/stats")
    assert answer.status == 200
    assert answer.json() == EMPTY
    assert answer.headers["Content-Location"] == f"{queue.path}/stats"


@pytest.mark.case(128)
def test_counts(client: Client, queue: Queue) -> None:
    queue.post_n(7)
    stats = client.get(f"{queue.path}/stats").json()["messages"]
    assert (stats["claimed"], stats["free"], stats["total"]) == (0, 7, 7)
    assert set(stats) == {"claimed", "free", "total", "oldest", "newest"}


@pytest.mark.case(129)
def test_oldest_and_newest(client: Client, queue: Queue, clock: ManualClock) -> None:
    hrefs = queue.post_n(3)
    stats = client.get(f"{queue.path}/stats").json()["messages"]
    for stamp, href in ((stats["oldest"], hrefs[0]), (stats["newest"], hrefs[-1])):
        assert set(stamp) == {"age", "created", "href"}
        assert type(stamp["age"]) is int
        assert stamp["age"] >= 0
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", stamp["created"])
        created = datetime.strptime(stamp["created"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        assert abs(created.timestamp() - clock()) <= 2
        assert stamp["href"] == href
        assert client.get(href).status == 200


@pytest.mark.case(130)
def test_posted_at_different_times(client: Client, queue: Queue, clock: ManualClock) -> None:
    queue.post_n(1)
    clock.advance(2)
    queue.post_n(1)
    stats = client.get(f"{queue.path}/stats").json()["messages"]
    assert stats["oldest"]["created"] < stats["newest"]["created"]
    assert stats["oldest"]["age"] > stats["newest"]["age"]


@pytest.mark.case(131)
def test_one_message(client: Client, queue: Queue) -> None:
    queue.post_n(1)
    stats = client.get(f"{queue.path}/stats").json()["messages"]
    assert stats["oldest"] == stats["newest"]


@pytest.mark.case(132)
def test_claimed(client: Client, queue: Queue) -> None:
    hrefs = queue.post_n(20)
    queue.claimed("?limit=15")
    assert queue.counts() == (15, 5, 20)
    oldest = client.get(f"{queue.path}/stats").json()["messages"]["oldest"]
    assert oldest["href"] == hrefs[0]


@pytest.mark.case(133)
def test_released(client: Client, queue: Queue) -> None:
    queue.post_n(20)
    claim, _ = queue.claimed("?limit=15")
    client.delete(claim)
    assert queue.counts() == (0, 20, 20)


@pytest.mark.case(134)
def test_all_deleted(client: Client, queue: Queue) -> None:
    client.delete(queue.messages + ids_query(queue.post_n(3)))
    assert client.get(f"{queue.path}/stats").json() == EMPTY


@pytest.mark.case(135)
def test_missing_queue(client: Client, missing: Queue) -> None:
    assert client.get(f"{missing.path}/stats").status == 404


@pytest.mark.case(136)
def test_other_project(other: Client, queue: Queue) -> None:
    assert other.get(f"{queue.path}/stats").status == 404


@pytest.mark.case(137)
def test_with_body(client: Client, queue: Queue) -> None:
    assert client.get(f"{queue.path}/stats", b"null").status == 200
