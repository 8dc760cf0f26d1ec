"""Promises of the spec that no case of the list covers: methods, paths, headers, order of checks.

What operations do is in `test_beyond_semantics.py`, what bad input meets in
`test_beyond_input.py` and `test_beyond_body.py`.
"""

import logging
from typing import Any

import pytest

from tests.api.client import C1, Client, assert_empty, assert_error
from tests.support.faulty import FaultyStore

METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT", "TRACE")

ALLOW = {
    "/v1": "GET",
    "/v1/health": "GET, HEAD",
    "/v1/queues": "GET",
    "/v1/queues/q": "DELETE, GET, HEAD, PUT",
    "/v1/queues/q/metadata": "GET, PUT",
    "/v1/queues/q/stats": "GET",
    "/v1/queues/q/messages": "DELETE, GET, POST",
    "/v1/queues/q/messages/m": "DELETE, GET",
    "/v1/queues/q/claims": "POST",
    "/v1/queues/q/claims/c": "DELETE, GET, PATCH",
}
"""The methods that each resource implements, as in spec 4.2."""


@pytest.mark.parametrize("path", ALLOW)
def test_allow_of_every_resource(client: Client, path: str) -> None:
    for method in METHODS:
        # The two checks that follow the method lookup would fail (spec 3).
        answer = client.of("").request(method, path, accept="text/html")
        if method in ALLOW[path].split(", "):
            assert answer.status == 406
        else:
            assert answer.status == 405
            assert answer.headers["Allow"] == f"{ALLOW[path]}, OPTIONS"
            if method != "HEAD":
                assert_error(answer, 405, "Method not allowed")


@pytest.mark.parametrize("path", ALLOW)
@pytest.mark.parametrize("method", ["FROBNICATE", "get", "PROPFIND"])
def test_method_never_heard_of(client: Client, path: str, method: str) -> None:
    answer = client.request(method, path, lint=False)
    assert_error(answer, 405, "Method not allowed")
    assert answer.headers["Allow"] == f"{ALLOW[path]}, OPTIONS"


@pytest.mark.parametrize("path", ALLOW)
def test_options_on_every_resource(client: Client, path: str) -> None:
    for url in (path, f"{path}/"):
        answer = client.of("").request("OPTIONS", url, accept="text/html")
        assert_empty(answer, 204)
        assert answer.headers["Allow"] == ALLOW[path]


@pytest.mark.parametrize("method", [*METHODS, "OPTIONS"])
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v2",
        "/v1.1/queues",
        "/V1/queues",
        "/v1/Queues",
        "/v1//",
        "//v1",
        "/v1/queues//",
        "/v1/health/x",
        "/v1/queues/q/Stats",
        "/v1/queues/q//stats",
        "/v1/queues/q/stats/x",
        "/v1/queues/q/messages/m/x",
        "/v1/queues/q/claims/c/x",
        "/v1/shards",
        "/v1/queues%EF%BC%8Fq",
    ],
)
def test_unknown_path(client: Client, method: str, path: str) -> None:
    answer = client.request(method, path)
    if method == "HEAD":
        assert_empty(answer, 404)
    else:
        assert_error(answer, 404, "Not found")


def test_home_document(client: Client) -> None:
    queue = {"queue_name": "param/queue_name"}
    paging = {"marker": "param/marker"}
    templates = {
        name: (relation["href-template"], relation["href-vars"])
        for name, relation in client.get("/v1").json()["resources"].items()
    }
    assert templates == {
        "rel/queues": (
            "/v1/queues{?marker,limit,detailed}",
            paging | {"limit": "param/queue_limit", "detailed": "param/detailed"},
        ),
        "rel/queue": ("/v1/queues/{queue_name}", queue),
        "rel/queue-metadata": ("/v1/queues/{queue_name}/metadata", queue),
        "rel/queue-stats": ("/v1/queues/{queue_name}/stats", queue),
        "rel/messages": (
            "/v1/queues/{queue_name}/messages{?marker,limit,echo,include_claimed}",
            queue
            | paging
            | {
                "limit": "param/messages_limit",
                "echo": "param/echo",
                "include_claimed": "param/include_claimed",
            },
        ),
        "rel/post-messages": ("/v1/queues/{queue_name}/messages", queue),
        "rel/claim": (
            "/v1/queues/{queue_name}/claims{?limit}",
            queue | {"limit": "param/claim_limit"},
        ),
    }
    for relation in client.get("/v1").json()["resources"].values():
        assert relation["hints"]["formats"] == {"application/json": {}}


@pytest.mark.parametrize("path", ALLOW)
def test_empty_and_too_long_project_on_every_route(client: Client, path: str) -> None:
    for method in ALLOW[path].split(", "):
        for project in ("", " ", "\t ", "p" * 257):
            assert client.of(project).request(method, path).status == 400
    answer = client.of("p" * 257).request(ALLOW[path].split(", ")[0], path)
    assert_error(answer, 400, "Invalid queue identification")


