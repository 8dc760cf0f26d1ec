"""Cases X: requests that a browser makes for a page of somebody else."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from marconi_server.api import origins
from marconi_server.api.v1.operations import OPERATIONS
from marconi_server.config.options import HostNames
from marconi_server.config.settings import Settings, Wsgi
from marconi_server.wsgi import build_app
from tests.api.client import Answer, Client, Queue, assert_empty, assert_error
from tests.support.faulty import FaultyStore

CROSS_SITE = {"Sec-Fetch-Site": "cross-site"}
EVIL = {"Origin": "http://evil.example"}

FOREIGN = [
    CROSS_SITE,
    {"Sec-Fetch-Site": "same-site"},  # another port of this machine
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "same-origin, cross-site"},
    {"Sec-Fetch-Site": "Same-Origin"},
    CROSS_SITE | {"Origin": "http://localhost"},
    EVIL,
    {"Origin": "null"},  # a sandbox, a file, a redirection
    {"Origin": ""},
    {"Origin": "https://localhost"},
    {"Origin": "http://localhost:8080"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "http://localhost http://evil.example"},
]

OWN = [
    {},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "same-origin"} | EVIL,  # behind a proxy with TLS, for example
    {"Origin": "http://localhost"},
    {"Origin": "HTTP://LocalHost"},
]

Reach = Callable[..., Answer]


def plain(headers: dict[str, str]) -> dict[str, str]:
    """Add the name that the client calls the server by, without a port as browsers do."""
    return {"Host": "localhost"} | headers


@pytest.mark.case(360, 361)
@pytest.mark.parametrize("headers", FOREIGN)
def test_a_foreign_page_creates_nothing(
    client: Client, missing: Queue, headers: dict[str, str]
) -> None:
    answer = client.put(missing.path, headers=plain(headers))
    assert_error(answer, 403, "Not authorized")
    assert client.get(missing.path).status == 404


@pytest.mark.case(360, 361)
@pytest.mark.parametrize("headers", OWN)
def test_others_do_as_ever(client: Client, missing: Queue, headers: dict[str, str]) -> None:
    assert client.put(missing.path, headers=plain(headers)).status == 201
    assert client.get(missing.path).status == 204


@pytest.mark.case(361)
@pytest.mark.parametrize("headers", [CROSS_SITE, EVIL])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_is_left_to_the_browser(
    client: Client, queue: Queue, method: str, headers: dict[str, str]
) -> None:
    for path in ("/v1/queues", queue.path):
        if (method, path) != ("HEAD", "/v1/queues"):
            answer = client.request(method, path, headers=headers)
            assert answer.status in (200, 204)
            allowed = answer.headers["Access-Control-Allow-Origin"]
            assert allowed is None, "the browser would show it to the page"


def test_no_operation_that_changes_something_is_forgotten(client: Client, queue: Queue) -> None:
    (href,) = queue.post_n(1)
    claim, _ = queue.claimed()
    names = {
        "queue": queue.name,
        "message_id": href.rpartition("/")[2],
        "claim_id": claim.rpartition("/")[2],
    }
    before = queue.counts()
    asked = 0
    for operation in OPERATIONS:
        for method in set(operation.methods) - {"GET", "HEAD"}:
            path = operation.path.format(**names)
            answer = client.request(method, path, b"x", headers=CROSS_SITE)
            assert_error(answer, 403, "Not authorized")
            asked += 1
    assert asked >= 9
    assert queue.counts() == before


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "MADE-UP"])
@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/nonsense", "/v1/queues/a%2Fb", "/v1/queues/%C3%A9"]
)
def test_a_page_learns_nothing_else(client: Client, method: str, path: str) -> None:
    """The check comes before all others, in the place of authentication."""
    answer = client.request(method, path, headers=CROSS_SITE, accept="text/html", lint=False)
    assert_error(answer, 403, "Not authorized")


@pytest.mark.parametrize(
    ("scheme", "host", "origin"),
    [
        ("https", "queue.example", "https://queue.example"),
        ("http", "queue.example:8888", "http://queue.example:8888"),
        ("http", "[::1]:8888", "http://[::1]:8888"),
        ("http", "127.0.0.1:8888", "http://127.0.0.1:8888"),
    ],
)
def test_an_origin_is_scheme_and_host(
    client: Client, scheme: str, host: str, origin: str, missing: Queue
) -> None:
    environ = {"wsgi.url_scheme": scheme}
    headers = {"Host": host, "Origin": origin}
    other = {"http": "https", "https": "http"}[scheme]
    wrong = {"Host": host, "Origin": origin.replace(scheme, other, 1)}
    assert_error(client.put(missing.path, headers=wrong, environ=environ), 403, "Not authorized")
    assert client.put(missing.path, headers=headers, environ=environ).status == 201


# Names of the server

KNOWN = [
    "",
    "127.0.0.1",
    "127.0.0.1:8888",
    "192.0.2.7:8888",
    "[::1]:8888",
    "[2001:db8::1]",
    "localhost",
    "localhost:8888",
    "LOCALHOST.:8888",
    "queue.localhost:8888",
]

UNKNOWN = [
    "evil.example",
    "evil.example:8888",
    "localhost.evil.example",
    "notlocalhost",
    "127.0.0.1.evil.example",
    "127.0.0.1@evil.example",
    "evil.example#localhost",
    "evil.example/localhost",
    "[::1].evil.example",
    "[evil.example]",
    "[]",
    "::1",
    "1.2.3",
    "a b",
    "localhost:8888:8888",
    "x" * 100_000,
    "[" * 100_000,
    ":" * 100_000,
    "a." * 50_000,
]


@pytest.fixture
def reach(settings: Settings, store: FaultyStore) -> Reach:
    """Ask for the queues of an app that has names, by a name, through a way."""

    def reach(host: str, *trusted: str, via: str = "", method: str = "GET") -> Answer:
        names = HostNames.parse(",".join(trusted))
        app = build_app(replace(settings, wsgi=Wsgi(trusted_hosts=names)), store)
        environ: dict[str, Any] = {origins.VIA: via} if via else {}
        return Client(app, None).request(
            method, "/v1/queues", headers={"Host": host}, environ=environ
        )

    return reach


@pytest.mark.case(362)
@pytest.mark.parametrize("host", KNOWN)
def test_known_names_on_a_loopback_address(reach: Reach, host: str) -> None:
    for trusted in ([], ["queue.example"]):
        assert_empty(reach(host, *trusted, via=origins.LOOPBACK), 204)


@pytest.mark.case(362)
@pytest.mark.parametrize("host", UNKNOWN, ids=lambda host: host[:30])
def test_unknown_names_on_a_loopback_address(reach: Reach, host: str) -> None:
    for trusted in ([], ["queue.example"]):
        answer = reach(host, *trusted, via=origins.LOOPBACK)
        assert_error(answer, 421, "Misdirected request")
        assert len(answer.body) < 500


@pytest.mark.case(362)
@pytest.mark.parametrize("host", ["queue.example", "Queue.EXAMPLE.:8888", "q2"])
def test_trusted_names(reach: Reach, host: str) -> None:
    for via in (origins.LOOPBACK, ""):
        assert_empty(reach(host, "queue.example", "Q2", via=via), 204)


def test_elsewhere_names_count_if_there_are_any(reach: Reach) -> None:
    assert_empty(reach("evil.example"), 204)
    assert_error(reach("evil.example", "queue.example"), 421, "Misdirected request")
    assert_error(reach("a.queue.example", "queue.example"), 421, "Misdirected request")


def test_a_trusted_proxy_may_use_any_name(reach: Reach) -> None:
    for trusted in ([], ["queue.example"]):
        assert_empty(reach("marconi", *trusted, via=origins.PROXY), 204)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT"])
def test_a_wrong_name_is_said_first(reach: Reach, method: str) -> None:
    answer = reach("evil.example", via=origins.LOOPBACK, method=method)
    assert answer.status == 421
