"""Headers, query parameters and bodies by themselves; the API tier shows them in use."""

import contextlib
from collections.abc import Callable
from io import BytesIO
from typing import Any
from uuid import UUID

import falcon
import pytest
from falcon import testing
from hypothesis import given, settings
from hypothesis import strategies as st

from marconi_server.api import errors, requests


def request(
    query: str = "", body: BytesIO | None = None, terminated: bool = False, **environ: str
) -> falcon.Request:
    """Give a request with these variables; query strings are read as the app does."""
    options = falcon.RequestOptions()
    options.keep_blank_qs_values = False
    variables = testing.create_environ(query_string=query)
    variables.pop("CONTENT_LENGTH", None)
    variables |= {"wsgi.input": body or BytesIO(), "wsgi.input_terminated": terminated}
    return falcon.Request(variables | environ, options)


def says(text: str) -> Callable[[falcon.HTTPError], bool]:
    """Make the check that the description of an error has this text."""
    return lambda error: text in (error.description or "")


JSON = ("application/json",)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "  ",
        "*/*",
        "application/*",
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;q=0.001",
        "text/html, application/json;q=0.3",
        "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
        "application/json,,",
        'application/json;x="a,b"',
        'text/html;x="\\"", application/json',
        "application/json;q=0, */*",
        "application/json;q=1.000",
        "application/json;q=1.",
        'application/json; q="0.5"',
        "application/json ; Q = .001 ;x",
        "application/json;q=0;q=1",
        "application/json;;;",
        "application/json" + "," * 4080,
    ],
)
def test_json_is_acceptable(accept: str) -> None:
    requests.check_accept(request(HTTP_ACCEPT=accept), JSON)


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "gibberish",
        ",",
        "application/json;q=0",
        "application/json;q=x",
        "application/json;q=2",
        "application/json;q=-1",
        "application/json;q=",
        "application/json;q=.",
        "application/json;q=.0",
        "application/json;q=0.000",
        "application/json;q=1;q=0",
        "application/json" + "," * 4081,
        ";",
        ";q=1",
        "*/json",
        'text/html;x=", application/json',
        "application/json-home",
        "application/json\x00",
    ],
)
def test_json_is_not_acceptable(accept: str) -> None:
    with pytest.raises(errors.NotAcceptable):
        requests.check_accept(request(HTTP_ACCEPT=accept), JSON)


def test_any_of_several_media_types_is_enough() -> None:
    requests.check_accept(request(HTTP_ACCEPT="a/b"), ("a/a", "a/b"))


@settings(deadline=None)
@given(st.text(st.characters(max_codepoint=255)))
def test_accept_is_never_a_defect(accept: str) -> None:
    # Anything but these two outcomes is an exception that nobody expects.
    with contextlib.suppress(errors.NotAcceptable):
        requests.check_accept(request(HTTP_ACCEPT=accept), JSON)


UUIDS = [
    "d36e2fb7b1d74aeda1fd8d0d8c5d2a6a",
    "D36E2FB7B1D74AEDA1FD8D0D8C5D2A6A",
    "d36e2fb7-b1d7-4aed-a1fd-8d0d8c5d2a6a",
    "{D36E2FB7-b1d7-4aed-a1fd-8d0d8c5d2a6a}",
    "urn:uuid:d36e2fb7-b1d7-4aed-a1fd-8d0d8c5d2a6a",
    "URN:UUID:{d36e2fb7-b1d7-4aed-a1fd-8d0d8c5d2a6a}",
    "d3-6e2fb7b1d74aeda1fd8d0d8c5d2a6a",
]


@pytest.mark.parametrize("written", UUIDS)
def test_all_ways_to_write_a_uuid_are_one_client(written: str) -> None:
    for uuid_only in (False, True):
        client = requests.client_id(request(HTTP_CLIENT_ID=written), uuid_only=uuid_only)
        assert client == UUID(UUIDS[0]).hex


