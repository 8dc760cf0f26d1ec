"""A replica set on this machine, for as long as a block of code runs."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pymongo.errors import PyMongoError

from tests.mongodb.deployment import Client
from tests.mongodb.member import START_SECONDS, Member
from tests.mongodb.servers import Servers
from tests.support.waiting import wait_until

NAME = "marconi"

MEND_SECONDS = 15.0
"""How long a member that was killed or frozen gets to catch up; most take one or two."""

POLL_SECONDS = 0.05


class ReplicaSet(Servers):
    """A replica set of `mongod` processes on 127.0.0.1, made for faults.

    Elections are quick: a primary that is not heard of for one second is replaced.
    """

    def __init__(
        self,
        program: Path,
        members: int = 1,
        *,
        parent: Path | None = None,
        cache_gb: float = 0.25,
    ) -> None:
        """See `Servers`."""
        super().__init__(
            program,
            members,
            uri=f"mongodb://{{}}/?replicaSet={NAME}".format,
            options=self._options,
            parent=parent,
            cache_gb=cache_gb,
        )

    def _options(self, folder: Path) -> Sequence[str]:
        """Return what makes a server a member."""
        return ["--replSet", NAME]

    def primary(self) -> Member | None:
        """Return the member that is primary now, if there is one.

        Of several that think so (one was frozen, or cut off) it is the one elected last.
        """
        elections = {}
        for member in self.members:
            if not member.runs:
                continue
            with suppress(PyMongoError), member.client() as client:
                hello = client.admin.command("hello")
                if hello.get("isWritablePrimary"):
                    elections[hello["electionId"]] = member
        return elections[max(elections)] if elections else None

    def secondaries(self) -> list[Member]:
        """Return all members but the present primary."""
        primary = self.wait_for_primary()
        return [member for member in self.members if member is not primary]

    def wait_for_primary(
        self, seconds: float = START_SECONDS, other_than: Member | None = None
    ) -> Member:
        """Wait until there is a primary, which is not `other_than`, and return it."""
        primary = None

        def is_elected() -> bool:
            nonlocal primary
            primary = self.primary()
            return primary not in (None, other_than)

        wait_until(
            is_elected,
            lambda: f"no other primary than {other_than} was elected",
            seconds=seconds,
            pause=POLL_SECONDS,
        )
        assert primary is not None
        return primary

    def wait_until_complete(self, seconds: float = START_SECONDS) -> None:
        """Wait until one member is primary and all others follow it."""
        complete = ["PRIMARY"] + ["SECONDARY"] * (len(self.members) - 1)
        wait_until(
            lambda: sorted(self.states()) == complete,
            lambda: f"the members are {self.states()}",
            seconds=seconds,
            pause=POLL_SECONDS,
        )

    def mend(self) -> None:
        """Wait until all members are well, and replace those that do not become so.

        A member may have written what never reached a majority. When it comes back it takes
        that back, and in some releases of MongoDB it sometimes hangs in it (6.0.5 does).
        """
        deadline = time.monotonic() + MEND_SECONDS
        while time.monotonic() < deadline and set(self.states()) - {"PRIMARY", "SECONDARY"}:
            time.sleep(POLL_SECONDS)
        for member, state in zip(self.members, self.states(), strict=True):
            if state not in ("PRIMARY", "SECONDARY"):
                member.replace()
        self.wait_until_complete()

    def states(self) -> list[str]:
        """What the primary thinks of each member, in their order: PRIMARY, SECONDARY, ..."""
        with self._primary_client() as client:
            status = client.admin.command("replSetGetStatus")
        state = {member["name"]: str(member["stateStr"]) for member in status["members"]}
        return [state[member.address] for member in self.members]

    def step_down(self, seconds: int = 10) -> Member:
        """Let the primary step down, not to be primary again for some seconds; return it."""
        primary = self.wait_for_primary()
        with primary.client() as client:
            client.admin.command("replSetStepDown", seconds, secondaryCatchUpPeriodSecs=1)
        return primary

    @contextmanager
    def _primary_client(self) -> Iterator[Client]:
        with self.wait_for_primary().client() as client:
            yield client

    def _prepare(self) -> None:
        self._initiate()
        self.wait_until_complete()

    def _initiate(self) -> None:
        config: dict[str, Any] = {
            "_id": NAME,
            "members": [
                {"_id": number, "host": member.address}
                for number, member in enumerate(self.members)
            ],
            "settings": {
                "electionTimeoutMillis": 1000,
                "heartbeatIntervalMillis": 250,
                # Where secondaries copy from each other, one that freezes takes others with it,
                # and with them the majority, for more than ten seconds.
                "chainingAllowed": False,
            },
        }
        with self.members[0].client() as client:
            client.admin.command("replSetInitiate", config)
