"""The address of the server: who reaches it, and how it is told."""

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from marconi_server.config.options import Address, SettingsError
from marconi_server.config.settings import Wsgi
from marconi_server.server.address import is_local, resolve, url


@pytest.mark.parametrize(
    ("bind", "local"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("localhost", True),
        ("::1", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("0", False),
        ("::", False),
        ("192.0.2.1", False),
    ],
)
def test_who_reaches_it(bind: str, local: bool) -> None:
    assert is_local(Wsgi(bind=Address.parse(bind))) == local


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(SettingsError, match="neither an address nor a known host name"):
        resolve(Wsgi(bind=Address("[::1]:80")))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (("127.0.0.1", 80), "http://127.0.0.1:80"),
        (("0.0.0.0", 80), "http://127.0.0.1:80"),
        (("::", 80, 0, 0), "http://[::1]:80"),
        (("fe80::1", 80, 0, 1), "http://[fe80::1%lo]:80"),
        (("fe80::1", 80, 0, 2**30), "http://[fe80::1]:80"),  # the interface is gone
    ],
)
def test_how_it_is_told(name: tuple[Any, ...], expected: str) -> None:
    listener = cast(socket.socket, SimpleNamespace(getsockname=lambda: name))
    assert url(listener, "http") == expected


def link_local() -> str | None:
    """Find an address of this machine that means something on one of its networks only."""
    for line in Path("/proc/net/if_inet6").read_text().splitlines():
        digits, *_, interface = line.split()
        if digits.startswith("fe80"):
            address = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(digits))
            return f"{address}%{interface}"
    return None


@pytest.mark.skipif(link_local() is None, reason="this machine has no link-local address")
def test_an_address_with_a_zone_is_told_with_it() -> None:
    bind = link_local()
    assert bind is not None
    family, address = resolve(Wsgi(bind=Address.parse(bind), port=0))
    with socket.create_server(address, family=family) as listener:
        assert url(listener, "https") == f"https://[{bind}]:{listener.getsockname()[1]}"
