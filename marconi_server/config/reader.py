"""How options are read: files, environment and command line become sections.

Precedence: overrides (the command line), then the environment (`OS_<GROUP>__<OPTION>`),
then the files, then the default. The result is plain frozen data: nothing asks
oslo.config after the start.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from oslo_config import cfg

from marconi_server.config.files import ConfigFile, parsed
from marconi_server.config.options import Option, Section, SettingsError, options

SectionType = TypeVar("SectionType", bound=Section)

Overrides = Mapping[tuple[str, str], Any]
"""Values that win over all else, by (group, name)."""


class Reader:
    """Reads sections from files, environment and overrides."""

    def __init__(self, files: Sequence[ConfigFile], overrides: Overrides) -> None:
        self._files = files
        self._overrides = overrides

    def section(self, section: type[SectionType]) -> SectionType:
        """Read one section.

        :raises SettingsError: a value is not allowed
        """
        declared = options(section)
        # The environment is read here and not by oslo.config: see Option.variables.
        conf = parsed(self._files, use_env=False)
        for each in declared:
            read: Any = each.read  # to oslo.config, any callable is a type
            old_names = [cfg.DeprecatedOpt(name, group=group) for group, name in each.old_names]
            conf.register_opt(
                cfg.Opt(each.name, type=read, default=each.default, deprecated_opts=old_names),
                group=each.group,
            )
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
            for file in self._files:
                if any(name in file.groups.get(group, ()) for group, name in each.names):
                    origin = f"{file.path}: "
            return conf[each.group][each.name]
        except SettingsError as error:
            raise SettingsError(f"{origin}{error}") from error
        except cfg.Error as error:
            # In a file, a dollar sign stands before the name of another option. What oslo.config
            # has to say about that repeats the value.
            cause = "" if each.secret else f" ({error})"
            raise SettingsError(
                f"{origin}option {each.name} of [{each.group}] refers to an option that does not "
                f"exist{cause}; a dollar sign is written $$"
            ) from error
