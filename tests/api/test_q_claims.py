"""Cases Q: reading, renewing and releasing claims."""

from typing import Any

import pytest

from marconi_server.storage.conformance import ManualClock
from tests.api.client import BIG, Client, Queue, assert_empty, assert_error, hrefs_of, id_of

API_CALL = "Invalid API call"
BODY = "Invalid request body"


@pytest.mark.case(258)
def test_read(client: Client, queue: Queue, clock: ManualClock) -> None:
    queue.post_n(3)
    created = queue.claim()
    claim = created.headers["Location"]
    assert claim is not None
    clock.advance(2)
    answer = client.get(claim)
    assert answer.status == 200
    document = answer.json()
    assert set(document) == {"href", "ttl", "age", "messages"}
    assert document["href"] == claim
    assert answer.headers["Content-Location"] == claim
    assert document["ttl"] == 300
    assert document["age"] == 2
    assert document["messages"] == [message | {"age": 2} for message in created.json()]


@pytest.mark.case(259)
def test_hrefs_inside_carry_the_claim(client: Client, queue: Queue) -> None:
    hrefs = queue.post_n(2)
    claim, _ = queue.claimed()
    messages = client.get(claim).json()["messages"]
    assert hrefs_of(messages) == [f"{href}?claim_id={id_of(claim)}" for href in hrefs]


@pytest.mark.case(260)
def test_read_from_elsewhere(client: Client, other: Client, queue: Queue) -> None:
    queue.post_n(1)
    claim, _ = queue.claimed()
    client.create("another")
    assert other.get(claim).status == 404
    assert client.of(None).get(claim).status == 404
    assert client.get(claim.replace(queue.name, "another")).status == 404


@pytest.mark.case(261)
def test_read_unknown(client: Client, queue: Queue, missing: Queue) -> None:
    assert client.get(f"{queue.claims}/a").status == 404
    assert client.get(f"{queue.claims}/non-existing-claim").status == 404
    assert client.get(f"{missing.claims}/aaabbbba").status == 404


@pytest.mark.case(262)
def test_renew(client: Client, queue: Queue, clock: ManualClock) -> None:
    queue.post_n(1)
    claim, _ = queue.claimed(ttl=100)
    clock.advance(30)
    assert_empty(client.patch(claim, {"ttl": 300}), 204)
    document = client.get(claim).json()
    assert (document["ttl"], document["age"]) == (300, 0)


@pytest.mark.case(263)
def test_renew_for_a_shorter_time(client: Client, queue: Queue) -> None:
    queue.post_n(1)
    claim, _ = queue.claimed(ttl=300)
    assert client.patch(claim, {"ttl": 60}).status == 204
    assert client.get(claim).json()["ttl"] == 60


@pytest.mark.case(264)
def test_renew_with_grace(client: Client, queue: Queue) -> None:
    queue.post_n(1)
    claim, _ = queue.claimed()
    assert client.patch(claim, {"ttl": 300, "grace": 300}).status == 204


@pytest.mark.case(265)
@pytest.mark.parametrize("body", [None, b"", b"[", b"[]", b"{}", b".", b'"fail"'])
def test_renew_with_bad_body(client: Client, queue: Queue, body: bytes | None) -> None:
    queue.post_n(1)
    claim, _ = queue.claimed()
    before = client.get(claim).json()
    assert_error(client.patch(claim, body), 400, BODY)
    assert client.get(claim).json() == before


@pytest.mark.case(266)
@pytest.mark.parametrize("ttl", [-1, 1, 59, 43201, -100, BIG, -BIG])
def test_renew_with_bad_ttl(client: Client, queue: Queue, ttl: int) -> None:
    queue.post_n(1)
    claim, _ = queue.claimed()
    assert_error(client.patch(claim, {"ttl": ttl}), 400, BODY if abs(ttl) == BIG else API_CALL)


@pytest.mark.case(267)
def test_renew_unknown(client: Client, other: Client, queue: Queue, missing: Queue) -> None:
    queue.post_n(1)
    claim, _ = queue.claimed()
    assert client.patch(f"{queue.claims}/a", {"ttl": 100}).status == 404
    assert client.patch(f"{missing.claims}/a", {"ttl": 100}).status == 404
    assert other.patch(claim, {"ttl": 100}).status == 404


@pytest.mark.case(268)
def test_body_is_checked_before_the_claim(client: Client, queue: Queue) -> None:
    assert client.patch(f"{queue.claims}/a", {"ttl": 1}).status == 400


@pytest.mark.case(269)
@pytest.mark.parametrize(("grace", "title"), [("x", BODY), (43201, API_CALL), (-1, API_CALL)])
def test_renew_with_bad_grace(client: Client, queue: Queue, grace: Any, title: str) -> None:
    queue.post_n(1)
    claim, _ = queue.claimed()
    assert_error(client.patch(claim, {"ttl": 100, "grace": grace}), 400, title)


@pytest.mark.case(270)
def test_release(client: Client, queue: Queue) -> None:
    hrefs = queue.post_n(3)
    claim, _ = queue.claimed()
    assert queue.listed() == []
    assert_empty(client.delete(claim), 204)
    assert client.get(claim).status == 404
    assert client.patch(claim, {"ttl": 100}).status == 404
    assert queue.listed() == hrefs
    assert queue.claimed()[1] == hrefs


@pytest.mark.case(271)
def test_release_from_another_project(client: Client, other: Client, queue: Queue) -> None:
    queue.post_n(1)
    claim, _ = queue.claimed()
    assert other.delete(claim).status == 204
    assert client.get(claim).status == 200


@pytest.mark.case(272)
def test_release_unknown(client: Client, queue: Queue, missing: Queue) -> None:
    queue.post_n(1)
    claim, _ = queue.claimed()
    assert client.delete(f"{queue.claims}/a").status == 204
    assert client.delete(f"{missing.claims}/a").status == 204
    assert client.delete(claim).status == 204
    assert client.delete(claim).status == 204


@pytest.mark.case(273)
def test_one_message_deleted(client: Client, queue: Queue) -> None:
    queue.post_n(3)
    claim, _ = queue.claimed()
    before = client.get(claim).json()
    assert client.delete(before["messages"][1]["href"]).status == 204
    first, _, last = before["messages"]
    assert client.get(claim).json() == before | {"messages": [first, last]}


@pytest.mark.case(274)
def test_all_messages_deleted(client: Client, queue: Queue) -> None:
    queue.post_n(2)
    answer = queue.claim()
    for href in hrefs_of(answer.json()):
        client.delete(href)
    claim = answer.headers["Location"]
    assert claim is not None
    assert client.get(claim).status == 404
    assert client.patch(claim, {"ttl": 100}).status == 404


@pytest.mark.case(275)
def test_never_an_empty_claim(client: Client, queue: Queue, missing: Queue) -> None:
    hrefs = queue.post_n(3)
    queue.claimed("?limit=2")
    client.delete(hrefs[2])
    for answer in (queue.claim(), queue.claim("?limit=1"), missing.claim()):
        assert_empty(answer, 204)
