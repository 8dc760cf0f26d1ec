"""A store that does nothing, but has an answer to what the cases ask at once."""

from itertools import islice
from types import SimpleNamespace
from typing import Final

from bench.cases import BODIES, CLAIM_TTL, TTL
from marconi_server.storage.contract import Claim, Message, MessageStamp, Page, QueueStats

_MESSAGES: Final = [
    Message(f"{position:024x}", TTL, 0, body) for position, body in enumerate(islice(BODIES, 10))
]
_IDS: Final = [message.id for message in _MESSAGES]
_PAGE: Final = Page(_MESSAGES, "10")
_CLAIMS: Final = [Claim(_IDS[0], CLAIM_TTL, 0, _MESSAGES[:count]) for count in range(11)]
_STATS: Final = QueueStats(0, 10, MessageStamp(_IDS[0], 0.0, 0), MessageStamp(_IDS[9], 0.0, 0))

NOTHING: Final = SimpleNamespace(
    ping=lambda: None,
    queues=SimpleNamespace(stats=lambda _project, _queue: _STATS),
    messages=SimpleNamespace(
        post=lambda _project, _queue, _client, messages: _IDS[: len(messages)],
        list=lambda _project, _queue, **_: _PAGE,
        delete=lambda _project, _queue, _message, _claim: None,
        delete_many=lambda _project, _queue, _messages: None,
    ),
    claims=SimpleNamespace(create=lambda _project, _queue, *, limit, **_: _CLAIMS[limit]),
)
"""Stands in for a `Store`."""
