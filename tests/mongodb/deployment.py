"""What tests may do with any MongoDB, wherever it came from."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any
from uuid import uuid4

from pymongo import MongoClient

Client = MongoClient[dict[str, Any]]


@dataclass
class FailPoint:
    """A fail point that was set; `hits` tells at the end how many commands it made fail."""

    hits: int = 0


class Deployment:
    """A running MongoDB: `uri` is how to connect to it."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    @cached_property
    def version(self) -> str:
        """The version of the server."""
        with self.client() as client:
            return str(client.server_info()["version"])

    @contextmanager
    def client(self) -> Iterator[Client]:
        """Give a client of the whole deployment."""
        with Client(self.uri) as client:
            yield client

    @contextmanager
    def database(self) -> Iterator[str]:
        """Give the name of a database that nobody else uses, and drop it afterwards."""
        name = f"marconi_test_{uuid4().hex}"
        try:
            yield name
        finally:
            with self.client() as client:
                client.drop_database(name)

    @contextmanager
    def fail_command(
        self,
        *commands: str,
        times: int | None = None,
        skip: int | None = None,
        error_code: int | None = None,
        error_labels: list[str] | None = None,
        close_connection: bool = False,
        write_concern_error: Mapping[str, Any] | None = None,
        block_ms: int | None = None,
        app_name: str | None = None,
    ) -> Iterator["FailPoint"]:
        """Let commands fail on the present primary, by its fail point `failCommand`.

        commands             names of the commands that fail, such as `insert`
        times                how many of them fail; by default all
        skip                 in place of `times`: how many pass before all others fail
        error_code           answer with this error, without running the command
        error_labels         the labels of that error, in place of the server's own
        close_connection     close the connection without an answer, and do not run it
        write_concern_error  run it, and answer with this error of its write concern
        block_ms             wait so long before it runs; milliseconds
        app_name             only where the client has this `appName` in its URI
        """
        data: dict[str, Any] = {"failCommands": list(commands)}
        if error_code is not None:
            data["errorCode"] = error_code
        if error_labels is not None:
            data["errorLabels"] = error_labels
        if close_connection:
            data["closeConnection"] = True
        if write_concern_error is not None:
            data["writeConcernError"] = dict(write_concern_error)
        if block_ms is not None:
            data |= {"blockConnection": True, "blockTimeMS": block_ms}
        if app_name is not None:
            data["appName"] = app_name
        mode: Any = "alwaysOn"
        if times is not None:
            mode = {"times": times}
        elif skip is not None:
            mode = {"skip": skip}
        with self._primary_client() as client:
            set_point = partial(client.admin.command, "configureFailPoint", "failCommand")
            before = set_point(mode=mode, data=data)["count"]
            point = FailPoint()
            try:
                yield point
            finally:
                point.hits = set_point(mode="off")["count"] - before

    @contextmanager
    def _primary_client(self) -> Iterator[Client]:
        """Give a client whose commands go to what is the primary now."""
        with self.client() as client:
            yield client
