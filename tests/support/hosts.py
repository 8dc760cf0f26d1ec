"""Other WSGI hosts, run as the page on them says."""

import grp
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.message import Message
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final

from tests.docs.markdown import CHECKOUT, page
from tests.support.live import COMMAND
from tests.support.process import Process
from tests.support.programs import find, find_file, free_port, system_python
from tests.support.waiting import PATIENCE

PAGE: Final = page("docs/operations/wsgi-hosts.md")

SECONDS: Final = PATIENCE
"""Bound of every wait; a start or a stop takes a second or two."""

HERE: Final = "127.0.0.1:8888"
"""Where hosts listen according to the page."""

NAMES: Final = ("gthread", "sync", "uwsgi", "apache", "waitress", "granian")


class Host(Process):
    """A host that runs a command; it answers, whatever it answers."""

    stops = True

    def __init__(self, command: str, folder: Path, port: int) -> None:
        super().__init__("the host", folder / "log")
        self._command = command
        self.folder = folder
        self.port = port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def config_file(self) -> Path:
        """What the application is configured by."""
        return self.folder / "marconi.conf"

    def start(self) -> None:
        """Run the command and wait for an answer."""
        # Some hosts look for modules in the folder where they run.
        self._spawn(["sh", "-c", f"exec env {self._command}"], cwd=self.folder)
        self.wait_until(self.answers, SECONDS, "does not answer")

    def answers(self) -> bool:
        """Tell whether there is an answer to a request."""
        try:
            self.ask("GET", "/v1")
        except (OSError, HTTPException):
            return False
        return True

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        """Send a request on a connection of its own; return status and body of the answer."""
        status, _, content = self.answer(method, path, body, **headers)
        return status, content

    def answer(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, Message, bytes]:
        """Send a request and return status, headers and body of the answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, {"Client-ID": "tests", **sent})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()


@contextmanager
def host(name: str, home: Path | None = None, config: str = "") -> Iterator[Host]:
    """Run a host, with more configuration than its store. Apache needs a `home`.

    At the end there has to be no traceback in its log.
    """
    with tempfile.TemporaryDirectory(prefix=f"marconi-{name}-") as text:
        folder = Path(text)
        database = folder / "data" / "marconi.db"
        database.parent.mkdir()
        (folder / "marconi.conf").write_text(
            f"[drivers]\nstorage = sqlite\n[drivers:storage:sqlite]\ndatabase = {database}\n"
            + config
        )
        port = free_port()
        command = _apache(folder, port, home) if home else _command(name, folder, port)
        with Host(command, folder, port) as running:
            yield running
        assert "Traceback" not in running.log()


def blocks(heading: str, language: str) -> list[str]:
    """Return the blocks of the page below a heading."""
    return [
        each.text for each in PAGE.blocks() if (each.heading, each.language) == (heading, language)
    ]


def _replaced(text: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def _command(name: str, folder: Path, port: int) -> str:
    """Return the line of the page that runs a host."""
    headings = {"gthread": "gunicorn", "sync": "gunicorn", "uwsgi": "uWSGI"}
    *others, last = blocks(headings.get(name, name), "sh")
    line = others[0] if name == "gthread" else last.splitlines()[-1]
    changes = {"/opt/marconi/bin": str(Path(COMMAND).parent), "/etc/marconi": str(folder)}
    if name == "uwsgi":
        (text,) = blocks("uWSGI", "cfg")
        there = {HERE: f"127.0.0.1:{port}"}
        (folder / "uwsgi.ini").write_text(_replaced(text, there))
    elif HERE in line:
        changes[HERE] = f"127.0.0.1:{port}"
    else:
        changes["--port 8888"] = f"--port {port}"
    return _replaced(line, changes)


_MODULES: Final = "/usr/lib/apache2/modules"

# What comes before the page's part in the configuration of Debian, as far as it is needed.
_APACHE: Final = """
ServerName localhost
PidFile {folder}/pid
DefaultRuntimeDir {folder}
Mutex file:{folder}
ErrorLog /dev/stderr
User {user}
Group {group}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule wsgi_module {modules}/mod_wsgi.so
Include {folder}/site.conf
"""


def _apache(folder: Path, port: int, home: Path) -> str:
    """Write what the page says for Apache, and return the command that runs it in front."""
    program = find("apache2")
    user, group = _user()
    (script,) = blocks("Apache with mod_wsgi", "python")
    (site,) = blocks("Apache with mod_wsgi", "apache")
    (folder / "marconi.wsgi").write_text(_replaced(script, {"/etc/marconi": str(folder)}))
    changes = {
        HERE: f"127.0.0.1:{port}",
        "user=marconi group=marconi": f"user={user} group={group}",
        "python-home=/opt/marconi": f"python-home={home}",
        "/opt/marconi/marconi.wsgi": f"{folder}/marconi.wsgi",
        "<Directory /opt/marconi>": f"<Directory {folder}>",
    }
    (folder / "site.conf").write_text(_replaced(site, changes))
    values = {"folder": folder, "user": user, "group": group, "modules": _MODULES}
    (folder / "apache.conf").write_text(_APACHE.format(**values))
    folder.chmod(0o755)
    if os.geteuid() == 0:
        shutil.chown(folder / "data", user, group)
    return f"{program} -f {folder}/apache.conf -DFOREGROUND"


def _user() -> tuple[str, str]:
    """Return whom Apache runs the application as: it does not let root."""
    user = pwd.getpwnam("www-data") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    return user.pw_name, grp.getgrgid(user.pw_gid).gr_name


def install_for_apache(folder: Path) -> Path:
    """Install the package as in `/opt/marconi`, with the Python of the system: mod_wsgi has it."""
    find("apache2")
    find_file(f"{_MODULES}/mod_wsgi.so")
    python = system_python()
    folder.chmod(0o755)
    home, clone = folder / "marconi", folder / "clone"
    ignored = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__")
    shutil.copytree(CHECKOUT, clone, ignore=ignored)
    subprocess.run([python, "-m", "venv", "--without-pip", home], check=True)
    pip = [sys.executable, "-m", "pip", "--python", f"{home}/bin/python"]
    subprocess.run([*pip, "install", "--quiet", clone], check=True)
    return home
