"""What is set in vain, wherever it was set: misspelt names, and options that have no effect.

An option that somebody has set and nobody reads is a wish that is not fulfilled. As a rule it is
named, by `marconi-server check` and in the log. Where the wish was authentication, nothing starts.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from marconi_server.config.files import ConfigFile
from marconi_server.config.options import SettingsError, options
from marconi_server.config.reader import Overrides
from marconi_server.config.settings import (
    SECTIONS,
    Authentication,
    Drivers,
    General,
    Policy,
    Settings,
    Wsgi,
)
from marconi_server.storage import registry

CONFIG_FILE_VARIABLE: Final = "MARCONI_CONFIG_FILE"
"""Names the configuration files of `marconi_server.wsgi:application`."""

KEYSTONE_GROUP: Final = "keystone_authtoken"

_WITH_AUTHENTICATION: Final = (KEYSTONE_GROUP, Authentication.GROUP, Policy.GROUP)
"""Groups that mean something only if `auth_strategy` is set."""

_DRIVERS: Final = re.compile(r"drivers:(storage|transport):(.*)")

_NAME: Final = re.compile(r"[A-Za-z_][\w.-]{0,63}", re.ASCII)


class Remark(NamedTuple):
    """One line about something that is set in vain.

    is_unknown  whether the name is one that nobody knows, most likely a typo
    """

    text: str
    is_unknown: bool


class _Setting(NamedTuple):
    """That an option was set somewhere. `name` is in lower case if it is of the environment."""

    where: str
    group: str
    name: str


def refuse_without_authentication(files: Sequence[ConfigFile], overrides: Overrides) -> None:
    """Refuse to serve everybody where something says that somebody should ask who it is.

    :raises SettingsError: that is so
    """
    forced = (General.GROUP, "auth_strategy") in overrides
    for where, group, _ in _settings(files, overrides, _WITH_AUTHENTICATION):
        if forced:
            raise _unwanted(where, f"[{group}]")
        raise SettingsError(
            f"{where}: [{group}] has an effect only where clients are authenticated, and"
            f" auth_strategy of [{General.GROUP}] is empty, so that everybody would be let in: set"
            " auth_strategy = keystone, or remove the section"
        )
    if not forced:
        return
    for file in files:
        if any(file.groups.get(General.GROUP, {}).get("auth_strategy", ())):
            raise _unwanted(file.path, "auth_strategy")
    variable = f"OS_{General.GROUP}__AUTH_STRATEGY"
    if os.environ.get(variable):
        raise _unwanted(f"environment variable {variable}", "auth_strategy")


def _unwanted(where: str, what: str) -> SettingsError:
    return SettingsError(
        f"--embedded serves without authentication, but {where} asks for it with {what}: remove"
        f" that, or leave out --embedded and set storage = sqlite in [{Drivers.GROUP}]"
    )


def remarks(
    files: Sequence[ConfigFile], overrides: Overrides, settings: Settings, *, is_command: bool
) -> list[Remark]:
    """Say what is set and has no effect, a line each.

    Looks only at our own groups and at groups with nearly the same name: the rest of a file, and
    of the environment, belongs to others. `is_command` tells the command `marconi-server` from
    another WSGI host.
    """
    known = _known(settings)
    found = [remark for file in files for remark in _in_file(file, known, settings)]
    found += _in_environment(known, settings)
    idle = dict(_idle(settings, is_command=is_command))
    for where, group, name in _settings(files, overrides, known):
        if reason := idle.get((group, name)):
            found.append(Remark(f"{where}: {name} of [{group}] has no effect: {reason}", False))
    if is_command and CONFIG_FILE_VARIABLE in os.environ:
        text = f"environment variable {CONFIG_FILE_VARIABLE}: has no effect on this command, which"
        found.append(Remark(f"{text} takes --config-file", False))
    return found


def variables(settings: Settings) -> list[str]:
    """Return the environment variables that were read, sorted."""
    return sorted(_readable(settings) & os.environ.keys())


def _known(settings: Settings) -> dict[str, set[str]]:
    """Return the names that there are, by group."""
    known: dict[str, set[str]] = {}
    for section in _sections(settings):
        for each in options(section):
            for group, name in each.names:
                known.setdefault(group, set()).add(name)
    if settings.keystone_authtoken is not None:
        known |= settings.keystone_authtoken.names
    return known


def _idle(settings: Settings, *, is_command: bool) -> Iterator[tuple[tuple[str, str], str]]:
    """Find the options without effect under these settings, and say why."""
    storage = settings.drivers.storage
    if registry.driver(storage).cooperative:
        reason = f"with storage = {storage}, requests run on the event loop of a worker"
        yield (Wsgi.GROUP, "threads"), reason
    if not is_command:
        reason = "this is up to the WSGI host"
        for each in options(Wsgi):
            if each.name != "trusted_hosts":  # which the application looks at
                yield (Wsgi.GROUP, each.name), reason
        yield (General.GROUP, "use_json"), reason
    if settings.general.auth_strategy:
        yield (Wsgi.GROUP, "trusted_hosts"), "only without authentication a name matters"
    if settings.keystone_authtoken is not None:
        for name, reason in settings.keystone_authtoken.idle.items():
            yield (KEYSTONE_GROUP, name), reason


def _settings(
    files: Sequence[ConfigFile], overrides: Overrides, groups: Iterable[str]
) -> Iterator[_Setting]:
    """Find all that is set in some groups."""
    groups = list(groups)
    for file in files:
        for group in groups:
            yield from (_Setting(file.path, group, name) for name in file.groups.get(group, ()))
    for variable in sorted(os.environ):
        if (found := _of_variable(variable, groups)) is not None:
            yield _Setting(f"environment variable {variable}", *found)
    for group, name in overrides:
        if group in groups:
            yield _Setting("command line", group, name)


def _in_file(
    file: ConfigFile, known: Mapping[str, set[str]], settings: Settings
) -> Iterator[Remark]:
    """Find what is in vain in one file, whatever stands elsewhere."""
    for group, values in file.groups.items():
        if group not in known:
            for remark in _of_unknown_group(file.path, group, known, settings):
                if values or remark.is_unknown:  # a heading alone sets nothing, as in the sample
                    yield remark
            continue
        for name in sorted(values.keys() - known[group]):
            similar = get_close_matches(name, known[group], n=1)
            hint = f"; did you mean {similar[0]}?" if similar else ""
            # APPSEC: a line of a secret that was broken in two looks like a name to the parser.
            shown = f"option {name}" if _NAME.fullmatch(name) else "something that is no name"
            yield Remark(f"{file.path}: {shown} of [{group}] has no effect here{hint}", True)
        for name in sorted(values.keys() & known[group]):
            if len(values[name]) > 1:
                text = f"{name} of [{group}] is set {len(values[name])} times; the last one counts"
                yield Remark(f"{file.path}: {text}", False)
    for section in _sections(settings):
        for each in options(section):
            names = (pair for pair in each.names if pair[1] in file.groups.get(pair[0], ()))
            for group, name in list(names)[1:]:
                text = f"{name} of [{group}] has no effect beside {each.name} of [{each.group}]"
                yield Remark(f"{file.path}: {text}", False)


def _of_unknown_group(
    where: str, group: str, known: Mapping[str, set[str]], settings: Settings
) -> Iterator[Remark]:
    drivers = [f"drivers:storage:{name}" for name in registry.names()]
    by_lower_case = {each.lower(): each for each in (*known, *drivers, KEYSTONE_GROUP)}
    similar = get_close_matches(group.lower(), by_lower_case, n=1, cutoff=0.85)
    driver = _DRIVERS.fullmatch(group)
    if similar and by_lower_case[similar[0]] != group:
        text = f"there is no group [{group}]; did you mean [{by_lower_case[similar[0]]}]?"
        yield Remark(f"{where}: {text}", True)
    elif driver is not None:
        chosen = getattr(settings.drivers, driver[1])
        text = f"[{group}] has no effect: {driver[1]} of [{Drivers.GROUP}] is {chosen}"
        yield Remark(f"{where}: {text}", False)


def _in_environment(known: Mapping[str, set[str]], settings: Settings) -> Iterator[Remark]:
    readable = _readable(settings)
    hints = {each: each for each in readable if ":" not in each} | _old_variables(settings)
    beginnings = [*map(_beginning, (*known, KEYSTONE_GROUP))]
    others = {f"drivers:storage:{name}" for name in registry.names()} - known.keys()
    for variable in sorted(os.environ):
        where, spelled = f"environment variable {variable}", _spelled_plainly(variable)
        beginning, separator, _ = spelled.partition("__")
        if variable in readable:
            if variable != spelled and spelled in os.environ:
                yield Remark(f"{where}: has no effect beside {spelled}", False)
        elif (found := _of_variable(variable, others)) is not None:
            yield from _of_unknown_group(where, found[0], known, settings)
        elif similar := get_close_matches(spelled, hints, n=1, cutoff=0.9):
            yield Remark(f"{where}: sets nothing; did you mean {hints[similar[0]]}?", True)
        elif separator and get_close_matches(beginning + separator, beginnings, n=1, cutoff=0.9):
            yield Remark(f"{where}: sets nothing", True)


def _sections(settings: Settings) -> tuple[type[Any], ...]:
    return (*SECTIONS, type(settings.store))


def _readable(settings: Settings) -> set[str]:
    """Return the environment variables that are read under these settings, if they are set."""
    found = {
        variable
        for section in _sections(settings)
        for each in options(section)
        for variable in each.variables
    }
    if settings.keystone_authtoken is not None:
        for group, names in settings.keystone_authtoken.names.items():
            found |= {f"OS_{group.upper()}__{name.upper()}" for name in names}
    return found


def _old_variables(settings: Settings) -> dict[str, str]:
    """Return what old names would be as environment variables, which they are not, and the new."""
    return {
        _beginning(group) + name.upper(): each.variables[0]
        for section in _sections(settings)
        for each in options(section)
        for group, name in each.old_names
    }


def _of_variable(variable: str, groups: Iterable[str]) -> tuple[str, str] | None:
    """Return which of these groups an environment variable is of, and what it sets in it."""
    spelled = _spelled_plainly(variable)
    for group in groups:
        beginning = _beginning(group)
        if spelled.startswith(beginning):
            return group, spelled.removeprefix(beginning).lower()
    return None


def _beginning(group: str) -> str:
    """Return how the environment variables of a group begin."""
    return f"OS_{_spelled_plainly(group)}__"


def _spelled_plainly(name: str) -> str:
    return name.upper().replace(":", "_")