@pytest.mark.parametrize(
    "client",
    [
        "QClient",
        " x",
        "\xe9\xff",
        "d36e2fb7b1d74aeda1fd8d0d8c5d2a6",  # a digit less
        "d36e2fb7b1d74aeda1fd8d0d8c5d2a6a0",  # a digit more
        "0x6e2fb7b1d74aeda1fd8d0d8c5d2a6a",
        "d36e2fb7_b1d7_4aed_a1fd_8d0d8c5d",
        "d36e2fb7b1d74aeda1fd8d0d8c5d2a6a\n",
        "-" * 256,
    ],
)
def test_other_client_ids_stay_as_they_are(client: str) -> None:
    assert requests.client_id(request(HTTP_CLIENT_ID=client), uuid_only=False) == client
    with pytest.raises(errors.InvalidCall):
        requests.client_id(request(HTTP_CLIENT_ID=client), uuid_only=True)


@pytest.mark.parametrize("uuid_only", [False, True])
def test_client_id_has_a_limit(uuid_only: bool) -> None:
    for long in ("c" * 257, "-" * 100_000, UUIDS[0] + "-" * 225):
        with pytest.raises(errors.InvalidCall, check=says("256 bytes")):
            requests.client_id(request(HTTP_CLIENT_ID=long), uuid_only=uuid_only)


@pytest.mark.parametrize("uuid_only", [False, True])
def test_client_id_has_to_be_there(uuid_only: bool) -> None:
    with pytest.raises(errors.MissingHeader, check=says("Client-ID")):
        requests.client_id(request(), uuid_only=uuid_only)
    for blank in ("", " ", "\t "):
        with pytest.raises(errors.InvalidCall):
            requests.client_id(request(HTTP_CLIENT_ID=blank), uuid_only=uuid_only)


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("", None),
        ("x", None),
        ("x=", None),
        ("X=a", None),
        ("x=a%2Bb+c", "a+b c"),
        ("x=a&x=b", "b"),
        ("x=a&x=", "a"),
        ("x=%FF%C3%A9", "\ufffdé"),
    ],
)
def test_string(query: str, value: str | None) -> None:
    assert requests.string(request(query), "x") == value


@pytest.mark.parametrize(
    ("query", "items"),
    [
        ("", None),
        ("x=", None),
        ("x=a", ["a"]),
        ("x=a,b", ["a", "b"]),
        ("x=a%2Cb", ["a", "b"]),
        ("x=a&x=b,c", ["a", "b", "c"]),
        ("x=a,,b,", ["a", "", "b", ""]),
        ("x=,", ["", ""]),
        ("x=a&x=", ["a"]),
    ],
)
def test_strings(query: str, items: list[str] | None) -> None:
    assert requests.strings(request(query), "x") == items


@settings(deadline=None)
@given(st.integers(-(10**18), 10**18), st.sampled_from(["", "0", "000"]), st.booleans())
def test_integer(value: int, zeros: str, plus: bool) -> None:
    sign = "-" if value < 0 else "%2B" if plus else ""
    assert requests.integer(request(f"x={sign}{zeros}{abs(value)}"), "x") == value


@pytest.mark.parametrize("digits", [20, 5000, 100_000])
def test_integer_of_any_magnitude_is_out_of_range(digits: int) -> None:
    for sign, bound in (("", 2**60 - 1), ("-", -(2**60))):
        value = requests.integer(request(f"x={sign}{'9' * digits}"), "x")
        assert value is not None
        assert abs(value) > abs(bound)
        assert (value < 0) == (sign == "-")


@pytest.mark.parametrize("text", ["ten", "1.5", "1_0", "%D9%A3", "%201", "1%0A", "%2B", "-", "--1"])
def test_not_an_integer(text: str) -> None:
    with pytest.raises(errors.InvalidQueryParameter, check=says("x has")):
        requests.integer(request(f"x={text}"), "x")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("True", True),
        ("yes", True),
        ("false", False),
        ("False", False),
        ("no", False),
        ("", None),
    ],
)
def test_boolean(text: str, value: bool | None) -> None:
    assert requests.boolean(request(f"x={text}"), "x") is value
    assert requests.is_boolean(request(f"x={text}"), "x") == (value is not None)


