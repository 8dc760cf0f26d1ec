"""Bad and hostile bodies that no case of the list covers, and any JSON at all."""

import io
import json
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.client import C1, Client, Queue, assert_error, id_of

API_CALL: Final = "Invalid API call"
BODY: Final = "Invalid request body"
HUGE: Final = 100_000

BIG_LIMITS = pytest.mark.limits(
    max_message_size=2**22, max_queue_metadata=2**22, max_claim_body=2**22
)


def nested(levels: int) -> dict[str, bytes]:
    """Give JSON texts of so many levels."""
    return {
        "arrays": b"[" * levels + b"]" * levels,
        "objects": b'{"a":' * levels + b"1" + b"}" * levels,
        "mixed": b'[{"a":' * (levels // 2) + b"1" + b"}]" * (levels // 2),
        "open": b"[" * levels,
    }


@BIG_LIMITS
@pytest.mark.parametrize("shape", ["arrays", "objects", "mixed", "open"])
def test_100_000_levels(client: Client, queue: Queue, shape: str) -> None:
    deep = nested(HUGE)[shape]
    queue.post_n(1)
    claim, _ = queue.claimed()
    metadata = f"{queue.path}/metadata"
    for answer in (
        queue.post(deep),
        queue.post(b'[{"ttl": 60, "body": %b}]' % deep),
        queue.post(b'[{"ttl": 60, "body": 1, "other": %b}]' % deep),
        queue.post(b'[{"ttl": %b, "body": 1}]' % deep),
        client.put(metadata, b'{"a": %b}' % deep),
        client.post(queue.claims, deep),
        client.post(queue.claims, b'{"ttl": 60, "grace": 60, "other": %b}' % deep),
        client.patch(claim, deep),
        client.patch(claim, b'{"ttl": 60, "other": %b}' % deep),
    ):
        assert_error(answer, 400, BODY)
    assert queue.counts() == (1, 0, 1)
    assert client.get(metadata).json() == {}


def test_brackets_in_strings_are_no_levels(client: Client, queue: Queue) -> None:
    for text in ("[" * 1000, "{[" * 1000, '[\\"' * 1000):
        assert client.get(queue.post_body(text)).json()["body"] == text
        assert client.put(f"{queue.path}/metadata", {text: text}).status == 204
        assert client.get(f"{queue.path}/metadata").json() == {text: text}


@pytest.mark.parametrize("shape", ["arrays", "objects", "mixed"])
def test_100_levels(client: Client, queue: Queue, shape: str) -> None:
    deep = nested(100)[shape]
    answer = queue.post(b'[{"ttl": 60, "body": %b}]' % deep)
    assert answer.status == 201
    message = client.get(answer.json()["resources"][0])
    assert message.json()["body"] == json.loads(deep)
    assert client.put(f"{queue.path}/metadata", nested(100)["objects"]).status == 204


NOT_JSON = [
    b'"\\ud800"',
    b'"\\udc00\\ud83d"',
    b'"\\ud83d\\u0041"',
    b'"\\ud83d\\ud83d\\ude00"',
    b'{"\\udfff": 1}',
    b'"\xed\xa0\x80"',
    b'"\xff"',
    b'{"\xc4": 1}',
    b'"\x00"',
    b'"\n"',
    b'"\\x"',
    b'"\\u12"',
    b'"\\u12g4"',
    b"'a'",
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"nan",
    b"01",
    b"-",
    b"+1",
    b".5",
    b"1.",
    b"1e",
    b"0x1",
    b"tru",
    b"True",
    b"[1,]",
    b"[1 2]",
    b'{"a": 1,}',
    b"{1: 2}",
    b"{a: 1}",
    b'{"a"}',
    b"1 /* one */",
    b"[1] 2",
    b"\xa0",
    b"9223372036854775808",
    b"-9223372036854775809",
    b"[1e3, 99999999999999999999]",
    b'{"\\"": 99999999999999999999}',
    b"9" * HUGE,
    b"-" + b"9" * HUGE,
]


@BIG_LIMITS
@pytest.mark.parametrize("text", NOT_JSON, ids=[repr(text[:20]) for text in NOT_JSON])
def test_broken_json(client: Client, queue: Queue, text: bytes) -> None:
    metadata = f"{queue.path}/metadata"
    for answer in (
        queue.post(b'[{"ttl": 60, "body": %b}]' % text),
        queue.post(b'[{"ttl": 60, "body": {"a": [0, %b]}}]' % text),
        queue.post(b'[{"ttl": 60, "body": 1, "other": %b}]' % text),
        client.put(metadata, b'{"a": %b}' % text),
        client.post(queue.claims, b'{"ttl": 60, "grace": 60, "other": %b}' % text),
        client.patch(f"{queue.claims}/c", b'{"ttl": 60, "other": %b}' % text),
    ):
        assert_error(answer, 400, BODY)
    assert queue.counts() == (0, 0, 0)
    assert client.get(metadata).json() == {}


@pytest.mark.parametrize(
    "text",
    [
        b'"\\u0000"',
        b'{"\\u0000": "\\u0000"}',
        b'"\\ud83d\\ude00 \\u6d88\\u00e9\\u0080\\u007f"',
        b'"\\\\ud800 \\\\\\" \\/ \\b\\f\\n\\r\\t"',
        b'["9223372036854775808", 9223372036854775807, -9223372036854775808]',
        b"[0.1234567890123456789012, 1e300, 1E-7, -0, -0.0, 12345678901234567890.5]",
        b'{"": {"": []}, "a b": "[]{},: ", "$a.b": null}',
        b" \r\n\t[1 ,\t2 , { } ]\n",
    ],
)
def test_unusual_json_comes_back(client: Client, queue: Queue, text: bytes) -> None:
    answer = queue.post(b'[{"ttl": 60, "body": %b}]' % text)
    assert answer.status == 201
    message = client.get(answer.json()["resources"][0])
    assert message.json()["body"] == json.loads(text)
    assert b"\n" not in message.body
    assert client.put(f"{queue.path}/metadata", b'{"a": %b}' % text).status == 204
    assert client.get(f"{queue.path}/metadata").json() == {"a": json.loads(text)}


def test_last_of_duplicate_keys_wins(client: Client, queue: Queue) -> None:
    answer = queue.post(b'[{"ttl": 1, "body": "x", "ttl": 60, "body": {"a": 1, "a": 2}}]')
    [href] = answer.json()["resources"]
    message = client.get(href).json()
    assert (message["ttl"], message["body"]) == (60, {"a": 2})
    assert queue.post(b'[{"ttl": "x", "body": 1, "ttl": 60}]').status == 201
    assert queue.post(b'[{"ttl": 60, "body": 1, "ttl": "x"}]').status == 400
    assert b'"body": {"a": 2}}' in client.get(href).body
    client.put(f"{queue.path}/metadata", b'{"a": 1, "b": {"c": 1, "\\u0063": 2}, "a": 2}')
    assert client.get(f"{queue.path}/metadata").body == b'{"a": 2, "b": {"c": 2}}'
    assert b'"metadata": {"a": 2, "b": {"c": 2}}' in client.get("/v1/queues?detailed=true").body
    body = b'{"ttl": 1, "grace": 1, "ttl": 90, "grace": 60}'
    claim = client.post(queue.claims, body).headers["Location"] or ""
    assert client.patch(claim, b'{"ttl": 1, "ttl": 80}').status == 204
    assert client.get(claim).json()["ttl"] == 80


ROOM = 15 * 1024**2
"""Bytes of the largest body of a message, as it is kept."""


@pytest.mark.limits(max_message_size=ROOM)
def test_what_is_too_large_with_its_blanks(client: Client, queue: Queue) -> None:
    """What no database could take is refused, rather than tried again and again."""
    ones = b"1," * (ROOM // 3 - 100)  # a third less than with blanks
    href = queue.post(b'[{"ttl": 60, "body": [%b1]}]' % ones).json()["resources"][0]
    assert len(client.get(href).body) > ROOM - 1000
    _, claimed = queue.claimed()
    assert claimed == [href]

    ones += b"1," * 200
    answer = queue.post(b'[{"ttl": 60, "body": 1}, {"ttl": 60, "body": [%b1]}]' % ones)
    assert_error(answer, 400, API_CALL)
    assert "blank behind each comma" in answer.json()["description"]
    assert queue.counts() == (1, 0, 1)


@pytest.mark.limits(max_queue_metadata=4 * 1024**2)
def test_the_largest_metadata(client: Client, queue: Queue) -> None:
    """Its blanks always have room, and it can be exchanged for another one."""
    metadata = f"{queue.path}/metadata"
    for digit in (b"1", b"2"):
        document = b'{"":[%b1]}' % ((digit + b",") * (2 * 1024**2 - 4))
        assert len(document) == 4 * 1024**2
        assert client.put(metadata, document).status == 204
        assert client.get(metadata).json() == json.loads(document)
        assert_error(client.put(metadata, document + b" "), 400, API_CALL)


@pytest.mark.limits(max_message_size=ROOM)
def test_several_large_messages_in_one_post(client: Client, queue: Queue) -> None:
    """Each is a document of its own, and together they are one transaction."""
    bodies = ["x" * 4_000_000, "y" * 4_000_000, [1] * 2_000_000]
    batch = json.dumps([{"ttl": 60, "body": body} for body in bodies], separators=(",", ":"))
    posted = queue.post(batch.encode())
    assert posted.status == 201
    answer = queue.page("?echo=true")
    assert [message["body"] for message in answer.json()["messages"]] == bodies


class Stream(io.RawIOBase):
    """A body that never ends, or that fails to come."""

    def __init__(self, error: OSError | None = None) -> None:
        self.taken = 0
        self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._error is not None:
            raise self._error
        assert self.taken < 2**26, "the body is read without end"
        buffer[:] = b" " * len(buffer)
        self.taken += len(buffer)
        return len(buffer)


@pytest.mark.parametrize(
    ("method", "path", "limit"),
    [
        ("PUT", "/metadata", 65536),
        ("POST", "/messages", 262144),
        ("POST", "/claims", 65536),
        ("PATCH", "/claims/c", 65536),
    ],
)
def test_endless_chunked_body(
    client: Client, queue: Queue, method: str, path: str, limit: int
) -> None:
    stream = Stream()
    environ = {
        "wsgi.input": io.BufferedReader(stream),
        "wsgi.input_terminated": True,
        "HTTP_TRANSFER_ENCODING": "chunked",
    }
    answer = client.request(method, queue.path + path, client_id=C1, environ=environ)
    assert_error(answer, 400, API_CALL)
    assert stream.taken <= 2 * limit


def test_too_large_by_declaration_is_not_read(client: Client, queue: Queue) -> None:
    stream = Stream()
    environ = {"wsgi.input": io.BufferedReader(stream), "CONTENT_LENGTH": str(10**12)}
    answer = client.post(queue.messages, client_id=C1, environ=environ)
    assert_error(answer, 400, API_CALL)
    assert stream.taken == 0


def test_body_that_does_not_come(client: Client, queue: Queue) -> None:
    stream = io.BufferedReader(Stream(ConnectionResetError("gone")))
    environ = {"wsgi.input": stream, "CONTENT_LENGTH": "100"}
    answer = client.post(queue.messages, client_id=C1, environ=environ)
    assert_error(answer, 503, "Service temporarily unavailable")
    assert answer.headers["Retry-After"] == "30"
    assert "body" in answer.json()["description"].lower()


@pytest.mark.parametrize("length", ["abc", "-5", "1.5", "0x10", "٣", "1_0", "+5", "9" * HUGE])
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/messages"), ("PUT", "/metadata"), ("POST", "/claims"), ("PATCH", "/claims/c")],
)
def test_declared_length(client: Client, queue: Queue, method: str, path: str, length: str) -> None:
    environ = {"CONTENT_LENGTH": length}
    answer = client.request(method, queue.path + path, client_id=C1, environ=environ, lint=False)
    assert_error(
        answer, 400, API_CALL if length.isascii() and length.isdigit() else "Invalid header value"
    )


# Any JSON

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=20,
)
LAYOUTS = st.sampled_from(
    [
        {},
        {"separators": (",", ":")},
        {"indent": 2},
        {"ensure_ascii": False},
        {"ensure_ascii": False, "separators": (" ,\t", "\r\n: ")},
    ]
)


