"""Building answers: hrefs, messages and paging links as bytes (spec 4.6, 6.3, 7.10).

Ids and markers of a store, and queue names, consist of `A-Z a-z 0-9 _ -`: they go into
headers and JSON without escaping.
"""

from collections.abc import Iterable
from urllib.parse import quote

import falcon

from marconi_server.storage.contract import Message

JSON = "application/json; charset=utf-8"

_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


def send(resp: falcon.Response, body: bytes) -> None:
    """Answer with a JSON document."""
    resp.data = body
    resp.content_type = JSON


def with_query(path: str, req: falcon.Request) -> str:
    """Return the path and the query string as the client sent it, fit for a header."""
    query = req.query_string
    if not query:
        return path
    if not (query.isascii() and query.isprintable()):
        query = quote(query, safe=_PRINTABLE, encoding="latin-1", errors="replace")
    return f"{path}?{query}"


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
