"""Some `mongod` processes on this machine, for as long as a block of code runs."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.mongodb.deployment import Deployment
from tests.mongodb.member import Member
from tests.support import keeper
from tests.support.block import ForABlock


class Servers(Deployment, ForABlock):
    """A deployment of processes of our own.

    At the end of its block its processes are killed and its files removed; if the run is killed,
    its keeper does that.
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
        `parent` is where that folder is, by default with what the keeper removes.
        `cache_gb` is the memory of each member for data, in gigabytes.
        """
        parent = parent or keeper.run_folder()
        self._folder = Path(tempfile.mkdtemp(prefix="mongodb-", dir=parent))
        more = options(self._folder)
        self.members = [
            Member(program, self._folder / f"member{number}", more, cache_gb=cache_gb)
            for number in range(1, members + 1)
        ]
        super().__init__(uri(",".join(member.address for member in self.members)))

    def start(self) -> None:
        """Start all members, and make them ready for use."""
        for member in self.members:
            member.start()
        self._prepare()

    def close(self) -> None:
        """Kill all members and remove their files."""
        for member in self.members:
            member.close()
        shutil.rmtree(self._folder)

    def _prepare(self) -> None:
        """Make what runs ready for use; a single server is."""


class Standalone(Servers):
    """One server that is no member of a replica set."""

    def __init__(self, program: Path) -> None:
        super().__init__(program, 1, uri="mongodb://{}".format)
