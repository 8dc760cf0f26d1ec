"""Cases L: listing messages."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest

from marconi_server.storage.conformance import ManualClock
from tests.api.client import (
    C1,
    C2,
    Client,
    Queue,
    assert_empty,
    assert_error,
    hrefs_of,
    ids_query,
    next_link,
    query_of,
)

API_CALL = "Invalid API call"


@pytest.mark.case(175)
def test_two(queue: Queue) -> None:
    queue.post_n(2)
    answer = queue.page("?echo=true")
    assert answer.status == 200
    assert answer.headers["Content-Location"] == f"{queue.messages}?echo=true"
    assert set(answer.json()) == {"messages", "links"}
    assert len(answer.json()["messages"]) == 2
    assert [link["rel"] for link in answer.json()["links"]] == ["next"]


@pytest.mark.case(350)
@pytest.mark.parametrize(
    ("value", "is_repeated"),
    [
        ("y" * 100, True),
        ("y" * (2048 - len("echo=true&x=")), True),
        ("y" * (2049 - len("echo=true&x=")), False),
        ("y" * 2100, False),
        ("y" * 30_000, False),
    ],
    ids=lambda each: str(len(each)) if isinstance(each, str) else str(each),
)
def test_a_long_query_is_not_repeated(
    client: Client, queue: Queue, value: str, is_repeated: bool
) -> None:
    query = f"?echo=true&x={value}"
    for status in (204, 200):
        answer = queue.page(query)
        assert answer.status == status
        assert answer.headers["Content-Location"] == queue.messages + query * is_repeated
        [href] = queue.post_n(1)
    for path in ("/v1/queues", href, queue.claimed()[0]):
        answer = client.get(path + query)
        assert answer.headers["Content-Location"] == path + query * is_repeated


@pytest.mark.case(351)
def test_a_query_that_grows_in_a_header(queue: Queue) -> None:
    queue.post_n(1)
    for count, shown in ((100, True), (1000, False), (10_000, False)):
        environ = {"QUERY_STRING": "echo=true&x=" + "\xff" * count}
        answer = queue.page(environ=environ)
        assert answer.status == 200
        expected = "?echo=true&x=" + "%FF" * count if shown else ""
        assert answer.headers["Content-Location"] == queue.messages + expected


@pytest.mark.case(176)
def test_each_message(client: Client, queue: Queue) -> None:
    hrefs = queue.post_n(2)
    messages = queue.page("?echo=true").json()["messages"]
    assert [set(message) for message in messages] == [{"href", "ttl", "age", "body"}] * 2
    assert hrefs_of(messages) == hrefs
    assert all(href.startswith(f"{queue.messages}/") for href in hrefs)
    assert [client.get(href).status for href in hrefs] == [200, 200]


@pytest.mark.case(177)
def test_link(queue: Queue) -> None:
    queue.post_n(2)
    link = next_link(queue.page("?echo=true"))
    assert link.startswith(f"{queue.messages}?")
    query = query_of(link)
    assert set(query) == {"marker", "echo"}
    assert query["echo"] == "true"
    assert query["marker"].isdecimal()


@pytest.mark.case(178)
def test_ten_by_default(queue: Queue) -> None:
    assert queue.post_n(11)[:10] == queue.listed("?echo=true")


@pytest.mark.case(179)
def test_pages(client: Client, queue: Queue) -> None:
    hrefs = queue.post_n(10)
    sizes, seen = [], []
    answer = queue.page("?limit=3&echo=true")
    while answer.status == 200:
        page = hrefs_of(answer.json()["messages"])
        sizes.append(len(page))
        seen += page
        query = query_of(next_link(answer))
        assert (query["limit"], query["echo"]) == ("3", "true")
        answer = client.get(next_link(answer), client_id=C1)
    assert_empty(answer, 204)
    assert sizes == [3, 3, 3, 1]
    assert seen == hrefs


@pytest.mark.case(180)
def test_poll_the_last_link(client: Client, queue: Queue) -> None:
    queue.post_n(3)
    link = next_link(queue.page("?echo=true"))
    assert client.get(link, client_id=C1).status == 204
    hrefs = queue.post_n(1)
    answer = client.get(link, client_id=C1)
    assert answer.status == 200
    assert hrefs_of(answer.json()["messages"]) == hrefs


@pytest.mark.case(181)
def test_limit_above_the_default(queue: Queue) -> None:
    queue.post_n(15)
    assert len(queue.listed("?limit=20&echo=true")) == 15


@pytest.mark.case(182, 183)
def test_no_echo(queue: Queue) -> None:
    hrefs = queue.post_n(2, client_id=C1)
    assert queue.page(client_id=C1).status == 204
    assert queue.listed("", C2) == hrefs


@pytest.mark.case(184)
def test_two_clients(queue: Queue) -> None:
    of_c1 = queue.post_n(2, client_id=C1)
    of_c2 = queue.post_n(3, client_id=C2)
    assert queue.listed("", C1) == of_c2
    assert queue.listed("?echo=true", C1) == of_c1 + of_c2
    assert queue.listed("?echo=false", C1) == of_c2


@pytest.mark.case(185)
def test_same_uuid_in_another_form(queue: Queue) -> None:
    uuid = UUID("5f2c9cd4-91a3-4b6e-a0f3-0d6c7f9e8b1a")
    queue.post_n(1, client_id=str(uuid))
    for form in (str(uuid), str(uuid).upper(), uuid.hex, uuid.hex.upper()):
        assert queue.page(client_id=form).status == 204
    assert queue.page(client_id=str(uuid4())).status == 200


@pytest.mark.case(186)
def test_letter_case_of_a_word_matters(queue: Queue) -> None:
    hrefs = queue.post_n(1, client_id="abc")
    assert queue.page(client_id="abc").status == 204
    assert queue.listed("", "ABC") == hrefs


@pytest.mark.case(187)
def test_empty_queue(queue: Queue) -> None:
    answer = queue.page()
    assert_empty(answer, 204)
    assert answer.headers["Content-Location"] == queue.messages


@pytest.mark.case(188)
def test_missing_queue(missing: Queue) -> None:
    assert missing.page().status == 204


@pytest.mark.case(189, 190)
def test_no_client_id(queue: Queue, missing: Queue) -> None:
    for answer in (
        missing.page(client_id=None),
        queue.page(client_id=None),
        queue.page("?echo=true", client_id=None),
    ):
        assert_error(answer, 400, "Missing header")


@pytest.mark.case(191)
def test_empty_client_id(queue: Queue) -> None:
    assert_error(queue.page("?limit=3&echo=true", client_id=""), 400, API_CALL)


@pytest.mark.case(192)
@pytest.mark.limits(client_id_uuid_safe="strict")
@pytest.mark.parametrize("client_id", ["QClient", "1234"])
def test_strict_client_id(queue: Queue, client_id: str) -> None:
    assert_error(queue.page(client_id=client_id), 400, API_CALL)
    assert queue.page(client_id=str(uuid4())).status == 204


@pytest.mark.case(193)
@pytest.mark.parametrize("limit", [0, -100, 21, 30, 10**19, -(10**19)])
def test_limit_out_of_range(queue: Queue, limit: int) -> None:
    assert_error(queue.page(f"?limit={limit}"), 400, API_CALL)
    assert queue.page("?limit=20").status == 204


@pytest.mark.case(194)
@pytest.mark.parametrize("query", ["limit=x", "echo=1", "echo=TRUE", "include_claimed=on"])
def test_parameter_of_wrong_type(queue: Queue, query: str) -> None:
    assert_error(queue.page(f"?{query}"), 400, "Invalid query parameter")


@pytest.mark.case(195)
@pytest.mark.parametrize("value", ["yes", "True"])
def test_forms_of_true(queue: Queue, value: str) -> None:
    hrefs = queue.post_n(1)
    assert queue.listed(f"?echo={value}") == hrefs


@pytest.mark.case(196)
def test_marker_that_makes_no_sense(queue: Queue) -> None:
    queue.post_n(5)
    assert queue.page("?marker=sfhlsfdjh2048&limit=3&echo=true").status == 204
    assert queue.page("?marker=invalid").status == 204
    assert queue.page("?marker=invalid&echo=true").status == 204


@pytest.mark.case(197)
def test_empty_marker(queue: Queue) -> None:
    hrefs = queue.post_n(2)
    assert queue.listed("?marker=&echo=true") == hrefs


@pytest.mark.case(198)
def test_marker_outlives_its_message(client: Client, queue: Queue) -> None:
    hrefs = queue.post_n(5)
    link = next_link(queue.page("?limit=3&echo=true"))
    client.delete(queue.messages + ids_query(hrefs[:3]))
    answer = client.get(link, client_id=C1)
    assert hrefs_of(answer.json()["messages"]) == hrefs[3:]


@pytest.mark.case(199)
def test_include_claimed(queue: Queue) -> None:
    hrefs = queue.post_n(12)
    _, claimed = queue.claimed()
    assert claimed == hrefs[:10]
    assert queue.listed("?echo=true") == hrefs[10:]
    answer = queue.page("?echo=true&include_claimed=true")
    assert hrefs_of(answer.json()["messages"]) == hrefs[:10]
    assert query_of(next_link(answer))["include_claimed"] == "true"


@pytest.mark.case(200, 201)
@pytest.mark.parametrize("query", ["", "&include_claimed=false"])
def test_claimed_is_left_out(queue: Queue, query: str) -> None:
    hrefs = queue.post_n(2)
    queue.claimed("?limit=1")
    assert queue.listed(f"?echo=true{query}") == hrefs[1:]
    queue.claimed("?limit=1")
    assert queue.page(f"?echo=true{query}").status == 204


@pytest.mark.case(202)
def test_order_of_posts(queue: Queue) -> None:
    assert queue.post_n(3) + queue.post_n(2) == queue.listed()


@pytest.mark.case(203)
def test_reader_that_follows_parallel_posters(client: Client, queue: Queue) -> None:
    posters, rounds, size = 4, 12, 3
    finished = threading.Event()

    def post(poster: int) -> None:
        own = queue.of(Client(client.app, client.project))
        for n in range(rounds):
            batch = [{"ttl": 300, "body": [poster, n, part]} for part in range(size)]
            assert own.post(batch, f"poster-{poster}").status == 201

    def follow() -> list[tuple[int, ...]]:
        own = Client(client.app, client.project)
        seen: list[tuple[int, ...]] = []
        url = f"{queue.messages}?limit=5&echo=true"
        while True:
            # Asked before the page: an empty page is the end only if all was posted by then.
            last = finished.is_set()
            page = own.get(url, client_id=C1)
            if page.status == 200:
                seen += [tuple(message["body"]) for message in page.json()["messages"]]
                url = next_link(page)
            elif last:
                return seen

    with ThreadPoolExecutor(posters + 1) as pool:
        reader = pool.submit(follow)
        try:
            for done in [pool.submit(post, poster) for poster in range(posters)]:
                done.result(timeout=60)
        finally:
            finished.set()
        seen = reader.result(timeout=60)

    expected = [(p, n, part) for p in range(posters) for n in range(rounds) for part in range(size)]
    assert Counter(seen) == Counter(expected)
    for start in range(0, len(seen), size):
        poster, n, _ = seen[start]
        assert seen[start : start + size] == [(poster, n, part) for part in range(size)]
    for poster in range(posters):
        assert [body for body in seen if body[0] == poster] == [
            body for body in expected if body[0] == poster
        ]


@pytest.mark.case(204)
def test_with_body(client: Client, queue: Queue) -> None:
    assert client.get(queue.messages, b"null", client_id=C2).status == 204
    queue.post_n(1)
    assert client.get(queue.messages, b"null", client_id=C2).status == 200


@pytest.mark.case(205)
def test_age(queue: Queue, clock: ManualClock) -> None:
    queue.post_n(1, ttl=300)
    clock.advance(2)
    [message] = queue.page("?echo=true").json()["messages"]
    assert (message["age"], message["ttl"]) == (2, 300)
