"""Cases P: creating claims."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.api.client import (
    BIG,
    Client,
    Queue,
    assert_empty,
    assert_error,
    assert_id,
    hrefs_of,
    id_of,
)

API_CALL = "Invalid API call"
BODY = "Invalid request body"
GOOD = {"ttl": 300, "grace": 100}


@pytest.mark.case(239)
def test_two(queue: Queue) -> None:
    hrefs = queue.post_ttls([300, 60])
    answer = queue.claim("?limit=2", ttl=60, grace=60)
    assert answer.status == 201
    location = answer.headers["Location"]
    assert location is not None
    claim_id = id_of(location)
    assert_id(claim_id)
    assert location == f"{queue.claims}/{claim_id}"
    messages = answer.json()
    assert [set(message) for message in messages] == [{"href", "ttl", "age", "body"}] * 2
    assert hrefs_of(messages) == [f"{href}?claim_id={claim_id}" for href in hrefs]
    assert [message["ttl"] for message in messages] == [300, 120]
    assert [message["body"] for message in messages] == [{"n": 1}, {"n": 2}]


@pytest.mark.case(240)
def test_ten_by_default(queue: Queue) -> None:
    hrefs = queue.post_n(11)
    _, claimed = queue.claimed()
    assert claimed == hrefs[:10]


@pytest.mark.case(241)
def test_until_none_is_left(queue: Queue) -> None:
    hrefs = queue.post_n(5)
    assert queue.claimed("?limit=2")[1] == hrefs[:2]
    assert queue.claimed("?limit=2")[1] == hrefs[2:4]
    assert queue.claimed("?limit=2")[1] == hrefs[4:]
    answer = queue.claim("?limit=2")
    assert_empty(answer, 204)
    assert answer.headers["Location"] is None


@pytest.mark.case(242)
def test_empty_and_missing_queue(client: Client, queue: Queue, missing: Queue) -> None:
    assert_empty(queue.claim(), 204)
    assert_empty(missing.claim(), 204)
    assert client.get(missing.path).status == 404


@pytest.mark.case(243)
def test_own_messages(client: Client, queue: Queue) -> None:
    hrefs = queue.post_n(1, client_id="QClient")
    answer = client.post(queue.claims, GOOD, client_id="QClient")
    assert answer.status == 201
    assert [id_of(href) for href in hrefs_of(answer.json())] == [id_of(hrefs[0])]


@pytest.mark.case(244)
@pytest.mark.parametrize("client_id", [None, "", "nonsense"])
def test_client_id_is_not_looked_at(client: Client, queue: Queue, client_id: str | None) -> None:
    queue.post_n(1)
    assert client.post(queue.claims, GOOD, client_id=client_id).status == 201


@pytest.mark.case(244)
@pytest.mark.limits(client_id_uuid_safe="strict")
@pytest.mark.parametrize("client_id", [None, "", "nonsense"])
def test_client_id_is_not_looked_at_in_strict_mode(
    client: Client, queue: Queue, client_id: str | None
) -> None:
    queue.post_n(1, client_id="5f2c9cd4-91a3-4b6e-a0f3-0d6c7f9e8b1a")
    assert client.post(queue.claims, GOOD, client_id=client_id).status == 201


@pytest.mark.case(245)
def test_largest_limit(queue: Queue) -> None:
    hrefs = queue.post_n(25)
    assert_error(queue.claim("?limit=21"), 400, API_CALL)
    assert queue.counts() == (0, 25, 25)
    assert queue.claimed("?limit=20")[1] == hrefs[:20]


@pytest.mark.case(246)
@pytest.mark.parametrize(
    ("limit", "title"),
    [("0", API_CALL), ("-1", API_CALL), ("abc", "Invalid query parameter")],
)
def test_bad_limit(queue: Queue, limit: str, title: str) -> None:
    assert_error(queue.claim(f"?limit={limit}"), 400, title)


@pytest.mark.case(246)
def test_empty_limit(queue: Queue) -> None:
    hrefs = queue.post_n(11)
    assert queue.claimed("?limit=")[1] == hrefs[:10]


@pytest.mark.case(247)
@pytest.mark.parametrize("body", [None, b"", b"[", b"[]", b"{}", b".", b'"fail"'])
def test_bad_body(client: Client, queue: Queue, body: bytes | None) -> None:
    assert_error(client.post(queue.claims, body), 400, BODY)


@pytest.mark.case(248)
@pytest.mark.parametrize("body", [{"ttl": 100}, {"grace": 100}])
def test_missing_field(client: Client, queue: Queue, body: Any) -> None:
    assert_error(client.post(queue.claims, body), 400, BODY)


@pytest.mark.case(249)
@pytest.mark.parametrize(
    ("ttl", "grace"),
    [
        (-1, -1),
        (59, 60),
        (60, 59),
        (60, 43201),
        (43201, 60),
        (1, 100),
        (-100, 100),
        (100, 0),
        (100, 30),
    ],
)
def test_out_of_range(queue: Queue, ttl: int, grace: int) -> None:
    queue.post_n(1)
    assert_error(queue.claim("", ttl, grace), 400, API_CALL)
    assert queue.counts() == (0, 1, 1)


@pytest.mark.case(250, 251)
@pytest.mark.parametrize("value", [BIG, -BIG, "100", 100.0, None])
@pytest.mark.parametrize("field", ["ttl", "grace"])
def test_not_an_integer(client: Client, queue: Queue, field: str, value: Any) -> None:
    assert_error(client.post(queue.claims, GOOD | {field: value}), 400, BODY)


@pytest.mark.case(252)
@pytest.mark.parametrize("seconds", [60, 43200])
def test_in_range(queue: Queue, seconds: int) -> None:
    queue.post_n(1)
    assert queue.claim("", seconds, seconds).status == 201


@pytest.mark.case(253)
def test_extra_fields(client: Client, queue: Queue) -> None:
    queue.post_n(2)
    answer = client.post(queue.claims, GOOD | {"limit": 1, "colour": None})
    assert answer.status == 201
    assert len(answer.json()) == 2


@pytest.mark.case(254)
def test_body_is_checked_before_the_queue(missing: Queue) -> None:
    assert missing.claim("", 59, 60).status == 400


@pytest.mark.case(255)
def test_too_large(client: Client, queue: Queue) -> None:
    body = b'{"ttl": 60, "grace": 60}'.ljust(70000)
    assert_error(client.post(queue.claims, body), 400, API_CALL)


@pytest.mark.case(256)
def test_parallel_claims(client: Client, queue: Queue) -> None:
    hrefs = queue.post_n(100)
    together = threading.Barrier(2, timeout=60)

    def claim_20_times(_: int) -> list[str]:
        own = queue.of(Client(client.app, client.project))
        taken: list[str] = []
        for _ in range(20):
            together.wait()
            answer = own.claim("?limit=3")
            if answer.status == 201:
                taken += hrefs_of(answer.json())
        return taken

    with ThreadPoolExecutor(2) as pool:
        claimed = [href for taken in pool.map(claim_20_times, range(2)) for href in taken]
    # A claim may take fewer than it could: what is left is claimed one after the other.
    while (answer := queue.claim("?limit=20")).status == 201:
        claimed += hrefs_of(answer.json())
    assert sorted(href.partition("?")[0] for href in claimed) == sorted(hrefs)


@pytest.mark.case(257)
def test_other_project(other: Client, queue: Queue) -> None:
    queue.post_n(1)
    assert queue.of(other).claim().status == 204
