"""A real balancer, with the configuration that we ship, in front of nodes."""

import os
import socket
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from tests.support import keeper
from tests.support.process import Process
from tests.support.programs import find, free_port
from tests.support.waiting import PATIENCE

ETC = Path(__file__).parents[2] / "etc"

SECONDS = PATIENCE
"""Bound of the wait for a balancer that starts or stops."""


class Balancer(Process):
    """A balancer on a free port of 127.0.0.1, in front of nodes on other ports of it.

    The file that we ship is changed as its head tells an operator to: addresses, paths, and the
    lines that are there for TLS.

    certificate  a file with certificate and key: with it, clients come by TLS
    """

    program: ClassVar[str]
    shipped: ClassVar[Path]

    failures = (502, 503, 504)
    stops = True

    def __init__(self, folder: Path, nodes: Sequence[int], certificate: Path | None = None) -> None:
        super().__init__(self.program, folder / f"{self.program}.log")
        self.folder = folder
        self.port = 0
        self._command = find(self.program)
        self.nodes = nodes
        self.certificate = certificate

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.port = free_port()
        # nginx is known to the keeper by its folder alone.
        self._spawn([self._command, *self.arguments()], cwd=keeper.run_folder())
        self.wait_until(self._listens, SECONDS, "does not listen")

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"

    def access_log(self) -> str:
        """What it wrote about requests so far."""
        return self.log()

    @abstractmethod
    def arguments(self) -> list[str]:
        """Write the configuration and return how the program is told to use it."""

    def edited(self, edits: Mapping[str, str]) -> str:
        """Return the file that we ship with some of its text, and the nodes, changed."""
        nodes = {
            f"192.0.2.{number}:8888": f"127.0.0.1:{port}"
            for number, port in enumerate(self.nodes, 11)
        }
        text = self.shipped.read_text()
        for old, new in {**edits, **nodes}.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        return text

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS).close()
        except ConnectionRefusedError:
            return False
        return True


class HAProxy(Balancer):
    """HAProxy with `etc/haproxy/haproxy.cfg`."""

    program = "haproxy"
    shipped = ETC / "haproxy" / "haproxy.cfg"

    def arguments(self) -> list[str]:
        edits = {"/run/haproxy/admin.sock": "unix@admin.sock"}
        if self.certificate is None:
            edits |= {"bind :8888": f"bind 127.0.0.1:{self.port}"}
        else:
            edits |= {
                "bind :8888": f"bind 127.0.0.1:{free_port()}",
                "#bind :8889": f"bind 127.0.0.1:{self.port}",
                "/etc/haproxy/marconi.pem": str(self.certificate),
            }
        file = self.folder / "haproxy.cfg"
        file.write_text(self.edited(edits))
        return ["-db", "-f", str(file)]


class Nginx(Balancer):
    """nginx with `etc/nginx/marconi.conf`, included as Debian's own configuration does it."""

    program = "nginx"
    shipped = ETC / "nginx" / "marconi.conf"

    def arguments(self) -> list[str]:
        edits = {"/var/log/nginx/marconi.log": str(self.folder / "access.log")}
        if self.certificate is None:
            edits |= {"listen 8888": f"listen 127.0.0.1:{self.port}"}
        else:
            edits |= {
                "listen 8888": f"listen 127.0.0.1:{free_port()}",
                "#listen 8889": f"listen 127.0.0.1:{self.port}",
                "#ssl_protocols": "ssl_protocols",
                "#ssl_certificate /etc/nginx/marconi.pem": f"ssl_certificate {self.certificate}",
                "#ssl_certificate_key /etc/nginx/marconi.key": (
                    f"ssl_certificate_key {self.certificate}"
                ),
            }
        (self.folder / "marconi.conf").write_text(self.edited(edits))
        file = self.folder / "nginx.conf"
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = "".join(f"{kind}_temp_path {self.folder}/{kind};\n" for kind in kinds)
        user = "user root;\n" if os.geteuid() == 0 else ""  # who may read the folders of tests
        file.write_text(
            f"{user}daemon off;\npid {self.folder}/nginx.pid;\nerror_log stderr warn;\n"
            f"events {{}}\nhttp {{\n{paths}include {self.folder}/marconi.conf;\n}}\n"
        )
        return ["-c", str(file), "-e", "stderr"]

    def access_log(self) -> str:
        return (self.folder / "access.log").read_text()
