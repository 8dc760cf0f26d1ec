"""Cases U: authentication, as far as it is off."""

import pytest

from tests.api.client import Client, Queue


@pytest.mark.case(314)
@pytest.mark.parametrize("headers", [{}, {"X-Auth-Token": ""}, {"X-Auth-Token": "any"}])
def test_token_makes_no_difference(client: Client, missing: Queue, headers: dict[str, str]) -> None:
    assert client.get("/v1", headers=headers).status == 200
    assert client.put(missing.path, headers=headers).status == 201
    assert client.get(missing.path, headers=headers).status == 204
    assert client.get(missing.path).status == 204
