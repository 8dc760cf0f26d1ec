"""Stays beside the servers of a run, and removes them and their files when the run is over.

It is told so by the end of its standard input. That comes also when the run is killed, and not
before all servers that it was just starting can be seen: until then each of them holds the pipe.
"""

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path


def servers(folder: str) -> list[int]:
    """Return the process ids of the servers whose data lies in the folder."""
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended meanwhile, or it is none of ours
            words = command.read_bytes().split(b"\0")
            if b"--dbpath" in words:
                data = words[words.index(b"--dbpath") + 1]
                if os.path.dirname(data) == folder.encode():
                    found.append(int(command.parent.name))
    return found


def main(folder: str) -> None:
    sys.stdin.buffer.read()
    while running := servers(folder):
        for process in running:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.01)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(sys.argv[1])