@pytest.mark.parametrize("text", ["1", "0", "TRUE", "on", "maybe", "true,"])
def test_not_a_boolean(text: str) -> None:
    assert not requests.is_boolean(request(f"x={text}"), "x")
    with pytest.raises(errors.InvalidQueryParameter, check=says("x has")):
        requests.boolean(request(f"x={text}"), "x")


def test_page_size() -> None:
    assert requests.page_size(None, 20) == 10
    assert requests.page_size(None, 5) == 5
    assert requests.page_size(1, 20) == 1
    assert requests.page_size(20, 20) == 20
    for limit in (0, -1, 21):
        with pytest.raises(errors.InvalidCall, check=says("1 and 20")):
            requests.page_size(limit, 20)


LIMIT = 10


class Stream(BytesIO):
    """What a client sends, and how much of it was asked for."""

    asked = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        self.asked += size
        return super().read(size)


class BrokenStream(BytesIO):
    """A connection that the client has cut."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise ConnectionResetError("cut")


def read(sent: bytes, **environ: Any) -> tuple[bytes, int]:
    """Give the body as it was read, and the number of bytes that were asked for."""
    stream = Stream(sent)
    return requests.body(request(body=stream, **environ), LIMIT), stream.asked


@pytest.mark.parametrize("length", ["0", "3", "10", "0" * 5000 + "3"])
def test_declared_body(length: str) -> None:
    expected = b"0123456789"[: int(length.lstrip("0") or "0")]
    assert read(b"0123456789", CONTENT_LENGTH=length) == (expected, len(expected))


@pytest.mark.parametrize("length", ["11", "9" * 5000])
def test_body_declared_too_large_is_not_read(length: str) -> None:
    stream = Stream(b"x" * 20)
    with pytest.raises(errors.InvalidCall, check=says("10 bytes")):
        requests.body(request(CONTENT_LENGTH=length, body=stream), LIMIT)
    assert stream.asked == 0


CHUNKED = [
    {"terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
    {"terminated": True, "HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": "3"},
    {"terminated": True},
    {"terminated": True, "CONTENT_LENGTH": ""},
]


@pytest.mark.parametrize("environ", CHUNKED)
def test_body_without_length(environ: dict[str, Any]) -> None:
    for size in (0, 1, LIMIT):
        assert read(b"x" * size, **environ) == (b"x" * size, LIMIT + 1)
    stream = Stream(b"x" * 100)
    with pytest.raises(errors.InvalidCall):
        requests.body(request(**environ, body=stream), LIMIT)
    assert stream.asked == LIMIT + 1


@pytest.mark.parametrize("length", [{}, {"CONTENT_LENGTH": ""}, {"CONTENT_LENGTH": "3"}])
@pytest.mark.parametrize("coding", ["chunked", "gzip, chunked", ""])
def test_body_of_which_nobody_knows_the_end(coding: str, length: dict[str, Any]) -> None:
    stream = Stream(b"3\r\nabc\r\n")
    environ: dict[str, Any] = {"HTTP_TRANSFER_ENCODING": coding, **length}
    with pytest.raises(errors.LengthRequired, check=says("Content-Length")):
        requests.body(request(**environ, body=stream), LIMIT)
    assert stream.asked == 0, "that may take for ever"


def test_no_body() -> None:
    assert read(b"of the next request") == (b"", 0)
    assert read(b"of the next request", CONTENT_LENGTH="") == (b"", 0)


@pytest.mark.parametrize("length", ["abc", "-1", "+1", "1.0", "1_0", "\xb2", " 1"])
def test_length_that_is_no_number(length: str) -> None:
    with pytest.raises(errors.InvalidHeaderValue):
        read(b"x" * 20, CONTENT_LENGTH=length)


def test_body_that_does_not_come_whole() -> None:
    with pytest.raises(errors.TemporarilyUnavailable) as short:
        read(b"xx", CONTENT_LENGTH="3")
    with pytest.raises(errors.TemporarilyUnavailable) as cut:
        requests.body(request(CONTENT_LENGTH="3", body=BrokenStream()), LIMIT)
    for refused in (short, cut):
        assert refused.value.headers == {"Retry-After": "30"}
        assert "body could not be read" in (refused.value.description or "")
