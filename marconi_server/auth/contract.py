"""What an authentication strategy promises (spec section 10).

The API has an authenticator look at each request before anything else. What it finds out stands
in the WSGI environ, in the variables of `identity.VARIABLES`, which are those of
keystonemiddleware: `HTTP_X_PROJECT_ID`, `HTTP_X_USER_ID`, `HTTP_X_ROLES` and so on.
"""

from typing import Any, Protocol


class Unauthenticated(Exception):
    """The request does not say who asks, or not in a way that can be believed."""

    def __init__(self, reason: str, *, challenge: str) -> None:
        """Take the reason for the client, and the value of `WWW-Authenticate`."""
        super().__init__(reason)
        self.challenge = challenge


class IdentityUnavailable(Exception):
    """The identity service does not answer, or cannot do its work; nobody knows who asks."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason)


class Authenticator(Protocol):
    """Finds out who asks. One for each process; used by many requests at a time."""

    def authenticate(self, environ: dict[str, Any]) -> None:
        """Add the identity to the environ of a request, from which forged ones are gone.

        Afterwards there is a project.

        :raises Unauthenticated: the request has no valid token, or one without a project
        :raises IdentityUnavailable: that could not be found out
        """

    def probe(self) -> None:
        """Make sure that the identity service answers, and knows us.

        :raises IdentityUnavailable: it does not
        """

    def describe(self) -> list[str]:
        """Say in lines of text what is used, without secrets."""

    def close(self) -> None:
        """Let go of what it holds; idempotent."""
