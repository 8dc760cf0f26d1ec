"""Requests that a browser makes for a web page of somebody else (spec 15.3).

Without authentication, whoever reaches the server may use it, and a browser reaches what no
stranger does: every page that is open in it can have it send requests to this machine. A browser
says where a page comes from, which stops those that change something. A page whose own name was
made to lead here (DNS rebinding) is of the same origin to a browser, and could even read answers;
it is the name that gives it away.
"""

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final

import falcon

from marconi_server.api import errors
from marconi_server.config.options import HostNames

VIA: Final = "marconi.via"
"""Where the WSGI environment says how a request came in: `LOOPBACK`, `PROXY`, or nothing.

Our worker knows. Under another WSGI host nobody does, and names are checked if any is set."""

LOOPBACK: Final = "loopback"
"""On a loopback address: whoever it is for, it comes from this machine."""

PROXY: Final = "proxy"
"""From a trusted proxy, which may pass on the name by which it is known itself."""

_READING: Final = frozenset(("GET", "HEAD", "OPTIONS"))

_OWN_PAGES: Final = frozenset(("same-origin", "none"))  # none: no page, the user did it

_LONGEST_HOST: Final = 255 + len(":65535")

_HOST: Final = re.compile(r"\[([^\]]*)\](?::[0-9]*)?|([^:\[\]]*)(?::[0-9]*)?")


class Origins:
    """The middleware that lets through what is no page's doing, or that of a page of ours.

    :param trusted_hosts: names of this server, beside addresses and localhost
    """

    def __init__(self, trusted_hosts: HostNames) -> None:
        self._names = trusted_hosts
        # PERF: clients say the same name over and over.
        self._knows = lru_cache(maxsize=256)(self._is_known)

    def process_request(self, req: falcon.Request, _resp: falcon.Response) -> None:
        """Let a request pass, or not.

        :raises MisdirectedRequest: it is for another server, by its name
        :raises ForeignPage: it would change something, and a page of another origin sent it
        """
        env = req.env
        host: str = env.get("HTTP_HOST", "")
        via = env.get(VIA)
        checked = via == LOOPBACK or (self._names and via != PROXY)
        # APPSEC: no long names in the cache.
        if checked and (len(host) > _LONGEST_HOST or not self._knows(host)):
            raise errors.MisdirectedRequest
        if req.method not in _READING and _is_foreign(env, host):
            raise errors.ForeignPage

    def _is_known(self, host: str) -> bool:
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        if match[1] is not None:
            return _is_address(match[1])
        name = match[2].lower().removesuffix(".")
        return (
            not name  # HTTP/1.0; a browser always has one
            or name == "localhost"
            or name.endswith(".localhost")
            or name in self._names
            or _is_address(name)
        )


@lru_cache(maxsize=64)  # PERF: asked for each connection, about the few addresses of the server
def is_loopback(address: str) -> bool:
    """Tell whether this is an address that only this machine reaches."""
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return parsed.is_loopback


def _is_foreign(env: dict[str, str], host: str) -> bool:
    """Tell whether a page sent the request that has another origin than this server."""
    site = env.get("HTTP_SEC_FETCH_SITE")
    if site is not None:
        return site not in _OWN_PAGES
    origin = env.get("HTTP_ORIGIN")  # what older browsers have, and all of them without TLS
    return origin is not None and origin.lower() != f"{env['wsgi.url_scheme']}://{host}".lower()


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
