"""Reading and checking what a request carries: headers, query parameters, body."""

import re
from collections.abc import Sequence
from typing import Final

import falcon

from marconi_server.api import accept, errors

DEFAULT_PAGE = 10
"""Items of a page, and messages of a claim, if the request does not say (spec 5)."""

SMALLEST_LIFE = 60
"""Seconds: the smallest message `ttl`, claim `ttl` and claim `grace` (spec 5)."""

# Bounds in bytes of what is read, far below that of the head (spec 15.1). WSGI gives a
# character for each byte.
LONGEST_PATH: Final = 8 * 1024
LONGEST_QUERY: Final = 32 * 1024  # 1000 ids, the most that the options allow, have 27 KB
LONGEST_PROJECT_ID: Final = 256
LONGEST_CLIENT_ID: Final = 256

_QUEUE_NAME = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9_.-]{1,64}")  # . and .. mean folders
_INTEGER = re.compile(r"[+-]?[0-9]+")
_BOOLEANS = {"true": True, "True": True, "yes": True, "false": False, "False": False, "no": False}
_UUID = re.compile(r"(?:urn:uuid:)?\{?((?:-*[0-9a-f]){32}-*)\}?", re.ASCII | re.IGNORECASE)


def check_target(req: falcon.Request) -> None:
    """Make sure that path and query are not longer than they can have a reason to be.

    :raises InvalidCall: one of them is
    """
    if len(req.path) > LONGEST_PATH:
        raise errors.InvalidCall(f"The path is too long; {LONGEST_PATH} bytes are allowed.")
    if len(req.query_string) > LONGEST_QUERY:
        raise errors.InvalidCall(f"The query is too long; {LONGEST_QUERY} bytes are allowed.")


def check_accept(req: falcon.Request, media_types: Sequence[str]) -> None:
    """Make sure that the client takes one of the media types (spec 4.5).

    :raises NotAcceptable: it does not, or the header cannot be parsed
    """
    if not accept.allows(req.env, media_types):
        raise errors.NotAcceptable


def project_id(req: falcon.Request) -> str | None:
    """Return the project that the request is for, `None` for "no project" (spec 4.4).

    :raises EmptyProjectHeader: the header is there, but empty or blank
    :raises InvalidQueueIdentification: the id is too long
    """
    project: str | None = req.env.get("HTTP_X_PROJECT_ID")
    if project is None:
        return None
    if not project.strip(" \t"):
        raise errors.EmptyProjectHeader
    if len(project) > LONGEST_PROJECT_ID:
        raise errors.InvalidQueueIdentification(
            f"A project id has at most {LONGEST_PROJECT_ID} bytes."
        )
    return project


def check_queue_name(queue: str) -> None:
    """Make sure that a queue may have this name (spec 7).

    :raises InvalidQueueIdentification: it may not
    """
    if not _QUEUE_NAME.fullmatch(queue):
        raise errors.InvalidQueueIdentification(
            "A queue name has 1 to 64 characters of A-Z a-z 0-9 _ - . and is neither . nor .."
        )


def client_id(req: falcon.Request, *, uuid_only: bool) -> str:
    """Return the client id in a form in which equal ids are equal strings (spec 4.4).

    A UUID becomes its 32 lower-case hex digits, anything else stays as it is.

    :raises MissingHeader: there is none
    :raises InvalidCall: it is blank or too long, or not a UUID although it has to be
    """
    client: str | None = req.env.get("HTTP_CLIENT_ID")
    if client is None:
        raise errors.MissingHeader("Client-ID")
    if len(client) > LONGEST_CLIENT_ID:  # it is kept with each message
        raise errors.InvalidCall(f"Client-ID has at most {LONGEST_CLIENT_ID} bytes.")
    if match := _UUID.fullmatch(client):
        return match[1].replace("-", "").lower()
    if uuid_only:
        raise errors.InvalidCall("Client-ID has to be a UUID.")
    if not client.strip(" \t"):
        raise errors.InvalidCall("Client-ID is empty.")
    return client


