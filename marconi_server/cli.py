"""The command `marconi-server`: runs the service, checks what it would run, or registers it."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from marconi_server import __version__, logs
from marconi_server.auth.contract import IdentityUnavailable
from marconi_server.auth.strategies import open_authenticator
from marconi_server.config import load as configuration
from marconi_server.config.options import SettingsError, options
from marconi_server.config.settings import Drivers, General, Settings, Wsgi
from marconi_server.server.certificates import server_context
from marconi_server.storage import registry
from marconi_server.storage.errors import StorageError

logger = logging.getLogger(__name__)

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
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line."""
        self.exit(FAILED, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
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
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def _registration_parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    from marconi_server.auth import register  # with libraries that servers do not need

    parser = _Parser(
        prog="marconi-server register",
        description="Enters the service in Keystone: its place in the catalogue, and the user as "
        "which servers ask what a token is worth. Run it as an administrator of Keystone.",
        allow_abbrev=False,
    )
    register.add_arguments(parser, argv)
    return parser


@dataclass(frozen=True)
class _Source:
    """Where the configuration comes from."""

    files: list[str]
    overrides: dict[tuple[str, str], Any]

    def load(self) -> Settings:
        """Set up the log as it says, read all of it, and warn of what may be typos.

        :raises SettingsError: it is wrong
        :raises StorageUnusable: there is no such storage driver
        """
        general = configuration.load_general(self.files, self.overrides)
        logs.configure(use_json=general.use_json)
        settings = configuration.load(self.files, self.overrides)
        for line in configuration.unknown_options(self.files, settings):
            logger.warning(line)
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
    files: list[str] = arguments.config_file or []
    if arguments.embedded is None:
        files = files or configuration.default_files()
    else:
        database = arguments.embedded or _default_database()
        overrides[General.GROUP, "auth_strategy"] = ""
        overrides[Drivers.GROUP, "storage"] = "sqlite"
        overrides["drivers:storage:sqlite", "database"] = os.path.abspath(database)
    return _Source([os.path.abspath(file) for file in files], overrides)


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
    print(text, flush=True)  # noqa: T201 - the answer of a command


def _check(source: _Source) -> None:
    """Say in words what the configuration is and whether all that it needs answers."""
    _say(f"Configuration files: {', '.join(source.files) or 'none, defaults only'}")
    settings = source.load()
    wsgi, limits = settings.wsgi, settings.limits
    tls = "" if server_context(wsgi) is None else f", TLS with {wsgi.cert_file}"
    _say(f"Address: {wsgi.bind}, port {wsgi.port}{tls}")
    on_loop = registry.driver(settings.drivers.storage).cooperative
    where = "on an event loop each" if on_loop else f"in {wsgi.threads} threads each"
    _say(f"Processes: {wsgi.workers} workers, which handle requests {where}")
    _say(
        f"Largest bodies: {limits.max_message_size} bytes for a post, "
        f"{limits.max_queue_metadata} for metadata, {limits.max_claim_body} for a claim"
    )
    authenticator = open_authenticator(settings)
    if authenticator is not None:
        _say(f"Authentication: {'; '.join(authenticator.describe())}")
        changed = ", ".join(sorted(settings.role_rules))
        file = settings.policy.policy_file
        _say(f"Role rules: {file}, which sets {changed}" if changed else "Role rules: the defaults")
    _say(f"Storage: {settings.drivers.storage}")
    for each in options(type(settings.store)):
        _say(f"  {each.name} = {each.shown(getattr(settings.store, each.name))}")
    registry.check_store(settings)
    if authenticator is not None:
        authenticator.probe()
        authenticator.close()
        _say("Keystone answers, and knows this server.")
    _say("The store opens and answers. All is well.")


def _serve(source: _Source, *, embedded: bool) -> None:
    """Serve until a signal stops it."""
    from marconi_server.server.service import Service  # what `check` and `--help` do not need

    def announce(url: str) -> None:
        if embedded:
            _say(f"The queue server listens on {url}")
            _say(f"Try: curl -i -X PUT {url}/v1/queues/demo")

    Service(source.load, announce).run()


def _register(argv: Sequence[str]) -> int:
    from marconi_server.auth import register

    try:
        register.run(_registration_parser(argv).parse_args(argv), _say)
    except register.RegistrationFailed as error:
        return _fail(error)
    return 0


def _fail(error: Exception) -> int:
    sys.stderr.write(f"marconi-server: {error}\n")
    return FAILED


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    :raises SystemExit: argparse and gunicorn end the process in this way
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        if argv[:1] == ["register"]:
            return _register(argv[1:])
        return _run(argv)
    except KeyboardInterrupt:
        return 130  # as shells report SIGINT


def _run(argv: Sequence[str]) -> int:
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.command == "register":
        parser.error("write marconi-server register first, and its flags behind it")
    if arguments.embedded == "check":
        parser.error("write marconi-server check --embedded; a file of that name is ./check")
    logs.configure()
    try:
        source = _source(arguments)
        if arguments.command == "check":
            _check(source)
        else:
            _serve(source, embedded=arguments.embedded is not None)
    except (SettingsError, StorageError, IdentityUnavailable) as error:
        return _fail(error)
    return 0
