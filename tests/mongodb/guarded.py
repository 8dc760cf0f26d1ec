"""A replica set that lets in only users whom it knows."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.mongodb.replica_set import NAME, ReplicaSet

_ROOT = {"username": "root", "password": "everything"}


class GuardedReplicaSet(ReplicaSet):
    """A replica set of one member with access control; its `uri` is that of an administrator."""

    def __init__(self, program: Path) -> None:
        super().__init__(program)
        self.uri = self.uri_of(*_ROOT.values(), database="admin")

    def uri_of(self, user: str, password: str, *, database: str) -> str:
        """Return the URI for a user who is known in this database."""
        address = self.members[0].address
        return f"mongodb://{user}:{password}@{address}/{database}?replicaSet={NAME}"

    @contextmanager
    def user(self, database: str, roles: Sequence[Any]) -> Iterator[str]:
        """Give the URI of a user with these roles, who is known in this database until the exit."""
        name, password = f"user_{uuid4().hex}", secrets.token_hex()
        with self.client() as client:
            client[database].command("createUser", name, pwd=password, roles=roles)
            try:
                yield self.uri_of(name, password, database=database)
            finally:
                client[database].command("dropUser", name)

    def _options(self, folder: Path) -> Sequence[str]:
        key_file = folder / "key"
        key_file.touch(mode=0o600)
        key_file.write_text(secrets.token_hex(32))
        return [*super()._options(folder), "--keyFile", str(key_file)]

    def _initiate(self) -> None:
        super()._initiate()
        # As long as there is no user, whoever is on the same host may make the first one.
        with self.wait_for_primary().client() as client:
            name, password = _ROOT.values()
            client.admin.command("createUser", name, pwd=password, roles=["root"])
        self.members[0].credentials = _ROOT
