"""JSON from clients: what is refused, and the form in which the rest is kept."""

import json
import sys
import threading
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marconi_server.api import documents
from marconi_server.api.errors import InvalidBody, InvalidCall
from marconi_server.storage import contract

ANYTHING = msgspec.json.Decoder(msgspec.Raw)

MAX, MIN = 2**63 - 1, -(2**63)


class Thing(msgspec.Struct):
    count: int
    body: msgspec.Raw


THINGS = msgspec.json.Decoder(list[Thing])


def values(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Generate JSON values with these numbers."""
    # Surrogates by themselves are no characters. DEL need not be escaped, and Python does
    # it or not, depending on `ensure_ascii`.
    text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"))
    return st.recursive(
        st.none() | st.booleans() | numbers | text,
        lambda inner: st.lists(inner) | st.dictionaries(text, inner),
        max_leaves=20,
    )


def refusal(raw: bytes, decoder: msgspec.json.Decoder[Any] = ANYTHING) -> str:
    """Give the description of the refusal, which has the title that all of them have."""
    with pytest.raises(InvalidBody) as caught:
        documents.read(decoder, raw)
    assert caught.value.title == "Invalid request body"
    assert caught.value.description is not None
    return caught.value.description


@pytest.mark.parametrize(
    ("raw", "meaning"),
    [
        (b"", "empty"),
        (b"  ", "blanks only"),
        (b" \r\n\t", "blanks only"),
        (b"[", "cannot be parsed"),
        (b"[NaN]", "cannot be parsed"),
        (b"\xef\xbb\xbf[]", "cannot be parsed"),
        (b'"\\ud800"', "half of a surrogate pair"),
        (b'"\\udc00"', "surrogate pair"),
        (b'"\\ud800\\n"', "surrogate pair"),
        (b'"\\ud83d\\ude0', "half of a surrogate pair"),
        (b'"\\ud83d\\ude00', "truncated"),
        (b'"\\\\ud800', "truncated"),
        (b'"\xff"', "not UTF-8"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b"9223372036854775808", "64 bits"),
        (b"-9223372036854775809", "64 bits"),
        (b"9" * 100_000, "64 bits"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deep"),
    ],
)
def test_refusal_says_what_is_wrong(raw: bytes, meaning: str) -> None:
    assert meaning in refusal(raw)


@pytest.mark.parametrize("before", range(20))
def test_a_long_integer_is_found_wherever_it_is(before: int) -> None:
    fits, does_not = (b'["%b", %d]' % (b"x" * before, number) for number in (MAX, MAX + 1))
    assert documents.read(ANYTHING, fits)
    assert "64 bits" in refusal(does_not)


@pytest.mark.parametrize(
    ("raw", "field", "kind"),
    [
        (b"{}", "`array`", "`object`"),
        (b"[5]", "`object`", "`int`"),
        (b'[{"count": 1}]', "`body`", "missing"),
        (b'[{"count": 1, "body": 1}, {"count": "1", "body": 1}]', "$[1].count", "`int`"),
    ],
)
def test_refusal_names_field_and_type(raw: bytes, field: str, kind: str) -> None:
    description = refusal(raw, THINGS)
    assert field in description
    assert kind in description


@settings(deadline=None)
@given(values(st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)))
def test_every_integer_has_to_fit_into_64_bits(value: Any) -> None:
    raw = json.dumps(value).encode()
    integers: list[int] = []
    json.loads(raw, parse_int=lambda digits: integers.append(int(digits)))
    if all(MIN <= integer <= MAX for integer in integers):
        assert documents.read(ANYTHING, raw)
    else:
        assert "64 bits" in refusal(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"[9223372036854775807, -9223372036854775808]",
        b'"99999999999999999999"',
        b'{"99999999999999999999": "\\"99999999999999999999"}',
        b"0.99999999999999999999",
        b"99999999999999999999.5",
        b"99999999999999999999e0",
        b"1e-99999999999999999999",
        b"-0",
    ],
)
def test_digits_that_are_no_large_integer(raw: bytes) -> None:
    assert bytes(documents.read(ANYTHING, raw)) == raw
    assert documents.normal_form(raw) == raw


@settings(deadline=None)
@given(values(st.integers(MIN, MAX) | st.floats(allow_nan=False, allow_infinity=False)))
def test_normal_form_of_any_value(value: Any) -> None:
    # Without being asked otherwise, Python writes the layout of spec 4.6.
    form = json.dumps(value, ensure_ascii=False).encode()
    for raw in (json.dumps(value), json.dumps(value, indent=3), form.decode()):
        assert documents.normal_form(bytes(documents.read(ANYTHING, raw.encode()))) == form


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (b' { "a" :[ 1,2 ] ,"b":{ } }\n', b'{"a": [1, 2], "b": {}}'),
        (b'{"b": 1, "a": 2.50E+1}', b'{"b": 1, "a": 2.50E+1}'),
        (b'{"a": 1, "b":1, "a": 2.50E+1}', b'{"a": 2.50E+1, "b": 1}'),
        (b'{"a": [{"b": 1}, {"b": 1}]}', b'{"a": [{"b": 1}, {"b": 1}]}'),
        (b'[{"x": {"a": 1,"a": {"c":-0, "c": 1e400}}}]', b'[{"x": {"a": {"c": 1e400}}}]'),
        (rb'{"a": 1, "\u0061": "\u4e2d\/\u0041"}', '{"a": "中/A"}'.encode()),
        (rb'{"\\": 1, "\u005c": 2}', rb'{"\\": 2}'),
        (b'{"": 1, "": 2}', b'{"": 2}'),
        (rb'["\": ", "\": ", "\": "]', rb'["\": ", "\": ", "\": "]'),
        (rb'"\u4E2d\u6587"', '"中文"'.encode()),
        (rb'"\ud83D\uDe00\u00e9x"', '"😀éx"'.encode()),
        (rb'{"\u00e9": 1}', '{"é": 1}'.encode()),
        (rb'"\u0000\u001f\u0041\u007f\n\/\""', rb'"\u0000\u001f\u0041\u007f\n\/\""'),
        (rb'"\\u4e2d\\\u4e2d"', '"\\\\u4e2d\\\\中"'.encode()),
        (rb'"\u0022\u4e2d\u005c"', '"\\u0022中\\u005c"'.encode()),
        (rb'"\\\\\u4e2d\\\\u4e2d"', r'"\\\\中\\\\u4e2d"'.encode()),
    ],
)
def test_normal_form(raw: bytes, kept: bytes) -> None:
    assert documents.normal_form(bytes(documents.read(ANYTHING, raw))) == kept


LEVELS = [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"]":', b"}]")]


def nested(opening: bytes, closing: bytes, levels: int) -> bytes:
    repeat = levels // (opening.count(b"[") + opening.count(b"{"))
    return opening * repeat + b"1" + closing * repeat


@pytest.mark.parametrize(("opening", "closing"), LEVELS)
def test_depth_has_an_exact_limit(opening: bytes, closing: bytes) -> None:
    deepest = nested(opening, closing, documents.MAX_DEPTH)
    assert json.loads(documents.normal_form(deepest)) == json.loads(deepest)
    with pytest.raises(InvalidBody) as caught:
        documents.normal_form(b"[" + deepest + b"]")
    assert "nested too deep" in (caught.value.description or "")
    assert documents.normal_form(b"[" + deepest + b"]", around=1)


@pytest.mark.parametrize(
    "value",
    [
        [["[[["] for _ in range(documents.MAX_DEPTH * 2)],
        "[" * documents.MAX_DEPTH * 2,
        {"{" * documents.MAX_DEPTH * 2: 1},
    ],
)
def test_many_brackets_are_not_many_levels(value: Any) -> None:
    assert json.loads(documents.normal_form(json.dumps(value).encode())) == value


PAIRS = st.recursive(
    st.none() | st.integers(MIN, MAX) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner) | st.lists(st.tuples(st.sampled_from('ab\\"é'), inner)).map(tuple)
    ),
    max_leaves=20,
)
"""JSON values in which objects are tuples of keys and values, with keys more than once."""


def written(value: Any) -> str:
    """Write such a value as JSON."""
    if isinstance(value, tuple):
        members = (f"{json.dumps(key)}:{written(each)}" for key, each in value)
        return f"{{{','.join(members)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(written, value))}]"
    return json.dumps(value)


@settings(deadline=None)
@given(PAIRS)
def test_the_last_of_equal_keys_is_left(value: Any) -> None:
    text = written(value)
    kept = documents.normal_form(bytes(documents.read(ANYTHING, text.encode())))
    # Python takes the last, too, and writes the same layout.
    assert kept == json.dumps(json.loads(text), ensure_ascii=False).encode()


def test_what_would_be_too_large_to_keep_is_refused() -> None:
    most = contract.LARGEST_BODY
    raw = b"[" + b"1," * (most // 3 - 1) + b"1"  # a third less than with blanks
    largest = documents.normal_form(raw + b" ]")
    assert len(largest) == most
    documents.check_size(largest)
    with pytest.raises(InvalidCall) as caught:
        documents.check_size(documents.normal_form(raw + b"1]"))
    assert f"has {most + 1} bytes" in (caught.value.description or "")


def test_depth_limit_does_not_depend_on_the_caller() -> None:
    deepest = nested(b"[", b"]", documents.MAX_DEPTH)
    seen: list[bytes] = []

    def call_from(frames: int) -> None:
        if frames:
            call_from(frames - 1)
        else:
            seen.append(documents.normal_form(bytes(documents.read(ANYTHING, deepest))))

    thread = threading.Thread(target=call_from, args=(sys.getrecursionlimit() // 2,))
    thread.start()
    thread.join()
    assert seen == [deepest]
