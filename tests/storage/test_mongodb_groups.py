"""Claims and deletions that are done together in MongoDB come out as if each had come alone."""

from collections.abc import Iterator

import pytest
from bson import ObjectId

from marconi_server.storage.conformance import ManualClock
from marconi_server.storage.conformance.support import BoundQueue
from marconi_server.storage.mongodb.claims import MongoDBClaims, _Wish
from marconi_server.storage.mongodb.groups import Job
from marconi_server.storage.mongodb.messages import MongoDBMessages
from tests.mongodb.deployment import Deployment
from tests.storage.conftest import MongoDBHarness

POSTED_TTL = 150


@pytest.fixture
def queue(mongodb: Deployment, mongodb_shared: str) -> Iterator[BoundQueue]:
    store = MongoDBHarness(mongodb, mongodb_shared).open(ManualClock())
    yield BoundQueue(store).create()
    store.close()


def queue_id(queue: BoundQueue) -> ObjectId:
    messages = queue.store.messages
    assert isinstance(messages, MongoDBMessages)
    return messages.queue_ids.find(queue.project, queue.name)


def test_each_claim_has_messages_and_lives_of_its_own(queue: BoundQueue) -> None:
    kinds = [(60, 1), (60, 3), (300, 1)] * 12 + [(60, 20), (300, 5)]
    wishes = [_Wish(ttl, 60, limit) for ttl, limit in kinds]
    posted = queue.post(*(b"%d" % number for number in range(82)), ttl=POSTED_TTL)
    claims = queue.store.claims
    assert isinstance(claims, MongoDBClaims)
    claims._create_group(queue_id(queue), [Job(wish) for wish in wishes])
    for wish in wishes:
        claim = queue.read_claim(str(wish.id))
        share, posted = posted[: wish.limit], posted[wish.limit :]
        assert [message.id for message in claim.messages] == share
        assert {message.ttl for message in claim.messages} == {max(POSTED_TTL, wish.ttl + 60)}
        assert claim.ttl == wish.ttl
    assert len(share) == 2  # the last one got what was left
    assert queue.counts() == (0, 82)


def test_each_deletion_has_a_condition_of_its_own(
    queue: BoundQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted = queue.post_numbers(6)
    one, other = queue.claim(limit=2), queue.claim(limit=2)
    kept_by = {  # the deletions asked for, and whether the message is to be kept
        (posted[0], one.id): False,
        (posted[1], other.id): True,
        (posted[2], None): True,
        (posted[3], other.id): False,
        (posted[3], one.id): False,  # it is gone by then
        (posted[4], None): False,
        (posted[5], one.id): True,
    }
    messages = queue.store.messages
    assert isinstance(messages, MongoDBMessages)
    jobs: list[Job[dict[str, object], bool]] = []

    def do(_key: ObjectId, request: dict[str, object]) -> bool:
        jobs.append(Job(request))
        return False

    monkeypatch.setattr(messages._deletions, "do", do)
    for message_id, claim_id in kept_by:
        queue.delete(message_id, claim_id)
    messages._delete_group(queue_id(queue), jobs)
    assert [job.result for job in jobs] == list(kept_by.values())
    assert queue.ids() == [posted[1], posted[2], posted[5]]
