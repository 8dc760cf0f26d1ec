"""Two servers on one database file behave as one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.checks import check
from tests.live.client import RecordingClient
from tests.live.history import Outcome, Post, Record
from tests.live.load import Load
from tests.support.live import LiveServer

LOAD_SECONDS = 5.0
LEAST_POSTS = 100


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[LiveServer, LiveServer]]:
    with LiveServer(tmp_path, workers=1) as one, LiveServer(tmp_path, workers=1) as two:
        assert one.database == two.database
        assert one.port != two.port
        yield one, two
        one.stop()
        two.stop()


def test_what_one_does_the_other_knows(servers: tuple[LiveServer, LiveServer]) -> None:
    first, second = servers
    one = RecordingClient("one", lambda: first.port)
    two = RecordingClient("two", lambda: second.port)
    one.create("q")
    (posted,) = one.post("q", ["a"]).ids
    claim = two.claim("q", ttl=60, limit=1)
    (message,) = claim.messages
    assert (message.id, message.body) == (posted, '"a"')
    assert one.claim("q", ttl=60, limit=1).messages == ()
    assert one.renew(claim, ttl=90).acknowledged
    assert two.release(claim).acknowledged
    again = one.claim("q", ttl=60, limit=1)
    assert again.messages == (message,)
    assert two.delete(claim, message).outcome is Outcome.REFUSED
    assert two.delete(again, message).acknowledged
    assert one.page("q", None)[0].messages == ()
    assert one.stats("q") == two.stats("q") == {"claimed": 0, "free": 0, "total": 0}
    one.close()
    two.close()


@pytest.mark.seconds(8)
def test_promises_through_both_at_once(servers: tuple[LiveServer, LiveServer]) -> None:
    with Load(*servers, least=LEAST_POSTS) as load:
        load.run(LOAD_SECONDS)
    history = load.drain()
    assert history.count(Post) >= LEAST_POSTS, history.summary()
    violations = check(history)
    assert not violations, "\n".join(map(str, violations[:50]))
    for outcome in (Outcome.REFUSED, Outcome.FAILED, Outcome.UNKNOWN):
        assert history.count(Record, outcome) == 0, history.summary()
