"""Style, types and the pages: what the environments `lint` and `docs` of tox run is run here, too.

Beside the other tests it costs hardly any time.
"""

import configparser
import os
import subprocess
import sysconfig

import pytest

from tests.docs.markdown import CHECKOUT

SECONDS = {"mypy": 40, "sphinx-build": 20}
"""How long it takes, where it takes long."""


def commands() -> list[str]:
    """Return the commands of both environments."""
    tox = configparser.ConfigParser()
    tox.read(CHECKOUT / "tox.ini")
    return [
        command
        for environment in ("lint", "docs")
        for command in tox[f"testenv:{environment}"]["commands"].strip().splitlines()
    ]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(command, marks=pytest.mark.seconds(SECONDS.get(command.split()[0], 1)))
        for command in commands()
    ],
)
def test_it_has_nothing_to_say(command: str) -> None:
    name, *arguments = command.split()
    program = os.path.join(sysconfig.get_path("scripts"), name)
    if not os.path.exists(program):
        missing = f"{name} is not installed: pip install -e '.[lint,docs]'"
        (pytest.fail if "CI" in os.environ else pytest.skip)(missing)
    done = subprocess.run(
        [program, *arguments],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
