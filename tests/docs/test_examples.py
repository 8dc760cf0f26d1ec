"""The example programs run, and do what their texts say."""

import importlib.util
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.docs.markdown import CHECKOUT
from tests.support.command import run
from tests.support.live import LiveServer

EXAMPLES = CHECKOUT / "examples"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("server")
    with LiveServer(folder, config="[drivers:storage:sqlite]\ntimeout = 1\n") as server:
        yield server


class Queue:
    """The queue that the consumer works on, as its producer sees it."""

    def __init__(self, url: str) -> None:
        self.name = f"jobs-{uuid4().hex}"
        self.url = f"{url}/v1/queues/{self.name}"
        requests.put(self.url, timeout=60).raise_for_status()

    def post(self, *bodies: Any) -> None:
        messages = [{"ttl": 300, "body": body} for body in bodies]
        headers = {"Client-ID": "producer"}
        requests.post(
            f"{self.url}/messages", json=messages, headers=headers, timeout=60
        ).raise_for_status()

    def counts(self) -> tuple[int, int]:
        stats = requests.get(f"{self.url}/stats", timeout=60).json()["messages"]
        return stats["free"], stats["claimed"]


@pytest.fixture
def queue(server: LiveServer) -> Queue:
    return Queue(server.url)


@pytest.fixture
def worker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("worker", EXAMPLES / "worker.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def example(name: str, *arguments: str) -> list[str]:
    """Run an example program and return the lines that it prints."""
    done = run(str(EXAMPLES / name), *arguments, command=[sys.executable])
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_the_producer_and_consumer_run_twice(server: LiveServer) -> None:
    first = example("producer_consumer.py", server.url)
    second = example("producer_consumer.py", f"{server.url}/")
    assert first[0] == "Created the queue."
    assert second[0] == "The queue is there, with 0 messages."
    for lines in (first, second):
        assert [line.partition(" ")[0] for line in lines[1:]] == [
            *("Posted", "Posted"),
            *("Processing", "Deleted", "Processing", "Deleted"),
        ]
    stats = requests.get(f"{server.url}/v1/queues/testqueue1/stats", timeout=60).json()
    assert stats["messages"]["total"] == 0


def test_the_producer_and_consumer_stop_when_they_cannot_go_on() -> None:
    nowhere = "http://127.0.0.1:1"
    done = run(str(EXAMPLES / "producer_consumer.py"), nowhere, command=[sys.executable])
    assert done.returncode == 1
    assert "ConnectionError" in done.stderr


def test_the_worker_empties_a_queue_in_order(server: LiveServer, queue: Queue) -> None:
    queue.post(*range(25))
    lines = example("worker.py", server.url, queue.name, "--until-empty")
    assert lines == [str(number) for number in range(25)]
    assert queue.counts() == (0, 0)


def test_the_worker_waits_for_more(server: LiveServer, queue: Queue, worker: ModuleType) -> None:
    processed: list[Any] = []
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt
        queue.post(f"message {len(waits)}")

    consumer = worker.Consumer(server.url, queue.name, processed.append, sleep)
    with pytest.raises(KeyboardInterrupt):
        consumer.run()
    assert processed == ["message 1", "message 2"]
    assert waits == [worker.IDLE] * 3


class Spy(requests.Session):
    """A session that notes what a consumer asks for, and which claim it has."""

    def __init__(self) -> None:
        super().__init__()
        self.methods: list[str] = []
        self.claim = ""

    def request(self, method: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        self.methods.append(str(method))
        answer = super().request(method, *args, **kwargs)
        self.claim = answer.headers.get("Location", self.claim)
        return answer


def test_the_worker_renews_a_claim_before_it_runs_out(
    server: LiveServer, queue: Queue, worker: ModuleType
) -> None:
    queue.post(1, 2, 3, 4)
    # It looks at the time once when it claims, once a message, and once when it renews.
    times = iter([0, 60, 61, 61, 121, 122, 122])
    processed: list[Any] = []
    consumer = worker.Consumer(server.url, queue.name, processed.append, now=lambda: next(times))
    consumer._session = spy = Spy()
    assert consumer.work_on_a_batch()
    assert spy.methods == ["POST", "DELETE", "PATCH", "DELETE", "DELETE", "PATCH", "DELETE"]
    assert processed == [1, 2, 3, 4]
    assert queue.counts() == (0, 0)


def test_the_worker_lets_go_of_a_lost_claim(
    server: LiveServer, queue: Queue, worker: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    queue.post(1, 2)
    processed: list[Any] = []

    def process(body: Any) -> None:
        processed.append(body)
        requests.delete(server.url + spy.claim, timeout=60).raise_for_status()

    consumer = worker.Consumer(server.url, queue.name, process)
    consumer._session = spy = Spy()
    assert consumer.work_on_a_batch()
    assert processed == [1]
    assert "it is handed out once more" in capsys.readouterr().out
    assert queue.counts() == (2, 0)


def test_the_worker_does_not_renew_what_is_over(
    server: LiveServer, queue: Queue, worker: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    queue.post(1, 2)
    processed: list[Any] = []

    def now() -> float:
        """Give one hour more each time; by the second look the claim was released."""
        if spy.claim:
            requests.delete(server.url + spy.claim, timeout=60).raise_for_status()
        return 3600.0 * len(spy.methods)

    consumer = worker.Consumer(server.url, queue.name, processed.append, now=now)
    consumer._session = spy = Spy()
    assert consumer.work_on_a_batch()
    assert processed == []
    assert "others get the rest" in capsys.readouterr().out
    assert queue.counts() == (2, 0)


def test_the_worker_waits_out_a_storage_failure(
    server: LiveServer, queue: Queue, worker: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    queue.post("late")
    processed: list[Any] = []
    waits: list[float] = []
    with closing(sqlite3.connect(server.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            other.execute("ROLLBACK")

        worker.Consumer(server.url, queue.name, processed.append, sleep).run(until_empty=True)
    assert processed == ["late"]
    assert waits == [30.0]
    assert "503 Service Unavailable" in capsys.readouterr().out


def test_the_worker_outlives_the_server(
    server: LiveServer, queue: Queue, worker: ModuleType
) -> None:
    queue.post("before")
    processed: list[Any] = []
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        server.start()

    server.stop()
    worker.Consumer(server.url, queue.name, processed.append, sleep).run(until_empty=True)
    assert processed == ["before"]
    assert waits == [worker.IDLE]


def test_the_worker_does_not_repeat_what_is_wrong(server: LiveServer, worker: ModuleType) -> None:
    consumer = worker.Consumer(server.url, "no such queue name", print)
    with pytest.raises(requests.HTTPError, match="400"):
        consumer.run()
