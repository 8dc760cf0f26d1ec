"""By which names a server may be called: where it listens, and who passes the request on."""

from pathlib import Path

import pytest

from tests.support.command import refusal
from tests.support.live import LiveServer
from tests.support.wire import exchange


def status(server: LiveServer, host: str) -> int:
    """Ask on the address of the server, by another name."""
    request = f"GET /v1/queues HTTP/1.1\r\nHost: {host}\r\n\r\n"
    return exchange(server.port, request.encode()).status


@pytest.mark.parametrize(
    ("bind", "options", "strange", "trusted"),
    [
        ("127.0.0.1", "", 421, 421),
        ("localhost", "", 421, 421),
        ("0.0.0.0", "", 204, 204),
        ("127.0.0.1", "trusted_hosts = other.example, Queue.example", 421, 204),
        ("0.0.0.0", "trusted_hosts = queue.example", 421, 204),
        ("127.0.0.1", "trusted_proxies = 127.0.0.1", 204, 204),
        ("127.0.0.1", "trusted_hosts = queue.example\ntrusted_proxies = 127.0.0.0/8", 204, 204),
        ("127.0.0.1", "trusted_proxies = 192.0.2.1", 421, 421),
    ],
)
def test_the_binding_and_the_options_decide(
    bind: str, options: str, strange: int, trusted: int, tmp_path: Path
) -> None:
    config = f"[drivers:transport:wsgi]\nbind = {bind}\n{options}\n"
    with LiveServer(tmp_path, config=config, workers=1) as server:
        for host in ("127.0.0.1", "localhost", "[::1]", "192.0.2.7", "a.localhost"):
            assert status(server, f"{host}:{server.port}") == 204
            assert status(server, host) == 204
        assert status(server, "evil.example") == strange
        assert status(server, "queue.example") == trusted
        # HTTP/1.0 has no names.
        assert exchange(server.port, b"GET /v1/health HTTP/1.0\r\n\r\n").status == 204


@pytest.mark.parametrize(
    "names", ["queue.example:8888", "http://queue.example", "a b", "*", "a..b"]
)
def test_what_is_no_name_is_refused(names: str, tmp_path: Path) -> None:
    file = tmp_path / "marconi.conf"
    file.write_text(f"[drivers:transport:wsgi]\ntrusted_hosts = {names}\n")
    line = refusal("--embedded", str(tmp_path / "marconi.db"), "--config-file", str(file))
    assert f"{file}: option trusted_hosts of [drivers:transport:wsgi] is {names!r}" in line
    assert "names of hosts without ports, separated by commas" in line
