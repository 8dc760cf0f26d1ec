"""`marconi-server register`: enters the service in Keystone, so that clients and servers find it.

It creates what is missing, updates what is different, says what it did, and leaves all else as
it is: running it again changes nothing. Who runs it says who they are as with every client of
OpenStack, by OS_ variables or by the flags that keystoneauth brings.
"""

import argparse
import logging
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from keystoneauth1 import loading
from keystoneauth1.exceptions import ClientException, NotFound, Unauthorized
from keystoneauth1.identity import Password
from keystoneauth1.plugin import AUTH_INTERFACE
from keystoneauth1.session import Session
from keystoneclient.v3.client import Client

from marconi_server.config.masking import text_without_secrets, uri_without_secrets

SERVICE_TYPE: Final = "queuing"
SERVICE_NAME: Final = "marconi"
INTERFACES: Final = ("public", "internal", "admin")

PASSWORD_VARIABLE: Final = "MARCONI_SERVICE_PASSWORD"  # noqa: S105 - its name
"""The environment variable with the password that the service user should have.

Not a flag: everybody on a machine sees the command lines of all.
"""

ANSWER_SECONDS: Final = 60
"""How long Keystone may take for an answer, if `--timeout` says nothing else."""


class RegistrationFailed(Exception):
    """The service could not be registered, or not wholly; the text is one line that says why."""


