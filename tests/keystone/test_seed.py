"""The seed's walk-through and program as they were written: with a token, and no project."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.keystone.authenticated import configuration, serve
from tests.keystone.identity import Identity
from tests.live import test_seed as seed
from tests.support.live import LiveServer


@pytest.fixture
def server(
    identity: Identity, tmp_path: Path, token: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LiveServer]:
    monkeypatch.setitem(seed.HEADERS, "X-Auth-Token", token)
    assert "X-Project-Id" not in seed.HEADERS
    with serve(tmp_path, configuration(identity, tmp_path), token) as server:
        yield server
        server.stop()


def test_walk_through(server: LiveServer, identity: Identity) -> None:
    seed.walk_through(server)
    bad = seed.curl(server, "GET", "/v1/queues", headers={"X-Auth-Token": "badtoken"})
    assert bad.status == 401
    assert bad.headers["www-authenticate"] == f'Keystone uri="{identity.url}"'
    unquoted = seed.curl(server, "GET", f"{seed.MESSAGES}?echo=true", headers={})
    assert unquoted.status == 401


def test_the_program_runs_twice(server: LiveServer) -> None:
    seed.run_program_twice(server)