def one_line(value: Any) -> bytes:
    """Give the layout of answers: one line, a blank after each comma and colon, no escapes."""
    return json.dumps(value, ensure_ascii=False).encode()


def with_raw_delete(text: bytes) -> bytes:
    """Write U+007F raw: it is ASCII, so it may stay escaped, as Python writes it."""
    return text.replace(b"\\u007f", b"\x7f")


@settings(
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(value=JSON_VALUES, layout=LAYOUTS)
def test_any_json_value_comes_back(
    client: Client, queue: Queue, value: Any, layout: dict[str, Any]
) -> None:
    # The queue of one example is that of the next: each reads its own message.
    posted = queue.post(json.dumps([{"ttl": 300, "body": value}], **layout).encode())
    assert posted.status == 201
    [href] = posted.json()["resources"]
    message = client.get(href)
    # As text, since in Python 1 equals True and 1.0.
    assert json.dumps(message.json()["body"]) == json.dumps(value)
    assert with_raw_delete(message.body) == with_raw_delete(one_line(message.json()))
    bulk = client.get(f"{queue.messages}?ids={id_of(href)}")
    assert bulk.body == b"[%b]" % message.body

    metadata = f"{queue.path}/metadata"
    assert client.put(metadata, json.dumps({"a": value}, **layout).encode()).status == 204
    answer = client.get(metadata)
    assert json.dumps(answer.json()) == json.dumps({"a": value})
    assert with_raw_delete(answer.body) == with_raw_delete(one_line({"a": value}))
    listing = client.get("/v1/queues?detailed=true")
    assert b'"metadata": %b}' % answer.body in listing.body
