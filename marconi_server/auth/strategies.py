"""The strategies of the option `auth_strategy`, by name."""

from marconi_server.auth.contract import Authenticator
from marconi_server.config.settings import KEYSTONE, Settings


def open_authenticator(settings: Settings) -> Authenticator | None:
    """Return the authenticator of the strategy that is set, `None` if everybody is believed.

    It does not ask the identity service, which need not be there yet.
    """
    if settings.general.auth_strategy != KEYSTONE:
        return None
    # Half of the start-up time, and nobody else needs it.
    from marconi_server.auth.keystone import Keystone

    return Keystone.open(settings)
