"""The steps of the page about Keystone lead from nothing to a server that authenticates."""

import re
import subprocess
from pathlib import Path

from tests.docs.markdown import Block, page
from tests.keystone.authenticated import serve
from tests.keystone.identity import Identity, Project, User
from tests.keystone.server import ADMIN
from tests.support.live import COMMAND

PAGE = page("docs/operations/keystone.md")

SHOWN = "https://identity.example.com/v3"
"""Keystone, as the page calls it."""


def blocks(language: str) -> list[Block]:
    return [
        block
        for block in PAGE.blocks()
        if (block.language, block.heading) == (language, "Step by step")
    ]


def sh(command: str, **variables: str) -> str:
    """Run a command of the page as somebody would who has these variables set."""
    environment = {"PATH": f"{Path(COMMAND).parent}:/usr/bin:/bin", "NO_PROXY": "*", **variables}
    done = subprocess.run(
        ["sh", "-eu", "-c", command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_step_by_step(
    identity: Identity, tmp_path: Path, user: User, project: Project, token: str
) -> None:
    register, check, ask, ask_without = (block.text for block in blocks("sh"))
    of_check, of_ask, of_ask_without = (block.text for block in blocks("text"))
    (config,) = (block.text for block in blocks("ini"))
    admin = {
        "OS_AUTH_URL": identity.url,
        "OS_USERNAME": ADMIN,
        "OS_PASSWORD": ADMIN,
        "OS_PROJECT_NAME": ADMIN,
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "MARCONI_SERVICE_PASSWORD": "chosen",
    }
    printed = sh(register, **admin)
    section = printed[printed.index("[keystone_authtoken]") :]
    # What the command printed takes the place of what the page shows of it.
    head, _, shown = config.partition("[keystone_authtoken]")
    names = re.compile(r"^(\w+) = ", re.MULTILINE)
    assert sorted(names.findall(shown)) == sorted(names.findall(section))
    text = head.replace("/var/lib/marconi", str(tmp_path)) + section
    file = tmp_path / "marconi.conf"
    file.write_text(text)

    said = sh(check.replace("/etc/marconi/marconi.conf", str(file)))
    for line in of_check.replace(SHOWN, identity.url).splitlines():
        assert line in said.splitlines()

    with serve(tmp_path, text, token, workers=1) as server:
        whoever = {
            "OS_AUTH_URL": identity.url,
            "OS_USERNAME": user.name,
            "OS_PASSWORD": user.password,
            "OS_PROJECT_NAME": project.name,
            "URL": server.url,
        }
        assert sh(ask, **whoever).startswith(of_ask)
        refused = sh(ask_without, **whoever)
        for line in of_ask_without.replace(SHOWN, identity.url).splitlines():
            assert line in refused.splitlines()
        server.stop()
