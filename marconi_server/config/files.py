"""Configuration files: each is read once, whatever it is, and all is taken from what was read.

A file may be a pipe (`--config-file <(…)`), or standard input. Whoever opened it a second time
would find it empty, and take the defaults for everything, without a word.
"""

import errno
import io
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from oslo_config import cfg

from marconi_server.config.options import SettingsError

LARGEST: Final = 1024**2
"""Bytes. A larger file is something else, such as a device that never ends."""


@dataclass(frozen=True)
class ConfigFile:
    """What a file says.

    path     as it was named
    content  as it was read
    groups   all values that it sets, by group and name; a group in lower case, as in oslo.config
    """

    path: str
    content: bytes = field(repr=False)
    groups: Mapping[str, Mapping[str, Sequence[str]]] = field(repr=False)


class ConfigFiles:
    """The files of a process, to be read at its start and again at each reload."""

    def __init__(self, find: Callable[[], Sequence[str]]) -> None:
        """Take what finds the paths, of which a later one wins; it is asked each time."""
        self._find = find
        self._used_up: set[str] = set()

    def read(self) -> list[ConfigFile]:
        """Read each file once.

        :raises SettingsError: one cannot be read or understood, or was read before and is gone
            with that
        """
        return [self._read(path) for path in self._find()]

    def _read(self, path: str) -> ConfigFile:
        try:
            if path in self._used_up and not _stays(os.stat(path)):
                raise SettingsError(
                    f"{path}: was read before, and cannot be read again since it is no regular "
                    "file; to change the configuration while the server runs, name a file"
                )
            with open(path, "rb") as file:
                if not _stays(os.fstat(file.fileno())):
                    self._used_up.add(path)
                return ConfigFile(path, *_contents(path, file))
        except (OSError, ValueError) as error:  # ValueError: a null character in the name
            reason = getattr(error, "strerror", None) or error
            raise SettingsError(f"{path}: cannot be read: {reason}") from error


def read_files(paths: Sequence[str]) -> list[ConfigFile]:
    """Read each file once, for a process that does not read any again.

    :raises SettingsError: one cannot be read or understood
    """
    return ConfigFiles(lambda: paths).read()


def check_regular(path: str) -> None:
    """Make sure that a file can be read, as often as a library may want to.

    :raises OSError: it cannot
    """
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "It is not a regular file")
    with open(path, "rb"):
        pass


def parsed(files: Sequence[ConfigFile], *, use_env: bool) -> cfg.ConfigOpts:
    """Give oslo.config the files, as they were when they were read."""
    conf = cfg.ConfigOpts()
    with ExitStack() as copies:
        paths = [copies.enter_context(_copy(file)) for file in files]
        conf(
            [],
            project="marconi",
            default_config_files=paths,
            default_config_dirs=[],
            use_env=use_env,
        )
    return conf


@contextmanager
def _copy(file: ConfigFile) -> Iterator[str]:
    """Make a file in memory that nobody else finds: oslo.config takes names of files only."""
    descriptor = os.memfd_create("marconi.conf")
    try:
        with open(descriptor, "wb", closefd=False) as copy:
            copy.write(file.content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _stays(status: os.stat_result) -> bool:
    """Tell whether a file may be read as often as one likes."""
    return stat.S_ISREG(status.st_mode) or status.st_rdev == os.stat(os.devnull).st_rdev


def _contents(path: str, file: BinaryIO) -> tuple[bytes, Mapping[str, Mapping[str, Sequence[str]]]]:
    content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise SettingsError(f"{path}: is larger than {LARGEST} bytes, which no configuration is")
    # APPSEC: a pipe that somebody else has emptied must not turn into an open server.
    if not content and not _stays(os.fstat(file.fileno())):
        raise SettingsError(f"{path}: is empty; if it is a pipe, it may have been read before")
    return content, _parse(path, content)


def _parse(path: str, content: bytes) -> Mapping[str, Mapping[str, Sequence[str]]]:
    """Return the values that a file sets.

    :raises SettingsError: it cannot be understood
    """
    found: dict[str, dict[str, Any]] = {}
    parser = cfg.ConfigParser(path, found)
    try:
        # What `ConfigParser.parse` does, with the content in place of the file.
        super(cfg.ConfigParser, parser).parse(io.TextIOWrapper(io.BytesIO(content)).readlines())
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: cannot be read: it is not text in UTF-8") from error
    except cfg.ParseError as error:
        # The line itself is not shown: there may be a secret in it.
        raise SettingsError(f"{path}: line {error.lineno}: {error.msg}") from None
    groups: dict[str, dict[str, list[str]]] = {}
    for group, values in found.items():
        names = groups.setdefault(group if group == "DEFAULT" else group.lower(), {})
        for name, value in values.items():
            names.setdefault(name, []).extend(value)
    return groups
