"""Cases N: deleting messages by their ids."""

import pytest

from tests.api.client import Client, Queue, assert_empty, assert_error, ids_query


@pytest.mark.case(220)
def test_location_of_a_post(client: Client, queue: Queue) -> None:
    url = queue.messages + ids_query(queue.post_n(5))
    assert client.get(url).status == 200
    assert_empty(client.delete(url), 204)
    assert client.get(url).status == 204
    assert client.delete(url).status == 204
    client.delete(queue.path)
    assert client.delete(url).status == 204


@pytest.mark.case(221)
@pytest.mark.parametrize("query", ["", "?ids="])
def test_without_ids(client: Client, queue: Queue, query: str) -> None:
    hrefs = queue.post_n(2)
    answer = client.delete(queue.messages + query)
    assert_error(answer, 400, "Missing query parameter")
    assert queue.listed() == hrefs


@pytest.mark.case(222)
def test_some_exist(client: Client, queue: Queue) -> None:
    query = ids_query(queue.post_n(3))
    assert client.delete(f"{queue.messages}{query},nonexisting").status == 204
    assert queue.counts() == (0, 0, 0)


@pytest.mark.case(223)
def test_missing_queue(client: Client, missing: Queue) -> None:
    assert client.delete(f"{missing.messages}?ids=a,b,c").status == 204


@pytest.mark.case(224)
def test_number_of_ids(client: Client, queue: Queue) -> None:
    hrefs = queue.post_n(22)
    for ids in (hrefs[:21], hrefs, hrefs[:1] * 21, hrefs[:1] * 22):
        answer = client.delete(queue.messages + ids_query(ids))
        assert_error(answer, 400, "Invalid API call")
    assert queue.counts() == (0, 22, 22)
    assert client.delete(queue.messages + ids_query(hrefs[:20])).status == 204
    assert queue.listed() == hrefs[20:]


@pytest.mark.case(225)
def test_claimed(client: Client, queue: Queue) -> None:
    hrefs = queue.post_n(3)
    claim, claimed = queue.claimed()
    assert claimed == hrefs
    assert client.delete(queue.messages + ids_query(hrefs)).status == 204
    assert [client.get(href).status for href in hrefs] == [404] * 3
    assert client.get(claim).status == 404


@pytest.mark.case(226)
def test_the_others_stay(client: Client, queue: Queue) -> None:
    hrefs = queue.post_n(5)
    client.delete(queue.messages + ids_query([hrefs[1], hrefs[3]]))
    assert queue.listed() == [hrefs[0], hrefs[2], hrefs[4]]


@pytest.mark.case(227)
def test_other_project(other: Client, queue: Queue) -> None:
    hrefs = queue.post_n(2)
    assert other.delete(queue.messages + ids_query(hrefs)).status == 204
    other.create(queue.name)
    theirs = queue.of(other).post_n(2)
    assert other.delete(queue.messages + ids_query(hrefs)).status == 204
    assert queue.listed() == hrefs
    assert queue.of(other).listed() == theirs
