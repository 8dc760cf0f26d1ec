"""The variables of the WSGI environ in which an identity stands."""

from collections.abc import Mapping
from typing import Any, Final

PROJECT_ID: Final = "HTTP_X_PROJECT_ID"

_OF_ANYBODY: Final = (
    "DOMAIN_ID",
    "DOMAIN_NAME",
    "PROJECT_DOMAIN_ID",
    "PROJECT_DOMAIN_NAME",
    "PROJECT_ID",
    "PROJECT_NAME",
    "ROLES",
    "USER_DOMAIN_ID",
    "USER_DOMAIN_NAME",
    "USER_ID",
    "USER_NAME",
)

CATALOG: Final = "HTTP_X_SERVICE_CATALOG"

VARIABLES: Final = frozenset(
    (
        *(f"HTTP_X_{each}" for each in _OF_ANYBODY),
        *(f"HTTP_X_SERVICE_{each}" for each in _OF_ANYBODY),
        "HTTP_OPENSTACK_SYSTEM_SCOPE",
        "HTTP_X_IDENTITY_STATUS",
        "HTTP_X_IS_ADMIN_PROJECT",
        "HTTP_X_ROLE",
        "HTTP_X_SERVICE_IDENTITY_STATUS",
        "HTTP_X_TENANT",
        "HTTP_X_TENANT_ID",
        "HTTP_X_TENANT_NAME",
        "HTTP_X_USER",
        CATALOG,
    )
)
"""All of them. WSGI makes one variable of all spellings of a header, so none can slip past."""


def remove(environ: dict[str, Any]) -> None:
    """Remove what a client has forged (spec section 10, rule 1)."""
    # PERF: nearly always there is nothing, and this look is all.
    if not VARIABLES.isdisjoint(environ):
        for name in VARIABLES:
            environ.pop(name, None)


def extract(environ: Mapping[str, Any]) -> dict[str, str]:
    """Return the identity that keystonemiddleware has left in an environ.

    Without the catalogue, which is large and of no use here, and without what the token does not
    have: that is `None` there, which WSGI does not know.
    """
    return {
        name: environ[name]
        for name in VARIABLES
        if name != CATALOG and environ.get(name) is not None
    }
