"""The command `marconi-server`: runs the service, checks what it would run, or registers it."""

import argparse
import io
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

from marconi_server import __version__, logs
from marconi_server.auth.contract import IdentityUnavailable
from marconi_server.auth.strategies import open_authenticator
from marconi_server.config.files import ConfigFiles
from marconi_server.config.load import Configuration, default_files
from marconi_server.config.options import SettingsError, options
from marconi_server.config.settings import Drivers, General, Settings, Wsgi
from marconi_server.config.unused import Remark
from marconi_server.server import report
from marconi_server.server.certificates import server_context
from marconi_server.storage import registry
from marconi_server.storage.errors import StorageError

logger = logging.getLogger(__name__)

STDOUT: Final = 1
STDERR: Final = 2

FAILED: Final = 2
"""Exit status if the command could not do what it was asked to."""

EXAMPLES: Final = """\
examples:
  marconi-server --embedded                     try it: SQLite, no authentication, port 8888
  marconi-server --embedded queues.db --port 0  messages in this file, on any free port
  marconi-server                                serve as /etc/marconi/marconi.conf says
  marconi-server --config-file marconi.conf     serve as this file says
  marconi-server check                          is the configuration right, does the store open?
  marconi-server register --help                enter the service in Keystone

signals: TERM answers the requests in flight and stops, HUP reads the configuration again.
"""


class _Parser(argparse.ArgumentParser):
    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parse a command line.

        APPSEC: of what is unknown, only names are repeated. A password may stand behind them.
        """
        arguments, unknown = self.parse_known_args(argv)
        if unknown:
            names = [each.partition("=")[0] for each in unknown if each.startswith("--")]
            self.error(f"unknown arguments: {', '.join(names) or len(unknown)}")
        return arguments

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line."""
        _complain(f"{self.prog}: {message} (see {self.prog} --help)")
        self.exit(FAILED)

    def _print_message(self, message: str, file: object = None) -> None:  # noqa: ARG002
        """Print help or version. argparse itself passes over what it cannot write."""
        _write(message)


