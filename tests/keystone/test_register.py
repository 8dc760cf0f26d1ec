"""`marconi-server register` against a real Keystone: what it does, and that it does it once."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.docs.markdown import page
from tests.keystone.authenticated import Client, serve
from tests.keystone.identity import Identity, Project
from tests.keystone.server import ADMIN, KeystoneServer
from tests.support.command import run

pytestmark = pytest.mark.measured

PAGE = "docs/operations/register.md"

PUBLIC = "http://127.0.0.1:8888"

Register = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def _empty_catalogue(keystone: KeystoneServer, identity: Identity) -> None:
    for service in services(identity):
        identity.call("DELETE", f"/services/{service['id']}")


@pytest.fixture
def names() -> dict[str, str]:
    """Give fresh names to all that is made, as flags."""
    return {name: f"{name}-{uuid4().hex}" for name in ("user", "project", "region")}


@pytest.fixture
def register(
    identity: Identity, names: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Register:
    """Run the command as the administrator, with a public URL; `env` adds variables."""
    for name in os.environ:
        if name.startswith("OS_"):
            monkeypatch.delenv(name)
    variables = {
        "OS_AUTH_URL": identity.url,
        "OS_USERNAME": ADMIN,
        "OS_PASSWORD": ADMIN,
        "OS_PROJECT_NAME": ADMIN,
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "NO_PROXY": "127.0.0.1",
    }
    flags = [f"--{name}={value}" for name, value in names.items()]

    def register(*more: str, **env: str) -> "subprocess.CompletedProcess[str]":
        arguments = ["register", f"--public-url={PUBLIC}", *flags, *more]
        return run(*arguments, env={**variables, **env})

    return register


def services(identity: Identity) -> Any:
    return identity.call("GET", "/services?type=queuing")["services"]


def endpoints(identity: Identity, region: str) -> dict[str, str]:
    found = identity.call("GET", f"/endpoints?region_id={region}")["endpoints"]
    urls = {each["interface"]: each["url"] for each in found}
    assert len(urls) == len(found)
    return urls


def steps(done: "subprocess.CompletedProcess[str]") -> dict[str, str]:
    """Return what was done about what."""
    assert (done.returncode, done.stderr) == (0, "")
    lines, _, _ = done.stdout.partition("\n\n")
    return dict(line.split(": ", 1) for line in lines.splitlines() if ": " in line)


def section(done: "subprocess.CompletedProcess[str]") -> str:
    """Return what is to be pasted."""
    assert (done.returncode, done.stderr) == (0, "")
    _, head, rest = done.stdout.partition("[DEFAULT]\n")
    return head + rest


def failure(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    return line


# What it does


def test_it_creates_what_is_missing_and_then_nothing(
    register: Register, identity: Identity, names: dict[str, str]
) -> None:
    user, project, region = names.values()
    role = f"role-{uuid4().hex}"
    flags = [f"--role={role}", f"--internal-url={PUBLIC}/"]
    granted = f"role {role} of user {user} in project {project}"
    assert steps(register(*flags)) == {
        "service queuing": "created with name marconi",
        f"public endpoint in {region}": f"created with url {PUBLIC}",
        f"internal endpoint in {region}": f"created with url {PUBLIC}",
        f"project {project}": "created",
        f"role {role}": "created",
        f"user {user}": "created",
        granted: "granted",
    }
    before = services(identity), endpoints(identity, region)
    assert before[1] == {"public": PUBLIC, "internal": PUBLIC}
    again = register(*flags)
    assert set(steps(again).values()) == {"as it was"}
    assert steps(again).keys() >= {"service queuing", f"user {user}", granted}
    assert "Everything was in place, nothing was changed.\n" in again.stdout
    assert (services(identity), endpoints(identity, region)) == before


def test_it_updates_what_is_different_and_nothing_else(
    register: Register, identity: Identity, names: dict[str, str]
) -> None:
    region = names["region"]
    steps(register("--admin-url=http://127.0.0.1:3"))
    ((service),) = services(identity)
    changed = {"name": "zaqar", "enabled": False}
    identity.call("PATCH", f"/services/{service['id']}", {"service": changed})
    done = register("--public-url=https://queue.example.com")
    differences = {what: did for what, did in steps(done).items() if did != "as it was"}
    assert "nothing was changed" not in done.stdout
    assert differences == {
        "service queuing": "enabled changed from False to True",
        f"public endpoint in {region}": f"url changed from {PUBLIC} to https://queue.example.com",
    }
    assert "service queuing: name changed from zaqar to marconi\n" in done.stdout
    assert endpoints(identity, region) == {
        "public": "https://queue.example.com",
        "admin": "http://127.0.0.1:3",
    }
    ((service),) = services(identity)
    assert (service["name"], service["enabled"]) == ("marconi", True)


def test_regions_are_apart(register: Register, identity: Identity, names: dict[str, str]) -> None:
    steps(register())
    other = f"region-{uuid4().hex}"
    done = steps(register(f"--region={other}", "--public-url=http://127.0.0.1:2"))
    assert done[f"public endpoint in {other}"] == "created with url http://127.0.0.1:2"
    assert endpoints(identity, names["region"]) == {"public": PUBLIC}
    assert endpoints(identity, other) == {"public": "http://127.0.0.1:2"}


def test_who_runs_it_may_be_said_with_flags(register: Register, identity: Identity) -> None:
    flags = [f"--os-auth-url={identity.url}", "--os-username=admin", "--os-password=admin"]
    assert steps(register(*flags, OS_AUTH_URL="", OS_USERNAME="x", OS_PASSWORD=""))


def test_the_administrator_of_the_system_may_run_it(register: Register) -> None:
    assert steps(register(OS_PROJECT_NAME="", OS_PROJECT_DOMAIN_NAME="", OS_SYSTEM_SCOPE="all"))


# The section, and the password in it


def test_the_section_works_when_pasted(
    register: Register, identity: Identity, project: Project, token: str, tmp_path: Path
) -> None:
    config = (
        "[drivers]\nstorage = sqlite\n"
        f"[drivers:storage:sqlite]\ndatabase = {tmp_path}/marconi.db\n{section(register())}"
    )
    with serve(tmp_path, config, token, workers=1) as server:
        assert Client(server.url, token).status("PUT", "/v1/queues/q") == 201
        assert Client(server.url, "nonsense").status("PUT", "/v1/queues/q") == 401
        server.stop()
        checked = run("check", "--config-file", str(server.config_file))
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_page_shows_such_a_section(register: Register) -> None:
    (shown,) = (block.text for block in page(PAGE).blocks() if block.language == "ini")
    assert names_in(section(register())) == names_in(shown)


def names_in(section: str) -> list[str]:
    return [line.partition(" = ")[0] for line in section.splitlines()]


def test_the_password_is_made_and_shown_once(register: Register) -> None:
    first, second = section(register()), section(register())
    (password,) = (line for line in first.splitlines() if line.startswith("password = "))
    assert len(password) > 40
    assert password not in second
    assert "\n# password =\n" in second
    assert first.splitlines()[0:5] == second.splitlines()[0:5]


def test_the_password_may_be_chosen_and_changed(register: Register, names: dict[str, str]) -> None:
    item = f"password of user {names['user']}"
    assert steps(register(MARCONI_SERVICE_PASSWORD="first"))[f"user {names['user']}"] == "created"
    done = register(MARCONI_SERVICE_PASSWORD="first")
    assert "nothing was changed" in done.stdout
    assert "\npassword = first\n" in done.stdout
    done = register(MARCONI_SERVICE_PASSWORD='"second$"')
    assert steps(done)[item] == "set to that of MARCONI_SERVICE_PASSWORD"
    assert '\npassword = ""second$$""\n' in done.stdout
    assert "nothing was changed" in register(MARCONI_SERVICE_PASSWORD='"second$"').stdout


def test_the_section_says_how_keystone_is_trusted(register: Register, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    assert section(register(f"--os-cacert={bundle}")).endswith(f"\ncafile = {bundle}\n")
    assert section(register("--insecure")).endswith("\ninsecure = true\n")


# What can go wrong


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"OS_PASSWORD": "wrong"}, "(HTTP 401)"),
        ({"OS_AUTH_URL": "http://127.0.0.1:1/v3"}, "Keystone at http://127.0.0.1:1/v3: Unable to"),
        ({"OS_AUTH_URL": ""}, "where is Keystone? Set OS_AUTH_URL, or give --os-auth-url"),
        ({"OS_AUTH_TYPE": "magic"}, "The plugin magic could not be found"),
        ({"OS_AUTH_TYPE": "none"}, "where is Keystone?"),
        ({"OS_CACERT": "/nowhere"}, "/nowhere cannot be read; see --os-cacert"),
        ({"OS_CERT": "/nowhere"}, "/nowhere cannot be read; see --os-cert"),
    ],
)
def test_a_wrong_environment(register: Register, env: dict[str, str], words: str) -> None:
    done = register(**env)
    assert words in failure(done)
    assert done.stdout == ""


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8888", "ftp://a", "http://", "http://a:b", "http://a?b"]
)
def test_a_wrong_url(url: str) -> None:
    line = failure(run("register", f"--public-url={url}"))
    assert f"argument --public-url: {url!r} is not a URL such as https://" in line


def test_the_public_url_is_needed() -> None:
    assert "the following arguments are required: --public-url" in failure(run("register"))


def test_it_stands_first() -> None:
    assert "write marconi-server register first" in failure(run("--workers=1", "register"))


def test_an_unknown_domain(register: Register) -> None:
    assert failure(register("--domain=nowhere")).endswith(
        "Keystone has no domain nowhere; see --domain"
    )


def test_who_has_no_right_to_it(register: Register, identity: Identity, project: Project) -> None:
    user = identity.user(member=project)
    done = register(OS_USERNAME=user.name, OS_PASSWORD=user.password, OS_PROJECT_NAME=project.name)
    assert "(HTTP 403)" in failure(done)
    assert services(identity) == []


def test_two_services_of_the_type(register: Register, identity: Identity) -> None:
    for name in ("marconi", "zaqar"):
        service = {"type": "queuing", "name": name}
        identity.call("POST", "/services", {"service": service})
    assert "Keystone has 2 times a service queuing; remove" in failure(register())


def test_keystone_hangs(register: Register, keystone: KeystoneServer) -> None:
    keystone.freeze()
    assert failure(register("--timeout=0.2")).endswith(" timed out")
