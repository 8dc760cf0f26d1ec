"""Proxies in front of the server: what they say of the clients whose requests they pass on.

Anybody can send `X-Forwarded-For` and `X-Forwarded-Proto`. They are believed only from
addresses that the operator trusts; from all others they mean nothing.
"""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final

from marconi_server.api import origins
from marconi_server.config.options import Networks
from marconi_server.server.answers import Environ

MOST_PROXIES: Final = 32
"""Addresses of `X-Forwarded-For` that are looked at, beginning with the last."""

_LONGEST_ADDRESS: Final = 64
"""Characters of an address of any kind, with a port."""


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
        addresses = environ.get("HTTP_X_FORWARDED_FOR", "").rsplit(",", MOST_PROXIES)
        for address in reversed(addresses[-MOST_PROXIES:]):
            address = address.strip()
            if not _is_address(address) or "%" in address:  # behind which any text may follow
                return
            environ["REMOTE_ADDR"] = address
            environ.pop("REMOTE_PORT", None)  # that of the connection is the proxy's
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


def _is_address(text: str) -> bool:
    if len(text) > _LONGEST_ADDRESS:
        return False
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
