"""Where the configuration comes from: files, environment and command line become `Settings`.

The only module that knows all who have options: the storage driver that is chosen, Keystone's
section, and the role rules.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from oslo_config import cfg

from marconi_server.config import unused
from marconi_server.config.files import ConfigFile, parsed, read_files
from marconi_server.config.reader import Overrides, Reader
from marconi_server.config.settings import (
    KEYSTONE,
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


class Configuration:
    """What a start or a reload has to go by.

    files      of which a later one wins over an earlier
    overrides  what the command line says, which wins over all else
    """

    def __init__(self, files: Sequence[ConfigFile], overrides: Overrides | None = None) -> None:
        self._files = files
        self._overrides = overrides or {}
        self._reader = Reader(files, self._overrides)

    def general(self) -> General:
        """Read one section alone: the log is set up by it before `settings` may have to warn.

        :raises SettingsError: a value is not allowed
        """
        return self._reader.section(General)

    def settings(self) -> Settings:
        """Read all of it, with the section of the storage driver that it chooses.

        :raises SettingsError: a value is not allowed, or authentication seems to be forgotten
        :raises StorageUnusable: this installation has no such storage driver
        """
        section = self._reader.section
        general, drivers = section(General), section(Drivers)
        if not general.auth_strategy:
            unused.refuse_without_authentication(self._files, self._overrides)
        settings = Settings(
            general=general,
            drivers=drivers,
            wsgi=section(Wsgi),
            limits=section(Limits),
            authentication=section(Authentication),
            policy=section(Policy),
            store=section(registry.driver(drivers.storage).Options),
        )
        if general.auth_strategy == KEYSTONE:
            settings = replace(settings, keystone_authtoken=self._keystone_authtoken())
        if general.auth_strategy:
            settings = self._with_role_rules(settings)
        return replace(settings, origins=self._origins(settings))

    def remarks(self, settings: Settings, *, is_command: bool) -> list[unused.Remark]:
        """Say what is set in vain; see `unused.remarks`."""
        return unused.remarks(self._files, self._overrides, settings, is_command=is_command)

    def _origins(self, settings: Settings) -> str:
        """Say which files were read, and what sets options beside them; without the values."""
        files = ", ".join(file.path for file in self._files) or "none"
        variables = unused.variables(settings)
        by_variables = f"; environment variables {', '.join(variables)}" if variables else ""
        names = ", ".join(name for _, name in self._overrides)
        by_command = f"; command line: {names}" if names else ""
        return f"{files}{by_variables}{by_command}"

    def _keystone_authtoken(self) -> "AuthToken":
        """Read the section of keystonemiddleware, from the files and the environment.

        :raises SettingsError: an option is missing, or has a value that makes no sense
        """
        from marconi_server.auth import authtoken  # which needs much that nobody else does

        return authtoken.read(parsed(self._files, use_env=True))

    def _with_role_rules(self, settings: Settings) -> Settings:
        """Add what the policy file says; `policy_file` becomes the path at which it was found.

        :raises SettingsError: it cannot be read, or a rule is wrong
        """
        from marconi_server.auth import roles  # which needs much that nobody else does

        # A later file wins over an earlier. Without any, there is the working folder.
        folders = [os.path.dirname(file.path) for file in reversed(self._files)] or [""]
        file = roles.find(settings.policy.policy_file, folders)
        rules = roles.read(file) if file else {}
        return replace(settings, policy=Policy(policy_file=file), role_rules=rules)


def load(files: Sequence[str] | None = None, overrides: Overrides | None = None) -> Settings:
    """Read the files at these paths, and return the settings; `None` stands for `default_files()`.

    For a process that reads its configuration once and does not care for remarks.

    :raises SettingsError: a file cannot be read, or as `Configuration.settings`
    :raises StorageUnusable: this installation has no such storage driver
    """
    paths = default_files() if files is None else files
    return Configuration(read_files(paths), overrides).settings()
