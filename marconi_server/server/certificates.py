"""The certificates of the server, read and checked before it starts to speak TLS."""

import ssl
from typing import NoReturn

from marconi_server.config.files import check_regular
from marconi_server.config.options import SettingsError
from marconi_server.config.settings import Wsgi


def server_context(wsgi: Wsgi) -> ssl.SSLContext | None:
    """Read the certificates that the options name; `None` if the server is to speak no TLS.

    TLS 1.2 is the least that is spoken. With `ca_file` clients need a certificate.

    :raises SettingsError: a file cannot be read or is not what it should be
    """
    if not wsgi.cert_file:
        if wsgi.key_file or wsgi.ca_file:
            raise SettingsError(f"cert_file of [{wsgi.GROUP}] is missing: it switches TLS on")
        return None
    for name in ("cert_file", "key_file", "ca_file"):
        _check_readable(name, getattr(wsgi, name))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # which could make a write wait for a read
    try:
        context.load_cert_chain(wsgi.cert_file, wsgi.key_file or None, _no_password)
    except OSError as error:
        key = wsgi.key_file or "the key in it"
        raise SettingsError(
            f"option cert_file of [{wsgi.GROUP}] is {wsgi.cert_file}, but that and {key} are not"
            f" a certificate in PEM and its private key ({_reason(error)})"
        ) from error
    if wsgi.ca_file:
        try:
            context.load_verify_locations(wsgi.ca_file)
        except OSError as error:
            raise SettingsError(
                f"option ca_file of [{wsgi.GROUP}] is {wsgi.ca_file}, but that has no"
                f" certificates in PEM ({_reason(error)})"
            ) from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _check_readable(name: str, file: str) -> None:
    try:
        if file:
            check_regular(file)
    except OSError as error:  # load_cert_chain would not say which file it is
        raise SettingsError(
            f"option {name} of [{Wsgi.GROUP}] is {file}, which cannot be read: {error.strerror}"
        ) from error


def _reason(error: OSError) -> str:
    """Return what went wrong with TLS, or with the file."""
    return str(getattr(error, "reason", None) or error.strerror or error)


def _no_password() -> NoReturn:
    raise SettingsError(
        f"the private key of [{Wsgi.GROUP}] is encrypted: keep it without a passphrase, in a file"
        " that only the user of the server can read"
    )
