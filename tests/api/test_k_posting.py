"""Cases K: posting messages."""

import io
import json
from typing import Any
from uuid import uuid4

import pytest

from tests.api.client import (
    BIG,
    C1,
    JSON,
    Client,
    Queue,
    assert_error,
    assert_id,
    hrefs_of,
    id_of,
    ids_query,
)

LIMIT = 262144
API_CALL = "Invalid API call"
BODY = "Invalid request body"


def batch(size: int) -> bytes:
    """Make a batch of one message that is exactly `size` bytes long."""
    return b'[{"ttl": 60, "body": "' + b"x" * (size - 25) + b'"}]'


@pytest.mark.case(138)
def test_one(client: Client, queue: Queue) -> None:
    answer = queue.post([{"ttl": 300, "body": {"event": "one"}}], client_id="QClient")
    assert answer.status == 201
    assert answer.headers["Content-Type"] == JSON
    assert answer.json()["partial"] is False
    [href] = answer.json()["resources"]
    assert_id(id_of(href))
    assert href == f"{queue.messages}/{id_of(href)}"
    assert answer.headers["Location"] == f"{queue.messages}?ids={id_of(href)}"


@pytest.mark.case(347)
def test_a_location_that_can_be_followed(client: Client, queue: Queue) -> None:
    answer = queue.post([{"ttl": 60, "body": n} for n in range(20)])
    hrefs = answer.json()["resources"]
    assert answer.headers["Location"] == queue.messages + ids_query(hrefs)
    followed = client.get(queue.messages + ids_query(hrefs))
    assert followed.status == 200
    assert hrefs_of(followed.json()) == hrefs


@pytest.mark.case(348)
def test_a_location_of_more_than_can_be_asked_for(queue: Queue) -> None:
    answer = queue.post([{"ttl": 60, "body": n} for n in range(21)])
    assert answer.status == 201
    assert answer.headers["Location"] == queue.messages
    assert len(set(answer.json()["resources"])) == 21


@pytest.mark.case(349)
def test_thousands(queue: Queue) -> None:
    """That no head of any answer is large, `client.py` sees to."""
    answer = queue.post([{"ttl": 60, "body": 1}] * 3000)
    assert answer.status == 201
    assert len(set(answer.json()["resources"])) == 3000
    assert queue.counts() == (0, 3000, 3000)


@pytest.mark.limits(max_messages_per_page=1000)
@pytest.mark.parametrize(("count", "has_ids"), [(200, True), (1000, False)])
def test_a_location_is_never_long(queue: Queue, count: int, has_ids: bool) -> None:
    answer = queue.post([{"ttl": 60, "body": 1}] * count)
    location = answer.headers["Location"] or ""
    assert location.partition("?")[0] == queue.messages
    assert ("?ids=" in location) == has_ids


@pytest.mark.case(353)
def test_client_id_has_a_limit(queue: Queue) -> None:
    for long in ("c" * 256, "é" * 128):
        assert queue.post([{"ttl": 60, "body": 1}], client_id=wsgi(long)).status == 201
        assert queue.page(client_id=wsgi(long)).status in (200, 204)
    before = queue.counts()
    for too_long in ("c" * 257, "é" * 129, "c" * 100_000):
        answer = queue.post([{"ttl": 60, "body": 1}], client_id=wsgi(too_long))
        assert_error(answer, 400, API_CALL)
        assert_error(queue.page(client_id=wsgi(too_long)), 400, API_CALL)
    assert queue.counts() == before


def wsgi(text: str) -> str:
    """Give text as WSGI has it in headers: a character for each byte."""
    return text.encode().decode("latin-1")


@pytest.mark.case(354)
@pytest.mark.parametrize("ttl", [59, 1209601, -(2**63)])
def test_ttl_out_of_range_says_where(queue: Queue, ttl: int) -> None:
    answer = queue.post([{"ttl": each, "body": 1} for each in (60, 60, 60, ttl, 60, ttl)])
    assert_error(answer, 400, API_CALL)
    assert "$[3].ttl has to be between 60 and 1209600" in answer.json()["description"]


@pytest.mark.case(139)
def test_line_feeds_around(queue: Queue) -> None:
    assert queue.post(b'\n[{"ttl": 300, "body": 1}]\n').status == 201


