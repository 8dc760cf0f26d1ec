"""Two nodes on one store, and a balancer of each kind in front of them."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.balancers.balancer import Balancer, HAProxy, Nginx
from tests.mongodb.deployment import Deployment
from tests.support.live import LiveServer

CONFIG = """
[drivers:transport:wsgi]
access_log = true
trusted_proxies = 127.0.0.1
[transport]
max_messages_per_page = 1000
"""

AS_SHIPPED = {"OS_DRIVERS_TRANSPORT_WSGI__DRAIN_TIMEOUT": "5"}
"""Unlike other tests, those behind a balancer need the default."""

Nodes = tuple[LiveServer, LiveServer]


def sqlite_node(folder: Path) -> LiveServer:
    """Make a node; those made in one folder share the store."""
    return LiveServer(folder, config=CONFIG, workers=1, env=AS_SHIPPED)


def mongodb_node(folder: Path, uri: str, database: str) -> LiveServer:
    store = f"[drivers]\nstorage = mongodb\n[drivers:storage:mongodb]\ndatabase = {database}\n"
    uri = uri.replace("$", "$$")
    config = f"{CONFIG}{store}uri = {uri}\n"
    return LiveServer(folder, config=config, workers=1, env=AS_SHIPPED, embedded=False)


@pytest.fixture
def mongodb_store(mongodb: Deployment, mongodb_database: str) -> Iterator[tuple[str, str]]:
    """Give URI and name of an empty database."""
    yield mongodb.uri, mongodb_database
    with mongodb.client() as client:  # a node that was killed may have left a transaction open
        client.admin.command("killAllSessions", [])


@pytest.fixture(params=["sqlite", "mongodb"])
def nodes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Nodes]:
    if request.param == "sqlite":
        make = partial(sqlite_node, tmp_path)
    else:
        make = partial(mongodb_node, tmp_path, *request.getfixturevalue("mongodb_store"))
    with make() as one, make() as two:
        yield one, two


@pytest.fixture(params=[HAProxy, Nginx], ids=lambda kind: kind.program)
def kind(request: pytest.FixtureRequest) -> type[Balancer]:
    found: type[Balancer] = request.param
    return found


@pytest.fixture
def balancer(
    kind: type[Balancer], nodes: Nodes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Balancer]:
    folder = tmp_path_factory.mktemp("balancer")
    with kind(folder, [node.port for node in nodes]) as balancer:
        yield balancer
