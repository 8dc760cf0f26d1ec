"""Some `mongod` processes on this machine, for as long as a block of code runs."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.mongodb import keeper
from tests.mongodb.deployment import Deployment
from tests.mongodb.member import START_SECONDS, Member


class Servers(Deployment):
    """A deployment of processes of our own, with a keeper that sees to their end.

    As a context manager it is ready when the block begins. At the end, also when the run is
    killed, its processes are killed and its files removed.
    """

    def __init__(
        self,
        program: Path,
        members: int,
        *,
        uri: Callable[[str], str],
        options: Callable[[Path], Sequence[str]] = lambda _: (),
        parent: Path | None = None,
        cache_gb: float = 0.25,
    ) -> None:
        """`uri` makes a URI of the addresses of all members.

        `options` makes more options for each member; it is given the folder of all files.
        `parent` is where that folder is, by default with all temporary files.
        `cache_gb` is the memory of each member for data, in gigabytes.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="marconi-mongodb-", dir=parent))
        # -I -S: it needs nothing that is installed, and starts faster without.
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", keeper.__file__, str(self._folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        more = options(self._folder)
        self.members = [
            Member(program, self._folder / f"member{number}", more, cache_gb=cache_gb)
            for number in range(1, members + 1)
        ]
        super().__init__(uri(",".join(member.address for member in self.members)))

    def __enter__(self) -> Self:
        try:
            for member in self.members:
                member.start()
            self._prepare()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill all members and remove their files."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait(START_SECONDS)
        for member in self.members:
            member.close()

    def _prepare(self) -> None:
        """Make what runs ready for use; a single server is."""


class Standalone(Servers):
    """One server that is no member of a replica set."""

    def __init__(self, program: Path) -> None:
        super().__init__(program, 1, uri="mongodb://{}".format)
