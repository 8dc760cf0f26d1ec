"""`python -m bench`: the command, and those that begin with a word of their own."""

import signal
import sys
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from bench import contest, endurance, growth, profile, publish

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
    if arguments and arguments[0] in COMMANDS:
        return COMMANDS[arguments[0]](arguments[1:])
    return contest.main(arguments)


def _terminate(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    # Also when it is told to stop, it ends its servers first.
    signal.signal(signal.SIGTERM, _terminate)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
