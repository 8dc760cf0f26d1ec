"""Whom a request is from, when a proxy passed it on, or somebody only says so."""

import pytest

from marconi_server.api import origins
from marconi_server.config.options import Networks
from marconi_server.server.answers import Environ
from marconi_server.server.proxies import MOST_HOPS, Proxies

TRUSTED = Networks.parse("192.0.2.1, 10.0.0.0/8, 2001:db8::/32")


def unveiled(peer: str, sent: str | None, proto: str | None = None) -> tuple[str, str]:
    """Return client and scheme of a request that `peer` sent, with these two headers."""
    environ = {"wsgi.url_scheme": "http", "REMOTE_PORT": "1234"}
    if peer:
        environ["REMOTE_ADDR"] = peer
    if sent is not None:
        environ["HTTP_X_FORWARDED_FOR"] = sent
    if proto is not None:
        environ["HTTP_X_FORWARDED_PROTO"] = proto
    Proxies(TRUSTED).unveil(environ)
    client = environ.get("REMOTE_ADDR", "")
    assert ("REMOTE_PORT" in environ) == (client == peer), "a port belongs to its address"
    return client, environ["wsgi.url_scheme"]


@pytest.mark.parametrize(
    "peer", ["192.0.2.1", "10.1.2.3", "2001:db8::7", "::ffff:10.1.2.3", "::ffff:c000:201"]
)
def test_a_proxy_is_believed(peer: str) -> None:
    assert unveiled(peer, "203.0.113.9", "https") == ("203.0.113.9", "https")


@pytest.mark.parametrize(
    "peer", ["192.0.2.2", "11.0.0.1", "2001:db9::7", "::ffff:11.0.0.1", "127.0.0.1", ""]
)
def test_nobody_else_is_believed(peer: str) -> None:
    assert unveiled(peer, "203.0.113.9", "https") == (peer, "http")


@pytest.mark.parametrize(("peer", "via"), [("10.1.2.3", origins.PROXY), ("192.0.2.2", None)])
def test_that_a_proxy_passed_it_on_is_noted(peer: str, via: str | None) -> None:
    environ = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": "192.0.2.2"}
    Proxies(TRUSTED).unveil(environ)
    assert environ["REMOTE_ADDR"] == "192.0.2.2"
    assert environ.get(origins.VIA) == via


@pytest.mark.parametrize(
    ("sent", "client"),
    [
        (None, "10.0.0.1"),
        ("", "10.0.0.1"),
        ("203.0.113.9", "203.0.113.9"),
        ("  203.0.113.9\t", "203.0.113.9"),
        ("2001:db9::1", "2001:db9::1"),
        # What a client sent itself stands before the address that the proxy saw.
        ("198.51.100.5, 203.0.113.9", "203.0.113.9"),
        ("10.9.9.9,203.0.113.9", "203.0.113.9"),
        # Proxies in a row.
        ("203.0.113.9, 10.0.0.3,10.0.0.2", "203.0.113.9"),
        ("198.51.100.5, 203.0.113.9, 192.0.2.1", "203.0.113.9"),
        # The client is one of them itself.
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        # Not addresses.
        ("unknown", "10.0.0.1"),
        ("203.0.113.9, unknown, 10.0.0.2", "10.0.0.2"),
        ("203.0.113.9,", "10.0.0.1"),
        ("fe80::1%\x1b[2J", "10.0.0.1"),
        ("203.0.113.999", "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_one_that_is_no_proxy(sent: str | None, client: str) -> None:
    assert unveiled("10.0.0.1", sent)[0] == client


@pytest.mark.parametrize(
    ("sent", "client", "port"),
    [
        ("1.2.3.4:5678", "1.2.3.4", "5678"),
        ("[2001:db9::1]:443", "2001:db9::1", "443"),
        ("[2001:db9::1]", "2001:db9::1", None),
        ('"[2001:db9::1]:443"', "2001:db9::1", "443"),
        ('"1.2.3.4:5678"', "1.2.3.4", "5678"),
        ('"1.2.3.4"', "1.2.3.4", None),
        (' \t"2001:db9::1" ', "2001:db9::1", None),
        ("[::ffff:1.2.3.4]:80", "::ffff:1.2.3.4", "80"),
        ("1.2.3.4:5678 , 10.0.0.2:80,[2001:db8::7]:81", "1.2.3.4", "5678"),
        # A port does not make anybody a proxy, nor keep one from being one.
        ("1.2.3.4, 10.0.0.2:80", "1.2.3.4", None),
        ("10.9.9.9:1, 5.6.7.8:2", "5.6.7.8", "2"),
    ],
)
def test_a_port_behind_the_address(sent: str, client: str, port: str | None) -> None:
    environ = forwarded(sent)
    assert (environ["REMOTE_ADDR"], environ.get("REMOTE_PORT")) == (client, port)


@pytest.mark.parametrize(
    "sent",
    [
        "1.2.3.4:",
        "1.2.3.4:x",
        "1.2.3.4:65536",
        "1.2.3.4:123456",
        "1.2.3.4:5:6",
        "1.2.3:80",
        "1.2.3.4 :80",
        "[1.2.3.4]:80",
        "[2001:db9::1",
        "2001:db9::1]",
        "[2001:db9::1]443",
        "[[2001:db9::1]]",
        "[fe80::1%eth0]:80",
        "[]:80",
        "[:]:80",
        ":80",
        '"1.2.3.4',
        '1.2.3.4"',
        '""1.2.3.4""',
        '"',
        '""',
        "'1.2.3.4'",
        "for=1.2.3.4",
        "1.2.3.4\x1b[2J",
        "\uff11.2.3.4",
        " " * 1000 + "1.2.3.4.",
        "1" * 100_000,
        ":" * 100_000,
        '"' * 100_000,
    ],
)
def test_what_is_no_address_is_not_believed(sent: str) -> None:
    environ = forwarded(sent)
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("10.0.0.1", "1234")


def forwarded(sent: str) -> Environ:
    """Return the environ of a request that a proxy sent with this header."""
    environ = {
        "REMOTE_ADDR": "10.0.0.1",
        "REMOTE_PORT": "1234",
        "HTTP_X_FORWARDED_FOR": sent,
    }
    Proxies(TRUSTED).unveil(environ)
    return environ


def test_only_so_many_proxies_are_followed_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, a request costs no more than that."""
    looked_at = []
    proxies = Proxies(TRUSTED)
    trusts = proxies._trusts

    def watched(address: str) -> bool:
        looked_at.append(address)
        return trusts(address)

    monkeypatch.setattr(proxies, "_trusts", watched)
    hops = [f"10.1.{number // 256}.{number % 256}" for number in range(10_000)]
    environ = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": ",".join(hops)}
    proxies.unveil(environ)
    assert environ["REMOTE_ADDR"] == hops[-MOST_HOPS]
    assert looked_at == ["10.0.0.1", *reversed(hops[-MOST_HOPS:])]


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [
        ("https", "https"),
        ("HTTPS", "https"),
        ("http, https", "https"),
        ("https,http", "http"),
        ("", "http"),
        ("wss", "http"),
        (None, "http"),
    ],
)
def test_the_scheme_is_what_the_nearest_proxy_says(proto: str | None, scheme: str) -> None:
    assert unveiled("10.0.0.1", None, proto)[1] == scheme
