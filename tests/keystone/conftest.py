"""One Keystone for all tests of a run; every test gets it running."""

import os
from collections.abc import Iterator

import pytest

from tests.keystone.identity import Identity, Project, User
from tests.keystone.server import INSTALLED, MISSING, KeystoneServer


@pytest.fixture(scope="session")
def keystone_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeystoneServer]:
    """Give the Keystone to fixtures that live longer than a test."""
    if not INSTALLED:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(MISSING)
    with KeystoneServer(tmp_path_factory.mktemp("keystone")) as server:
        yield server


@pytest.fixture
def keystone(keystone_of_the_run: KeystoneServer) -> Iterator[KeystoneServer]:
    """Give the running Keystone; the test may stop or freeze it."""
    yield keystone_of_the_run
    keystone_of_the_run.start()
    keystone_of_the_run.thaw()


@pytest.fixture(scope="session")
def identity(keystone_of_the_run: KeystoneServer) -> Identity:
    """Give its API."""
    return Identity(keystone_of_the_run.url)


@pytest.fixture
def project(identity: Identity) -> Project:
    """Give a fresh project."""
    return identity.project()


@pytest.fixture
def user(identity: Identity, project: Project) -> User:
    """Give a user with the role `member` in the project."""
    return identity.user(member=project)


@pytest.fixture
def token(identity: Identity, user: User, project: Project) -> str:
    """Give a token of the user for the project."""
    return identity.token(user, project)
