"""Cases S: expiry and lengthened life."""

import pytest

from marconi_server.storage.conformance import ManualClock
from tests.api.client import Client, Queue, hrefs_of, ids_query


def reported_ttl(client: Client, href: str) -> int:
    ttl: int = client.get(href).json()["ttl"]
    return ttl


@pytest.mark.case(287)
def test_expired_message(client: Client, queue: Queue, clock: ManualClock) -> None:
    expired, alive = queue.post_ttls([60, 300])
    clock.advance(61)
    assert queue.listed() == [alive]
    assert client.get(expired).status == 404
    assert hrefs_of(client.get(queue.messages + ids_query([expired, alive])).json()) == [alive]
    assert queue.counts() == (0, 1, 1)
    assert queue.claimed()[1] == [alive]
    assert client.delete(expired).status == 204


@pytest.mark.case(288)
def test_all_expired(client: Client, queue: Queue, clock: ManualClock) -> None:
    queue.post_n(3, ttl=60)
    clock.advance(61)
    assert queue.page("?echo=true").status == 204
    stats = client.get(f"{queue.path}/stats").json()
    assert stats == {"messages": {"claimed": 0, "free": 0, "total": 0}}
    assert queue.claim().status == 204


@pytest.mark.case(289, 290, 291, 292)
@pytest.mark.parametrize(
    ("posted", "ttl", "grace", "reported"),
    [(120, 777, 60, 837), (120, 100, 60, 160), (300, 60, 60, 300), (180, 60, 120, 180)],
)
def test_reported_ttl(
    client: Client, queue: Queue, posted: int, ttl: int, grace: int, reported: int
) -> None:
    [href] = queue.post_n(1, ttl=posted)
    answer = queue.claim("", ttl, grace)
    claim = answer.headers["Location"]
    assert claim is not None
    assert [message["ttl"] for message in answer.json()] == [reported]
    assert [message["ttl"] for message in client.get(claim).json()["messages"]] == [reported]
    assert reported_ttl(client, href) == reported


@pytest.mark.case(292)
def test_life_is_not_cut(client: Client, queue: Queue, clock: ManualClock) -> None:
    [href] = queue.post_n(1, ttl=180)
    queue.claimed(ttl=60, grace=120)
    clock.advance(179)
    assert client.get(href).status == 200
    clock.advance(1)
    assert client.get(href).status == 404


@pytest.mark.case(293)
def test_claiming_does_not_change_age(queue: Queue, clock: ManualClock) -> None:
    queue.post_n(1)
    clock.advance(5)
    assert [message["age"] for message in queue.claim().json()] == [5]


@pytest.mark.case(294)
def test_lengthened_life(client: Client, queue: Queue, clock: ManualClock) -> None:
    [href] = queue.post_n(1, ttl=60)
    clock.advance(5)
    claim, _ = queue.claimed(ttl=60, grace=60)
    clock.advance(61 - 5)
    assert client.get(href).status == 200
    clock.advance(66 - 61)
    assert client.get(claim).status == 404
    assert queue.listed() == [href]
    clock.advance(126 - 66)
    assert client.get(href).status == 404
    assert queue.listed() == []


@pytest.mark.case(295)
def test_expired_claim(client: Client, queue: Queue, clock: ManualClock) -> None:
    hrefs = queue.post_n(2)
    claim, _ = queue.claimed(ttl=60)
    clock.advance(61)
    assert client.get(claim).status == 404
    assert client.patch(claim, {"ttl": 100}).status == 404
    assert queue.listed() == hrefs
    assert queue.counts() == (0, 2, 2)
    assert queue.claimed()[1] == hrefs


@pytest.mark.case(296)
def test_renewed_claim(client: Client, queue: Queue, clock: ManualClock) -> None:
    queue.post_n(1, ttl=300)
    claim, _ = queue.claimed(ttl=60)
    clock.advance(30)
    assert client.patch(claim, {"ttl": 120}).status == 204
    clock.advance(100 - 30)
    assert client.get(claim).status == 200
    clock.advance(151 - 100)
    assert client.get(claim).status == 404


@pytest.mark.case(297)
def test_renewal_lengthens_life(client: Client, queue: Queue, clock: ManualClock) -> None:
    [href] = queue.post_n(1, ttl=60)
    claim, _ = queue.claimed(ttl=60, grace=60)
    assert client.patch(claim, {"ttl": 300}).status == 204
    assert reported_ttl(client, href) == 300
    clock.advance(250)
    assert client.get(href).status == 200


@pytest.mark.case(298)
def test_release_does_not_shorten_life(client: Client, queue: Queue) -> None:
    [href] = queue.post_n(1, ttl=120)
    claim, _ = queue.claimed(ttl=777, grace=60)
    assert client.delete(claim).status == 204
    assert reported_ttl(client, href) == 837
