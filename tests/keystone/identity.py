"""What tests ask of a Keystone: projects, users, roles, and tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final
from uuid import uuid4

import requests

from tests.keystone.server import ADMIN

TIMEOUT: Final = 30.0


@dataclass(frozen=True)
class Project:
    id: str
    name: str


@dataclass(frozen=True)
class User:
    id: str
    name: str
    password: str


class Identity:
    """The v3 API of a Keystone at a URL, as its administrator uses it.

    All that is made has a fresh name, so one Keystone serves many tests.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def project(self) -> Project:
        """Make a project."""
        name = f"project-{uuid4().hex}"
        made = self.call("POST", "/projects", {"project": {"name": name, "domain_id": "default"}})
        return Project(made["project"]["id"], name)

    def user(self, **roles: Project) -> User:
        """Make a user, with these roles in these projects, such as `member=project`."""
        name, password = f"user-{uuid4().hex}", uuid4().hex
        wanted = {"name": name, "password": password, "domain_id": "default"}
        user = User(self.call("POST", "/users", {"user": wanted})["user"]["id"], name, password)
        for role, project in roles.items():
            self.grant(user, role, project)
        return user

    def anybody(self, role: str = "member") -> tuple[User, Project]:
        """Make a user, and a project in which it has a role."""
        project = self.project()
        return self.user(**{role: project}), project

    def role(self, name: str) -> None:
        """Make a role; those of Keystone are admin, manager, member, reader and service."""
        self.call("POST", "/roles", {"role": {"name": name}})

    def grant(self, user: User, role: str, project: Project | None = None) -> None:
        """Give a user a role, in a project or, without one, in the system as a whole."""
        scope = f"/projects/{project.id}" if project else "/system"
        found = self.call("GET", f"/roles?name={role}")["roles"]
        self.call("PUT", f"{scope}/users/{user.id}/roles/{found[0]['id']}")

    def token(self, user: User, project: Project) -> str:
        """Get a token for a project."""
        return self.log_in(user, {"project": {"id": project.id}})

    def unscoped_token(self, user: User) -> str:
        """Get a token without a scope."""
        return self.log_in(user, None)

    def system_token(self, user: User) -> str:
        """Get a token for the system as a whole, in which the user needs a role."""
        return self.log_in(user, {"system": {"all": True}})

    def trust_token(self, user: User, project: Project, *, seconds: int) -> str:
        """Get a token that is over after so many seconds, or up to one more."""
        token = self.token(user, project)
        # Keystone takes whole seconds.
        end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds + 1)
        trust = {
            "trustor_user_id": user.id,
            "trustee_user_id": user.id,
            "project_id": project.id,
            "impersonation": False,
            "roles": [{"name": "member"}],
            "expires_at": end.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        made = self.call_as(token, "POST", "/OS-TRUST/trusts", {"trust": trust})["trust"]
        return self.log_in(user, {"OS-TRUST:trust": {"id": made["id"]}})

    def restricted_token(
        self, user: User, project: Project, service_type: str, rules: Mapping[str, str]
    ) -> str:
        """Get a token that is good for some paths of a service only; the rules are by method."""
        token = self.token(user, project)
        credential = {
            "name": uuid4().hex,
            "access_rules": [
                {"service": service_type, "method": method, "path": path}
                for method, path in rules.items()
            ],
        }
        made = self.call_as(
            token,
            "POST",
            f"/users/{user.id}/application_credentials",
            {"application_credential": credential},
        )["application_credential"]
        who = {"id": made["id"], "secret": made["secret"]}
        return self._log_in(
            {"methods": ["application_credential"], "application_credential": who}, None
        )

    def service(self, url: str) -> str:
        """Enter a service in the catalogue, and return its type, which nobody else has."""
        service_type = f"queuing-{uuid4().hex}"
        made = self.call("POST", "/services", {"service": {"type": service_type}})["service"]
        endpoint = {"service_id": made["id"], "interface": "public", "url": url}
        self.call("POST", "/endpoints", {"endpoint": endpoint})
        return service_type

    def log_in(self, user: User, scope: Mapping[str, Any] | None) -> str:
        """Get a token with any scope that Keystone knows."""
        who = {"id": user.id, "password": user.password}
        return self._log_in({"methods": ["password"], "password": {"user": who}}, scope)

    def revoke(self, token: str) -> None:
        """Make Keystone refuse a token from now on."""
        self.call("DELETE", "/auth/tokens", headers={"X-Subject-Token": token})

    def call(
        self,
        method: str,
        path: str,
        document: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send a request as the administrator, which has to succeed, and return its document."""
        return self.call_as(self._admin, method, path, document, headers)

    def call_as(
        self,
        token: str,
        method: str,
        path: str,
        document: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send a request with a token, which has to succeed, and return its document."""
        answer = self._send(method, path, document, {"X-Auth-Token": token, **(headers or {})})
        return answer.json() if answer.content else None

    @cached_property
    def _admin(self) -> str:
        who = {"name": ADMIN, "password": ADMIN, "domain": {"id": "default"}}
        return self._log_in(
            {"methods": ["password"], "password": {"user": who}},
            {"project": {"name": ADMIN, "domain": {"id": "default"}}},
        )

    def _log_in(self, identity: Mapping[str, Any], scope: Mapping[str, Any] | None) -> str:
        wanted: dict[str, Any] = {"auth": {"identity": identity}}
        if scope is not None:
            wanted["auth"]["scope"] = scope
        answer = self._send("POST", "/auth/tokens", wanted, {})
        return str(answer.headers["X-Subject-Token"])

    def _send(
        self, method: str, path: str, document: Any, headers: Mapping[str, str]
    ) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                method, self.url + path, json=document, headers=headers, timeout=TIMEOUT
            )
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer
