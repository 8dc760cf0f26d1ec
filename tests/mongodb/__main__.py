"""`python -m tests.mongodb up`: a MongoDB to try things with, until Ctrl-C."""

import argparse
import sys

from tests.mongodb import search
from tests.mongodb.replica_set import ReplicaSet
from tests.support import up


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mongodb",
        description="Runs a MongoDB replica set on this machine, for tests and trials.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    options = commands.add_parser(
        "up",
        help="run a replica set until Ctrl-C",
        description="Starts a replica set, prints its URI, and runs until Ctrl-C. "
        "Then all that was stored in it is removed.",
    )
    options.add_argument(
        "--members", type=int, default=1, choices=range(1, 8), metavar="N", help="by default one"
    )
    arguments = parser.parse_args()
    try:
        program = search.mongod()
    except search.NoMongoDB as missing:
        sys.stderr.write(f"{missing}\n")
        return 2
    return up.run(ReplicaSet(program, arguments.members), lambda running: running.uri)


if __name__ == "__main__":
    sys.exit(main())
