"""Cases M: getting messages by their ids."""

import pytest

from tests.api.client import (
    C1,
    Client,
    Queue,
    assert_error,
    hrefs_of,
    id_of,
    ids_query,
    next_link,
)


@pytest.mark.case(206, 207, 208)
def test_location_of_a_post(client: Client, queue: Queue) -> None:
    posted = queue.post([{"ttl": 300, "body": n} for n in range(3)])
    location = posted.headers["Location"]
    assert location is not None
    answer = client.get(location)
    assert answer.status == 200
    messages = answer.json()
    assert [set(message) for message in messages] == [{"href", "ttl", "age", "body"}] * 3
    assert [message["body"] for message in messages] == [0, 1, 2]
    assert hrefs_of(messages) == posted.json()["resources"]
    assert all(message["href"].count("/messages") == 1 for message in messages)
    assert answer.headers["Content-Location"] == location
    assert client.get(location, client_id=C1).json() == messages


@pytest.mark.case(209)
def test_some_exist(client: Client, queue: Queue) -> None:
    hrefs = queue.post_n(3)
    answer = client.get(f"{queue.messages}{ids_query(hrefs)},nonexisting")
    assert answer.status == 200
    assert hrefs_of(answer.json()) == hrefs


@pytest.mark.case(210)
def test_none_exists(client: Client, queue: Queue, missing: Queue) -> None:
    queue.post_n(1)
    assert client.get(f"{queue.messages}?ids=not_there1,not_there2").status == 204
    assert client.get(f"{missing.messages}?ids=a,b,c").status == 204


@pytest.mark.case(211)
def test_number_of_ids(client: Client, queue: Queue) -> None:
    hrefs = queue.post_n(20)
    answer = client.get(queue.messages + ids_query(hrefs))
    assert answer.status == 200
    assert hrefs_of(answer.json()) == hrefs
    answer = client.get(queue.messages + ids_query(hrefs[:1] * 21))
    assert_error(answer, 400, "Invalid API call")
    made_up = [f"made-up-{n}" for n in range(21)]
    assert client.get(queue.messages + ids_query(made_up)).status == 400


@pytest.mark.case(212)
@pytest.mark.limits(max_messages_per_page=5)
def test_configured_number_of_ids(client: Client, queue: Queue) -> None:
    hrefs = queue.post_n(6)
    assert client.get(queue.messages + ids_query(hrefs)).status == 400
    assert client.get(queue.messages + ids_query(hrefs[:5])).status == 200


@pytest.mark.case(213)
def test_encoded_comma(client: Client, queue: Queue) -> None:
    hrefs = queue.post_n(2)
    answer = client.get(f"{queue.messages}?ids={id_of(hrefs[0])}%2C{id_of(hrefs[1])}")
    assert hrefs_of(answer.json()) == hrefs


@pytest.mark.case(214)
def test_same_id_three_times(client: Client, queue: Queue) -> None:
    hrefs = queue.post_n(1)
    answer = client.get(queue.messages + ids_query(hrefs * 3))
    assert hrefs_of(answer.json()) == hrefs


@pytest.mark.case(215)
def test_empty_ids_is_a_listing(queue: Queue) -> None:
    hrefs = queue.post_n(1)
    answer = queue.page("?ids=&echo=true")
    assert hrefs_of(answer.json()["messages"]) == hrefs
    assert next_link(answer)
    assert queue.page("?ids=&echo=true", client_id=None).status == 400


@pytest.mark.case(216)
def test_claimed(client: Client, queue: Queue) -> None:
    hrefs = queue.post_n(1)
    queue.claimed()
    answer = client.get(queue.messages + ids_query(hrefs))
    assert answer.status == 200
    assert hrefs_of(answer.json()) == hrefs


@pytest.mark.case(217)
def test_paging_parameters_are_not_looked_at(client: Client, queue: Queue) -> None:
    hrefs = queue.post_n(1)
    query = ids_query(hrefs) + "&limit=0&include_claimed=nonsense"
    assert client.get(queue.messages + query).status == 200


@pytest.mark.case(218)
def test_with_echo(client: Client, queue: Queue) -> None:
    hrefs = queue.post_n(3, client_id="QClient")
    url = f"{queue.messages}?echo=true&ids={id_of(hrefs[1])}"
    answer = client.get(url, client_id="QClient")
    assert answer.status == 200
    assert set(answer.json()) == {"messages"}
    assert hrefs_of(answer.json()["messages"]) == [hrefs[1]]


@pytest.mark.case(219)
def test_ids_of_another_queue(client: Client, other: Client, queue: Queue) -> None:
    hrefs = queue.post_n(1)
    client.create("another")
    other.create(queue.name)
    # The first messages of these queues, so that a mere position in the queue would be the same.
    for each in (Queue(client, "another"), queue.of(other)):
        each.post_n(1)
        assert each.client.get(each.messages + ids_query(hrefs)).status == 204
