"""Wrong about scopes."""

from collections.abc import Sequence

from marconi_server.storage.contract import Message
from tests.storage.memory import (
    Claims,
    Data,
    Messages,
)
from tests.storage.mutants.mutant import seen_by


@seen_by("TestIsolation")
class IgnoresProjects(Data):
    def key(self, project: str | None, queue: str) -> tuple[str | None, str]:
        return None, queue


@seen_by("TestIsolation")
class TakesNoProjectForItsText(Data):
    def key(self, project: str | None, queue: str) -> tuple[str | None, str]:
        return str(project), queue


@seen_by("TestIsolation")
class ComparesProjectsAsNumbers(Data):
    def key(self, project: str | None, queue: str) -> tuple[str | None, str]:
        return (str(int(project)) if project and project.isdigit() else project), queue


@seen_by("TestQueues")
class FoldsTheCaseOfNames(Data):
    def key(self, project: str | None, queue: str) -> tuple[str | None, str]:
        return project, queue.lower()


@seen_by("TestIsolation")
class FindsMessagesOfAllQueues(Messages):
    def get_many(
        self, project: str | None, queue: str, message_ids: Sequence[str]
    ) -> list[Message]:
        with self._now() as now:
            return [
                self._message(message, now)
                for held in self._data.queues.values()
                for message in held.messages
                if self._data.is_visible(message, now) and message.id in message_ids
            ]


@seen_by("TestIsolation", "TestRelease", "TestClaims")
class ReleasesClaimsOfAllQueues(Claims):
    def release(self, project: str | None, queue: str, claim_id: str) -> None:
        with self._now():
            for held in self._data.queues.values():
                for message in held.messages:
                    if message.claim and message.claim.id == claim_id:
                        message.claim = None
