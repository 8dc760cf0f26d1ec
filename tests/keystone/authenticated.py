"""A live queue server that asks a Keystone, and a client of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import requests

from tests.keystone.identity import Identity
from tests.support.live import LiveServer

TIMEOUT: Final = 60.0


def configuration(identity: Identity, folder: Path, **groups: Mapping[str, Any]) -> str:
    """Return the text of a file that serves from SQLite, with a service user of its own.

    `groups` add options, or change them, by the name of their group.
    """
    project = identity.project()
    user = identity.user(service=project)
    options: dict[str, dict[str, Any]] = {
        "DEFAULT": {"auth_strategy": "keystone"},
        "drivers": {"storage": "sqlite"},
        "drivers:storage:sqlite": {"database": folder / "marconi.db"},
        "keystone_authtoken": {
            "www_authenticate_uri": identity.url,
            "auth_url": identity.url,
            "auth_type": "password",
            "username": user.name,
            "password": user.password,
            "user_domain_id": "default",
            "project_name": project.name,
            "project_domain_id": "default",
        },
    }
    for group, more in groups.items():
        options.setdefault(group, {}).update(more)
    return "".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())
        for group, values in options.items()
    )


def serve(folder: Path, config: str | None, token: str, **more: Any) -> LiveServer:
    """Return a queue server with this configuration; it is asked for its health with the token."""
    headers = {"X-Auth-Token": token}
    return LiveServer(folder, config=config, embedded=False, headers=headers, **more)


class Client:
    """Sends requests to a server with a token, and without any project header."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url
        self.token = token

    def send(
        self,
        method: str,
        path: str,
        document: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
    ) -> requests.Response:
        """Send one request on a connection of its own."""
        sent = {"Client-ID": "tests", **({"X-Auth-Token": self.token} if self.token else {})}
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                method,
                self.url + path,
                json=document,
                headers={**sent, **(headers or {})},
                timeout=timeout,
            )

    def status(self, method: str, path: str, document: Any = None) -> int:
        """Send one request and return the status of its answer."""
        return self.send(method, path, document).status_code
