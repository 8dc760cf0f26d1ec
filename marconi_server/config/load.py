"""Where the configuration comes from: files, environment and command line become `Settings`.

The only module that knows all who have options: the storage driver that is chosen, Keystone's
section, and the role rules.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oslo_config import cfg

from marconi_server.config.options import Reader, names_set_in, options
from marconi_server.config.settings import (
    KEYSTONE,
    SECTIONS,
    Authentication,
    Drivers,
    General,
    Limits,
    Policy,
    Settings,
    Wsgi,
)
from marconi_server.storage import registry

if TYPE_CHECKING:
    from marconi_server.auth.authtoken import AuthToken


def default_files() -> list[str]:
    """Return the files that are read if none is named, as oslo.config finds them.

    That is `marconi.conf`, then `*.conf` in a folder `marconi.conf.d`, each from the first of
    `~/.marconi`, `~`, `/etc/marconi` and `/etc` that has it.
    """
    files = cfg.find_config_files(project="marconi", prog="marconi-server")
    for folder in cfg.find_config_dirs(project="marconi", prog="marconi-server"):
        files += sorted(map(str, Path(folder).glob("*.conf")))
    return files


def load_general(files: Sequence[str], overrides: Mapping[tuple[str, str], Any]) -> General:
    """Read one section alone: the log is set up by it before `load` may have to warn.

    :raises SettingsError: a file cannot be read, or a value is not allowed
    """
    return Reader(files, overrides).section(General)


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
    files = default_files() if files is None else files
    reader = Reader(files, overrides or {})
    drivers = reader.section(Drivers)
    settings = Settings(
        general=reader.section(General),
        drivers=drivers,
        wsgi=reader.section(Wsgi),
        limits=reader.section(Limits),
        authentication=reader.section(Authentication),
        policy=reader.section(Policy),
        store=reader.section(registry.driver(drivers.storage).Options),
    )
    if settings.general.auth_strategy == KEYSTONE:
        settings = replace(settings, keystone_authtoken=_keystone_authtoken(files))
    return _with_role_rules(settings, files) if settings.general.auth_strategy else settings


def _keystone_authtoken(files: Sequence[str]) -> "AuthToken":
    """Read the section of keystonemiddleware, from the files and the environment.

    :raises SettingsError: an option is missing, or has a value that makes no sense
    """
    from marconi_server.auth import authtoken  # which needs much that nobody else does

    conf = cfg.ConfigOpts()
    conf([], project="marconi", default_config_files=list(files), default_config_dirs=[])
    return authtoken.read(conf)


def _with_role_rules(settings: Settings, files: Sequence[str]) -> Settings:
    """Add what the policy file says; `policy_file` becomes the path at which it was found.

    :raises SettingsError: it cannot be read, or a rule is wrong
    """
    from marconi_server.auth import roles  # which needs much that nobody else does

    # A later file wins over an earlier. Without any, there is the working folder.
    folders = [os.path.dirname(file) for file in reversed(files)] or [""]
    file = roles.find(settings.policy.policy_file, folders)
    rules = roles.read(file) if file else {}
    return replace(settings, policy=Policy(policy_file=file), role_rules=rules)


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
    if settings.keystone_authtoken is not None:
        known |= settings.keystone_authtoken.names
    lines = []
    for file in files:
        for group, names in names_set_in(file).items():
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
