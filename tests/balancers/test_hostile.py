"""Whatever one client sends through a balancer, no other client loses a request by it."""

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.balancers.balancer import Balancer
from tests.balancers.conftest import AS_SHIPPED
from tests.balancers.test_requests import ask
from tests.support.live import LiveServer
from tests.support.wire import exchange

ROOM = 60_000
"""Bytes of a value that the balancers let through."""

ROUNDS = 3

CONFIG = """
[drivers:transport:wsgi]
trusted_proxies = 127.0.0.1
[transport]
max_messages_per_page = 1000
"""


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[LiveServer, LiveServer]]:
    """Two nodes with one store, which take as many messages in a post as they can."""
    one, two = (LiveServer(tmp_path, config=CONFIG, workers=1, env=AS_SHIPPED) for _ in range(2))
    with one, two:
        yield one, two


def request(method: str, target: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    lines = (b"%b %b HTTP/1.1" % (method.encode(), target), b"Host: marconi", *headers)
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join((*lines, b"Connection: close", length, b"", body))


def posted(count: int) -> bytes:
    return json.dumps([{"ttl": 60, "body": 1}] * count, separators=(",", ":")).encode()


MESSAGES = b"/v1/queues/q/messages"
CLIENT = b"Client-ID: hostile"

HOSTILE = {
    "a query of 30 KB": request("GET", b"/v1/queues?x=" + b"y" * 30_000),
    "a query of 60 KB": request("GET", b"/v1/queues?x=" + b"y" * ROOM),
    "a query of bytes": request("GET", b"/v1/queues?x=" + b"\xff" * 30_000),
    "a query of 1,000 bytes": request("GET", b"/v1/queues?x=" + b"\xff" * 1000),
    "a listing with a query": request("GET", MESSAGES + b"?echo=true&x=" + b"y" * 30_000, CLIENT),
    "ids": request("GET", MESSAGES + b"?ids=" + b",".join([b"x" * 24] * 1000)),
    "a post of thousands": request("POST", MESSAGES, CLIENT, body=posted(13_000)),
    "the largest post": request(
        "POST", MESSAGES, CLIENT, body=b'[{"ttl": 60, "body": "%b"}]' % (b"x" * 262_000)
    ),
    "a post that is too large": request("POST", MESSAGES, CLIENT, body=b"x" * 1_000_000),
    "the largest metadata": request(
        "PUT", b"/v1/queues/q/metadata", body=b'{"a": "%b"}' % (b"x" * 65_500)
    ),
    "a listing of metadata": request("GET", b"/v1/queues?detailed=true"),
    "a long id": request("GET", MESSAGES + b"/" + b"x" * 8000),
    "an id of bytes": request("GET", MESSAGES + b"/" + b"%F0%9F%98%80" * 600),
    "a long name": request("PUT", b"/v1/queues/" + b"x" * 8000),
    "a long path": request("GET", b"/" + b"%41" * 20_000),
    "a long path with OPTIONS": request("OPTIONS", b"/v1/queues/" + b"x" * 8000),
    "a long method": request("X" * 8000, MESSAGES),
    "a claim with a query": request(
        "POST", b"/v1/queues/q/claims?x=" + b"y" * 30_000, body=b'{"ttl": 60, "grace": 60}'
    ),
    **{
        f"a long {name}": request("GET", MESSAGES, CLIENT, name.encode() + b": " + b"x" * ROOM)
        for name in ("Accept", "X-Project-Id", "X-Openstack-Request-Id", "Cookie", "X-Anything")
    },
    "a long Client-ID": request("POST", MESSAGES, b"Client-ID: " + b"x" * ROOM, body=posted(1)),
    "semicolons": request("GET", MESSAGES, CLIENT, b'Accept: a/b;x="' + b";" * ROOM),
}


class Other(Thread):
    """Another client, who asks for nothing special, and notes what it did not get."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._has_to_end = Event()
        self.asked = 0
        self.failed: list[object] = []
        self.start()

    def run(self) -> None:
        while not self._has_to_end.is_set():
            self.asked += 1
            try:
                status = ask(self._port, "PUT", "/v1/queues/other").status
            except Exception as error:  # whatever it is, the request is lost
                self.failed.append(error)
            else:
                if status not in (201, 204):
                    self.failed.append(status)

    def stop(self) -> None:
        self._has_to_end.set()
        self.join()


def test_no_other_client_loses_a_request(balancer: Balancer) -> None:
    assert ask(balancer.port, "PUT", "/v1/queues/q").status == 201
    other = Other(balancer.port)
    statuses = {}
    for what, raw in HOSTILE.items():
        for _ in range(ROUNDS):
            statuses[what] = exchange(balancer.port, raw).status
    other.stop()
    assert other.asked > len(HOSTILE)
    assert other.failed == []
    assert {what: status for what, status in statuses.items() if status >= 500} == {}
    assert statuses["a post of thousands"] == 201
    assert "upstream sent" not in balancer.log()
    assert "is DOWN" not in balancer.log()
