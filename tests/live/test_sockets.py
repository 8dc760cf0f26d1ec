"""Conformance cases that only real sockets and real processes can show."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from tests.live.checks import check
from tests.live.client import RecordingClient
from tests.live.history import Claim
from tests.live.load import Load
from tests.support.live import LiveServer
from tests.support.tiny import get
from tests.support.wire import Wire, exchange

MESSAGES = "/v1/queues/q/messages"
HEAD = f"POST {MESSAGES} HTTP/1.1\r\nHost: localhost\r\nClient-ID: c\r\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with LiveServer(tmp_path, workers=2) as server:
        with Wire(server.port) as wire:
            wire.send(b"PUT /v1/queues/q HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert wire.receive("PUT").status == 201
        yield server
        server.stop()


def post_one(port: int) -> int:
    body = b'[{"ttl": 60, "body": 1}]'
    head = f"{HEAD}Content-Length: {len(body)}\r\n\r\n"
    return exchange(port, head.encode() + body).status


def test_case_165_a_body_of_30_mb(server: LiveServer, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b" " * 30_000_000)
    answer = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "60"),
            *("--header", "Client-ID: c", "--data-binary", f"@{body}"),
            *("--write-out", "\n%{http_code}", server.url + MESSAGES),
        ],
        stdout=subprocess.PIPE,
        check=True,
        timeout=90,
    )
    document, _, status = answer.stdout.rpartition(b"\n")
    assert status == b"400"
    assert b'"title": "Invalid API call"' in document
    assert post_one(server.port) == 201


def test_case_173_a_chunked_post(server: LiveServer) -> None:
    with Wire(server.port) as wire:
        wire.send(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
        for part in (b'[{"ttl": 60, ', b'"body": {"in": "par', b'ts"}}]', b""):
            wire.send(b"%x\r\n%s\r\n" % (len(part), part))
        assert wire.receive().status == 201
        wire.send(get(f"{MESSAGES}?echo=true", "Client-ID: c"))
        assert b'"body": {"in": "parts"}' in wire.receive().body


def test_case_174_a_length_that_is_no_number(server: LiveServer) -> None:
    answer = exchange(server.port, f"{HEAD}Content-Length: abc\r\n\r\n[]".encode())
    assert (answer.status, answer.title) == (400, "Invalid header value")
    assert post_one(server.port) == 201


def test_case_203_a_reader_sees_all_while_batches_are_posted(server: LiveServer) -> None:
    with Load(server, producers=6, claimers=0, followers=1) as load:
        load.run(seconds=2)
    history = load.drain()
    assert check(history) == []
    assert len(list(history.queues())) == 3
    for queue in history.queues():
        posted = {id for post in queue.posts for id in post.ids}
        follower, final = sorted(queue.walks, key=lambda walk: walk.reader == "drain")
        shown = [seen.id for page in follower.pages for seen in page.messages]
        assert len(shown) == len(posted) > 1
        assert set(shown) == posted
        assert shown == final.ids


def test_case_256_parallel_claims_share_the_messages(server: LiveServer) -> None:
    both = Barrier(2)
    clients = [RecordingClient(name, lambda: server.port) for name in ("one", "two")]

    def claim(client: RecordingClient) -> list[Claim]:
        claims = []
        for _ in range(20):
            both.wait(timeout=30)
            claims.append(client.claim("q", ttl=300, limit=3))
        return claims

    posted = [clients[0].post("q", range(at, at + 50)) for at in (0, 50)]
    with ThreadPoolExecutor(2) as pool:
        claims = [claim for claims in pool.map(claim, clients) for claim in claims]
    for client in clients:
        client.close()
    assert all(claim.acknowledged for claim in claims)
    taken = [seen.id for claim in claims for seen in claim.messages]
    assert sorted(taken) == sorted(id for post in posted for id in post.ids)
    assert len(taken) == 100
