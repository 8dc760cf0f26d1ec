"""JSON documents from clients: what is accepted (spec 4.6) and the form in which they are kept.

A message body or metadata document is checked once, when it comes in, and from then on it
is opaque bytes that go into answers as they are.
"""

import json
import re
from itertools import accumulate
from typing import Any, TypeVar

import msgspec

from marconi_server.api.errors import InvalidBody, InvalidCall
from marconi_server.storage.contract import LARGEST_BODY

Document = TypeVar("Document")

MAX_DEPTH = 128
"""Levels of arrays and objects in a message body or metadata document."""

_OBJECTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]] | dict[str, msgspec.Raw])

# `translate` and `in` find digits in a row ten times faster than a regular expression.
_DIGITS_TO_ZERO = bytes(ord("0" if byte in b"0123456789" else " ") for byte in range(256))
_NINETEEN_DIGITS = b"0" * 19

# For valid JSON only. Possessive quantifiers keep it linear.
_LONG_NUMBER = re.compile(rb"(?<![0-9.eE+-])-?[0-9]{19}[0-9.eE+-]*+")

_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # signed bytes: one level up, one down

# A run of escapes that stand for characters beyond ASCII. Both halves of a surrogate pair are
# always in the same run.
_ESCAPES = re.compile(rb"(?:\\u(?!00[0-7])[0-9A-Fa-f]{4})+")
_BACKSLASH = b"\xff"  # which UTF-8 does not have

# Half of a surrogate pair, in a group; whole ones and all other escapes are passed over.
_LONE_SURROGATE = re.compile(
    rb"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F])|\\.", re.DOTALL
)


def read(decoder: msgspec.json.Decoder[Document], raw: bytes) -> Document:
    """Decode the body of a request.

    :raises InvalidBody: it is empty, not UTF-8, not JSON, not the kind of document that
        the decoder takes, or has an integer outside of 64 bits or too many levels
    """
    if not raw:
        raise InvalidBody("The body is empty.")
    if raw.isspace():
        raise InvalidBody("The body has blanks only.")
    try:
        # msgspec passes over the bytes of strings that it does not turn into objects.
        raw.decode()
        document = _decode(decoder, raw)
    except UnicodeDecodeError as error:
        raise InvalidBody("The body is not UTF-8.") from error
    except msgspec.ValidationError as error:
        raise InvalidBody(f"This kind of document is not supported: {error}.") from error
    except msgspec.DecodeError as error:
        reason = str(error)
        if "truncated" in reason and _has_lone_surrogate(raw):
            reason = "a string has half of a surrogate pair"  # near the end of the body
        raise InvalidBody(f"The body cannot be parsed: {reason}.") from error
    except RecursionError as error:
        raise _nested_too_deep() from error
    # PERF: of nineteen digits in a row every third byte has at least six, side by side.
    if b"000000" in raw[::3].translate(_DIGITS_TO_ZERO):
        _check_integers(raw)
    return document


def _decode(decoder: msgspec.json.Decoder[Document], raw: bytes) -> Document:
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        # Of a key that is there twice the last value counts (spec 4.6); msgspec judges each.
        try:
            return decoder.decode(msgspec.json.encode(_OBJECTS.decode(raw)))
        except msgspec.ValidationError:
            raise error from None


def normal_form(text: bytes, *, around: int = 0, known: int = 1) -> bytes:
    """Return a valid JSON value in the layout of answers (spec 4.6).

    One blank behind each comma and colon, none elsewhere, and characters beyond ASCII
    written raw. Numbers, keys, their order and all other escapes stay as they are, except where
    an object has a key twice: then only the last value is left.

    :param around: levels of it around what is kept
    :param known: how many keys it has that are known to be different from all others
    :raises InvalidBody: what is kept may have more than `MAX_DEPTH` levels
    """
    # PERF: to look whether a byte is there costs a tenth of counting it, or of looking for two.
    if b"[" in text or b"{" in text:
        _check_depth(text, MAX_DEPTH + around)
    text = msgspec.json.format(text, indent=0)
    if b"\\" in text and b"\\u" in text:
        text = _write_raw(text)
    keys = text.count(b'": ')  # at least so many: it may stand in a string, too
    if keys > known and not _are_different(keys, text):
        text = _keep_last(text)
    return text


