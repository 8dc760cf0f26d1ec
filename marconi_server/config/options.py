"""Options: how they are declared.

A section is a frozen dataclass whose fields are made with `option`; its docstring says what it
is about. Those of the server are in `settings.py`, those of a storage driver beside it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, ClassVar, Final, Protocol, get_type_hints

from oslo_config import types

from marconi_server.config.masking import text_without_secrets, uri_without_secrets


class SettingsError(Exception):
    """The configuration is wrong; the text is one line that says what to change."""


def option(
    default: Any,
    *,
    help: str,
    minimum: int | None = None,
    maximum: int | None = None,
    choices: Sequence[str] | None = None,
    old_names: Sequence[tuple[str, str]] = (),
    secret: bool = False,
) -> Any:
    """Declare an option as a field of a section.

    Its annotation is str, int, float, bool, Address, Networks or HostNames.

    `minimum` and `maximum` are inclusive. `old_names` are (group, name) pairs under which
    earlier releases of Marconi knew the option. The value of a `secret` one is, or has in it, what
    nobody may see: it is shown as `Option.shown` makes it, and the section does not print it.
    """
    return field(
        default=default,
        repr=not secret,
        metadata={
            "help": help,
            "minimum": minimum,
            "maximum": maximum,
            "choices": choices,
            "old_names": tuple(old_names),
            "secret": secret,
        },
    )


LONGEST_SHOWN: Final = 500
"""Characters of a value that are repeated."""


class Address(str):
    """An address or the name of a host, without a port."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read it; the brackets that an IPv6 address has in a URL may stand around it.

        :raises ValueError: it is neither
        """
        if not text.strip() or not text.isprintable():
            raise ValueError
        return cls(text[1:-1] if text.startswith("[") and text.endswith("]") else text)


class Networks(tuple[IPv4Network | IPv6Network, ...]):
    """IP addresses, as the networks that they belong to; an address alone is a small network."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> "Networks":
        """Read a list that is separated by commas.

        :raises ValueError: something in it is neither an address nor a network
        """
        return cls(ip_network(item.strip()) for item in text.split(",") if item.strip())

    def __str__(self) -> str:
        return ", ".join(map(str, self))


_HOST_NAME: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*+")


class HostNames(tuple[str, ...]):
    """Names of hosts in lower case, without ports."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> "HostNames":
        """Read a list that is separated by commas.

        :raises ValueError: something in it is no name
        """
        names = [item.strip().lower() for item in text.split(",") if item.strip()]
        if not all(map(_HOST_NAME.fullmatch, names)):
            raise ValueError
        return cls(names)

    def __str__(self) -> str:
        return ", ".join(self)


class Section(Protocol):
    """A group of options: a frozen dataclass with the name of its group in the file."""

    GROUP: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]


@dataclass(frozen=True)
class Option:
    """One option as it was declared in a section."""

    group: str
    name: str
    kind: type[Any]
    default: Any
    help: str
    minimum: int | None
    maximum: int | None
    choices: Sequence[str] | None
    old_names: tuple[tuple[str, str], ...]
    secret: bool

    @property
    def names(self) -> tuple[tuple[str, str], ...]:
        """All (group, name) pairs under which a file may set it, the present one first."""
        return ((self.group, self.name), *self.old_names)

    @property
    def variables(self) -> tuple[str, str]:
        """The environment variables that set it; the first one wins.

        The second is oslo.config's own spelling, which keeps the colons of the group.
        Neither shells nor systemd take such a name, so the first has `_` for them.
        """
        variable = f"OS_{self.group.upper()}__{self.name.upper()}"
        return variable.replace(":", "_"), variable

    @property
    def allowed(self) -> str:
        """What a value has to be, in words."""
        if self.choices is not None:
            return " or ".join(choice or "empty" for choice in self.choices)
        if self.kind is bool:
            return "true or false"
        if self.kind is str:
            return "text"
        if self.kind is Address:
            return "an address or the name of a host, without a port"
        if self.kind is Networks:
            return "addresses and networks, separated by commas"
        if self.kind is HostNames:
            return "names of hosts without ports, separated by commas"
        number = "a whole number" if self.kind is int else "a number"
        if self.minimum is not None and self.maximum is not None:
            return f"{number} from {self.minimum} to {self.maximum}"
        if self.minimum is not None:
            return f"{number} of at least {self.minimum}"
        if self.maximum is not None:
            return f"{number} of at most {self.maximum}"
        return number

    def shown(self, value: Any) -> Any:
        """Return a value as people may see it: itself, unless the option is secret.

        Of a secret URI that which cannot be a secret is shown, of any other secret whether there
        is one. Other values lose what looks like a password in a URI: it may be in the wrong place.
        """
        if self.secret:
            return uri_without_secrets(str(value))
        if isinstance(value, str):
            shown = text_without_secrets(value)
            return shown if len(shown) <= LONGEST_SHOWN else f"{shown[:LONGEST_SHOWN]}…"
        return value

    def read(self, value: Any) -> Any:
        """Convert a value to the type of the option; this is its type for oslo.config.

        :raises SettingsError: the value is not allowed
        """
        try:
            converted = self._convert(value)
        except ValueError:
            converted = None
        if converted is None:  # also what oslo.config makes of a number that is left empty
            raise SettingsError(
                f"option {self.name} of [{self.group}] is {self.shown(value)!r}, "
                f"but has to be {self.allowed}"
            )
        return converted

    def _convert(self, value: Any) -> Any:
        if self.kind is int:
            return types.Integer(min=self.minimum, max=self.maximum)(value)
        if self.kind is float:
            return types.Float(min=self.minimum, max=self.maximum)(value)
        if self.kind is bool:
            return types.Boolean()(value)
        if self.kind is Address:
            return Address.parse(str(value))
        if self.kind is Networks:
            return Networks.parse(str(value))
        if self.kind is HostNames:
            return HostNames.parse(str(value))
        if "\0" in value:  # no file has such a name, and nothing else that is text here
            raise ValueError
        return types.String(choices=self.choices)(value)


def options(section: type[Any]) -> list[Option]:
    """Return the options of a section in the order of their declaration."""
    kinds = get_type_hints(section)
    return [
        Option(
            group=section.GROUP,
            name=each.name,
            kind=kinds[each.name],
            default=each.default,
            **each.metadata,
        )
        for each in fields(section)
    ]
