"""What the server is about to do, in a few lines: for its log, and for `marconi-server check`."""

import platform
import resource
from collections.abc import Iterator
from typing import Final

from marconi_server import __version__
from marconi_server.config.settings import Settings
from marconi_server.server.address import is_local
from marconi_server.storage import registry

SPARE_DESCRIPTORS: Final = 64
"""Files of a worker that are no connections of clients: its own, and those of the store."""


def lines(settings: Settings, store: str) -> Iterator[str]:
    """Say what serves, from where, and whom; `store` is what `Store.describe` has said.

    Nothing in it is a secret.
    """
    wsgi, limits = settings.wsgi, settings.limits
    yield f"marconi-server {__version__}, Python {platform.python_version()}"
    yield f"Configuration files: {settings.origins}"
    tls = f", TLS with {wsgi.cert_file}" if wsgi.cert_file else ""
    yield f"Address: {wsgi.bind}, port {wsgi.port}{tls}"
    on_loop = registry.driver(settings.drivers.storage).cooperative
    where = "on an event loop each" if on_loop else f"in {wsgi.threads} threads each"
    yield (
        f"Processes: {wsgi.workers} workers, which handle requests {where}, "
        f"with up to {wsgi.connections} connections each"
    )
    yield (
        f"Largest bodies: {limits.max_message_size} bytes for a post, "
        f"{limits.max_queue_metadata} for metadata, {limits.max_claim_body} for a claim"
    )
    yield from _authentication(settings)
    yield f"Storage: {settings.drivers.storage}{store and f', {store}'}"


def warnings(settings: Settings) -> Iterator[str]:
    """Say what is dangerous, or cannot be as the options want it.

    :raises SettingsError: there is no such address
    """
    wsgi = settings.wsgi
    if not settings.general.auth_strategy and not is_local(wsgi):
        yield (
            f"Authentication is off, and {wsgi.bind} is not this machine alone: whoever reaches "
            f"port {wsgi.port} can do anything, in every project"
        )
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = wsgi.connections + SPARE_DESCRIPTORS
    if most != resource.RLIM_INFINITY and most < wanted:
        yield (
            f"A process may open {most} files, which is too few for {wsgi.connections} connections:"
            f" let it have {wanted} (ulimit -n, LimitNOFILE), or lower connections of "
            f"[{wsgi.GROUP}]"
        )


def _authentication(settings: Settings) -> Iterator[str]:
    if settings.keystone_authtoken is None:
        yield "Authentication: off, nobody is asked and X-Project-Id is believed"
        return
    yield f"Authentication: {'; '.join(settings.keystone_authtoken.describe())}"
    changed = ", ".join(sorted(settings.role_rules))
    file = settings.policy.policy_file
    yield f"Role rules: {file}, which sets {changed}" if changed else "Role rules: the defaults"
