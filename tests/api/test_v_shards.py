"""Cases V: shards, as far as the admin API is off."""

import pytest

from tests.api.client import Client, assert_error


@pytest.mark.case(315)
def test_no_admin_api(client: Client) -> None:
    assert_error(client.get("/v1/shards"), 404, "Not found")
    body = {"weight": 100, "uri": "sqlite:///x.db"}
    assert_error(client.put("/v1/shards/x", body), 404, "Not found")