@pytest.mark.case(140)
def test_two(client: Client, queue: Queue) -> None:
    answer = queue.post([{"ttl": 300, "body": "first"}, {"ttl": 60, "body": "second"}])
    assert answer.status == 201
    first, second = answer.json()["resources"]
    assert [client.get(href).json()["body"] for href in (first, second)] == ["first", "second"]
    assert answer.headers["Location"] == f"{queue.messages}?ids={id_of(first)},{id_of(second)}"


@pytest.mark.case(141)
@pytest.mark.parametrize(
    "headers", [{}, {"Content-Type": "application/x-www-form-urlencoded"}], ids=["none", "form"]
)
def test_content_type_is_not_looked_at(queue: Queue, headers: dict[str, str]) -> None:
    assert queue.post([{"ttl": 300, "body": 1}], headers=headers).status == 201


@pytest.mark.case(142, 143, 144, 152)
@pytest.mark.parametrize(
    "body",
    [
        7,
        -1.5,
        "text",
        [1, [2]],
        {"a": {"b": 1}},
        True,
        None,
        "",
        {},
        "消息 😀 \u0000",
        9007199254740993,
    ],
)
def test_bodies_come_back_unchanged(client: Client, queue: Queue, body: Any) -> None:
    answer = client.get(queue.post_body(body))
    # As text, since in Python 1 equals True.
    assert json.dumps(answer.json()["body"]) == json.dumps(body)


@pytest.mark.case(145)
def test_unknown_fields_are_dropped(client: Client, queue: Queue) -> None:
    answer = queue.post([{"ttl": 60, "body": 1, "id": "x", "age": 5}])
    assert answer.status == 201
    [href] = answer.json()["resources"]
    assert id_of(href) != "x"
    assert client.get(href).json() == {"href": href, "ttl": 60, "age": 0, "body": 1}


@pytest.mark.case(146)
def test_fifty(queue: Queue) -> None:
    assert len(set(queue.post_n(50))) == 50


@pytest.mark.case(147)
@pytest.mark.parametrize("ttl", [60, 1209600])
def test_ttl_in_range(queue: Queue, ttl: int) -> None:
    assert queue.post([{"ttl": ttl, "body": 1}]).status == 201


@pytest.mark.case(148)
@pytest.mark.parametrize("ttl", [-1, 0, 59, 1209601])
def test_ttl_out_of_range(queue: Queue, ttl: int) -> None:
    assert_error(queue.post([{"ttl": ttl, "body": 1}]), 400, API_CALL)


@pytest.mark.case(149, 150)
@pytest.mark.parametrize("ttl", ["300", 300.0, 300.5, None, [300], True, BIG])
def test_ttl_not_an_integer(queue: Queue, ttl: Any) -> None:
    assert_error(queue.post([{"ttl": ttl, "body": 1}]), 400, BODY)


@pytest.mark.case(151)
@pytest.mark.parametrize("message", [{"body": 1}, {"ttl": 300}])
def test_missing_field(queue: Queue, message: Any) -> None:
    assert_error(queue.post([message]), 400, BODY)


@pytest.mark.case(153)
def test_no_message(queue: Queue) -> None:
    assert_error(queue.post([]), 400, API_CALL)


@pytest.mark.case(154)
@pytest.mark.parametrize("body", [b"{}", b"[", b".", b"", None])
def test_not_a_batch(queue: Queue, body: bytes | None) -> None:
    assert queue.post(body).status == 400


@pytest.mark.case(155)
def test_object_instead_of_array(queue: Queue) -> None:
    assert_error(queue.post({"ttl": 60, "body": ""}), 400, BODY)


@pytest.mark.case(156)
@pytest.mark.parametrize("body", [b"[5]", b'["x"]', b"[null]", b"[[]]"])
def test_element_not_an_object(queue: Queue, body: bytes) -> None:
    assert_error(queue.post(body), 400, BODY)


@pytest.mark.case(157)
@pytest.mark.parametrize("body", [9223372036854775808, {"underflow": -9223372036854775809}])
def test_integer_too_large(queue: Queue, body: Any) -> None:
    assert_error(queue.post([{"ttl": 60, "body": body}]), 400, BODY)


@pytest.mark.case(158)
def test_integer_too_large_deep_inside(queue: Queue) -> None:
    answer = queue.post([{"ttl": 60, "body": {"deep": [9223372036854775808]}}])
    assert_error(answer, 400, BODY)


@pytest.mark.case(159)
def test_nan(queue: Queue) -> None:
    assert_error(queue.post(b'[{"ttl": 60, "body": NaN}]'), 400, BODY)


