"""Every option of the server, in declarative sections, and how they are read.

A section is a frozen dataclass whose fields are options; its docstring says what it
is about. `etc/marconi.conf` and `docs/reference/configuration.md` are generated from
these sections (`python -m marconi_server.settings_reference`). A storage driver brings its
own section (`Store.Options`).

Precedence: overrides (the command line), then the environment (`OS_<GROUP>__<OPTION>`),
then the files, then the default. The result is plain frozen data: nothing asks
oslo.config after the start.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, get_type_hints

from oslo_config import cfg, types

from marconi_server.storage import registry


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
) -> Any:
    """Declare an option as a field of a section; its annotation is str, int, float or bool.

    `minimum` and `maximum` are inclusive. `old_names` are (group, name) pairs under which
    earlier releases of Marconi knew the option.
    """
    return field(
        default=default,
        metadata={
            "help": help,
            "minimum": minimum,
            "maximum": maximum,
            "choices": choices,
            "old_names": tuple(old_names),
        },
    )


class Section(Protocol):
    """A group of options: a frozen dataclass with the name of its group in the file."""

    GROUP: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]


SectionType = TypeVar("SectionType", bound=Section)


@dataclass(frozen=True)
class General:
    """How the service as a whole behaves."""

    GROUP: ClassVar[str] = "DEFAULT"

    auth_strategy: str = option(
        "",
        choices=("",),
        help="How clients are authenticated. Empty: not at all, X-Project-Id is believed.",
    )


@dataclass(frozen=True)
class Drivers:
    """Which drivers serve."""

    GROUP: ClassVar[str] = "drivers"

    transport: str = option("wsgi", choices=("wsgi",), help="How the API is offered.")
    storage: str = option(
        "mongodb",
        help="Where messages are kept: the name of a storage driver, such as mongodb or sqlite.",
    )


@dataclass(frozen=True)
class Wsgi:
    """The HTTP server."""

    GROUP: ClassVar[str] = "drivers:transport:wsgi"

    bind: str = option("127.0.0.1", help="Address to listen on.")
    port: int = option(8888, minimum=0, maximum=65535, help="TCP port; 0 takes a free one.")
    workers: int = option(2, minimum=1, maximum=1024, help="Number of worker processes.")
    threads: int = option(
        16,
        minimum=1,
        maximum=1024,
        help="Threads of one worker that handle requests, for a store across a network. With"
        " sqlite, requests run on the event loop of the worker and need none.",
    )
    connections: int = option(
        1000, minimum=1, maximum=1_000_000, help="Connections that one worker keeps open."
    )
    keepalive: int = option(
        75, minimum=1, maximum=3600, help="Seconds that an idle connection is kept open."
    )
    request_timeout: int = option(
        30,
        minimum=1,
        maximum=3600,
        help="Seconds in which a request has to arrive whole, head and body.",
    )
    graceful_timeout: int = option(
        30,
        minimum=1,
        maximum=3600,
        help="Seconds that requests in flight get to finish when a worker stops.",
    )


@dataclass(frozen=True)
class Limits:
    """Limits that clients meet, all inclusive.

    Names and defaults are those of spec section 5.
    """

    GROUP: ClassVar[str] = "transport"

    max_queues_per_page: int = option(
        20,
        minimum=1,
        maximum=1000,
        help="Largest page when listing queues.",
        old_names=[("limits:transport", "queue_paging_uplimit")],
    )
    max_messages_per_page: int = option(
        20,
        minimum=1,
        maximum=1000,
        help="Largest page when listing messages, and most ids in a bulk get or bulk delete.",
        old_names=[("limits:transport", "message_paging_uplimit")],
    )
    max_messages_per_claim: int = option(
        20, minimum=1, maximum=1000, help="Most messages that one claim takes."
    )
    max_queue_metadata: int = option(
        64 * 1024,
        minimum=2,
        maximum=16 * 1024**2,
        help="Largest metadata document in bytes, white space included.",
        old_names=[("limits:transport", "metadata_size_uplimit")],
    )
    max_message_size: int = option(
        256 * 1024,
        minimum=32,
        maximum=16 * 1024**2,
        help="Largest body of a request that posts messages, in bytes, white space included.",
        old_names=[("limits:transport", "message_size_uplimit")],
    )
    max_message_ttl: int = option(
        14 * 24 * 3600,
        minimum=60,
        maximum=10 * 366 * 24 * 3600,
        help="Longest life of a message in seconds.",
        old_names=[("limits:transport", "message_ttl_max")],
    )
    max_claim_ttl: int = option(
        12 * 3600,
        minimum=60,
        maximum=10 * 366 * 24 * 3600,
        help="Longest life of a claim in seconds.",
        old_names=[("limits:transport", "claim_ttl_max")],
    )
    max_claim_grace: int = option(
        12 * 3600,
        minimum=60,
        maximum=10 * 366 * 24 * 3600,
        help="Longest grace of a claim in seconds.",
        old_names=[("limits:transport", "claim_grace_max")],
    )
    max_claim_body: int = option(
        64 * 1024,
        minimum=32,
        maximum=16 * 1024**2,
        help="Largest body of a request that creates or renews a claim, in bytes.",
    )
    max_messages_per_post: int = option(
        0, minimum=0, maximum=1_000_000, help="Most messages in one post; 0 for no such limit."
    )
    client_id_uuid_safe: str = option(
        "off",
        choices=("off", "strict"),
        help="off: any non-empty Client-ID is taken. strict: it has to be a UUID.",
    )

    @property
    def largest_body(self) -> int:
        """The largest body that any request may have, in bytes."""
        return max(self.max_queue_metadata, self.max_message_size, self.max_claim_body)


@dataclass(frozen=True)
class Settings:
    """All options, and the section of the chosen storage driver."""

    general: General = General()
    drivers: Drivers = Drivers()
    wsgi: Wsgi = Wsgi()
    limits: Limits = Limits()
    store: Any = None


SECTIONS: tuple[type[Any], ...] = (General, Drivers, Wsgi, Limits)


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
        number = "a whole number" if self.kind is int else "a number"
        if self.minimum is not None and self.maximum is not None:
            return f"{number} from {self.minimum} to {self.maximum}"
        if self.minimum is not None:
            return f"{number} of at least {self.minimum}"
        if self.maximum is not None:
            return f"{number} of at most {self.maximum}"
        return number

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
                f"option {self.name} of [{self.group}] is {value!r}, but has to be {self.allowed}"
            )
        return converted

    def _convert(self, value: Any) -> Any:
        if self.kind is int:
            return types.Integer(min=self.minimum, max=self.maximum)(value)
        if self.kind is float:
            return types.Float(min=self.minimum, max=self.maximum)(value)
        if self.kind is bool:
            return types.Boolean()(value)
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


def default_files() -> list[str]:
    """Return the files that are read if none is named, as oslo.config finds them.

    That is `marconi.conf`, then `*.conf` in a folder `marconi.conf.d`, each from the first of
    `~/.marconi`, `~`, `/etc/marconi` and `/etc` that has it.
    """
    files = cfg.find_config_files(project="marconi", prog="marconi-server")
    for folder in cfg.find_config_dirs(project="marconi", prog="marconi-server"):
        files += sorted(map(str, Path(folder).glob("*.conf")))
    return files


def load(
    files: Sequence[str] | None = None,
    overrides: Mapping[tuple[str, str], Any] | None = None,
) -> Settings:
    """Read the configuration, with the section of the storage driver that it chooses.

    `files` are paths, of which a later one wins over an earlier; `None` stands for
    `default_files()`. `overrides` maps (group, name) to a value that wins over all else.

    :raises SettingsError: a file cannot be read, or a value is not allowed
    :raises StorageUnusable: this installation has no such storage driver
    """
    reader = _Reader(default_files() if files is None else files, overrides or {})
    drivers = reader.section(Drivers)
    return Settings(
        general=reader.section(General),
        drivers=drivers,
        wsgi=reader.section(Wsgi),
        limits=reader.section(Limits),
        store=reader.section(registry.driver(drivers.storage).Options),
    )


def unknown_options(files: Sequence[str], settings: Settings) -> list[str]:
    """Return a line for each option in the files that nobody reads, which may be a typo.

    Looks only at our own groups and at groups with nearly the same name: the rest of a
    file belongs to others, such as drivers that are not in use.

    :raises SettingsError: a file cannot be read
    """
    known: dict[str, set[str]] = {}
    for section in (*SECTIONS, type(settings.store)):
        for each in options(section):
            for group, name in each.names:
                known.setdefault(group, set()).add(name)
    lines = []
    for file in files:
        for group, names in _parse(file).items():
            if group not in known:
                similar = get_close_matches(group, known, n=1, cutoff=0.85)
                lines += [
                    f"{file}: there is no group [{group}]; did you mean [{each}]?"
                    for each in similar
                ]
                continue
            for name in sorted(names - known[group]):
                similar = get_close_matches(name, known[group], n=1)
                hint = f"; did you mean {similar[0]}?" if similar else ""
                lines.append(f"{file}: option {name} of [{group}] has no effect here{hint}")
    return lines


class _Reader:
    """Reads sections from files, environment and overrides."""

    def __init__(self, files: Sequence[str], overrides: Mapping[tuple[str, str], Any]) -> None:
        self._files = list(files)
        self._set_in = [(file, _parse(file)) for file in self._files]
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
        except (SettingsError, cfg.Error) as error:
            raise SettingsError(f"{origin}{error}") from error


def _parse(file: str) -> dict[str, set[str]]:
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
        raise SettingsError(f"{file}: line {error.lineno}: {error.msg}: {error.line!r}") from error
    names: dict[str, set[str]] = {}
    for group, values in groups.items():
        group = group if group == "DEFAULT" else group.lower()
        names.setdefault(group, set()).update(values)
    return names
