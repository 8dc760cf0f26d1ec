"""The commands of the page on deploying, run as far as a machine for tests lets them."""

import os
import ssl
import stat
import subprocess
from pathlib import Path

import pytest

from marconi_server.config.load import load
from marconi_server.config.settings import Wsgi
from tests.docs.markdown import CHECKOUT, page
from tests.docs.test_readme import RUN
from tests.support.live import LiveServer
from tests.support.programs import find

PAGE = page("docs/operations/deploying.md")

FOLDERS = ("/etc/marconi", "/etc/haproxy", "/etc/nginx/conf.d")

NOT_HERE = ("systemctl", "journalctl", "useradd", "runuser", "ln", "apt-get", "docker")
"""What would change this machine. Of these, `test_service.py` runs all but the last two."""


def lines(heading: str, word: str) -> list[str]:
    """The command lines of a section that have a word in them."""
    blocks = [block for block in PAGE.blocks() if block.language == "sh"]
    text = "".join(block.text for block in blocks if block.heading == heading)
    found = [line for line in text.splitlines() if word in line]
    assert found, f"no {word} in {heading}"
    return found


class Machine:
    """A machine whose `/etc` is below a folder, and whose group marconi is ours."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in FOLDERS[1:]:
            self.path(folder).mkdir(parents=True)
        self.path("/etc").chmod(0o755)

    def path(self, name: str) -> Path:
        return Path(f"{self.root}{name}")

    def run(self, command: str) -> None:
        assert not any(word in command for word in (*NOT_HERE, "/opt/"))
        group = os.getgid()
        command = command.replace("-g marconi", f"-g {group}")
        command = command.replace("chgrp marconi", f"chgrp {group}")
        for folder in FOLDERS:
            command = command.replace(folder, str(self.path(folder)))
        subprocess.run(["sh", "-eu", "-c", command], check=True, timeout=60, cwd=CHECKOUT)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine")


def test_the_package_is_installed_as_the_readme_does_it() -> None:
    """Which the test of the README runs."""
    (command,) = lines("Install a node", "pip install")
    assert RUN.startswith(f"{command.replace('/opt/marconi', '.venv')} && ")
    (again,) = lines("Upgrade without a gap", "pip install")
    assert again in command


def test_the_configuration_is_for_the_server_alone(machine: Machine) -> None:
    for command in lines("Install a node", "-m 750 -g") + lines("Install a node", "-m 640"):
        machine.run(command)
    file = machine.path("/etc/marconi/marconi.conf")
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o750
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert load([str(file)], {("drivers", "storage"): "sqlite"}).wsgi == Wsgi()


def test_the_unit_is_where_the_page_says() -> None:
    (command,) = lines("Install a node", "etc/systemd/")
    assert (CHECKOUT / command.split()[3]).is_file()


def test_haproxy_is_content(machine: Machine) -> None:
    find("haproxy")
    for command in lines("A balancer in front", "/haproxy"):
        machine.run(command)
    assert "192.0.2." not in machine.path("/etc/haproxy/haproxy.cfg").read_text()


def test_nginx_is_content(machine: Machine) -> None:
    find("nginx")
    (edit,) = lines("A balancer in front", "conf.d")
    machine.run(edit)
    text = machine.path("/etc/nginx/conf.d/marconi.conf").read_text()
    assert "192.0.2." not in text
    # Debian's own file includes those in conf.d as this one does; logs shall stay below.
    log = machine.root / "access.log"
    machine.path("/etc/nginx/conf.d/marconi.conf").write_text(
        text.replace("/var/log/nginx/marconi.log", str(log))
    )
    main = machine.path("/etc/nginx/nginx.conf")
    main.write_text(
        f"pid {machine.root}/pid;\nevents {{}}\nhttp {{ include {main.parent}/conf.d/*.conf; }}\n"
    )
    (check,) = lines("A balancer in front", "nginx -t")
    machine.run(f"{check} -q -c {main}")


def test_a_node_is_asked_for_its_health(tmp_path: Path, machine: Machine) -> None:
    (once,) = lines("Install a node", "curl -i")
    (patiently,) = lines("Upgrade without a gap", "curl")
    with LiveServer(tmp_path, workers=1) as server:
        for command in (once, patiently):
            assert command.endswith("http://192.0.2.11:8888/v1/health")
            machine.run(command.replace("http://192.0.2.11:8888", server.url))
        server.stop()


def test_a_certificate_for_a_trial(tmp_path: Path, machine: Machine) -> None:
    machine.path("/etc/marconi").mkdir()
    for word in ("openssl", "chgrp", "chmod"):
        (command,) = lines("TLS", word)
        machine.run(command)
    folder = machine.path("/etc/marconi")
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o640
    text = f"cert_file = {folder}/cert.pem\nkey_file = {folder}/key.pem\n"
    with LiveServer(
        tmp_path, config=f"[drivers:transport:wsgi]\n{text}", workers=1, tls=trusting(folder)
    ) as server:
        assert server.url.startswith("https://")
        server.stop()


def trusting(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=folder / "cert.pem")


def test_the_limits_are_those_of_the_files() -> None:
    haproxy = (CHECKOUT / "etc" / "haproxy" / "haproxy.cfg").read_text()
    nginx = (CHECKOUT / "etc" / "nginx" / "marconi.conf").read_text()
    wsgi = Wsgi()
    for words in (
        f"nginx: 3 s) is below `keepalive` ({wsgi.keepalive} s)",
        f"`drain_timeout` ({wsgi.drain_timeout} s)",
        f"`graceful_timeout` ({wsgi.graceful_timeout} s)",
    ):
        assert words in PAGE.text
    assert "keepalive_timeout 3s;" in nginx
    assert wsgi.drain_timeout > 3
    assert "check inter 1s fall 2" in haproxy
    assert "timeout server 40s" in haproxy
    assert "proxy_read_timeout 40s;" in nginx
    assert f"timeout http-request {wsgi.request_timeout}s" in haproxy
    assert f"client_body_timeout {wsgi.request_timeout}s;" in nginx
    assert "timeout http-keep-alive 60s" in haproxy
    assert wsgi.keepalive > 60
    assert "client_max_body_size 1m;" in nginx
    assert "tune.bufsize 65536" in haproxy
    assert "proxy_buffer_size 16k;" in nginx  # twice what an answer can have


def test_what_is_not_run_is_what_cannot_be_run() -> None:
    words = ("openssl", "chgrp", "chmod", "curl", "haproxy", "nginx", "pip", "install", "sed")
    for block in PAGE.blocks():
        for command in block.text.splitlines() if block.language == "sh" else ():
            assert command.split()[0].rpartition("/")[2] in (*words, *NOT_HERE, "python3")
