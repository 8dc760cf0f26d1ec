"""Cases F: queue names."""

from urllib.parse import quote

import pytest

from tests.api.client import C1, Client, Queue, assert_error

TITLE = "Invalid queue identification"
TOO_LONG = "i" * 65
NON_ASCII = "caf%C3%A9"
GOOD = [{"ttl": 300, "body": 1}]


@pytest.mark.case(53, 56)
@pytest.mark.parametrize(
    "name",
    [
        "qtestqueue",
        "TESTqueue",
        "hyphen-name",
        "_underscore",
        "Nice-Boat_2",
        "9",
        "i" * 64,
        "a.b",
        ".a",
        "a.",
        "...",
        "." * 64,
        "-.-",
        "metadata.json",
    ],
)
def test_good_names(client: Client, name: str) -> None:
    answer = client.put(f"/v1/queues/{name}")
    assert answer.status == 201
    assert answer.headers["Location"] == f"/v1/queues/{name}"
    metadata = client.get(f"/v1/queues/{name}/metadata")
    assert metadata.status == 200
    assert metadata.json() == {}


@pytest.mark.case(54)
def test_too_long(client: Client) -> None:
    assert_error(client.put(f"/v1/queues/{TOO_LONG}"), 400, TITLE)
    assert client.get(f"/v1/queues/{TOO_LONG}/metadata").status == 400


@pytest.mark.case(55, 57, 61)
@pytest.mark.parametrize(
    "name", [quote("Nice-Bo@t"), "Nice-Bo@t", quote("@$@^qw"), "a%20b", "abc%0A", "a.b%0A", ".%0A"]
)
def test_bad_characters(client: Client, name: str) -> None:
    assert_error(client.put(f"/v1/queues/{name}"), 400, TITLE)


@pytest.mark.case(58, 59)
@pytest.mark.parametrize("name", [NON_ASCII, "%C4"])
@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
def test_non_ascii(client: Client, name: str, method: str) -> None:
    assert_error(client.request(method, f"/v1/queues/{name}"), 400, TITLE)


@pytest.mark.case(60)
def test_cjk(client: Client) -> None:
    path = "/v1/queues/" + quote("消息队列")
    assert_error(client.put(path), 400, TITLE)
    assert client.get(f"{path}/metadata").status == 400


@pytest.mark.case(62)
def test_post_to_non_ascii(client: Client) -> None:
    assert_error(Queue(client, NON_ASCII).post(GOOD), 400, TITLE)


@pytest.mark.case(63)
def test_post_to_64_and_65_characters(client: Client) -> None:
    assert Queue(client, "n" * 64).post(GOOD).status == 404
    assert Queue(client, "n" * 65).post(GOOD).status == 400


@pytest.mark.case(64)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/stats", None),
        ("GET", "/metadata", None),
        ("PUT", "/metadata", {}),
        ("GET", "/messages", None),
        ("POST", "/messages", GOOD),
        ("DELETE", "/messages?ids=a", None),
        ("GET", "/messages/a", None),
        ("DELETE", "/messages/a", None),
        ("POST", "/claims", {"ttl": 300, "grace": 100}),
        ("GET", "/claims/a", None),
        ("PATCH", "/claims/a", {"ttl": 300}),
        ("DELETE", "/claims/a", None),
    ],
)
def test_every_route_checks_the_name(client: Client, method: str, path: str, body: object) -> None:
    answer = client.request(method, f"/v1/queues/{TOO_LONG}{path}", body, client_id=C1)
    assert_error(answer, 400, TITLE)


@pytest.mark.case(364)
@pytest.mark.parametrize("written", ["a.b", "a%2Eb", "a%2eb"])
def test_a_dot(client: Client, written: str) -> None:
    assert client.put(f"/v1/queues/{written}").headers["Location"] == "/v1/queues/a.b"
    client.create("a-b", "a_b", "ab")
    assert client.names() == ["a-b", "a.b", "a_b", "ab"]
    assert client.names("?marker=a.b") == ["a_b", "ab"]
    queue = Queue(client, written)
    hrefs = queue.post_n(3)
    assert all(href.startswith("/v1/queues/a.b/messages/") for href in hrefs)
    assert [client.get(href).status for href in hrefs] == [200] * 3
    assert queue.listed() == hrefs
    claim, [first] = queue.claimed("?limit=1")
    assert claim.startswith("/v1/queues/a.b/claims/")
    assert first == hrefs[0]
    [message] = client.get(claim).json()["messages"]
    assert client.delete(message["href"]).status == 204
    assert queue.listed() == hrefs[1:]
    assert client.delete(f"/v1/queues/{written}").status == 204
    assert client.names() == ["a-b", "a_b", "ab"]


@pytest.mark.case(364)
@pytest.mark.parametrize("name", [".", "..", "%2E", "%2e%2E", ".%2e", "%2e."])
@pytest.mark.parametrize("end", ["", "/", "/messages", "/claims/c"])
def test_names_of_folders(client: Client, name: str, end: str) -> None:
    for method in ("PUT", "GET", "DELETE"):
        answer = client.request(method, f"/v1/queues/{name}{end}", client_id=C1)
        assert answer.status in (400, 404, 405)
    assert_error(client.put(f"/v1/queues/{name}"), 400, TITLE)
    assert client.names() == []


@pytest.mark.case(65)
def test_letter_case_matters(client: Client) -> None:
    assert client.put("/v1/queues/abc").status == 201
    assert client.get("/v1/queues/ABC").status == 404
