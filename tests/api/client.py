"""A client of the API that checks on every answer what the spec says of all answers."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit
from wsgiref.headers import Headers

import webtest

WsgiApp = Callable[..., Iterable[bytes]]

JSON = "application/json; charset=utf-8"
C1, C2 = "alice", "bob"
MOST_HEAD = 8 * 1024 - 512
"""Bytes that the headers of an answer may have, with room for those of the server (spec 15.1)."""
BIG = 10**19
"""More than a signed integer of 64 bits holds."""


@dataclass(frozen=True)
class Answer:
    """What the app sent, with the headers as they were before WebTest looked at them."""

    status: int
    headers: Headers
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def allow(self) -> set[str]:
        return set((self.headers["Allow"] or "").split(", "))


class Client:
    """Sends requests as one project, or as none."""

    def __init__(self, app: WsgiApp, project: str | None) -> None:
        self.app = app
        self.project = project
        self._sent: list[tuple[str, str]] = []
        self._test_app = webtest.TestApp(self._record_headers)

    def _record_headers(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            self._sent = list(headers)
            return start_response(status, headers, *exc_info)

        return self.app(environ, start)

    def of(self, project: str | None) -> "Client":
        """Make a client of another project."""
        return Client(self.app, project)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        client_id: str | None = None,
        accept: str | None = "application/json",
        headers: Mapping[str, str] | None = None,
        environ: Mapping[str, Any] | None = None,
        lint: bool = True,
    ) -> Answer:
        """Send one request.

        `body`: bytes go as they are, `None` is no body, anything else is sent as JSON.
        `environ` overrides WSGI variables; `lint` off lets through what WSGI forbids.
        """
        sent = {"Accept": accept, "X-Project-Id": self.project, "Client-ID": client_id}
        request = webtest.TestRequest.blank(
            path,
            environ=environ,
            method=method,
            headers={name: value for name, value in sent.items() if value is not None}
            | dict(headers or {}),
        )
        if body is not None:
            request.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._test_app.lint = lint
        response = self._test_app.do_request(request, expect_errors=True)
        answer = Answer(response.status_int, Headers(self._sent), response.body)
        _check(method, path, answer)
        return answer

    def get(self, path: str, body: Any = None, **more: Any) -> Answer:
        return self.request("GET", path, body, **more)

    def head(self, path: str, body: Any = None, **more: Any) -> Answer:
        return self.request("HEAD", path, body, **more)

    def put(self, path: str, body: Any = None, **more: Any) -> Answer:
        return self.request("PUT", path, body, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> Answer:
        return self.request("POST", path, body, **more)

    def patch(self, path: str, body: Any = None, **more: Any) -> Answer:
        return self.request("PATCH", path, body, **more)

    def delete(self, path: str, body: Any = None, **more: Any) -> Answer:
        return self.request("DELETE", path, body, **more)

    def create(self, *names: str) -> None:
        """Create queues."""
        for name in names:
            answer = self.put(f"/v1/queues/{name}")
            assert answer.status == 201, answer

    def names(self, query: str = "") -> list[str]:
        """Give the names of one page of the queue listing, `[]` for a 204."""
        answer = self.get(f"/v1/queues{query}")
        if answer.status == 204:
            return []
        assert answer.status == 200, answer
        return [queue["name"] for queue in answer.json()["queues"]]


@dataclass(frozen=True)
class Queue:
    """A queue as one client sees it, whether it exists or not."""

    client: Client
    name: str

    @property
    def path(self) -> str:
        return f"/v1/queues/{self.name}"

    @property
    def messages(self) -> str:
        return f"{self.path}/messages"

    @property
    def claims(self) -> str:
        return f"{self.path}/claims"

    def of(self, client: Client) -> "Queue":
        """Make the view that another client has on the same URL."""
        return Queue(client, self.name)

    def post(self, messages: Any, client_id: str | None = C1, **more: Any) -> Answer:
        return self.client.post(self.messages, messages, client_id=client_id, **more)

    def post_n(self, count: int, ttl: int = 300, client_id: str = C1) -> list[str]:
        """Post messages with the bodies `{"n": 1}` and so on in one batch; give the hrefs."""
        return self.post_ttls([ttl] * count, client_id)

    def post_ttls(self, ttls: Sequence[int], client_id: str = C1) -> list[str]:
        """Post a message for each ttl in one batch; give the hrefs."""
        batch = [{"ttl": ttl, "body": {"n": n}} for n, ttl in enumerate(ttls, 1)]
        answer = self.post(batch, client_id)
        assert answer.status == 201, answer
        hrefs: list[str] = answer.json()["resources"]
        return hrefs

    def post_body(self, body: Any) -> str:
        """Post one message; give its href."""
        answer = self.post([{"ttl": 300, "body": body}])
        assert answer.status == 201, answer
        href: str = answer.json()["resources"][0]
        return href

    def page(self, query: str = "", client_id: str | None = C1, **more: Any) -> Answer:
        return self.client.get(self.messages + query, client_id=client_id, **more)

    def listed(self, query: str = "?echo=true&limit=20", client_id: str = C1) -> list[str]:
        """Give the hrefs of one page of messages, `[]` for a 204."""
        answer = self.page(query, client_id)
        if answer.status == 204:
            return []
        assert answer.status == 200, answer
        return hrefs_of(answer.json()["messages"])

    def claim(self, query: str = "", ttl: int = 300, grace: int = 100) -> Answer:
        return self.client.post(self.claims + query, {"ttl": ttl, "grace": grace})

    def claimed(self, query: str = "", ttl: int = 300, grace: int = 100) -> tuple[str, list[str]]:
        """Claim messages; give the claim's path and the messages' hrefs without query."""
        answer = self.claim(query, ttl, grace)
        assert answer.status == 201, answer
        location = answer.headers["Location"]
        assert location is not None
        return location, [href.partition("?")[0] for href in hrefs_of(answer.json())]

    def counts(self) -> tuple[int, int, int]:
        """Give the numbers of claimed, free and all messages."""
        answer = self.client.get(f"{self.path}/stats")
        assert answer.status == 200, answer
        stats = answer.json()["messages"]
        return stats["claimed"], stats["free"], stats["total"]


def _check(method: str, path: str, answer: Answer) -> None:
    """Check what sections 2, 4.7 and 4.8 of the spec say of all answers."""
    headers, body = answer.headers, answer.body
    if body:
        home = answer.status == 200 and path in ("/v1", "/v1/")
        assert headers["Content-Type"] == ("application/json-home" if home else JSON)
        assert headers["Content-Length"] == str(len(body))
    elif method != "HEAD":
        assert headers["Content-Type"] is None
    if answer.status == 204:
        assert_empty(answer, 204)
        assert headers["Content-Length"] is None
    if answer.status == 406:
        assert_empty(answer, 406)
        assert headers["Content-Length"] == "0"
    elif method == "HEAD":
        assert body == b""
    elif answer.status >= 400 and not (answer.status == 503 and path == "/v1/health"):
        document = answer.json()
        assert list(document) == ["title", "description"]
        assert document["title"]
        assert document["description"]
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    assert len(head) < MOST_HEAD
    for name in ("Location", "Content-Location"):
        assert (headers[name] or "/v1/").startswith("/v1/")


def assert_error(answer: Answer, status: int, title: str) -> None:
    """Check for "err N T" as the list of cases defines it."""
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == JSON
    document = answer.json()
    assert document["title"] == title
    assert isinstance(document["description"], str)
    assert document["description"]


def assert_empty(answer: Answer, status: int) -> None:
    assert answer.status == status, answer
    assert answer.body == b""


def next_link(answer: Answer) -> str:
    """Give the href of the one link `next` that a page has."""
    assert answer.status == 200, answer
    [link] = answer.json()["links"]
    assert set(link) == {"href", "rel"}
    assert link["rel"] == "next"
    href: str = link["href"]
    return href


def query_of(href: str) -> dict[str, str]:
    """Give the parameters of a link, each of which may occur once."""
    parameters = parse_qs(urlsplit(href).query, keep_blank_values=True, strict_parsing=True)
    assert all(len(values) == 1 for values in parameters.values())
    return {name: values[0] for name, values in parameters.items()}


def hrefs_of(messages: Iterable[Any]) -> list[str]:
    return [message["href"] for message in messages]


def id_of(href: str) -> str:
    """Give the id of a message or claim from its href."""
    return urlsplit(href).path.rpartition("/")[2]


def ids_query(hrefs: Iterable[str]) -> str:
    return "?ids=" + ",".join(id_of(href) for href in hrefs)


def assert_id(text: str) -> None:
    """Check that an id or marker has only the characters that the spec allows (section 2)."""
    assert re.fullmatch(r"[A-Za-z0-9_-]+", text)
