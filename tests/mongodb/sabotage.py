"""Making one command of an operation fail, whichever it is, on a real server."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pymongo
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from tests.mongodb.deployment import Deployment, FailPoint

Fault = Mapping[str, Any]
"""What happens to a command: arguments of `Deployment.fail_command`."""


class Command(NamedTuple):
    """A command that an operation made."""

    name: str
    has_write_concern: bool


@dataclass
class Watch:
    """What an operation did: its commands, and how many of them were made to fail."""

    commands: list[Command] = field(default_factory=list)
    failed: int = 0

    @property
    def names(self) -> list[str]:
        """The names of the commands."""
        return [command.name for command in self.commands]


class Saboteur(CommandListener):
    """Watches the commands of one thread, and makes one of them fail, or one and all later ones.

    A listener of the clients whose commands it watches. They tell it of a command and wait
    for it before they send the command: that is when it sets the fail point.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._thread = 0
        self._watch = Watch()
        self._number: int | None = None
        self._fault: Fault = {}
        self._also: Sequence[str] = ()
        self._fail_points = ExitStack()
        self._point = FailPoint()
        self._error: Exception | None = None

    @contextmanager
    def watching(
        self, number: int | None = None, fault: Fault | None = None, also: Sequence[str] = ()
    ) -> Iterator[Watch]:
        """Watch this thread while the block runs.

        number  the command that fails, counted from 0; by default none does
        fault   in which way, as arguments of `Deployment.fail_command`
        also    names of more commands that fail from then on, if they come
        """
        self._watch = watch = Watch()
        self._number, self._fault, self._also = number, fault or {}, also
        self._point, self._error = FailPoint(), None
        self._thread = threading.get_ident()
        try:
            with self._fail_points:
                yield watch
        finally:
            self._thread = 0
            watch.failed = self._point.hits
        if self._error is not None:
            raise self._error

    def started(self, event: CommandStartedEvent) -> None:
        if threading.get_ident() != self._thread:
            return
        number, name = len(self._watch.commands), event.command_name
        self._watch.commands.append(Command(name, "writeConcern" in event.command))
        if number == self._number:
            try:
                with pymongo.timeout(None):  # that of the operation does not go for this
                    self._point = self._fail_points.enter_context(
                        self._deployment.fail_command(name, *self._also, **self._fault)
                    )
            except Exception as error:  # pymongo would print it and go on: raised by `watching`
                self._error = error

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Not of interest."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Not of interest."""
