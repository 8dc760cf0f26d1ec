"""One `mongod` process."""

import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from tests.support.process import Process
from tests.support.waiting import PATIENCE

HOST = "127.0.0.1"

START_SECONDS = PATIENCE
"""Bound of the wait for a server that starts; a start takes about half a second."""

ANSWER_SECONDS = 2.0
"""How long a member gets to answer a command before it counts as frozen or dead."""


class Member(Process):
    """A `mongod` with its data and log in a folder of its own, on a port that stays its own."""

    def __init__(
        self, program: Path, folder: Path, options: Sequence[str], *, cache_gb: float
    ) -> None:
        self.credentials: dict[str, Any] = {}
        """Who its clients are, as pymongo's options; nobody, if anybody may do anything."""
        self._frozen = False
        # Bound for as long as the member exists, also while it is killed, so that nobody else is
        # given the port. Two sockets may share one if only one of them listens.
        self._port_holder = socket.socket()
        self._port_holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._port_holder.bind((HOST, 0))
        self.port: int = self._port_holder.getsockname()[1]
        super().__init__(repr(self), folder.with_suffix(".log"))
        self._folder = folder
        folder.mkdir()
        self._command = [
            str(program),
            *options,
            *("--dbpath", str(folder)),
            *("--logpath", str(self._log_file), "--logappend", "--quiet"),
            *("--bind_ip", HOST, "--port", str(self.port), "--nounixsocket"),
            *("--wiredTigerCacheSizeGB", str(cache_gb), "--oplogSize", "256"),
            *("--setParameter", "enableTestCommands=1"),  # for failCommand
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        ]

    def __repr__(self) -> str:
        return f"Member({self.address})"

    @property
    def address(self) -> str:
        """Host and port, as the replica set names it."""
        return f"{HOST}:{self.port}"

    @property
    def runs(self) -> bool:
        """Whether the server was started, and neither killed nor frozen since."""
        return super().runs and not self._frozen

    @contextmanager
    def client(self) -> Iterator[MongoClient[dict[str, Any]]]:
        """Give a client that talks to this member alone, whatever its state is."""
        milliseconds = int(ANSWER_SECONDS * 1000)
        with MongoClient[dict[str, Any]](
            HOST,
            self.port,
            directConnection=True,
            serverSelectionTimeoutMS=milliseconds,
            connectTimeoutMS=milliseconds,
            socketTimeoutMS=milliseconds,
            **self.credentials,
        ) as client:
            yield client

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        self._spawn(self._command)
        self.wait_until(self._listens, START_SECONDS, "does not listen")

    def replace(self) -> None:
        """Kill the server and start it as a new one, which has to copy all data from others."""
        self.kill()
        shutil.rmtree(self._folder)
        self._folder.mkdir()
        self.start()

    def kill(self) -> None:
        """End the server with SIGKILL, also a frozen one."""
        super().kill()
        self._frozen = False

    def freeze(self) -> None:
        """Stop the server in its tracks: it keeps its connections and is silent."""
        super().freeze()
        self._frozen = True

    def thaw(self) -> None:
        """Let a frozen server go on."""
        super().thaw()
        self._frozen = False

    def close(self) -> None:
        """End the server, and give the port back."""
        self.kill()
        self._port_holder.close()

    def _listens(self) -> bool:
        try:
            socket.create_connection((HOST, self.port), timeout=ANSWER_SECONDS).close()
        except OSError:
            return False
        return True