def string(req: falcon.Request, name: str) -> str | None:
    """Return a query parameter, the last one if it is repeated, `None` if absent."""
    value = req.params.get(name)
    return value[-1] if isinstance(value, list) else value


def strings(req: falcon.Request, name: str) -> list[str] | None:
    """Return the items of a query parameter that is a list: repeated, with commas, or both.

    Empty items between commas are kept. `None` if the parameter is absent.
    """
    value = req.params.get(name)
    if value is None:
        return None
    return (",".join(value) if isinstance(value, list) else value).split(",")


def integer(req: falcon.Request, name: str) -> int | None:
    """Return a query parameter that is an integer, `None` if absent.

    One of more than 19 digits is cut to 19: outside of every range all the same, and
    cheap to convert.

    :raises InvalidQueryParameter: it is not an integer
    """
    text = string(req, name)
    if text is None:
        return None
    if not _INTEGER.fullmatch(text):
        raise errors.InvalidQueryParameter(f"{name} has to be an integer.")
    magnitude = int(text.lstrip("+-0")[:19] or "0")
    return -magnitude if text.startswith("-") else magnitude


def boolean(req: falcon.Request, name: str) -> bool | None:
    """Return a query parameter that is a boolean, `None` if absent.

    :raises InvalidQueryParameter: it is not one of the words of spec 4.3
    """
    text = string(req, name)
    if text is None:
        return None
    if text not in _BOOLEANS:
        raise errors.InvalidQueryParameter(f"{name} has to be true or false.")
    return _BOOLEANS[text]


def is_boolean(req: falcon.Request, name: str) -> bool:
    """Tell whether a query parameter is there and a boolean."""
    return string(req, name) in _BOOLEANS


def page_size(limit: int | None, maximum: int) -> int:
    """Return how many items the request asks for.

    :raises InvalidCall: `limit` is not between 1 and `maximum`
    """
    if limit is None:
        return min(DEFAULT_PAGE, maximum)
    check_range("limit", limit, 1, maximum)
    return limit


def check_range(name: str, value: int, smallest: int, largest: int) -> None:
    """Make sure that a value lies within its limits, both inclusive.

    :raises InvalidCall: it does not
    """
    if not smallest <= value <= largest:
        raise errors.InvalidCall(f"{name} has to be between {smallest} and {largest}.")


def body(req: falcon.Request, limit: int) -> bytes:
    """Read the body, which may have up to `limit` bytes.

    A declared length above the limit is refused unread; without a declared length no
    more than the limit and one byte are read.

    :raises InvalidHeaderValue: Content-Length is not a number
    :raises LengthRequired: the body is in chunks, and the WSGI host does not say where it ends
    :raises InvalidCall: the body is larger than the limit
    :raises TemporarilyUnavailable: the connection did not bring the whole body
    """
    declared = req.env.get("CONTENT_LENGTH")
    chunked = "HTTP_TRANSFER_ENCODING" in req.env
    terminated = req.env.get("wsgi.input_terminated")
    if chunked and not terminated:
        # Reading might wait for ever, and a length beside it means nothing (RFC 9112 6.3).
        raise errors.LengthRequired
    if terminated and (chunked or not declared):
        content = _read(req, limit + 1)
        if len(content) > limit:
            raise _too_large(limit)
        return content
    if not declared:
        return b""
    if not (declared.isascii() and declared.isdigit()):
        raise errors.InvalidHeaderValue("Content-Length has to be a number of bytes.")
    # int() refuses thousands of digits; no limit has as many as 19.
    length = int(declared.lstrip("0")[:19] or "0")
    if length > limit:
        raise _too_large(limit)
    content = _read(req, length)
    if len(content) < length:
        raise _unreadable()
    return content


def _read(req: falcon.Request, size: int) -> bytes:
    try:
        content: bytes = req.stream.read(size)
    except OSError as error:
        raise _unreadable() from error
    return content


def _too_large(limit: int) -> errors.InvalidCall:
    return errors.InvalidCall(f"The body is too large; {limit} bytes are allowed.")


def _unreadable() -> errors.TemporarilyUnavailable:
    return errors.TemporarilyUnavailable("The body could not be read.")