def check_size(body: bytes) -> None:
    """Make sure that the body of a message, in normal form, is not too large to be kept.

    It can be although the request was not: the blanks make of every two bytes three at most.

    :raises InvalidCall: it has more than `LARGEST_BODY` bytes
    """
    if len(body) > LARGEST_BODY:
        raise InvalidCall(
            "The body of a message is too large; with a blank behind each comma and colon it has "
            f"{len(body)} bytes, and {LARGEST_BODY} are allowed."
        )


def _check_integers(raw: bytes) -> None:
    if _NINETEEN_DIGITS not in raw.translate(_DIGITS_TO_ZERO):
        return
    for number in _LONG_NUMBER.findall(_without_strings(raw)):
        if number.lstrip(b"-").isdigit() and (
            # int() refuses thousands of digits, and a valid one has no leading zeros.
            len(number) > 20 or not -(2**63) <= int(number) < 2**63
        ):
            raise InvalidBody("An integer in the body does not fit into 64 bits.")


def _without_strings(text: bytes) -> bytes:
    """Return valid JSON without the strings in it."""
    if b"\\" in text:
        text = text.replace(rb"\\", b"").replace(rb"\"", b"")
    return b"".join(text.split(b'"')[::2])


def _check_depth(text: bytes, most: int) -> None:
    if text.count(b"[") + text.count(b"{") <= most:
        return
    steps = _without_strings(text).translate(_STEPS, _NOT_BRACKETS)
    if max(accumulate(memoryview(steps).cast("b")), default=0) > most:
        raise _nested_too_deep()


def _nested_too_deep() -> InvalidBody:
    return InvalidBody(f"The body is nested too deep; {MAX_DEPTH} levels are allowed.")


def _has_lone_surrogate(raw: bytes) -> bool:
    return any(match[1] for match in _LONE_SURROGATE.finditer(raw))


def _write_raw(text: bytes) -> bytes:
    # Where no backslash stands for itself, each \\u begins an escape.
    text = text.replace(rb"\\", _BACKSLASH)
    return _ESCAPES.sub(_raw_characters, text).replace(_BACKSLASH, rb"\\")


def _raw_characters(match: re.Match[bytes]) -> bytes:
    run = match[0]
    if len(run) == 6:  # PERF: a single one, in half the time
        return chr(int(run[2:], 16)).encode()  # noqa: FURB166 - \\u is no prefix that int() knows
    return bytes.fromhex(run.replace(rb"\u", b"").decode()).decode("utf-16-be").encode()


class _KeyTwice(Exception):
    """An object has a key more than once."""


def _look_for_keys_twice(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        raise _KeyTwice


def _number(digits: str) -> msgspec.Raw:
    return msgspec.Raw(digits.encode())


_DECODE = msgspec.json.Decoder().decode
_ENCODE = msgspec.json.Encoder().encode

_LOOK = json.JSONDecoder(
    object_pairs_hook=_look_for_keys_twice, parse_int=len, parse_float=len
).raw_decode

# Keeps all digits of numbers.
_READ = json.JSONDecoder(parse_int=_number, parse_float=_number).raw_decode


def _are_different(keys: int, text: bytes) -> bool:
    """Tell whether it is certain at first sight that the keys of each object are different.

    PERF: it nearly always is, in less time than it takes to look at the keys of each object.
    """
    if b"\\" in text and (b'\\"' in text or rb"\u0022" in text):
        return False
    # No string has a quote in it, so there are as many keys as there are colons behind quotes.
    try:
        left = _ENCODE(_DECODE(text))
    except msgspec.DecodeError:  # a number that Python does not have
        return False
    return left.count(b'":') == keys


def _keep_last(text: bytes) -> bytes:
    """Return a JSON value, in normal form, in which each object has each key once."""
    characters = text.decode()
    try:
        _LOOK(characters)
    except _KeyTwice:
        value, _ = _READ(characters)
        return msgspec.json.format(msgspec.json.encode(value), indent=0)
    return text
