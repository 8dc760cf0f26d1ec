"""Building answers: hrefs, messages and paging links as bytes (spec 4.6, 6.3, 7.10).

Ids and markers of a store, and queue names, consist of `A-Z a-z 0-9 _ - .`: they go into
headers and JSON without escaping.

No client makes the head of an answer large (spec 15.1): to a proxy in front, such an answer is a
failure of the node.
"""

from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import quote

import falcon

from marconi_server.storage.contract import Message

JSON = "application/json; charset=utf-8"

LONGEST_QUERY: Final = 2048
"""Characters of a query that `Content-Location` repeats, in the form that goes into the header."""

LONGEST_LOCATION: Final = 6 * 1024
"""Characters of a `Location`: all other headers together have less than 2 KiB."""

_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


def send(resp: falcon.Response, body: bytes) -> None:
    """Answer with a JSON document."""
    resp.data = body
    resp.content_type = JSON


def with_query(path: str, req: falcon.Request) -> str:
    """Return the path and the query string as the client sent it, fit for a header.

    Without the query if that is longer than `LONGEST_QUERY`.
    """
    query = req.query_string
    if not query or len(query) > LONGEST_QUERY:
        return path
    if not (query.isascii() and query.isprintable()):
        query = quote(query, safe=_PRINTABLE, encoding="latin-1", errors="replace")
        if len(query) > LONGEST_QUERY:
            return path
    return f"{path}?{query}"


def location(path: str, ids: Sequence[str], most: int) -> str:
    """Return where these messages are, fit for a header.

    That is the path of all messages if there are more than `most` of them, which is how many
    can be asked for at once, or if the ids would make it longer than `LONGEST_LOCATION`.
    """
    if len(ids) > most:
        return path
    found = f"{path}?ids={','.join(ids)}"
    return found if len(found) <= LONGEST_LOCATION else path


def next_link(path: str, marker: str, **parameters: int | bool | None) -> bytes:
    """Return the `links` array of a page: its one link repeats the parameters given."""
    href = f"{path}?marker={marker}"
    for name, value in parameters.items():
        if value is not None:
            href += f"&{name}={str(value).lower()}"
    return b'[{"href": "%b", "rel": "next"}]' % href.encode()


def message(path: str, item: Message, claim_id: str | None = None) -> bytes:
    """Return one message of the messages at `path`; its href names the claim if given."""
    href = f"{path}/{item.id}" if claim_id is None else f"{path}/{item.id}?claim_id={claim_id}"
    return b'{"href": "%b", "ttl": %d, "age": %d, "body": %b}' % (
        href.encode(),
        item.ttl,
        item.age,
        item.body,
    )


def messages(path: str, items: Iterable[Message], claim_id: str | None = None) -> bytes:
    """Return an array of messages."""
    return b"[%b]" % b", ".join([message(path, item, claim_id) for item in items])
