"""Cases B: health."""

import pytest

from tests.api.client import Client, assert_empty
from tests.support.faulty import FaultyStore


@pytest.mark.case(11, 12)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_healthy(client: Client, method: str) -> None:
    assert_empty(client.request(method, "/v1/health"), 204)


@pytest.mark.case(13)
def test_with_slash(client: Client) -> None:
    assert client.get("/v1/health/").status == 204


@pytest.mark.case(14)
def test_not_as_xml(client: Client) -> None:
    assert client.get("/v1/health", accept="application/xml").status == 406


@pytest.mark.case(15)
def test_no_post(client: Client) -> None:
    answer = client.post("/v1/health")
    assert answer.status == 405
    assert {"GET", "HEAD"} <= answer.allow()


@pytest.mark.case(16)
def test_storage_down(client: Client, store: FaultyStore) -> None:
    with store.failing():
        answer = client.get("/v1/health")
    assert_empty(answer, 503)
    assert answer.headers["Retry-After"] is None


@pytest.mark.case(17)
def test_head_does_not_ask_storage(client: Client, store: FaultyStore) -> None:
    with store.failing():
        assert client.head("/v1/health").status == 204
