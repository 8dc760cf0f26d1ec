"""Who is measured: each contender takes a case and gives one measurement of it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from bench import mongodb
from bench.cases import EMPTY_LOAD, HEADERS, PROJECT, Case, Load, fill
from bench.measure import Plan, case_of_server, load_of_server, work_of_threads
from bench.results import PRODUCT, Measurement
from bench.servers import free_port, serve, server_options
from marconi_server.storage.sqlite.driver import SQLiteOptions, SQLiteStore
from tests.keystone.authenticated import configuration
from tests.keystone.identity import Identity
from tests.keystone.server import KeystoneServer

Contender = Callable[[Case, Plan, Path], Measurement]
"""Measures a case once, with files in an empty folder of its own."""


def marconi(case: Case, plan: Plan, folder: Path) -> Measurement:
    """Measure `marconi-server --embedded`."""
    database = folder / "marconi.db"
    with _filled(database, case, plan):
        pass  # the server opens the file by itself
    with serve("marconi_server", _options(database, plan), folder / "server.log") as server:
        return case_of_server(server, case, plan)


def keystone(case: Case, plan: Plan, folder: Path) -> Measurement:
    """Measure the same server with a real Keystone, which it asks about the one token once."""
    with KeystoneServer(folder) as running:
        identity = Identity(running.url)
        user, project = identity.anybody()
        headers = HEADERS | {"X-Auth-Token": identity.token(user, project)}
        del headers["X-Project-Id"]  # which is that of the token
        with _filled(folder / "marconi.db", case, plan, project.id):
            pass
        config = folder / "marconi.conf"
        config.write_text(configuration(identity, folder))
        options = ["--config-file", str(config), *server_options(plan.workers, plan.threads)]
        with serve("marconi_server", options, folder / "server.log") as server:
            return case_of_server(server, case, plan, headers)


def empty(*more_options: str) -> Contender:
    """Return the empty responder as a contender, under the settings of the product."""

    def measure(_case: Case, plan: Plan, folder: Path) -> Measurement:
        return _storeless(EMPTY_LOAD, plan, folder, *more_options)

    return measure


def api(case: Case, plan: Plan, folder: Path) -> Measurement:
    """Measure the product with a store that does nothing."""
    return _storeless(case.load, plan, folder, "--api")


def _storeless(load: Load, plan: Plan, folder: Path, *more_options: str) -> Measurement:
    """Measure what does without a store, under the settings of the product."""
    options = [*_options(folder / "unused.db", plan), *more_options]
    with serve("bench.empty", options, folder / "server.log") as server:
        return load_of_server(server, load, plan)


def gunicorn(case: Case, plan: Plan, folder: Path) -> Measurement:
    """Measure the product under gunicorn's own threaded worker."""
    options = ["--bind", "127.0.0.1:0", "--worker-class", "gthread", "--no-control-socket"]
    options += ["--workers", str(plan.workers), "--threads", str(plan.threads)]
    return _under(case, plan, folder, "gunicorn", options)


def granian(case: Case, plan: Plan, folder: Path) -> Measurement:
    """Measure the product under granian, which is written in Rust."""
    options = ["--interface", "wsgi", "--host", "127.0.0.1", "--port", str(free_port())]
    options += ["--workers", str(plan.workers), "--blocking-threads", str(plan.threads)]
    return _under(case, plan, folder, "granian", options)


def _under(
    case: Case, plan: Plan, folder: Path, module: str, options: Sequence[str]
) -> Measurement:
    """Measure the WSGI application of the product, on SQLite, under another server."""
    database, config = folder / "marconi.db", folder / "marconi.conf"
    with _filled(database, case, plan):
        pass
    config.write_text(
        f"[drivers]\nstorage = sqlite\n[{SQLiteOptions.GROUP}]\ndatabase = {database}\n"
    )
    arguments = [*options, "marconi_server.wsgi:application"]
    environment = {"MARCONI_CONFIG_FILE": str(config)}
    with serve(module, arguments, folder / "server.log", environment) as server:
        return case_of_server(server, case, plan)


def store(case: Case, plan: Plan, folder: Path) -> Measurement:
    """Measure the driver of SQLite alone, in threads of this process."""
    with _filled(folder / "marconi.db", case, plan) as opened:
        return work_of_threads(partial(case.work, opened), plan)


CONTENDERS: Final[dict[str, Contender]] = {
    "empty": empty(),
    "empty-threads": empty("--in-threads"),
    "gthread": empty("--worker-class", "gthread"),
    "api": api,
    "marconi": marconi,
    "gunicorn": gunicorn,
    "granian": granian,
    "keystone": keystone,
    "store": store,
    "mongodb": mongodb.mongodb,
    "mongodb-store": mongodb.mongodb_store,
    "pymongo": mongodb.pymongo,
}

ON_MONGODB: Final = frozenset({"mongodb", "mongodb-store", "pymongo"})
"""Those that need MongoDB."""

AT_FIXED_RATES: Final = frozenset(PRODUCT)
"""Those of which it matters how long answers take while there is time to spare: the product."""


@contextmanager
def _filled(
    database: Path, case: Case, plan: Plan, project: str = PROJECT
) -> Iterator[SQLiteStore]:
    """Open a new store with the messages that the case needs."""
    with closing(SQLiteStore.open(SQLiteOptions(database=str(database)))) as opened:
        fill(opened, case.messages(plan.all_seconds), project=project)
        yield opened


def _options(database: Path, plan: Plan) -> list[str]:
    return ["--embedded", str(database), *server_options(plan.workers, plan.threads)]
