"""Cases R: deleting messages with and without a claim."""

import pytest

from marconi_server.storage.conformance import ManualClock
from tests.api.client import Client, Queue, assert_error, id_of

TITLE = "Unable to delete"


@pytest.mark.case(276)
def test_claimed_without_claim_id(client: Client, queue: Queue) -> None:
    [href] = queue.post_n(1)
    queue.claimed()
    assert_error(client.delete(href), 403, TITLE)
    assert client.get(href).status == 200


@pytest.mark.case(277)
def test_claimed_with_its_claim_id(client: Client, queue: Queue) -> None:
    [href] = queue.post_n(1)
    claim, _ = queue.claimed()
    url = f"{href}?claim_id={id_of(claim)}"
    assert client.delete(url).status == 204
    assert client.get(href).status == 404
    assert client.delete(url).status == 204


@pytest.mark.case(278)
def test_claimed_with_another_claim_id(client: Client, queue: Queue) -> None:
    href, _ = queue.post_n(2)
    queue.claimed("?limit=1")
    other_claim, _ = queue.claimed("?limit=1")
    assert_error(client.delete(f"{href}?claim_id={id_of(other_claim)}"), 403, TITLE)
    assert client.get(href).status == 200


@pytest.mark.case(279)
def test_released_claim(client: Client, queue: Queue) -> None:
    [href] = queue.post_n(1)
    claim, _ = queue.claimed()
    client.delete(claim)
    assert client.delete(f"{href}?claim_id={id_of(claim)}").status == 403
    assert client.get(href).status == 200
    assert client.delete(href).status == 204
    assert client.get(href).status == 404


@pytest.mark.case(280)
def test_unclaimed_with_a_live_claim_id(client: Client, queue: Queue) -> None:
    _, href = queue.post_n(2)
    claim, _ = queue.claimed("?limit=1")
    assert client.delete(f"{href}?claim_id={id_of(claim)}").status == 403
    assert client.get(href).status == 200


@pytest.mark.case(281)
def test_unclaimed_with_malformed_claim_id(client: Client, queue: Queue) -> None:
    [href] = queue.post_n(1)
    assert client.delete(f"{href}?claim_id=invalid").status == 204
    assert client.get(href).status == 200


@pytest.mark.case(282)
def test_claimed_with_malformed_claim_id(client: Client, queue: Queue) -> None:
    [href] = queue.post_n(1)
    queue.claimed()
    assert client.delete(f"{href}?claim_id=%3B%20DROP%20TABLE").status == 204
    assert client.get(href).status == 200


@pytest.mark.case(283)
def test_missing_with_a_live_claim_id(client: Client, queue: Queue) -> None:
    queue.post_n(1)
    claim, _ = queue.claimed()
    url = f"{queue.messages}/non-existing?claim_id={id_of(claim)}"
    assert client.delete(url).status == 204


@pytest.mark.case(284)
def test_other_project(client: Client, other: Client, queue: Queue) -> None:
    [href] = queue.post_n(1)
    claim, _ = queue.claimed()
    assert other.delete(f"{href}?claim_id={id_of(claim)}").status == 204
    assert client.get(href).status == 200


@pytest.mark.case(285)
def test_expired_claim(client: Client, queue: Queue, clock: ManualClock) -> None:
    [href] = queue.post_n(1)
    claim, _ = queue.claimed(ttl=60)
    clock.advance(61)
    assert client.delete(f"{href}?claim_id={id_of(claim)}").status == 403
    assert client.get(href).status == 200
    assert client.delete(href).status == 204
    assert client.get(href).status == 404


@pytest.mark.case(286)
def test_claimed_again(client: Client, queue: Queue, clock: ManualClock) -> None:
    [href] = queue.post_n(1)
    first, _ = queue.claimed(ttl=60)
    clock.advance(61)
    second, claimed = queue.claimed()
    assert claimed == [href]
    assert client.delete(f"{href}?claim_id={id_of(first)}").status == 403
    assert client.delete(href).status == 403
    assert client.delete(f"{href}?claim_id={id_of(second)}").status == 204
    assert client.get(href).status == 404
