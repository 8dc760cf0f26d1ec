"""What the commands of an operation examine, by the server's own account."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from tests.mongodb.deployment import Client

QUERIES = {"aggregate", "delete", "find", "findAndModify", "update"}
"""The commands that look for documents."""

_OTHERS = {"abortTransaction", "commitTransaction", "endSessions", "getMore", "insert"}
"""Those that do not."""

_CHANGES = {"delete": "deletes", "update": "updates"}
"""Where the commands have them that may have several."""

_PARTS = {
    *("aggregate", "pipeline", "cursor"),
    *("find", "filter", "sort", "projection", "limit", "skip", "singleBatch"),
    *("update", "updates", "delete", "deletes"),
    *("findAndModify", "query", "fields", "new", "remove", "upsert"),
    "hint",
}
"""What of a command `explain` takes; the rest says how to run it, and in which transaction."""


@dataclass(frozen=True)
class Examined:
    """What one query did.

    source     command and collection
    returned   documents that it gave, or changed; of a count, those that it counted
    keys       index entries that it read
    documents  documents that it read
    counts     whether nothing but their number was asked for
    """

    source: str
    returned: int
    keys: int
    documents: int
    counts: bool = False

    @property
    def lean(self) -> bool:
        """Whether it read hardly more than it gave."""
        return max(self.keys, self.documents) <= 2 * self.returned + 10


class Explainer(CommandListener):
    """Explains the commands of one thread.

    A listener of the client whose commands it explains. That client waits for it before it sends a
    command: so a command is explained in the state that it meets.
    """

    def __init__(self, client: Client) -> None:
        """`client` is another one, through which commands are explained."""
        self._client = client
        self._thread = 0
        self._examined: list[Examined] = []
        self._error: Exception | None = None

    @contextmanager
    def watching(self) -> Iterator[list[Examined]]:
        """Give what this thread's commands examine while the block runs."""
        self._examined, self._error = [], None
        self._thread = threading.get_ident()
        try:
            yield self._examined
        finally:
            self._thread = 0
        if self._error is not None:
            raise self._error

    def started(self, event: CommandStartedEvent) -> None:
        if threading.get_ident() != self._thread or event.command_name in _OTHERS:
            return
        try:
            assert event.command_name in QUERIES, event.command_name
            self._examined += explain(self._client, event.database_name, event.command)
        except Exception as error:  # pymongo would print it and go on: raised by `watching`
            self._error = error

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Not of interest."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Not of interest."""


def explain(client: Client, database: str, command: Mapping[str, Any]) -> list[Examined]:
    """Run the queries of a command, without its writing, and return what they examined."""
    name, collection = next(iter(command.items()))
    kept = {part: value for part, value in command.items() if part in _PARTS}
    return [
        _explain_one(client, database, f"{name} {collection}", query)
        for query in _queries(name, kept)
    ]


def _queries(name: str, command: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give each query of a command: of several changes each."""
    if name in _CHANGES:
        for change in command[_CHANGES[name]]:
            yield {**command, _CHANGES[name]: [change]}
    else:
        yield command


def _explain_one(client: Client, database: str, source: str, query: dict[str, Any]) -> Examined:
    answer = client[database].command({"explain": query, "verbosity": "executionStats"})
    if "stages" not in answer:
        statistics = answer["executionStats"]
        top = statistics["executionStages"]
        changed = max(top.get("nMatched", 0), top.get("nWouldDelete", 0))
        returned = max(statistics["nReturned"], changed)
        counts = False
    else:
        first, last = answer["stages"][0], answer["stages"][-1]
        statistics = first["$cursor"]["executionStats"]
        counts = any("$count" in stage for stage in query["pipeline"])
        returned = statistics["nReturned"] if counts else last["nReturned"]
    return Examined(
        source,
        returned,
        keys=statistics["totalKeysExamined"],
        documents=statistics["totalDocsExamined"],
        counts=counts,
    )
