"""What clients claim with `X-Forwarded-For` and `X-Forwarded-Proto`, on a live server."""

from pathlib import Path

import pytest
import requests

from tests.support.command import refusal
from tests.support.live import LiveServer

CLAIM = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}


@pytest.mark.parametrize(
    ("trusted", "client"),
    [("", "127.0.0.1"), ("192.0.2.1", "127.0.0.1"), ("192.0.2.1, 127.0.0.0/8", "203.0.113.9")],
)
def test_the_access_log_believes_trusted_proxies_only(
    trusted: str, client: str, tmp_path: Path
) -> None:
    text = f"[drivers:transport:wsgi]\naccess_log = true\ntrusted_proxies = {trusted}\n"
    with LiveServer(tmp_path, config=text, workers=1) as server:
        requests.get(f"{server.url}/v1/health?claims", headers=CLAIM, timeout=60)
        server.stop()
    assert f' {client} "GET /v1/health?claims" 204 ' in server.log()


@pytest.mark.parametrize("trusted", ["proxy.example", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.1 ::1"])
def test_what_is_no_network_is_refused(trusted: str, tmp_path: Path) -> None:
    file = tmp_path / "marconi.conf"
    file.write_text(f"[drivers:transport:wsgi]\ntrusted_proxies = {trusted}\n")
    line = refusal("--embedded", str(tmp_path / "marconi.db"), "--config-file", str(file))
    assert f"{file}: option trusted_proxies of [drivers:transport:wsgi] is {trusted!r}" in line
    assert "addresses and networks, separated by commas" in line