def test_error_document_layout(client: Client) -> None:
    answer = client.get("/v1/queues?limit=0")
    title, description = answer.json().values()
    assert answer.body.decode() == (
        f'{{\n    "title": "{title}",\n    "description": "{description}"\n}}'
    )


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("", 204),
        ("*/*", 204),
        ("*/*;q=0.1", 204),
        ("Application/JSON", 204),
        ("application/json; charset=utf-8", 204),
        ("application/json;Charset=UTF-8;Q=0.5", 204),
        ("APPLICATION/*;Q=1.0", 204),
        ("text/html;level=1, */*;q=0.001", 204),
        ("application/json;Q=0", 406),
        ("application/*;q=0.000", 406),
        ("*/*;q=0", 406),
        ("application/json;q=much", 406),
        ("application/json-home", 406),
        ("application/jsonx, text/*", 406),
        ("/", 406),
        (",", 406),
        ("\xe9\xff", 406),
    ],
)
def test_accept(client: Client, accept: str, status: int) -> None:
    assert client.get("/v1/queues", accept=accept).status == status


ORDER = [
    ("GET", "/v1/queues?limit=0&detailed=maybe", None, C1, "Invalid query parameter"),
    ("PUT", "/v1/queues/q/metadata", b"[" + b" " * 65536, C1, "Invalid API call"),
    ("POST", "/v1/queues/q/messages", b" " * 262145, None, "Missing header"),
    ("POST", "/v1/queues/q/messages", b"[" + b" " * 262145, C1, "Invalid API call"),
    ("POST", "/v1/queues/q/messages", [{"ttl": 59, "body": 1}, 5], C1, "Invalid request body"),
    ("POST", "/v1/queues/q/messages", [{"ttl": 59}], C1, "Invalid request body"),
    ("GET", "/v1/queues/q/messages?limit=x", None, None, "Missing header"),
    ("GET", "/v1/queues/q/messages?limit=0&echo=1", None, C1, "Invalid query parameter"),
    ("GET", "/v1/queues/q/messages?limit=0&include_claimed=1", None, C1, "Invalid query parameter"),
    ("POST", "/v1/queues/q/claims?limit=x", b" " * 65537, C1, "Invalid query parameter"),
    ("POST", "/v1/queues/q/claims?limit=0", b"[", C1, "Invalid request body"),
    ("POST", "/v1/queues/q/claims", b"[" + b" " * 65536, C1, "Invalid API call"),
    ("POST", "/v1/queues/q/claims", {"ttl": 59, "grace": "x"}, C1, "Invalid request body"),
    ("PATCH", "/v1/queues/q/claims/c", b"[" + b" " * 65536, C1, "Invalid API call"),
    ("PATCH", "/v1/queues/q/claims/c", {"ttl": 59, "grace": "x"}, C1, "Invalid request body"),
]
"""Requests with two faults each, and the title of the one that is found first (spec 3)."""


@pytest.mark.parametrize(("method", "path", "body", "client_id", "title"), ORDER)
def test_order_of_checks(
    client: Client, method: str, path: str, body: Any, client_id: str | None, title: str
) -> None:
    # The queue does not exist either, which would be found last.
    assert_error(client.request(method, path, body, client_id=client_id), 400, title)


def test_project_is_checked_before_the_queue_name(client: Client) -> None:
    answer = client.of("").get("/v1/queues/a.b")
    assert_error(answer, 400, "Empty project header not allowed")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/health", None),
        ("GET", "/v1/queues", None),
        ("HEAD", "/v1/queues/q", None),
        ("PUT", "/v1/queues/q/metadata", {}),
        ("POST", "/v1/queues/q/messages", [{"ttl": 60, "body": 1}]),
        ("DELETE", "/v1/queues/q/messages/m", None),
        ("POST", "/v1/queues/q/claims", {"ttl": 60, "grace": 60}),
        ("PATCH", "/v1/queues/q/claims/c", {"ttl": 60}),
    ],
)
def test_bug_in_storage_is_a_500(
    client: Client,
    store: FaultyStore,
    caplog: pytest.LogCaptureFixture,
    method: str,
    path: str,
    body: Any,
) -> None:
    with store.failing(ZeroDivisionError("a bug")), caplog.at_level(logging.ERROR):
        answer = client.request(method, path, body, client_id=C1)
    assert answer.status == 500
    assert answer.headers["Retry-After"] is None
    assert b"a bug" not in answer.body
    [error] = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert isinstance(error, ZeroDivisionError)
    assert "Traceback" in caplog.text
    assert client.get("/v1/health").status == 204


def test_storage_failure_is_one_line_in_the_log(
    client: Client, store: FaultyStore, caplog: pytest.LogCaptureFixture
) -> None:
    with store.failing(), caplog.at_level(logging.INFO):
        assert client.get("/v1/queues").status == 503
    [record] = caplog.records
    assert "switched to failing" in record.getMessage()
    assert "\n" not in record.getMessage()
    assert record.exc_info is None
