"""Cases F: queue names."""

from urllib.parse import quote

import pytest

from tests.api.client import C1, Client, Queue, assert_error

TITLE = "Invalid queue identification"
TOO_LONG = "i" * 65
NON_ASCII = "caf%C3%A9"
GOOD = [{"ttl": 300, "body": 1}]


@pytest.mark.case(53)
@pytest.mark.parametrize(
    "name",
    ["qtestqueue", "TESTqueue", "hyphen-name", "_underscore", "Nice-Boat_2", "9", "i" * 64],
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


@pytest.mark.case(55, 56, 57, 61)
@pytest.mark.parametrize(
    "name", [quote("Nice-Bo@t"), "Nice-Bo@t", quote("@$@^qw"), "a.b", "a%20b", "abc%0A"]
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


@pytest.mark.case(65)
def test_letter_case_matters(client: Client) -> None:
    assert client.put("/v1/queues/abc").status == 201
    assert client.get("/v1/queues/ABC").status == 404