def _parser() -> _Parser:
    parser = _Parser(
        prog="marconi-server",
        description="A queue server that speaks the OpenStack Marconi v1 API.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=["check", "register"],
        help="check: read the configuration, open the store, say what is wrong, and serve nothing; "
        "register: enter the service in Keystone (with flags of its own)",
    )
    parser.add_argument(
        "--config-file",
        metavar="FILE",
        action="append",
        help="read this file in place of the default ones; may be given several times, "
        "a later file wins over an earlier",
    )
    parser.add_argument(
        "--embedded",
        metavar="FILE",
        nargs="?",
        const="",
        help="keep messages in this SQLite file (by default marconi/marconi.db in the user's "
        "state folder), without authentication; reads no default configuration files",
    )
    parser.add_argument("--bind", metavar="ADDRESS", help="address or host name to listen on")
    parser.add_argument("--port", metavar="PORT", help="TCP port to listen on; 0 takes a free one")
    parser.add_argument("--workers", metavar="N", help="number of worker processes")
    parser.add_argument("--threads", metavar="N", help="threads of a worker, if a store needs them")
    parser.add_argument(
        "--lenient",
        action="store_true",
        help="with check: end with status 0 although there are options that nobody knows",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def _registration_parser(argv: Sequence[str]) -> _Parser:
    from marconi_server.auth import register  # with libraries that servers do not need

    parser = _Parser(
        prog="marconi-server register",
        description="Enters the service in Keystone: its place in the catalogue, and the user as "
        "which servers ask what a token is worth. Run it as an administrator of Keystone.",
        allow_abbrev=False,
    )
    register.add_arguments(parser, argv)
    return parser


class _Source:
    """Where the configuration comes from, at the start and at each reload.

    remarks  what was set in vain, when it was read last
    """

    def __init__(self, files: ConfigFiles, overrides: dict[tuple[str, str], Any]) -> None:
        self._files = files
        self._overrides = overrides
        self.remarks: list[Remark] = []

    def load(self) -> Settings:
        """Set up the log as it says, read all of it, and warn of what has no effect.

        :raises SettingsError: it is wrong
        :raises StorageUnusable: there is no such storage driver
        """
        configuration = Configuration(self._files.read(), self._overrides)
        logs.configure(use_json=configuration.general().use_json)
        settings = configuration.settings()
        self.remarks = configuration.remarks(settings, is_command=True)
        for remark in self.remarks:
            logger.warning(remark.text)
        return settings


def _source(arguments: argparse.Namespace) -> _Source:
    """Turn the command line into files and overrides.

    :raises SettingsError: the default folder of the database cannot be made
    """
    overrides: dict[tuple[str, str], Any] = {
        (Wsgi.GROUP, name): getattr(arguments, name)
        for name in ("bind", "port", "workers", "threads")
        if getattr(arguments, name) is not None
    }
    named = [os.path.abspath(file) for file in arguments.config_file or ()]
    if arguments.embedded is None:
        return _Source(ConfigFiles(lambda: named or default_files()), overrides)
    database = arguments.embedded or _default_database()
    overrides[General.GROUP, "auth_strategy"] = ""
    overrides[Drivers.GROUP, "storage"] = "sqlite"
    overrides["drivers:storage:sqlite", "database"] = os.path.abspath(database)
    return _Source(ConfigFiles(lambda: named), overrides)


def _default_database() -> Path:
    """Return the database of `--embedded` without a file, and make its folder."""
    try:
        home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        folder = Path(home) / "marconi"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a user without a home
        raise SettingsError(
            f"the folder of the default database cannot be made: {error}; "
            "name a file: --embedded FILE"
        ) from error
    return folder / "marconi.db"


def _say(text: str) -> None:
    """Print a line.

    :raises _Unheard: it cannot be written
    """
    _write(f"{logs.in_one_line(text)}\n")


def _tell(text: str) -> None:
    """Print lines as they are, which may be a part of a configuration with its password.

    :raises _Unheard: they cannot be written
    """
    _write(f"{text}\n")


def _write(text: str) -> None:
    try:
        print(text, end="", flush=True)  # noqa: T201 - the answer of a command
    except OSError as error:
        raise _Unheard(error) from error


def _check(source: _Source, *, lenient: bool) -> None:
    """Say in words what the configuration is and whether all that it needs answers."""
    settings = source.load()
    server_context(settings.wsgi)
    for line in report.warnings(settings):
        logger.warning(line)
    for line in report.lines(settings, ""):
        _say(line)
    for each in options(type(settings.store)):
        _say(f"  {each.name} = {each.shown(getattr(settings.store, each.name))}")
    _say(f"The store: {registry.check_store(settings) or 'opens and answers'}")
    authenticator = open_authenticator(settings)
    if authenticator is not None:
        authenticator.probe()
        authenticator.close()
        _say("Keystone answers, and knows this server.")
    unknown = sum(remark.is_unknown for remark in source.remarks)
    if unknown and not lenient:
        raise SettingsError(
            f"all else is well, but {unknown} of the options that are set are unknown (see the "
            "warnings); remove or correct them, or pass over them with --lenient"
        )
    _say("The store opens and answers. All is well.")


def _serve(source: _Source, *, embedded: bool) -> None:
    """Serve until a signal stops it."""
    from marconi_server.server.service import Service  # what `check` and `--help` do not need

    def announce(url: str) -> None:
        if not embedded:
            return
        try:
            _say(f"The queue server listens on {url}")
            _say(f"Try: curl -i -X PUT {url}/v1/queues/demo")
        except _Unheard as error:  # that is no reason not to serve
            logger.warning("The address was not told: %s", error)

    Service(source.load, announce).run()


def _register(argv: Sequence[str]) -> int:
    from marconi_server.auth import register

    try:
        register.run(_registration_parser(argv).parse(argv), _tell)
    except register.RegistrationFailed as error:
        return _fail(error)
    return 0


class _Unheard(Exception):
    """Nobody hears what the command has to say."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output cannot be written: {error.strerror}")
        # Python would try again at the end, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)


def _fail(error: Exception) -> int:
    logs.flush()
    _complain(f"marconi-server: {error}")
    return FAILED


def _complain(text: str) -> None:
    with suppress(OSError):  # then there is the exit status
        os.write(STDERR, f"{logs.in_one_line(text)}\n".encode())


def _keep_standard_streams() -> None:
    """Let nothing else get the descriptors of streams that are closed, such as the database."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    :raises SystemExit: argparse and gunicorn end the process in this way
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    _keep_standard_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of files may be in any encoding, or none
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _register(argv[1:]) if argv[:1] == ["register"] else _run(argv)
    except _Unheard as error:
        return _fail(error)
    except KeyboardInterrupt:
        return 130  # as shells report SIGINT


def _run(argv: Sequence[str]) -> int:
    parser = _parser()
    arguments = parser.parse(argv)
    if arguments.command == "register":
        parser.error("write marconi-server register first, and its flags behind it")
    if arguments.embedded == "check":
        parser.error("write marconi-server check --embedded; a file of that name is ./check")
    if arguments.lenient and arguments.command != "check":
        parser.error("--lenient is for marconi-server check; a start is lenient as it is")
    logs.configure()
    try:
        source = _source(arguments)
        if arguments.command == "check":
            _check(source, lenient=arguments.lenient)
        else:
            _serve(source, embedded=arguments.embedded is not None)
    except (SettingsError, StorageError, IdentityUnavailable) as error:
        return _fail(error)
    return 0
