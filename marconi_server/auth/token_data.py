"""What Keystone says of a token, as far as anybody looks at it here or in keystonemiddleware.

The library takes for granted that it looks like this.
"""

from typing import Annotated, Any

from msgspec import Meta, Struct, convert

ProjectId = Annotated[str, Meta(max_length=256, pattern=r"\A[!-~]+\Z")]
"""It takes the place of `X-Project-Id`: text that a header can carry."""


class _Domain(Struct):
    id: str
    name: str


class _User(Struct):
    id: str
    name: str
    domain: _Domain


class _Project(Struct):
    id: ProjectId
    name: str
    domain: _Domain


class _Role(Struct):
    name: str


class _Endpoint(Struct):
    interface: str
    url: str
    region: str | None = None


class _Service(Struct):
    type: str
    name: str | None = None
    endpoints: list[_Endpoint] = []


class _AccessRule(Struct):
    method: str
    path: str
    service: str


class _ApplicationCredential(Struct):
    access_rules: list[_AccessRule] | None = None


class _Token(Struct):
    expires_at: str
    user: _User
    project: _Project | None = None
    domain: _Domain | None = None
    system: dict[str, Any] = {}
    roles: list[_Role] = []
    catalog: list[_Service] = []
    application_credential: _ApplicationCredential | None = None
    bind: dict[str, Any] | None = None


def check(token: Any) -> None:
    """Make sure that this describes a token.

    :raises ValueError: it does not; the text says in what, and repeats no value
    """
    convert(dict(token), _Token)
