"""Cases I: metadata of a queue."""

import pytest

from tests.api.client import Client, Queue, assert_empty, assert_error

LIMIT = 65536


def document(size: int) -> bytes:
    """Make a JSON object of exactly `size` bytes."""
    return b'{"a": "' + b"x" * (size - 9) + b'"}'


@pytest.mark.case(104)
def test_new_queue(client: Client, queue: Queue) -> None:
    answer = client.get(f"{queue.path}/metadata")
    assert answer.status == 200
    assert answer.json() == {}
    assert answer.headers["Content-Location"] == f"{queue.path}/metadata"


@pytest.mark.case(105)
def test_set(client: Client, queue: Queue) -> None:
    answer = client.put(f"{queue.path}/metadata", {"messages": {"ttl": 600}})
    assert_empty(answer, 204)
    assert answer.headers["Location"] == f"{queue.path}/metadata"
    read = client.get(f"{queue.path}/metadata")
    assert read.status == 200
    assert read.json() == {"messages": {"ttl": 600}}


@pytest.mark.case(106)
def test_replaced_not_merged(client: Client, queue: Queue) -> None:
    assert client.put(f"{queue.path}/metadata", {"a": 1}).status == 204
    assert client.put(f"{queue.path}/metadata", {"b": 2}).status == 204
    assert client.get(f"{queue.path}/metadata").json() == {"b": 2}


@pytest.mark.case(107)
def test_cleared(client: Client, queue: Queue) -> None:
    client.put(f"{queue.path}/metadata", {"a": 1})
    assert client.put(f"{queue.path}/metadata", {}).status == 204
    assert client.get(f"{queue.path}/metadata").json() == {}


@pytest.mark.case(108, 110, 111)
@pytest.mark.parametrize(
    "metadata",
    [
        {"_queue": "leading underscore"},
        {"queue": "#$%^&Apple"},
        {"a.b": 1, "$set": {"x": 1}},
    ],
)
def test_odd_keys_and_values(client: Client, queue: Queue, metadata: object) -> None:
    assert client.put(f"{queue.path}/metadata", metadata).status == 204
    assert client.get(f"{queue.path}/metadata").json() == metadata


@pytest.mark.case(109)
def test_cjk(client: Client, queue: Queue) -> None:
    sent = '{"消息": "队列"}'.encode()
    assert client.put(f"{queue.path}/metadata", sent).status == 204
    answer = client.get(f"{queue.path}/metadata")
    assert answer.json() == {"消息": "队列"}
    assert "消息".encode() in answer.body
    assert "队列".encode() in answer.body


@pytest.mark.case(112)
def test_value_of_65000_characters(client: Client, queue: Queue) -> None:
    assert client.put(f"{queue.path}/metadata", {"a": "x" * 65000}).status == 204


@pytest.mark.case(113)
def test_largest(client: Client, queue: Queue) -> None:
    body = document(LIMIT)
    assert len(body) == LIMIT
    assert client.put(f"{queue.path}/metadata", body).status == 204
    assert client.get(f"{queue.path}/metadata").json() == {"a": "x" * (LIMIT - 9)}


@pytest.mark.case(114)
def test_too_large(client: Client, queue: Queue) -> None:
    answer = client.put(f"{queue.path}/metadata", document(LIMIT + 1))
    assert_error(answer, 400, "Invalid API call")


@pytest.mark.case(115)
def test_far_too_large(client: Client, queue: Queue) -> None:
    assert client.put(f"{queue.path}/metadata", document(LIMIT * 100)).status == 400
    assert client.put(f"{queue.path}/metadata", {"a": 1}).status == 204


@pytest.mark.case(116)
@pytest.mark.limits(max_queue_metadata=64)
def test_configured_limit(client: Client, queue: Queue) -> None:
    assert client.put(f"{queue.path}/metadata", document(64)).status == 204
    answer = client.put(f"{queue.path}/metadata", document(65))
    assert_error(answer, 400, "Invalid API call")
    assert client.put(f"{queue.path}/metadata", document(60) + b" " * 5).status == 400


@pytest.mark.case(117, 118, 119)
@pytest.mark.parametrize(
    "body",
    [None, b"", b"{", b"[]", b".", b"  ", b'"not_a_dict"', b"7", b"null"],
)
def test_not_an_object(client: Client, queue: Queue, body: bytes | None) -> None:
    answer = client.put(f"{queue.path}/metadata", body)
    assert_error(answer, 400, "Invalid request body")


@pytest.mark.case(120)
def test_integers_of_64_bits(client: Client, queue: Queue) -> None:
    answer = client.put(f"{queue.path}/metadata", b'{"n": 9223372036854775808}')
    assert_error(answer, 400, "Invalid request body")
    answer = client.put(f"{queue.path}/metadata", b'{"n": 9223372036854775807}')
    assert answer.status == 204


@pytest.mark.case(121)
def test_not_utf8(client: Client, queue: Queue) -> None:
    answer = client.put(f"{queue.path}/metadata", b'{"a": "\xc4"}')
    assert_error(answer, 400, "Invalid request body")


@pytest.mark.case(122)
def test_missing_queue(client: Client, missing: Queue) -> None:
    assert_error(client.get(f"{missing.path}/metadata"), 404, "Not found")
    assert_error(client.put(f"{missing.path}/metadata", {}), 404, "Not found")


@pytest.mark.case(123, 124)
@pytest.mark.parametrize("body", [b"[]", document(LIMIT + 1)], ids=["array", "too large"])
def test_body_is_checked_before_the_queue(client: Client, missing: Queue, body: bytes) -> None:
    assert client.put(f"{missing.path}/metadata", body).status == 400


@pytest.mark.case(125)
def test_other_project(other: Client, queue: Queue) -> None:
    assert other.get(f"{queue.path}/metadata").status == 404


@pytest.mark.case(126)
def test_metadata_changes_nothing(client: Client, queue: Queue) -> None:
    client.put(f"{queue.path}/metadata", {"_default_message_ttl": 60})
    assert queue.post([{"body": 1}]).status == 400
