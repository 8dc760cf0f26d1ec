"""A real Keystone: SQLite, Fernet tokens and gunicorn on loopback, all in one folder.

It is a process of its own, with a configuration of its own for everything, so neither its
warnings nor its settings reach the tests.
"""

import base64
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import sysconfig
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from tests.support.process import Process
from tests.support.waiting import PATIENCE

START_SECONDS: Final = PATIENCE
"""Bound of the wait for a start, which takes about three seconds, and eight the first time."""

ADMIN: Final = "admin"
"""Name, password and project of the administrator."""

INSTALLED: Final = importlib.util.find_spec("keystone") is not None

MISSING: Final = "Keystone is not installed: pip install -e '.[keystone]'"

_MANAGE = os.path.join(sysconfig.get_path("scripts"), "keystone-manage")

# Each validation takes 300 ms without the cache, which is one for each process; hence one worker.
# And hence one request at a time: of two that log the same user in, SQLite fails one.
_CONFIGURATION = """\
[database]
connection = sqlite:///{folder}/keystone.db
[fernet_tokens]
key_repository = {folder}/keys
[fernet_receipts]
key_repository = {folder}/keys
[credential]
key_repository = {folder}/keys
[cache]
enabled = true
backend = dogpile.cache.memory
[identity]
password_hash_rounds = 4
"""

# Keystone reads the command line of the process that loads it, hence gunicorn gets none.
_GUNICORN = """\
wsgi_app = "keystone.wsgi.api:application"
bind = "127.0.0.1:{port}"
workers = 1
control_socket_disable = True


def pre_request(worker, request):
    worker.log.info("REQUEST %s %s", request.method, request.path)
"""


class KeystoneServer(Process):
    """A Keystone whose files are in a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__("Keystone", folder / "keystone.log")
        self._folder = folder
        self._port = 0
        # Nothing of the environment is Keystone's: it would take options from OS_ variables.
        self._environment = {
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            "OS_KEYSTONE_CONFIG_DIR": str(folder),
            "GUNICORN_CMD_ARGS": shlex.join(["--config", str(folder / "settings.py")]),
            "PYTHONWARNINGS": "ignore",
        }

    @property
    def url(self) -> str:
        """The URL of the v3 API."""
        return f"http://127.0.0.1:{self._port}/v3"

    def start(self) -> None:
        """Start it and wait until it answers; do nothing if it runs."""
        if not self._port:
            self._install()
        elif not self.runs:
            self._launch()
            self.wait_until(self._answers, START_SECONDS, "does not answer")

    def stop(self) -> None:
        """End it at once, frozen or not, if it runs: from now on connections are refused."""
        self.kill()

    def validations(self) -> int:
        """How often it was asked about a token so far."""
        return self.log().count("REQUEST GET /v3/auth/tokens")

    def _install(self) -> None:
        """Make the configuration, the keys and the database, and start."""
        keys = self._folder / "keys"
        keys.mkdir(mode=0o700)
        for name in "01":
            (keys / name).write_bytes(base64.urlsafe_b64encode(os.urandom(32)))
        (self._folder / "keystone.conf").write_text(_CONFIGURATION.format(folder=self._folder))
        self._launch()
        self._manage("db_sync")  # while it starts
        self.wait_until(self._answers, START_SECONDS, "does not answer")
        self._manage(
            *("bootstrap", "--bootstrap-username", ADMIN, "--bootstrap-password", ADMIN),
            *("--bootstrap-project-name", ADMIN, "--bootstrap-region-id", "RegionOne"),
            *("--bootstrap-public-url", self.url, "--bootstrap-internal-url", self.url),
        )

    def _launch(self) -> None:
        (self._folder / "settings.py").write_text(_GUNICORN.format(port=self._port))
        seen = len(self.log())
        gunicorn = [sys.executable, "-m", "gunicorn"]
        self._spawn(gunicorn, environment=self._environment, cwd=self._folder)
        self.wait_until(lambda: self._listens(seen), START_SECONDS, "does not listen")

    def _listens(self, seen: int) -> bool:
        found = re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", self.log()[seen:])
        if found is not None:
            self._port = int(found[1])
        return found is not None

    def _manage(self, *arguments: str) -> None:
        done = subprocess.run(
            [_MANAGE, "--config-file", str(self._folder / "keystone.conf"), *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def _answers(self) -> bool:
        # A worker that does not come up takes connections and never answers: ask with a bound.
        connection = HTTPConnection("127.0.0.1", self._port, timeout=START_SECONDS)
        try:
            connection.request("GET", "/v3")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()
