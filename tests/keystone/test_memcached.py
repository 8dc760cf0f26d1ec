"""Servers that share what they know of tokens through memcached."""

import getpass
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.keystone.authenticated import Client, configuration, serve
from tests.keystone.identity import Identity
from tests.keystone.server import KeystoneServer
from tests.support.command import run
from tests.support.process import Program
from tests.support.programs import find


@pytest.fixture
def memcached(tmp_path: Path) -> Iterator[str]:
    """Give the address of a memcached."""
    options = ("-l", "127.0.0.1", "-p", "-1", "-U", "0", "-u", getpass.getuser(), "-m", "8")
    ports = tmp_path / "ports"
    environment = {"MEMCACHED_PORT_FILENAME": str(ports)}
    with Program([find("memcached"), *options], tmp_path, ports.exists, environment):
        yield f"127.0.0.1:{ports.read_text().split()[-1]}"


def test_one_server_asks_for_all(
    keystone: KeystoneServer, identity: Identity, tmp_path: Path, token: str, memcached: str
) -> None:
    servers = []
    known = identity.token(*identity.anybody())
    options = {"memcached_servers": memcached, "token_cache_time": 600}
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        config = configuration(identity, tmp_path / name, keystone_authtoken=options)
        servers.append(serve(tmp_path / name, config, known, workers=1))
    with servers[0] as a, servers[1] as b:
        assert Client(a.url, token).status("GET", "/v1/queues") == 204
        asked = keystone.validations()
        assert Client(b.url, token).status("GET", "/v1/queues") == 204
        assert keystone.validations() == asked
        # A token that is refused is not for others to know: it may be valid a second later.
        for server in (a, b):
            assert Client(server.url, "unknown").status("GET", "/v1/queues") == 401
        assert keystone.validations() == asked + 2
        for server in (a, b):
            server.stop()
    done = run("check", "--config-file", str(servers[0].config_file))
    assert "remembered for 600 seconds, in each process and in memcached" in done.stdout
