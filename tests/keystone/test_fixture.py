"""The Keystone of the tests does what the other tests rely on."""

import pytest
import requests

from tests.keystone.identity import Identity
from tests.keystone.server import KeystoneServer


def test_tokens_are_real(identity: Identity) -> None:
    project = identity.project()
    user = identity.user(member=project)
    token = identity.token(user, project)
    mine = {"X-Subject-Token": token}
    seen = identity.call("GET", "/auth/tokens", headers=mine)["token"]
    assert seen["project"]["id"] == project.id
    assert seen["user"]["id"] == user.id
    assert {role["name"] for role in seen["roles"]} >= {"member"}
    assert "project" not in identity.call(
        "GET", "/auth/tokens", headers={"X-Subject-Token": identity.unscoped_token(user)}
    )
    identity.revoke(token)
    with pytest.raises(AssertionError, match="404"):
        identity.call("GET", "/auth/tokens", headers=mine)


def test_stopped_frozen_and_back_again(keystone: KeystoneServer, identity: Identity) -> None:
    keystone.freeze()
    with pytest.raises(requests.ReadTimeout):
        requests.get(keystone.url, timeout=0.2)
    keystone.thaw()
    assert requests.get(keystone.url, timeout=30).status_code == 200
    project = identity.project()
    keystone.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(keystone.url, timeout=30)
    keystone.start()
    assert identity.token(identity.user(member=project), project)
