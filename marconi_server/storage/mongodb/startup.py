"""What is done when a store is opened: what is unfit is refused with its remedy."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import unquote_plus

import pymongo
from pymongo import MongoClient, ReadPreference
from pymongo.errors import ConfigurationError, DuplicateKeyError, OperationFailure, PyMongoError

from marconi_server.config.masking import MASK, secrets_of, uri_without_secrets
from marconi_server.storage.contract import Clock
from marconi_server.storage.errors import StorageUnavailable, StorageUnusable
from marconi_server.storage.mongodb.engine import Engine
from marconi_server.storage.mongodb.faults import faults, summary
from marconi_server.storage.mongodb.pool import SteadyPool
from marconi_server.storage.mongodb.schema import SCHEMA, Document, other_version

CONNECT_SECONDS: Final = 3.0
"""How long a start waits for the database: within five, the command says what is wrong."""

_OLDEST_WIRE_VERSION: Final = 9  # of MongoDB 4.4

_UNAUTHORIZED: Final = 13
_AUTHENTICATION_FAILED: Final = 18
_OTHER_INDEX: Final = frozenset({85, 86})  # IndexOptionsConflict, IndexKeySpecsConflict

_DEFAULTS: Final[dict[str, Any]] = {
    "appName": "marconi-server",
    "maxPoolSize": None,  # each thread that works has a connection: threads are the limit
    "heartbeatFrequencyMS": 2000,  # a member that was lost is found again so fast
}
"""Options of the client, unless the URI sets them."""

_SECTION: Final = "[drivers:storage:mongodb]"

_NAME: Final = re.compile(r"(?!(admin|config|local)$)[\w-]{1,63}", re.ASCII)

_SCHEMES: Final = ("mongodb://", "mongodb+srv://")


def check_name(database: str) -> None:
    """Check the name of the database.

    :raises StorageUnusable: MongoDB takes no such name, or has that database for itself
    """
    if not _NAME.fullmatch(database):
        raise StorageUnusable(
            reason=f"Option database of {_SECTION} is {database!r}.",
            remedy="Choose a name of up to 63 letters, digits, _ and -, but neither admin nor "
            "config nor local.",
        )


def connect(uri: str) -> MongoClient[Document]:
    """Make a client, which connects when it is first used.

    :raises StorageUnusable: the URI cannot be understood, or asks for what breaks a promise
    """
    if not uri.startswith(_SCHEMES):  # which pymongo would take for the name of a host
        raise StorageUnusable(
            reason=f"The MongoDB URI does not begin with {' or '.join(_SCHEMES)}.",
            remedy=f"Correct option uri of {_SECTION}.",
        )
    asked = {name.partition("=")[0].lower() for name in re.split("[&;]", uri.partition("?")[2])}
    settings = {name: value for name, value in _DEFAULTS.items() if name.lower() not in asked}
    try:
        # With a warning pymongo passes over what it does not understand, such as `tls=yes`.
        with warnings.catch_warnings(action="error", category=UserWarning):
            client: MongoClient[Document] = MongoClient(
                uri, connect=False, _pool_class=SteadyPool, **settings
            )
    except (PyMongoError, OSError, TypeError, UserWarning, ValueError) as error:
        # APPSEC: without the exception of pymongo, which may repeat any part of the URI.
        raise StorageUnusable(
            reason=f"The MongoDB URI {uri_without_secrets(uri)} cannot be used: "
            f"{_without_secrets(str(error).rstrip('.'), uri)}.",
            remedy=f"Correct option uri of {_SECTION}.",
        ) from None
    if weaker := _weaker(client):
        client.close()
        raise StorageUnusable(
            reason=f"The MongoDB URI {uri_without_secrets(uri)} has {weaker}.",
            remedy="Remove that from it: messages are written to the journals of a majority of "
            "members and read from the primary, or they could be lost.",
        )
    return client


def _without_secrets(cause: str, uri: str) -> str:
    """Return what pymongo says of a URI, if that can be told apart from the secrets in it."""
    secrets = secrets_of(uri)
    if secrets is None:
        return (
            "it is not of the form mongodb://USER:PASSWORD@HOST:PORT/?OPTION=VALUE, where"
            " characters such as / ? # @ in a user or password are percent-encoded"
        )
    for each in sorted(secrets, key=len, reverse=True):
        cause = cause.replace(each, MASK).replace(unquote_plus(each), MASK)
    return " ".join(cause.split())


def _weaker(client: MongoClient[Document]) -> str | None:
    """Return what the URI asks for that is weaker than what this driver promises."""
    concern = client.write_concern.document
    if concern.get("w", "majority") != "majority":
        return f"write concern w={concern['w']}"
    if not concern.get("j", True):
        return "write concern journal=false"
    if client.read_concern.level not in (None, "majority"):
        return f"read concern {client.read_concern.level}"
    if client.read_preference != ReadPreference.PRIMARY:
        return f"read preference {client.read_preference.mongos_mode}"
    return None


def prepare(engine: Engine, uri: str, clock: Clock, *, max_clock_skew: float) -> None:
    """Prove that the database is fit for use, and create what is missing in it.

    :raises StorageUnusable: it is not, and somebody has to change that
    :raises StorageUnavailable: it does not answer
    """
    with _explained(engine, uri), pymongo.timeout(CONNECT_SECONDS):
        _check_server(engine)
        check_clock(engine, clock, max_clock_skew=max_clock_skew)
        engine.is_new = not _check_version(engine)
        engine.complete()


def _check_version(engine: Engine) -> bool:
    """Tell whether the database was used before, by a server that this one gets on with."""
    found = engine.housekeeping.find_one({"_id": SCHEMA})
    if found is not None and (other := other_version(found)):
        raise StorageUnusable(
            reason=f"Database {engine.database.name} {other}",
            remedy="Run the release that wrote it, or choose another database.",
        )
    return found is not None


def _check_server(engine: Engine) -> None:
    hello = engine.client.admin.command("hello")
    if hello["maxWireVersion"] < _OLDEST_WIRE_VERSION:
        raise StorageUnusable(
            reason="The MongoDB server is older than 4.4.", remedy="Use 4.4 or newer."
        )
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise StorageUnusable(
            reason="The MongoDB server is a standalone one, which has no transactions.",
            remedy="Make it a replica set, of one member if need be: start mongod with "
            "--replSet marconi, and run rs.initiate() once in mongosh.",
        )


def check_clock(engine: Engine, clock: Clock, *, max_clock_skew: float) -> None:
    """Compare the clock with that of the primary; `max_clock_skew` in seconds, 0 for no check.

    :raises StorageUnusable: they differ by more
    """
    if not max_clock_skew:
        return
    before = clock()
    theirs = engine.client.admin.command("hello")["localTime"].timestamp()
    after = clock()
    skew = max(before - theirs, theirs - after)
    if skew > max_clock_skew:
        raise StorageUnusable(
            reason=f"The clock of this host and that of the MongoDB primary differ by "
            f"{skew:.1f} s, so claims and messages would end too early or too late.",
            remedy="Set both right, and keep them so with NTP (chrony, systemd-timesyncd).",
        )


@contextmanager
def _explained(engine: Engine, uri: str) -> Iterator[None]:
    """Turn what the database answers into what is wrong and what to do."""
    database, where = engine.database.name, uri_without_secrets(uri)
    try:
        with faults():
            yield
    except ConfigurationError as error:  # a server that is too old for pymongo, too
        raise StorageUnusable(
            reason=f"MongoDB at {where} cannot be used: {summary(error)}.",
            remedy=f"Correct option uri of {_SECTION}, or the server.",
        ) from error
    except DuplicateKeyError as error:  # the index on names cannot be made
        raise StorageUnusable(
            reason=f"Database {database} has a collection queues that is not ours.",
            remedy=f"Choose another one with option database of {_SECTION}.",
        ) from error
    except StorageUnavailable as error:
        cause = error.__cause__
        code = cause.code if isinstance(cause, OperationFailure) else None
        if code == _AUTHENTICATION_FAILED:
            raise StorageUnusable(
                reason=f"MongoDB at {where} refuses this user.",
                remedy=f"Correct user, password or authSource in option uri of {_SECTION}.",
            ) from error
        if code == _UNAUTHORIZED and "requires authentication" in error.reason:
            raise StorageUnusable(
                reason=f"MongoDB at {where} lets in nobody without a password.",
                remedy=f"Put user and password into option uri of {_SECTION}.",
            ) from error
        if code == _UNAUTHORIZED:
            raise StorageUnusable(
                reason=f"The MongoDB user of {where} lacks rights: {error.reason}.",
                remedy=f'Run in mongosh: db.grantRolesToUser("USER", '
                f'[{{role: "readWrite", db: "{database}"}}]).',
            ) from error
        if code in _OTHER_INDEX:
            raise StorageUnusable(
                reason=f"Database {database} has another index in place of ours: {error.reason}.",
                remedy="Drop that index; the server creates its own.",
            ) from error
        servers = engine.client.topology_description
        if servers.has_known_servers and not servers.has_writable_server():
            raise StorageUnavailable(
                reason=f"MongoDB at {where} has no primary. A majority of its members has to run, "
                "and a new replica set needs rs.initiate() in mongosh, once."
            ) from error
        raise StorageUnavailable(
            reason=f"MongoDB at {where} does not answer as it should: {error.reason}. Start it, "
            f"or correct option uri of {_SECTION}; marconi-server --embedded needs no database."
        ) from error
