"""Hostile query strings, paths and headers that no case of the list covers: never a 500 or a hang.

The client checks on every answer that it is what the spec allows (see `client.py`).
"""

from typing import Final
from urllib.parse import quote

import pytest

from tests.api.client import C1, Client, Queue, assert_error, id_of, next_link, query_of

API_CALL: Final = "Invalid API call"
PARAMETER: Final = "Invalid query parameter"
HUGE: Final = 100_000
QUERY: Final = 32 * 1024
"""Bytes of the longest query, and of the longest path."""
PATH: Final = 8 * 1024


# Query strings


@pytest.mark.parametrize("sign", ["", "-", "%2B"])
@pytest.mark.parametrize("path", ["/v1/queues", "/v1/queues/q/messages"])
def test_limit_of_32_kb(client: Client, path: str, sign: str) -> None:
    digits = "9" * (QUERY - 10)
    answer = client.get(f"{path}?limit={sign}{digits}", client_id=C1)
    assert_error(answer, 400, API_CALL)
    assert "limit has to be" in answer.json()["description"]
    answer = client.get(f"{path}?limit={sign}{digits}x", client_id=C1)
    assert_error(answer, 400, PARAMETER)


def test_limit_of_32_kb_for_a_claim(client: Client, queue: Queue) -> None:
    assert_error(queue.claim(f"?limit={'9' * (QUERY - 6)}"), 400, API_CALL)


@pytest.mark.parametrize("limit", ["%2B-5", "5_0", "0x5", "%D9%A3", "5%00", "%205", "1e1", "+5"])
def test_limit_that_only_looks_like_an_integer(client: Client, limit: str) -> None:
    assert_error(client.get(f"/v1/queues?limit={limit}"), 400, PARAMETER)


@pytest.mark.parametrize("limit", ["%2B5", "5", "0" * (QUERY - 7) + "5"])
def test_any_form_of_an_integer(client: Client, limit: str) -> None:
    client.create("q")
    answer = client.get(f"/v1/queues?limit={limit}")
    assert "limit=5" in next_link(answer)


