"""One `mongod` process."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymongo import MongoClient

HOST = "127.0.0.1"

START_SECONDS = 60.0
"""Bound of the wait for a server that starts; a start takes about half a second."""

ANSWER_SECONDS = 2.0
"""How long a member gets to answer a command before it counts as frozen or dead."""


class Member:
    """A `mongod` with its data and log in a folder of its own, on a port that stays its own."""

    def __init__(
        self, program: Path, folder: Path, options: Sequence[str], *, cache_gb: float
    ) -> None:
        self.credentials: dict[str, Any] = {}
        """Who its clients are, as pymongo's options; nobody, if anybody may do anything."""
        self._log_file = folder.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen = False
        # Bound for as long as the member exists, also while it is killed, so that nobody else is
        # given the port. Two sockets may share one if only one of them listens.
        self._port_holder = socket.socket()
        self._port_holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._port_holder.bind((HOST, 0))
        self.port: int = self._port_holder.getsockname()[1]
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
    def pid(self) -> int:
        """The process id of the server."""
        assert self._process is not None, f"{self} was never started"
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether the server was started, and neither killed nor frozen since."""
        return self._process is not None and self._process.poll() is None and not self._frozen

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
        assert self._process is None or self._process.returncode is not None, f"{self} still runs"
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the run, which then ends its servers
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._listens():
            assert self._process.poll() is None, f"{self} ended\n{self.log()}"
            assert time.monotonic() < deadline, f"{self} does not listen\n{self.log()}"
            time.sleep(0.02)

    def replace(self) -> None:
        """Kill the server and start it as a new one, which has to copy all data from others."""
        self.kill()
        shutil.rmtree(self._folder)
        self._folder.mkdir()
        self.start()

    def kill(self) -> None:
        """End the server with SIGKILL, also a frozen one."""
        self._signal(signal.SIGKILL)
        self._frozen = False
        self.wait()

    def freeze(self) -> None:
        """Stop the server in its tracks with SIGSTOP: it keeps its connections and is silent."""
        self._signal(signal.SIGSTOP)
        self._frozen = True

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._signal(signal.SIGCONT)
        self._frozen = False

    def wait(self) -> None:
        """Wait until the server has ended, if it ever ran."""
        if self._process is not None:
            self._process.wait(START_SECONDS)

    def close(self) -> None:
        """Wait until the server has ended, and give the port back."""
        self.wait()
        self._port_holder.close()

    def log(self) -> str:
        """What the server wrote to its log so far, over all its starts."""
        return self._log_file.read_text(errors="replace") if self._log_file.exists() else ""

    def _listens(self) -> bool:
        try:
            socket.create_connection((HOST, self.port), timeout=ANSWER_SECONDS).close()
        except OSError:
            return False
        return True

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, f"{self} was never started"
        self._process.send_signal(number)
