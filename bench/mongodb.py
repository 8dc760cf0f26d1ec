"""The contenders that work on MongoDB: a replica set of one, started for each measurement."""

import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from bench import bare
from bench.cases import Case, fill
from bench.measure import Plan, case_of_server, work_of_threads
from bench.results import Measurement
from bench.servers import group_cpu, serve, server_options
from marconi_server.storage.mongodb.driver import MongoDBOptions, MongoDBStore
from tests.mongodb import search
from tests.mongodb.replica_set import ReplicaSet

SPEED: Final = 0.25
"""How fast claims are at most, as a share of what SQLite does."""

CACHE_GB: Final = 1.0
"""Memory of the database for data. All that the cases need fits, as it should in production."""


@contextmanager
def running(folder: Path, cache_gb: float = CACHE_GB) -> Iterator[ReplicaSet]:
    """Run a replica set of one member, with its files in a folder."""
    with ReplicaSet(search.mongod(), parent=folder, cache_gb=cache_gb) as replica_set:
        yield replica_set


def version() -> str:
    """Return the version of the database, and its memory."""
    program = search.mongod()
    done = subprocess.run([program, "--version"], stdout=subprocess.PIPE, text=True, check=True)
    return f"{done.stdout.split()[2].removeprefix('v')}, {CACHE_GB:g} GB of cache"


def cpu(replica_set: ReplicaSet) -> float:
    """Return the seconds of CPU that the database has used."""
    return sum(group_cpu(member.pid) for member in replica_set.members)


@contextmanager
def opened(
    replica_set: ReplicaSet, database: str = MongoDBOptions.database
) -> Iterator[MongoDBStore]:
    """Open our driver on a database."""
    options = MongoDBOptions(uri=replica_set.uri, database=database)
    with closing(MongoDBStore.open(options)) as store:
        yield store


def configuration(replica_set: ReplicaSet, database: str = MongoDBOptions.database) -> str:
    """Return the text of a file that serves from a database."""
    return (
        "[drivers]\nstorage = mongodb\n"
        f"[{MongoDBOptions.GROUP}]\nuri = {replica_set.uri}\ndatabase = {database}\n"
    )


def mongodb(case: Case, plan: Plan, folder: Path) -> Measurement:
    """Measure the server with its default store."""
    with running(folder) as replica_set:
        with opened(replica_set) as store:
            fill(store, case.messages(plan.all_seconds, SPEED))
        config = folder / "marconi.conf"
        config.write_text(configuration(replica_set))
        options = ["--config-file", str(config), *server_options(plan.workers, plan.threads)]
        with serve("marconi_server", options, folder / "server.log") as server:
            return case_of_server(server, case, plan, database=partial(cpu, replica_set))


def mongodb_store(case: Case, plan: Plan, folder: Path) -> Measurement:
    """Measure our driver alone, in threads of this process."""
    with running(folder) as replica_set, opened(replica_set) as store:
        fill(store, case.messages(plan.all_seconds, SPEED))
        return work_of_threads(partial(case.work, store), plan, partial(cpu, replica_set))


def pymongo(case: Case, plan: Plan, folder: Path) -> Measurement:
    """Measure bare pymongo doing the same, in threads of this process."""
    with running(folder) as replica_set, replica_set.client() as client:
        messages = bare.messages_of(client)
        bare.fill(messages, case.messages(plan.all_seconds, SPEED))
        work = partial(bare.WORK[case.name], messages)
        return work_of_threads(work, plan, partial(cpu, replica_set))
