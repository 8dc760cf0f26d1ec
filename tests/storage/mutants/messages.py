"""Wrong about posting and reading."""

import json
import time
from collections.abc import Sequence

from marconi_server.storage.contract import (
    Message,
    NewMessage,
)
from marconi_server.storage.errors import MessageNotFound, QueueNotFound
from tests.storage.memory import (
    Data,
    HeldMessage,
    HeldQueue,
    Messages,
)
from tests.storage.mutants.mutant import YIELD, seen_by


@seen_by("TestMessages", "TestPaging", "TestConcurrentPosting")
class ReversesABatch(Messages):
    def post(
        self, project: str | None, queue: str, client_id: str, messages: Sequence[NewMessage]
    ) -> list[str]:
        return super().post(project, queue, client_id, messages[::-1])[::-1]


@seen_by("TestMessages", "TestQueues")
class CreatesTheQueueOnPosting(Messages):
    def post(
        self, project: str | None, queue: str, client_id: str, messages: Sequence[NewMessage]
    ) -> list[str]:
        self._data.queues.setdefault((project, queue), HeldQueue())
        return super().post(project, queue, client_id, messages)


@seen_by("TestMessages")
class GivesABatchOneTtl(Messages):
    def post(
        self, project: str | None, queue: str, client_id: str, messages: Sequence[NewMessage]
    ) -> list[str]:
        same = [NewMessage(messages[0].ttl, message.body) for message in messages]
        return super().post(project, queue, client_id, same)


@seen_by("TestMessages")
class DropsEqualMessages(Messages):
    def post(
        self, project: str | None, queue: str, client_id: str, messages: Sequence[NewMessage]
    ) -> list[str]:
        unique = {message.body: message for message in messages}
        return super().post(project, queue, client_id, list(unique.values()))


@seen_by("TestMessages")
class ParsesBodies(Messages):
    def post(
        self, project: str | None, queue: str, client_id: str, messages: Sequence[NewMessage]
    ) -> list[str]:
        parsed = [NewMessage(m.ttl, json.dumps(json.loads(m.body)).encode()) for m in messages]
        return super().post(project, queue, client_id, parsed)


@seen_by("TestConcurrentPosting")
class PostsOneByOne(Messages):
    def post(
        self, project: str | None, queue: str, client_id: str, messages: Sequence[NewMessage]
    ) -> list[str]:
        ids = []
        for message in messages:
            ids += super().post(project, queue, client_id, [message])
            time.sleep(YIELD)
        return ids


@seen_by("TestConcurrentPosting")
class ShowsABatchLate(Messages):
    """Takes positions first and shows the messages later: followers skip."""

    def post(
        self, project: str | None, queue: str, client_id: str, messages: Sequence[NewMessage]
    ) -> list[str]:
        with self._now() as now:
            added = [self._held(client_id, message, now) for message in messages]
        time.sleep(YIELD)
        with self._now():
            held = self._queue(project, queue)
            held.messages = sorted([*held.messages, *added], key=lambda message: message.position)
        return [message.id for message in added]


@seen_by("TestMessages", "TestLengthening")
class HidesClaimedMessages(Messages):
    def get_many(
        self, project: str | None, queue: str, message_ids: Sequence[str]
    ) -> list[Message]:
        with self._now() as now:
            free = {
                message.id
                for message in self._data.visible(project, queue, now)
                if not self._data.is_claimed(message, now)
            }
            return super().get_many(project, queue, [i for i in message_ids if i in free])


@seen_by("TestMessages")
class ReturnsMessagesAsAsked(Messages):
    def get_many(
        self, project: str | None, queue: str, message_ids: Sequence[str]
    ) -> list[Message]:
        found = {message.id: message for message in super().get_many(project, queue, message_ids)}
        return [found[i] for i in dict.fromkeys(message_ids) if i in found]


@seen_by("TestMessages")
class ReturnsMessagesTwice(Messages):
    def get_many(
        self, project: str | None, queue: str, message_ids: Sequence[str]
    ) -> list[Message]:
        return [
            message
            for message in super().get_many(project, queue, message_ids)
            for _ in range(message_ids.count(message.id))
        ]


@seen_by("TestIdentifiers")
class StripsIds(Messages):
    def get_many(
        self, project: str | None, queue: str, message_ids: Sequence[str]
    ) -> list[Message]:
        return super().get_many(project, queue, [i.strip() for i in message_ids])


@seen_by("TestMessages")
class ReturnsIdsInAnotherOrder(Messages):
    def post(
        self, project: str | None, queue: str, client_id: str, messages: Sequence[NewMessage]
    ) -> list[str]:
        return super().post(project, queue, client_id, messages)[::-1]


@seen_by("TestMetadata")
class ObeysMetadata(Messages):
    def post(
        self, project: str | None, queue: str, client_id: str, messages: Sequence[NewMessage]
    ) -> list[str]:
        with self._now():
            ttl = json.loads(self._queue(project, queue).metadata).get("_default_message_ttl")
            changed = [NewMessage(ttl or message.ttl, message.body) for message in messages]
            return super().post(project, queue, client_id, changed)


@seen_by("TestIdentifiers")
class HasColonsInIds(Messages):
    def _held(self, client_id: str, message: NewMessage, now: float) -> HeldMessage:
        held = super()._held(client_id, message, now)
        held.id = f"m:{held.position}"
        return held


@seen_by("TestMessages", "TestStats")
class StartsAgeAtOne(Data):
    def age(self, since: float, now: float) -> int:
        return super().age(since, now) + 1


@seen_by("TestMessages")
class TakesNoIdsForAll(Messages):
    def get_many(
        self, project: str | None, queue: str, message_ids: Sequence[str]
    ) -> list[Message]:
        with self._now() as now:
            everything = [message.id for message in self._data.visible(project, queue, now)]
            return super().get_many(project, queue, message_ids or everything)


@seen_by("TestMessages")
class SaysQueueNotFoundOfMessages(Messages):
    def get(self, project: str | None, queue: str, message_id: str) -> Message:
        try:
            return super().get(project, queue, message_id)
        except MessageNotFound as error:
            raise QueueNotFound(queue=queue, project=project) from error


@seen_by("TestIdentifiers")
class FoldsTheCaseOfIds(Messages):
    def get_many(
        self, project: str | None, queue: str, message_ids: Sequence[str]
    ) -> list[Message]:
        return super().get_many(project, queue, [i.lower() for i in message_ids])


@seen_by("TestConcurrentPosting", "TestMessages")
class PutsTheNewestInFront(Messages):
    def post(
        self, project: str | None, queue: str, client_id: str, messages: Sequence[NewMessage]
    ) -> list[str]:
        with self._now():
            ids = super().post(project, queue, client_id, messages)
            held = self._queue(project, queue)
            held.messages = held.messages[-len(ids) :] + held.messages[: -len(ids)]
            return ids
