"""Options: how they are declared, and how they are read.

A section is a frozen dataclass whose fields are made with `option`; its docstring says what it
is about. Those of the server are in `settings.py`, those of a storage driver beside it.

Precedence: overrides (the command line), then the environment (`OS_<GROUP>__<OPTION>`),
then the files, then the default. The result is plain frozen data: nothing asks
oslo.config after the start.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, ClassVar, Final, Protocol, TypeVar, get_type_hints

from oslo_config import cfg, types


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

    Its annotation is str, int, float, bool, Networks or HostNames.

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


SectionType = TypeVar("SectionType", bound=Section)


MASK: Final = "***"
"""What is shown in place of a secret."""

# The password of a URI goes on to the last @, in case that it has one that is not escaped.
_PASSWORD: Final = re.compile(r"(://[^:]*:).*(?=@)", re.DOTALL)
_IN_QUERY: Final = re.compile(
    r"([?&](?:[^=&]*password|authMechanismProperties)=)[^&]*", re.IGNORECASE
)


def without_passwords(uri: str) -> str:
    """Return a URI as people may see it."""
    return _IN_QUERY.sub(rf"\1{MASK}", _PASSWORD.sub(rf"\1{MASK}", uri))


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

        Of a secret URI all but its passwords is shown, of any other secret whether there is one.
        """
        if not self.secret or value == "":
            return value
        text = str(value)
        return without_passwords(text) if "://" in text else MASK

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
        if self.kind is Networks:
            return Networks.parse(str(value))
        if self.kind is HostNames:
            return HostNames.parse(str(value))
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


class Reader:
    """Reads sections from files, environment and overrides."""

    def __init__(self, files: Sequence[str], overrides: Mapping[tuple[str, str], Any]) -> None:
        self._files = list(files)
        self._set_in = [(file, names_set_in(file)) for file in self._files]
        self._overrides = overrides

    def section(self, section: type[SectionType]) -> SectionType:
        """Read one section.

        :raises SettingsError: a value is not allowed
        """
        declared = options(section)
        conf = cfg.ConfigOpts()
        for each in declared:
            read: Any = each.read  # to oslo.config, any callable is a type
            old_names = [cfg.DeprecatedOpt(name, group=group) for group, name in each.old_names]
            conf.register_opt(
                cfg.Opt(each.name, type=read, default=each.default, deprecated_opts=old_names),
                group=each.group,
            )
        # The environment is read here and not by oslo.config: see Option.variables.
        conf([], default_config_files=self._files, default_config_dirs=[], use_env=False)
        return section(**{each.name: self._value(conf, each) for each in declared})

    def _value(self, conf: cfg.ConfigOpts, each: Option) -> Any:
        origin = ""
        try:
            if (each.group, each.name) in self._overrides:
                return each.read(self._overrides[each.group, each.name])
            for variable in each.variables:
                if variable in os.environ:
                    origin = f"environment variable {variable}: "
                    return each.read(os.environ[variable])
            for file, groups in self._set_in:
                if any(name in groups.get(group, ()) for group, name in each.names):
                    origin = f"{file}: "
            return conf[each.group][each.name]
        except SettingsError as error:
            raise SettingsError(f"{origin}{error}") from error
        except cfg.Error as error:
            # In a file, a dollar sign stands before the name of another option.
            cause = "" if each.secret else f" ({error})"
            raise SettingsError(
                f"{origin}option {each.name} of [{each.group}] refers to an option that does not "
                f"exist{cause}; a dollar sign is written $$"
            ) from error


def names_set_in(file: str) -> dict[str, set[str]]:
    """Return the names that a file sets, by group, the group in lower case as oslo.config does.

    :raises SettingsError: the file cannot be read or understood
    """
    groups: dict[str, dict[str, Any]] = {}
    try:
        cfg.ConfigParser(file, groups).parse()
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: cannot be read: it is not text in UTF-8") from error
    except cfg.ParseError as error:
        # The line itself is not shown: there may be a secret in it.
        raise SettingsError(f"{file}: line {error.lineno}: {error.msg}") from error
    names: dict[str, set[str]] = {}
    for group, values in groups.items():
        group = group if group == "DEFAULT" else group.lower()
        names.setdefault(group, set()).update(values)
    return names