@pytest.mark.case(160)
def test_one_bad_element_refuses_all(queue: Queue) -> None:
    messages = [{"ttl": ttl, "body": 1} for ttl in (300, 300, 59)]
    assert queue.post(messages).status == 400
    assert queue.counts() == (0, 0, 0)


@pytest.mark.case(161)
@pytest.mark.parametrize("size", [LIMIT, LIMIT - 10, LIMIT - 1])
def test_largest(queue: Queue, size: int) -> None:
    assert len(batch(size)) == size
    assert queue.post(batch(size)).status == 201


@pytest.mark.case(162)
@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT + 10])
def test_too_large(queue: Queue, size: int) -> None:
    assert_error(queue.post(batch(size)), 400, API_CALL)


@pytest.mark.case(163)
def test_white_space_counts(queue: Queue) -> None:
    assert queue.post(batch(LIMIT) + b" ").status == 400
    assert queue.post(batch(LIMIT - 1) + b" ").status == 201


@pytest.mark.case(164)
@pytest.mark.limits(max_message_size=256)
def test_configured_size(queue: Queue) -> None:
    assert_error(queue.post(batch(257)), 400, API_CALL)
    assert queue.post([{"ttl": 60, "body": "small"}]).status == 201


@pytest.mark.case(165)
def test_30_megabytes(queue: Queue) -> None:
    assert queue.post(batch(30 * 10**6)).status == 400
    assert queue.post([{"ttl": 60, "body": 1}]).status == 201


@pytest.mark.case(166)
def test_missing_queue(client: Client, missing: Queue) -> None:
    assert_error(missing.post([{"ttl": 60, "body": 1}]), 404, "Not found")
    assert client.get(missing.path).status == 404


@pytest.mark.case(167)
def test_body_is_checked_before_the_queue(missing: Queue) -> None:
    assert missing.post([{"ttl": 59, "body": 1}]).status == 400


@pytest.mark.case(168)
def test_no_client_id(queue: Queue, missing: Queue) -> None:
    for each in (queue, missing):
        answer = each.post([{"ttl": 60, "body": 1}], client_id=None)
        assert_error(answer, 400, "Missing header")


@pytest.mark.case(169)
def test_empty_client_id(queue: Queue) -> None:
    assert_error(queue.post([{"ttl": 60, "body": 1}], client_id=""), 400, API_CALL)


@pytest.mark.case(170)
@pytest.mark.parametrize("client_id", ["c", "QClient", "c" * 100, "two words"])
def test_any_client_id(queue: Queue, client_id: str) -> None:
    assert queue.post([{"ttl": 60, "body": 1}], client_id=client_id).status == 201


@pytest.mark.case(171)
@pytest.mark.limits(client_id_uuid_safe="strict")
@pytest.mark.parametrize(
    "client_id",
    ["QClient", "1234", "aa2-bb3", "0xdeadbeef", f"{uuid4()}0", str(uuid4())[:-1]],
    ids=["word", "digits", "short", "hex", "digit more", "digit less"],
)
def test_strict_client_id(queue: Queue, client_id: str) -> None:
    answer = queue.post([{"ttl": 60, "body": 1}], client_id=client_id)
    assert_error(answer, 400, API_CALL)
    assert queue.post([{"ttl": 60, "body": 1}], client_id=str(uuid4())).status == 201


@pytest.mark.case(172)
def test_other_project(other: Client, queue: Queue) -> None:
    assert queue.of(other).post([{"ttl": 60, "body": 1}]).status == 404


@pytest.mark.case(173)
def test_chunked(client: Client, queue: Queue) -> None:
    # A server hands on a chunked body as one that ends by itself.
    environ = {
        "wsgi.input": io.BytesIO(b'[{"ttl": 60, "body": "in chunks"}]'),
        "wsgi.input_terminated": True,
        "HTTP_TRANSFER_ENCODING": "chunked",
    }
    answer = client.post(queue.messages, client_id=C1, environ=environ)
    assert answer.status == 201
    assert client.get(answer.json()["resources"][0]).json()["body"] == "in chunks"


@pytest.mark.case(174)
@pytest.mark.parametrize("length", ["abc", "-5"])
def test_content_length_not_a_number(client: Client, queue: Queue, length: str) -> None:
    answer = client.post(
        queue.messages, client_id=C1, environ={"CONTENT_LENGTH": length}, lint=False
    )
    assert_error(answer, 400, "Invalid header value")
