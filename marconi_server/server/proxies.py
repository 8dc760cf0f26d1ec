"""Proxies in front of the server: what they say of the clients whose requests they pass on.

Anybody can send `X-Forwarded-For` and `X-Forwarded-Proto`. They are believed only from
addresses that the operator trusts; from all others they mean nothing.
"""

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final

from marconi_server.api import origins
from marconi_server.config.options import Networks
from marconi_server.server.answers import Environ

MOST_HOPS: Final = 32
"""Addresses of proxies in a row that are followed back; nobody has as many."""

_LONGEST: Final = 60
"""Characters of an address with all that may be around it."""

_WITH_PORT: Final = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)\]|(?P<v4>[0-9.]+))(?::(?P<port>[0-9]{1,5}))?"
)
"""An address as in a URL: some proxies tell the port as well."""


class Proxies:
    """The proxies in some networks."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        # PERF: there are few proxies; the clients behind them take turns in the cache.
        self._trusts = lru_cache(maxsize=1024)(self._is_proxy)

    def unveil(self, environ: Environ) -> None:
        """Set client and scheme of a request that came through proxies to what they say."""
        if not self._trusts(environ.get("REMOTE_ADDR", "")):
            return
        environ[origins.VIA] = origins.PROXY
        scheme = _last(environ.get("HTTP_X_FORWARDED_PROTO", ""))
        if scheme in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme
        # Each proxy has put behind the others the address that it saw itself. So what stands
        # before the last address that is no proxy of ours is hearsay.
        hops = environ.get("HTTP_X_FORWARDED_FOR", "").rsplit(",", MOST_HOPS)
        for hop in reversed(hops[-MOST_HOPS:]):
            address, port = _address_and_port(hop)
            if not address:
                return
            environ["REMOTE_ADDR"] = address
            environ.pop("REMOTE_PORT", None)  # that of the connection is the proxy's
            if port:
                environ["REMOTE_PORT"] = port
            if not self._trusts(address):
                return

    def _is_proxy(self, text: str) -> bool:
        if not _is_address(text):
            return False
        address = ip_address(text)
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped  # a listener on :: sees IPv4 in this form
        return any(address in network for network in self._networks)


def _last(values: str) -> str:
    return values.rpartition(",")[2].strip().lower()


def _address_and_port(hop: str) -> tuple[str, str]:
    """Return what one proxy says of a client; an empty address if it is none."""
    hop = hop.strip(" \t")
    if len(hop) > _LONGEST:
        return "", ""
    if len(hop) > 1 and hop[0] == hop[-1] == '"':
        hop = hop[1:-1]
    found = _WITH_PORT.fullmatch(hop)
    address = hop if found is None else found["v6"] or found["v4"]
    port = "" if found is None else found["port"] or ""
    if not _is_address(address) or "%" in address or int(port or 0) > 65535:
        return "", ""  # behind a % any text may follow
    return address, port


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
