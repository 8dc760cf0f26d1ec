"""Cases D: the header Accept."""

import pytest

from tests.api.client import Client, Queue, assert_empty


@pytest.mark.case(35)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/queues"),
        ("GET", "/v1/queues/Qx/metadata"),
        ("GET", "/v1/queues/Qx/stats"),
        ("POST", "/v1/queues/Qx/messages"),
        ("GET", "/v1/queues/Qx/messages/abc"),
        ("POST", "/v1/queues/Qx/claims"),
        ("GET", "/v1/queues/Qx/claims/abc"),
        ("GET", "/v1/health"),
    ],
)
def test_xml_is_refused(client: Client, method: str, path: str) -> None:
    assert_empty(client.request(method, path, accept="application/xml"), 406)


@pytest.mark.case(36)
def test_refused_put_creates_nothing(client: Client, missing: Queue) -> None:
    assert client.put(missing.path, accept="plain/text").status == 406
    assert client.get(missing.path).status == 404


@pytest.mark.case(37, 38)
@pytest.mark.parametrize("accept", ["*/*", None])
def test_put_with_anything_or_no_accept(client: Client, missing: Queue, accept: str | None) -> None:
    assert client.put(missing.path, accept=accept).status == 201


@pytest.mark.case(39, 40)
@pytest.mark.parametrize("accept", ["application/*", "text/html, application/json;q=0.3"])
def test_range_or_list_with_json(client: Client, accept: str) -> None:
    assert client.get("/v1/queues", accept=accept).status == 204


@pytest.mark.case(41, 42)
@pytest.mark.parametrize("accept", ["application/json;q=0", "gibberish"])
def test_json_excluded_or_gibberish(client: Client, accept: str) -> None:
    assert client.get("/v1/queues", accept=accept).status == 406


@pytest.mark.case(43)
def test_refused_delete_keeps_the_queue(client: Client, queue: Queue) -> None:
    assert client.delete(queue.path, accept="text/plain").status == 406
    assert client.get(queue.path).status == 204


@pytest.mark.case(355)
@pytest.mark.parametrize("filling", [";", '"', ",", "\\", " ", '\\"', ";q=", '",', "a/b,"])
@pytest.mark.parametrize("start", ['a/b;x="', "a/b;x=", "", "application/json;"])
def test_a_value_that_is_hard_to_read(client: Client, start: str, filling: str) -> None:
    """How long it takes is for `test_cost.py` to say."""
    for count in (100, 60_000):
        answer = client.get("/v1/queues", accept=f"{start}{filling * count}")
        assert answer.status in (204, 406)
    assert client.get("/v1/queues", accept=f"{start}{filling * 60_000}").status == 406


@pytest.mark.case(44)
def test_accept_comes_before_project(client: Client) -> None:
    assert client.of("").get("/v1/queues", accept="text/html").status == 406
