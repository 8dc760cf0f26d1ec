"""The address of the server: finding it, listening on it, and telling people of it."""

import errno
import socket
from contextlib import suppress
from typing import Any

from marconi_server.api.origins import is_loopback
from marconi_server.config.options import SettingsError
from marconi_server.config.settings import Wsgi


def resolve(wsgi: Wsgi) -> tuple[socket.AddressFamily, Any]:
    """Return the family and the socket address of the options `bind` and `port`.

    :raises SettingsError: there is no such address
    """
    try:
        addresses = socket.getaddrinfo(
            wsgi.bind, wsgi.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (socket.gaierror, UnicodeError) as error:
        raise SettingsError(
            f"option bind of [{wsgi.GROUP}] is {wsgi.bind!r}, which is neither an address nor a "
            f"known host name ({error}); 127.0.0.1 is this machine only, 0.0.0.0 all networks"
        ) from error
    family, _, _, _, address = addresses[0]
    return family, address


def is_local(wsgi: Wsgi) -> bool:
    """Tell whether only this machine reaches the address of these options.

    :raises SettingsError: there is no such address
    """
    _, (host, *_) = resolve(wsgi)
    return is_loopback(host)


def bind(wsgi: Wsgi) -> str:
    """Bind the listening socket and return it in gunicorn's form, which then owns it.

    gunicorn itself would try a busy port for five seconds, and then log many lines.

    :raises SettingsError: there is no listening on this address
    """
    family, address = resolve(wsgi)
    both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()  # :: is IPv4 as well
    try:
        listener = socket.create_server(address, family=family, dualstack_ipv6=both)
    except OSError as error:
        raise SettingsError(_refusal(wsgi, error)) from error
    return f"fd://{listener.detach()}"


def _refusal(wsgi: Wsgi, error: OSError) -> str:
    """Say why there is no listening on an address, and what to do."""
    port = f"port {wsgi.port} of {wsgi.bind}"
    if error.errno == errno.EADDRINUSE:
        return f"{port} is in use; stop what listens there, or choose another with --port"
    if error.errno == errno.EACCES:
        return f"{port} needs privileges; choose one above 1023 with --port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{wsgi.bind} is not an address of this machine; choose another with --bind"
    return f"{port} cannot be listened on: {error.strerror}; see --bind and --port"


def url(listener: socket.socket, scheme: str) -> str:
    """Return the URL of a listening socket as seen from this machine."""
    host, port, *rest = listener.getsockname()
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared only
    if ":" not in host:
        return f"{scheme}://{host}:{port}"
    _, zone = rest or (0, 0)
    if zone:  # without which a link-local address leads nowhere
        with suppress(OSError):  # the interface is gone
            host += f"%{socket.if_indextoname(zone)}"
    return f"{scheme}://[{host}]:{port}"