def add_arguments(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Declare the flags; those that say who runs it depend on `--os-auth-type` in `argv`.

    :raises RegistrationFailed: there is no such type of authentication
    """
    for interface in INTERFACES:
        parser.add_argument(
            f"--{interface}-url",
            metavar="URL",
            type=_url,
            required=interface == "public",
            help=f"where {interface} clients reach the service, without /v1",
        )
    parser.add_argument(
        "--region",
        metavar="NAME",
        default=os.environ.get("OS_REGION_NAME") or "RegionOne",
        help="region of these URLs; by default that of OS_REGION_NAME, or RegionOne",
    )
    for name, default, what in (
        ("user", SERVICE_NAME, "the service user"),
        ("project", "service", "project of the service user"),
        ("role", "service", "role of the service user in this project"),
        ("domain", "Default", "domain of user and project"),
    ):
        parser.add_argument(
            f"--{name}", metavar="NAME", default=default, help=f"{what}; by default {default}"
        )
    try:
        loading.register_auth_argparse_arguments(parser, list(argv), default="password")
    except ClientException as error:
        raise RegistrationFailed(str(error)) from error
    loading.register_session_argparse_arguments(parser)
    parser.set_defaults(timeout=ANSWER_SECONDS)


def run(arguments: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Register the service, tell `say` of each step, and end with what servers have to know.

    :raises RegistrationFailed: Keystone does not answer, refuses, or has more than there should be
    """
    auth_url = getattr(arguments, "os_auth_url", None)  # a type of authentication may have none
    if not auth_url:
        raise RegistrationFailed("where is Keystone? Set OS_AUTH_URL, or give --os-auth-url")
    for name in ("os_cacert", "os_cert", "os_key"):
        file = getattr(arguments, name)
        if file and not os.access(file, os.R_OK):
            raise RegistrationFailed(f"{file} cannot be read; see --{name.replace('_', '-')}")
    # What it warns of comes as an exception as well, if it matters.
    logging.getLogger("keystoneauth").setLevel(logging.ERROR)
    try:
        auth = loading.load_auth_from_argparse_arguments(arguments)
        session = loading.load_session_from_argparse_arguments(arguments, auth=auth)
        registration = _Registration(arguments, session, say)
        password = registration.run()
        if not registration.changes:
            say("Everything was in place, nothing was changed.")
        say("\nFor the configuration of the servers:\n")
        say("\n".join(_section(arguments, session, password)))
    except ClientException as error:
        reason = text_without_secrets(" ".join(str(error).split()))
        where = uri_without_secrets(auth_url)
        raise RegistrationFailed(f"Keystone at {where}: {reason}") from error


class _Registration:
    """The steps of one run. Each finds out what there is, and says what was done about it."""

    def __init__(
        self, arguments: argparse.Namespace, session: Session, say: Callable[[str], None]
    ) -> None:
        self._wanted = arguments
        self._session = session
        # The whole API is where tokens come from; what the catalogue says may not be reachable.
        self._keystone: Any = Client(session=session, interface=AUTH_INTERFACE)
        self._say = say
        self.changes = 0

    def run(self) -> str | None:
        """Take all steps; return the password of the service user, if it is known."""
        wanted, keystone = self._wanted, self._keystone
        service = self._ensure(
            f"service {SERVICE_TYPE}",
            keystone.services,
            {"type": SERVICE_TYPE},
            {"name": SERVICE_NAME, "enabled": True},
        )
        for interface in INTERFACES:
            if url := getattr(wanted, f"{interface}_url"):
                self._ensure(
                    f"{interface} endpoint in {wanted.region}",
                    keystone.endpoints,
                    {"service": service, "interface": interface, "region": wanted.region},
                    {"url": url, "enabled": True},
                )
        domain = self._find(f"domain {wanted.domain}", keystone.domains, {"name": wanted.domain})
        if domain is None:
            raise RegistrationFailed(f"Keystone has no domain {wanted.domain}; see --domain")
        project = self._ensure(
            f"project {wanted.project}",
            keystone.projects,
            {"name": wanted.project, "domain": domain},
            {"enabled": True},
        )
        role = self._ensure(f"role {wanted.role}", keystone.roles, {"name": wanted.role}, {})
        # The user comes last: what fails before it cannot lose the password that it was given.
        user, password = self._user(domain)
        self._grant(role, user, project)
        return password

    def _user(self, domain: Any) -> tuple[Any, str | None]:
        """Return the service user, with its password if that is known."""
        what, users = f"user {self._wanted.user}", self._keystone.users
        identity = {"name": self._wanted.user, "domain": domain}
        password = os.environ.get(PASSWORD_VARIABLE) or None
        if self._find(what, users, identity) is None:
            password = password or secrets.token_urlsafe(32)
            user = users.create(**identity, password=password)
            self._note(what, "created")
            return user, password
        user = self._ensure(what, users, identity, {"enabled": True})
        if password is not None and not self._is_password(user, password):
            users.update(user, password=password)
            self._note(f"password of {what}", f"set to that of {PASSWORD_VARIABLE}")
        return user, password

    def _is_password(self, user: Any, password: str) -> bool:
        try:
            Password(self._wanted.os_auth_url, user_id=user.id, password=password).get_access(
                self._session
            )
        except Unauthorized:
            return False
        return True

    def _grant(self, role: Any, user: Any, project: Any) -> None:
        wanted, roles = self._wanted, self._keystone.roles
        what = f"role {wanted.role} of user {wanted.user} in project {wanted.project}"
        try:
            roles.check(role, user=user, project=project)
        except NotFound:
            roles.grant(role, user=user, project=project)
            self._note(what, "granted")
        else:
            self._say(f"{what}: as it was")

    def _ensure(
        self, what: str, manager: Any, identity: dict[str, Any], attributes: dict[str, Any]
    ) -> Any:
        """Make sure that there is a resource of this identity with these attributes."""
        found = self._find(what, manager, identity)
        if found is None:
            found = manager.create(**identity, **attributes)
            told = [f"with {name} {each}" for name, each in attributes.items() if each is not True]
            self._note(what, " ".join(["created", *told]))
            return found
        before = {name: getattr(found, name) for name in attributes}
        different = {name: each for name, each in attributes.items() if each != before[name]}
        if not different:
            self._say(f"{what}: as it was")
            return found
        found = manager.update(found, **different)
        for name, value in different.items():
            self._note(what, f"{name} changed from {before[name]} to {value}")
        return found

    def _find(self, what: str, manager: Any, identity: dict[str, Any]) -> Any:
        found = manager.list(**identity)
        if len(found) > 1:
            raise RegistrationFailed(
                f"Keystone has {len(found)} times a {what}; remove all but one, and run this again"
            )
        return found[0] if found else None

    def _note(self, what: str, change: str) -> None:
        self.changes += 1
        self._say(f"{what}: {change}")


def _section(
    arguments: argparse.Namespace, session: Session, password: str | None
) -> Iterator[str]:
    """Give the lines by which servers ask who clients are, and introduce themselves to Keystone."""
    public = session.get_endpoint(service_type="identity", interface="public")
    yield "[DEFAULT]"
    yield "auth_strategy = keystone"
    yield ""
    yield "[keystone_authtoken]"
    yield f"www_authenticate_uri = {public or arguments.os_auth_url}"
    yield f"auth_url = {arguments.os_auth_url}"
    yield "auth_type = password"
    yield f"username = {_in_a_file(arguments.user)}"
    yield f"user_domain_name = {_in_a_file(arguments.domain)}"
    if password is None:
        yield f"# The password is as it was. To set another, run this with {PASSWORD_VARIABLE}."
        yield "# password ="
    else:
        yield f"password = {_in_a_file(password)}"
    yield f"project_name = {_in_a_file(arguments.project)}"
    yield f"project_domain_name = {_in_a_file(arguments.domain)}"
    yield f"service_type = {SERVICE_TYPE}"
    if session.verify is False:
        yield "insecure = true"
    elif isinstance(session.verify, str):
        yield f"cafile = {_in_a_file(os.path.abspath(session.verify))}"


def _in_a_file(value: str) -> str:
    """Write a value so that oslo.config reads it as it is."""
    value = value.replace("$", "$$")
    return f'"{value}"' if value.strip("\"' \t") != value else value


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        proper = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        proper = False
    if not proper or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError(f"{text!r} is not a URL such as https://queue.example.com")
    return text.rstrip("/")