@pytest.mark.parametrize(
    "query",
    [
        "x=" + "y" * QUERY,
        "&".join(f"p{n}={n}" for n in range(QUERY // 10)),
        "&" * QUERY,
        "=" * QUERY,
        "%" * QUERY,
        "%ff" * QUERY,
    ],
    ids=["value", "parameters", "ampersands", "equal signs", "percent signs", "not utf-8"],
)
def test_query_of_32_kb(client: Client, queue: Queue, query: str) -> None:
    [href] = queue.post_n(1)
    query = f"echo=true&{query}"[: QUERY - 2] + "&="
    for path in ("/v1/queues", queue.messages, href):
        assert client.get(f"{path}?{query}", client_id=C1).status == 200
        assert_error(client.get(f"{path}?{query}&", client_id=C1), 400, API_CALL)


@pytest.mark.limits(max_messages_per_page=1000)
def test_the_ids_of_the_largest_page_fit(client: Client, queue: Queue) -> None:
    ids = [id_of(href) for href in queue.post_n(1000)]
    answer = client.get(f"{queue.messages}?ids={'%2C'.join(ids)}&echo=true")
    assert len(answer.json()["messages"]) == 1000
    assert client.delete(f"{queue.messages}?ids={'&ids='.join(ids)}").status == 204
    assert queue.counts() == (0, 0, 0)


def test_path_of_8_kb(client: Client, queue: Queue) -> None:
    path = f"{queue.messages}/"
    path += "x" * (PATH - len(path))
    assert_error(client.get(path), 404, "Not found")
    assert client.delete(path).status == 204
    for method in ("GET", "DELETE", "OPTIONS"):
        for longer in (f"{path}x", f"{path}{'/x' * HUGE}", "/v1" + "//" * HUGE, "/" + "x" * HUGE):
            assert_error(client.request(method, longer), 400, API_CALL)
    assert client.get(path.replace("xx", "%41%41")).status == 404


@pytest.mark.parametrize("value", ["%ff", "%C4", "%ed%a0%80", "%", "%zz", "%00", "%u0041"])
def test_odd_percent_encoding_in_values(client: Client, queue: Queue, value: str) -> None:
    [href] = queue.post_n(1)
    assert client.get(f"/v1/queues?marker={value}").status in (200, 204)
    assert_error(client.get(f"/v1/queues?detailed={value}"), 400, PARAMETER)
    assert queue.page(f"?echo=true&marker={value}").status == 204
    assert_error(queue.page(f"?echo={value}"), 400, PARAMETER)
    assert client.get(f"{queue.messages}?ids={value}").status == 204
    assert client.delete(f"{queue.messages}?ids={value}").status == 204
    assert client.delete(f"{href}?claim_id={value}").status == 204
    assert client.get(href).status == 200
    assert client.get("/v1/queues?%ff=%ff&%00=%00").status == 200


ARABIC_DIGITS = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


@pytest.mark.parametrize(
    "form", ["-{}", "%2B{}", "%20{}", "{}%20", "{}.0", "{}_0", "0x{}", "{}%00", "{arabic}"]
)
def test_marker_that_only_looks_like_one(queue: Queue, form: str) -> None:
    queue.post_n(3)
    marker = query_of(next_link(queue.page("?echo=true&limit=1")))["marker"]
    arabic = quote(marker.translate(ARABIC_DIGITS))
    assert queue.page(f"?echo=true&marker={form.format(marker, arabic=arabic)}").status == 204


@pytest.mark.parametrize("marker", ["9223372036854775808", "9" * 40, "9" * (QUERY - 17)])
def test_marker_beyond_all(queue: Queue, marker: str) -> None:
    queue.post_n(3)
    assert queue.page(f"?echo=true&marker={marker}").status == 204


@pytest.mark.parametrize(
    "query",
    ["a=\x01\x1f", "a=\t", "a=\x7f", "a=\xe9\xff", 'a="<>\\^`{|}', "a=%0d%0aSet-Cookie:%20a=b"],
)
def test_content_location_with_a_hostile_query(client: Client, queue: Queue, query: str) -> None:
    [href] = queue.post_n(1)
    for path in ("/v1/queues", queue.messages, href):
        environ = {"QUERY_STRING": f"echo=true&{query}"}
        answer = client.get(path, client_id=C1, environ=environ)
        assert answer.status == 200
        location = answer.headers["Content-Location"] or ""
        assert location.startswith(f"{path}?echo=true&a=")
        assert location.isascii()
        assert location.isprintable()


# Paths


@pytest.mark.parametrize("name", ["%ff", "%ed%a0%80", "%00", "%F0%9F%98%80", "%", "%zz", "a%09"])
def test_odd_percent_encoding_in_queue_names(client: Client, name: str) -> None:
    for path in ("", "/metadata", "/stats", "/messages", "/messages/m", "/claims/c"):
        answer = client.get(f"/v1/queues/{name}{path}", client_id=C1)
        assert_error(answer, 400, "Invalid queue identification")


ODD_IDS = ["%ff", "%ed%a0%80", "%00", "a%00b", "%F0%9F%98%80", "%", "a,b", "9" * 30, "x" * 8000]


@pytest.mark.parametrize("odd", ODD_IDS, ids=[odd[:20] for odd in ODD_IDS])
def test_odd_ids_match_nothing(client: Client, queue: Queue, odd: str) -> None:
    [href] = queue.post_n(1)
    queue.claimed()
    message, claim = f"{queue.messages}/{odd}", f"{queue.claims}/{odd}"
    assert_error(client.get(message), 404, "Not found")
    assert client.delete(message).status == 204
    assert client.delete(f"{message}?claim_id={odd}").status == 204
    assert_error(client.get(claim), 404, "Not found")
    assert_error(client.patch(claim, {"ttl": 60}), 404, "Not found")
    assert client.delete(claim).status == 204
    assert client.get(f"{queue.messages}?ids={odd}").status == 204
    assert client.delete(f"{queue.messages}?ids={odd}").status == 204
    assert client.delete(f"{href}?claim_id={odd}").status == 204
    assert queue.counts() == (1, 0, 1)


@pytest.mark.parametrize("name", ["RAW_URI", "REQUEST_URI"])
@pytest.mark.parametrize("slash", ["%2f", "%2F"])
@pytest.mark.parametrize("path", ["{queue}{}stats", "{queue}{}", "{queue}{}messages{}m"])
def test_encoded_slash(client: Client, queue: Queue, name: str, slash: str, path: str) -> None:
    # A WSGI server decodes the path, and gives it as it came in a variable of its own.
    raw = path.format(slash, slash, queue=queue.path)
    decoded = raw.replace(slash, "/")
    for uri in (raw, f"{raw}?x=1", f"http://localhost{raw}"):
        assert client.get(decoded, environ={name: uri}).status in (400, 404)
    query = {name: f"{queue.path}/stats?x={slash}"}
    assert client.get(f"{queue.path}/stats", environ=query).status == 200


# Headers


ODD_VALUES = ["\xe9\xff", "\x01", "a\tb", "'; DROP TABLE queues; --", "%00", "{}", "a,b;c=d"]


@pytest.mark.parametrize("value", ODD_VALUES)
def test_odd_project_ids_are_scopes(client: Client, value: str) -> None:
    client.create("q")
    odd = client.of(value)
    assert odd.names() == []
    odd.create("odd")
    assert odd.names() == ["odd"]
    assert client.of(f"{value}x").names() == []
    assert client.names() == ["q"]


@pytest.mark.parametrize("value", ODD_VALUES)
def test_odd_client_ids_are_themselves(queue: Queue, value: str) -> None:
    hrefs = queue.post_n(1, client_id=value)
    assert queue.page(client_id=value).status == 204
    assert queue.listed("", f"{value}x") == hrefs


@pytest.mark.parametrize("value", ["", "\xe9\xff", "\x01", "x" * HUGE])
def test_headers_that_are_not_looked_at(client: Client, queue: Queue, value: str) -> None:
    headers = {"X-Auth-Token": value, "User-Agent": value, "If-Match": value, "Range": value}
    headers |= {"Content-Type": value, "Expect": value, "Date": value, "Host": value}
    assert queue.post([{"ttl": 60, "body": 1}], headers=headers).status == 201
    assert queue.page("?echo=true", headers=headers).status == 200
    assert client.get(queue.path, headers=headers, client_id=value).status == 204


def test_client_ids_that_differ_at_the_end(queue: Queue) -> None:
    hrefs = queue.post_n(1, client_id="c" * 256)
    assert queue.page(client_id="c" * 256).status == 204
    assert queue.listed("", "c" * 255) == hrefs
