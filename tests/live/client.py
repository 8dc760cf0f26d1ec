"""A client of the queue server that writes down every request it makes."""

import json
import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException
from typing import Any, NamedTuple, TypeVar

from tests.live.history import (
    Claim,
    Deletion,
    Outcome,
    Page,
    Post,
    Record,
    Release,
    Renewal,
    Seen,
)

MESSAGE_TTL = 3600
"""Seconds; no message expires during a load."""

ANSWER_SECONDS = 120.0
"""Bound of the wait for an answer; after it the outcome is unknown."""

LIMIT = 20
"""Messages per page of a listing."""

AnyRecord = TypeVar("AnyRecord", bound=Record)


class Reply(NamedTuple):
    """An answer with the times of its request; no status if none came."""

    start: float
    end: float
    outcome: Outcome
    status: int | None
    location: str
    document: Any


class RecordingClient:
    """One client with one kept-alive connection and a list of what it did.

    A request is sent once. The caller learns from the record that comes back whether it
    was acknowledged.

    name      names the client in its records, and is its `Client-ID`
    address   tells the port on 127.0.0.1 to connect to, each time anew
    failures  the statuses above 500 that no bug explains
    """

    def __init__(
        self, name: str, address: Callable[[], int], failures: Sequence[int] = (503,)
    ) -> None:
        self.name = name
        self.records: list[Record] = []
        self.unavailable = 0
        """How often it was told that it could not be served."""
        self._address = address
        self._failures = failures
        self._connection: HTTPConnection | None = None

    def post(self, queue: str, bodies: Sequence[Any]) -> Post:
        batch = [{"ttl": MESSAGE_TTL, "body": body} for body in bodies]
        reply = self._request("POST", f"/v1/queues/{queue}/messages", batch)
        ids: tuple[str, ...] = ()
        if reply.outcome is Outcome.ACKNOWLEDGED:
            assert reply.status == 201, reply
            ids = tuple(message_id(href) for href in reply.document["resources"])
        common = self._common(queue, reply)
        return self._add(Post(bodies=tuple(map(canonical, bodies)), ids=ids, **common))

    def claim(self, queue: str, *, ttl: int, limit: int) -> Claim:
        path = f"/v1/queues/{queue}/claims?limit={limit}"
        reply = self._request("POST", path, {"ttl": ttl, "grace": 60})
        assert reply.outcome is not Outcome.ACKNOWLEDGED or reply.status in (201, 204), reply
        return self._add(
            Claim(
                ttl=ttl,
                claim_id=reply.location.rpartition("/")[2],
                messages=seen(reply.document or ()),
                **self._common(queue, reply),
            )
        )

    def renew(self, claim: Claim, *, ttl: int) -> Renewal:
        path = f"/v1/queues/{claim.queue}/claims/{claim.claim_id}"
        reply = self._request("PATCH", path, {"ttl": ttl})
        common = self._common(claim.queue, reply)
        return self._add(Renewal(claim_id=claim.claim_id, ttl=ttl, **common))

    def release(self, claim: Claim) -> Release:
        reply = self._request("DELETE", f"/v1/queues/{claim.queue}/claims/{claim.claim_id}")
        return self._add(Release(claim_id=claim.claim_id, **self._common(claim.queue, reply)))

    def delete(self, claim: Claim, message: Seen) -> Deletion:
        """Delete one message of a claim."""
        query = f"claim_id={claim.claim_id}"
        path = f"/v1/queues/{claim.queue}/messages/{message.id}?{query}"
        reply = self._request("DELETE", path)
        common = self._common(claim.queue, reply)
        return self._add(Deletion(ids=(message.id,), claim_id=claim.claim_id, **common))

    def delete_many(self, queue: str, messages: Sequence[Seen]) -> Deletion:
        """Delete messages whatever claims they are under."""
        ids = tuple(message.id for message in messages)
        reply = self._request("DELETE", f"/v1/queues/{queue}/messages?ids={','.join(ids)}")
        return self._add(Deletion(ids=ids, **self._common(queue, reply)))

    def page(self, queue: str, link: str | None) -> tuple[Page, str | None]:
        """Read the page behind a `next` link, or the first one, and return the link to go on.

        It is the same link again after an empty page, or if no answer came.
        """
        query = f"echo=true&include_claimed=true&limit={LIMIT}"
        reply = self._request("GET", link or f"/v1/queues/{queue}/messages?{query}")
        document = reply.document or {"messages": ()}
        page = Page(limit=LIMIT, messages=seen(document["messages"]), **self._common(queue, reply))
        for following in document.get("links", ()):
            link = following["href"]
        return self._add(page), link

    def stats(self, queue: str) -> dict[str, int]:
        """Return the counts of a queue; of no concern to the history."""
        reply = self._request("GET", f"/v1/queues/{queue}/stats")
        assert reply.status == 200, reply
        counts: dict[str, int] = reply.document["messages"]
        return counts

    def create(self, queue: str) -> None:
        """Create a queue; of no concern to the history."""
        reply = self._request("PUT", f"/v1/queues/{queue}")
        assert reply.status in (201, 204), reply

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _add(self, record: AnyRecord) -> AnyRecord:
        self.records.append(record)
        return record

    def _common(self, queue: str, reply: Reply) -> dict[str, Any]:
        return {
            "client": self.name,
            "queue": queue,
            "start": reply.start,
            "end": reply.end,
            "outcome": reply.outcome,
        }

    def _request(self, method: str, path: str, document: Any = None) -> Reply:
        body = None if document is None else json.dumps(document).encode()
        start = time.monotonic()
        outcome, status, location, found = Outcome.FAILED, None, "", None
        try:
            connection = self._connect()
            outcome = Outcome.UNKNOWN
            connection.request(method, path, body, {"Client-ID": self.name})
            response = connection.getresponse()
            content = response.read()
        except (OSError, HTTPException):
            self.close()
        else:
            status = response.status
            if status < 300:
                outcome = Outcome.ACKNOWLEDGED
                location = response.headers.get("Location", "")
                found = json.loads(content) if content else None
            elif status < 500:
                outcome = Outcome.REFUSED
            else:
                assert status in self._failures, f"{method} {path}: a bug, {status} {content!r}"
                self.unavailable += 1
        return Reply(start, time.monotonic(), outcome, status, location, found)

    def _connect(self) -> HTTPConnection:
        """Return the open connection, or a new one.

        :raises OSError: nobody listens; no request was sent
        """
        if self._connection is None or self._connection.sock is None:
            self._connection = HTTPConnection("127.0.0.1", self._address(), timeout=ANSWER_SECONDS)
            self._connection.connect()
        return self._connection


def canonical(body: Any) -> str:
    """Return the JSON text that equal values, and only those, have in common."""
    return json.dumps(body, sort_keys=True)


def message_id(href: str) -> str:
    return href.partition("?")[0].rpartition("/")[2]


def seen(messages: Sequence[dict[str, Any]]) -> tuple[Seen, ...]:
    return tuple(Seen(message_id(one["href"]), canonical(one["body"])) for one in messages)
