"""The fixtures that give tests a MongoDB, and what a run says about it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo.uri_parser import parse_uri

from tests.mongodb import search
from tests.mongodb.deployment import Client, Deployment
from tests.mongodb.guarded import GuardedReplicaSet
from tests.mongodb.replica_set import ReplicaSet
from tests.mongodb.store import empty

USED = pytest.StashKey[list[str]]()
"""What the summary of the run says of each MongoDB that was used."""


def origin() -> str:
    """Say where the tests find MongoDB, without secrets.

    :raises NoMongoDB: there is none
    """
    uri = search.given_uri()
    if uri is None:
        return str(search.mongod())
    nodes = ",".join(f"{host}:{port}" for host, port in parse_uri(uri)["nodelist"])
    return f"{nodes} ({search.VARIABLE})"


def pytest_configure(config: pytest.Config) -> None:
    config.stash[USED] = []


def pytest_report_header() -> str:
    try:
        return f"mongodb: {origin()}"
    except search.NoMongoDB as reason:
        return f"mongodb: none. {reason}"


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    used = config.stash[USED]
    for line in sorted(set(used)):
        terminalreporter.write_line(line)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that hands out the tests, if it is another one."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["mongodb"] = session.config.stash[USED]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[USED] += getattr(node, "workeroutput", {}).get("mongodb", [])


@contextmanager
def _required() -> Iterator[None]:
    """Skip what needs MongoDB on a machine that has none, and fail it in CI."""
    try:
        yield
    except search.NoMongoDB as missing:
        if "CI" in os.environ:
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def mongodb(pytestconfig: pytest.Config) -> Iterator[Deployment]:
    """Give the MongoDB of the run: the one that was named, or a replica set of one member."""
    with _required():
        found = origin()
        uri = search.given_uri()
        program = None if uri else search.mongod()
    if program is None:
        assert uri is not None
        deployment = Deployment(uri)
        pytestconfig.stash[USED].append(f"MongoDB {deployment.version} at {found}")
        yield deployment
        return
    with ReplicaSet(program) as replica_set:
        pytestconfig.stash[USED].append(f"MongoDB {replica_set.version}, one member, {found}")
        yield replica_set


@pytest.fixture(scope="session")
def mongod() -> Path:
    """Give the program, for servers that are set up otherwise than the MongoDB of the run."""
    with _required():
        return search.mongod()


@pytest.fixture(scope="session")
def guarded_mongodb(mongod: Path) -> Iterator[GuardedReplicaSet]:
    """Give a MongoDB that lets in only users whom it knows."""
    with GuardedReplicaSet(mongod) as replica_set:
        yield replica_set


@pytest.fixture(scope="module")
def mongodb_set(mongod: Path) -> Iterator[ReplicaSet]:
    """Give a replica set of three members, for the faults of one module alone."""
    with ReplicaSet(mongod, members=3) as replica_set:
        yield replica_set


@pytest.fixture
def mongodb_database(mongodb: Deployment) -> Iterator[str]:
    """Give the name of a database of the test's own, which is dropped afterwards."""
    with mongodb.database() as name:
        yield name


@pytest.fixture(scope="session")
def mongodb_client(mongodb: Deployment) -> Iterator[Client]:
    """Give a client of the whole deployment."""
    with mongodb.client() as client:
        yield client


@pytest.fixture(scope="session")
def mongodb_shared_name(mongodb: Deployment) -> Iterator[str]:
    """Give the name of the database that tests share, to fixtures that live longer than a test."""
    with mongodb.database() as name:
        yield name


@pytest.fixture
def mongodb_shared(mongodb_client: Client, mongodb_shared_name: str) -> Iterator[str]:
    """Give the name of a database that tests share; it is emptied after each."""
    yield mongodb_shared_name
    empty(mongodb_client, mongodb_shared_name)
