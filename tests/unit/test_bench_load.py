"""The load tool of the benchmark that keeps to a rate: what it sends, and when latency begins."""

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bench import paced, wrk
from bench.cases import BODIES, CASES, HEADERS, bodies
from bench.client import Answer, Connection, request
from bench.paced import Cycle, Order, Single, Tally
from bench.servers import BenchError
from tests.unit.benchmark import demand_wrk

LOADS = {case.name: case.load for case in CASES}

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

TIMEOUT = 30.0

Answering = Callable[[socket.socket], None]


@contextmanager
def server(answering: Answering) -> Iterator[int]:
    """Serve one connection on a port, in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(TIMEOUT)
                answering(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(TIMEOUT)
            assert not thread.is_alive()


def answer_all(connection: socket.socket) -> None:
    while connection.recv(65536):
        connection.sendall(OK)


# Bodies


def test_bodies_are_of_their_size_and_differ() -> None:
    for size in (100, 200_000):
        made = bodies(size, 3)
        assert [len(each) for each in made] == [size] * 3
        assert len(set(made)) == 3
        assert all(re.fullmatch(rb'"[\w-]+"', each) for each in made)


def test_requests_with_bodies_differ_from_each_other() -> None:
    sends = paced.script(LOADS["post10"], HEADERS)
    messages = [sends.next()[0] for _ in range(5)]
    assert len({len(message) for message in messages}) == 1
    found = [body for message in messages for body in re.findall(rb'"body": ("[^"]*")', message)]
    assert found == list(BODIES[:50])


@pytest.mark.parametrize("name", ["post10", "cycle10"])
def test_wrk_sends_such_bodies_as_well(name: str) -> None:
    demand_wrk()
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{http.server_address[1]}"
            outcome, _ = wrk.run(
                url, LOADS[name], HEADERS, connections=1, threads=1, seconds=1, timeout=30
            )
        finally:
            http.shutdown()
            thread.join(TIMEOUT)
    assert outcome.first_wrong.startswith("503")
    sent = [[message["body"] for message in json.loads(each)] for each in received[:20]]
    assert {len(body) for bodies in sent for body in bodies} == {1022}
    assert len({body for bodies in sent for body in bodies}) == 10 * len(sent)
    assert all(re.fullmatch(r"[\w-]+", body) and "xxxxx" not in body for body in sent[0])


# Scripts


def test_a_single_request_has_one_right_status() -> None:
    sends = paced.script(LOADS["stats"], {"X-Project-Id": "p"})
    assert isinstance(sends, Single)
    message, sent = sends.next()
    assert message.startswith(b"GET /v1/queues/load/stats HTTP/1.1\r\n")
    assert b"\r\nX-Project-Id: p\r\n" in message
    assert message.endswith(b"\r\n\r\n")
    assert sends.is_right(Answer(200, b""), sent)
    assert not sends.is_right(Answer(404, b""), sent)


def first_line(message: bytes) -> str:
    return message.partition(b" HTTP/1.1\r\n")[0].decode()


def test_a_cycle_goes_on_with_what_was_answered() -> None:
    sends = paced.script(LOADS["cycle1"], {})
    assert isinstance(sends, Cycle)
    (_, post), (_, other) = sends.next(), sends.next()
    assert (post, other) == ("post", "post")
    assert sends.is_right(Answer(201, b"{}"), post)
    message, claim = sends.next()
    assert (first_line(message), claim) == ("POST /v1/queues/load/claims?limit=1", "claim")
    href = "/v1/queues/load/messages/1?claim_id=2"
    assert sends.is_right(Answer(201, f'[{{"href": "{href}", "body": "x"}}]'.encode()), claim)
    message, deletion = sends.next()
    assert first_line(message) == f"DELETE {href}"
    assert sends.is_right(Answer(204, b""), deletion)
    assert not sends.is_right(Answer(404, b""), deletion)
    assert sends.next()[1] == "post"


def test_a_cycle_of_several_deletes_them_together() -> None:
    sends = paced.script(LOADS["cycle10"], {})
    hrefs = ",".join(f'{{"href": "/v1/queues/load/messages/{n}?claim_id=2"}}' for n in range(10))
    assert sends.is_right(Answer(201, f"[{hrefs}]".encode()), "claim")
    ids = ",".join(map(str, range(10)))
    assert first_line(sends.next()[0]) == f"DELETE /v1/queues/load/messages?ids={ids}"


@pytest.mark.parametrize(
    "answer",
    [Answer(204, b""), Answer(201, b'[{"href": "/v1/queues/load/messages/1?claim_id=2"}]')],
    ids=["empty", "short"],
)
def test_a_claim_of_too_few_is_wrong(answer: Answer) -> None:
    sends = paced.script(LOADS["cycle10"], {})
    assert not sends.is_right(answer, "claim")


# The connection


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_answer_may_come_in_pieces(size: int) -> None:
    answer = b"HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\n[1,2]"

    def pieces(connection: socket.socket) -> None:
        connection.recv(65536)
        for start in range(0, len(answer), size):
            connection.sendall(answer[start : start + size])
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with server(pieces) as port, closing(Connection(port, timeout=TIMEOUT)) as connection:
        message = request("GET", "/", {})
        assert connection.ask(message) == Answer(201, b"[1,2]")
        assert connection.ask(message) == Answer(204, b"")


def test_what_is_no_answer_is_refused() -> None:
    def nonsense(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"+OK\r\n\r\n")

    with (
        server(nonsense) as port,
        closing(Connection(port, timeout=TIMEOUT)) as connection,
        pytest.raises(BenchError, match="not HTTP"),
    ):
        connection.ask(b"x")


# The rate


def drive(port: int, **changes: Any) -> Any:
    values = {"rate": 200.0, "seconds": 0.2, "timeout": TIMEOUT, "connections": 1}
    order = Order(port=port, load=LOADS["stats"], headers={}, **(values | changes))
    with closing(Connection(port, timeout=None)) as connection:
        return paced.drive(order, paced.script(order.load, {}), [connection])


def test_it_sends_as_many_as_are_due() -> None:
    with server(answer_all) as port:
        outcome = drive(port)
    assert (outcome.requests, outcome.errors, outcome.complaint) == (40, 0, "")
    assert outcome.microseconds >= 200_000
    assert 0 < outcome.p50 <= outcome.p99


def test_requests_that_wait_for_a_stalled_server_are_late() -> None:
    """One connection, and the first answer comes when all others have long been due."""
    stalled = 0.3

    def stall(connection: socket.socket) -> None:
        end = time.monotonic() + stalled
        connection.recv(65536)
        while time.monotonic() < end:
            time.sleep(0.01)
        connection.sendall(OK)
        answer_all(connection)

    with server(stall) as port:
        outcome = drive(port)
    # Half of them were due after 0.1 s, the last after 0.2 s: from then on they are late.
    assert outcome.requests == 40
    assert outcome.p99 >= 100_000
    assert outcome.p50 >= 190_000


def test_a_connection_that_is_closed_is_an_error() -> None:
    with server(lambda connection: connection.close()) as port:
        outcome = drive(port, timeout=0.1)
    assert (outcome.requests, outcome.unanswered) == (0, 1)
    assert outcome.errors == 2  # and there was no answer at all


def test_late_and_wrong_answers_are_counted() -> None:
    tally = Tally()
    for latency in (0.5, 1.5, 2.5):
        tally.note(latency, Answer(200, b""), right=True)
    tally.note(0.1, Answer(404, b"gone"), right=False)
    outcome = tally.outcome(2.0, timeout=1.0)
    assert (outcome.requests, outcome.timeouts, outcome.wrong) == (4, 2, 1)
    assert outcome.first_wrong == "404 b'gone'"
    assert (outcome.p50, outcome.p99) == (1_500_000, 2_500_000)


def test_the_process_says_what_it_used() -> None:
    with server(answer_all) as port:
        outcome, cpu = paced.run(
            port, LOADS["stats"], {}, connections=1, rate=50, seconds=0.2, timeout=TIMEOUT
        )
    assert (outcome.requests, outcome.errors) == (10, 0)
    assert cpu > 0


def test_the_process_fails_where_there_is_no_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(BenchError, match="load tool failed"):
        paced.run(port, LOADS["stats"], {}, connections=1, rate=50, seconds=0.1, timeout=1)
