"""`python -m bench`: the command, and those that begin with a word of their own."""

import signal
import sys
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from bench import contest, endurance, growth, profile, publish
from bench.options import FAILED, Unfit
from bench.servers import BenchError

COMMANDS: Final[dict[str, Callable[[Sequence[str]], int]]] = {
    "growth": growth.main,
    "endurance": endurance.main,
    "profile": profile.main,
    "report": publish.main,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status.

    :raises SystemExit: argparse ends the process in this way
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    command: Callable[[Sequence[str]], int] = contest.main
    if arguments and arguments[0] in COMMANDS:
        command = COMMANDS[arguments.pop(0)]
    try:
        return command(arguments)
    except (Unfit, BenchError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return FAILED


def _terminate(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    # Also when it is told to stop, it ends its servers first.
    signal.signal(signal.SIGTERM, _terminate)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
