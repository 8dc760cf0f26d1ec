"""`python -m tests.keystone up`: a Keystone to try things with, until Ctrl-C."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.keystone.server import ADMIN, INSTALLED, MISSING, KeystoneServer
from tests.support import keeper, up

_OPENRC = f"""\
export OS_AUTH_URL={{url}}
export OS_IDENTITY_API_VERSION=3
export OS_USERNAME={ADMIN}
export OS_PASSWORD={ADMIN}
export OS_USER_DOMAIN_NAME=Default
export OS_PROJECT_NAME={ADMIN}
export OS_PROJECT_DOMAIN_NAME=Default"""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.keystone",
        description="Runs a Keystone on this machine, for tests and trials.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "up",
        help="run a Keystone until Ctrl-C",
        description="Starts a Keystone, prints the variables of its administrator as an openrc "
        "file sets them, and runs until Ctrl-C. Then all that was stored in it is removed.",
    )
    parser.parse_args()
    if not INSTALLED:
        sys.stderr.write(f"{MISSING}\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="keystone-", dir=keeper.run_folder()) as folder:
        return up.run(KeystoneServer(Path(folder)), lambda running: _OPENRC.format(url=running.url))


if __name__ == "__main__":
    sys.exit(main())
