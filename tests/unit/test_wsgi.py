"""The application that opens its store itself, and goes on without one."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from wsgiref.util import setup_testing_defaults

import pytest

from marconi_server import wsgi
from marconi_server.config.settings import Drivers, Settings
from marconi_server.storage.conformance import ManualClock
from marconi_server.storage.errors import StorageUnusable
from marconi_server.storage.sqlite.driver import SQLiteOptions


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Node:
    """An application whose store is a file in a folder that may be missing."""

    folder: Path
    clock: ManualClock
    application: wsgi.Application

    def ask(self, method: str, path: str) -> Answer:
        environ: dict[str, Any] = {"REQUEST_METHOD": method, "PATH_INFO": path}
        setup_testing_defaults(environ)
        heads = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
            heads.append((int(status[:3]), {name.lower(): value for name, value in headers}))

        body = b"".join(self.application(environ, start_response))
        ((status, headers),) = heads
        return Answer(status, headers, body)

    def put(self) -> int:
        return self.ask("PUT", "/v1/queues/q").status


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    folder = tmp_path / "data"
    clock = ManualClock()
    settings = Settings(
        drivers=Drivers(storage="sqlite"),
        store=SQLiteOptions(database=str(folder / "marconi.db")),
    )
    application = wsgi.Application(settings, clock)
    yield Node(folder, clock, application)
    application.close()


def test_the_store_opens_with_the_first_request(node: Node) -> None:
    node.folder.mkdir()
    assert list(node.folder.iterdir()) == []
    assert node.put() == 201
    assert node.put() == 204


def test_opening_twice_is_opening_once(node: Node) -> None:
    node.folder.mkdir()
    assert node.application.open() is node.application.open()


def test_opening_by_hand_says_why_it_fails(node: Node) -> None:
    with pytest.raises(StorageUnusable):
        node.application.open()


def test_without_a_store_the_answers_are_those_of_a_store_that_fails(node: Node) -> None:
    answer = node.ask("PUT", "/v1/queues/q")
    assert answer.status == 503
    assert answer.headers["retry-after"] == "30"
    assert json.loads(answer.body)["title"] == "Service temporarily unavailable"
    health = node.ask("GET", "/v1/health")
    assert (health.status, health.body) == (503, b"")
    assert node.ask("GET", "/v1").status == 200
    assert node.ask("GET", "/v1/nonsense").status == 404


def test_a_store_that_opens_later_is_used_without_a_restart(node: Node) -> None:
    assert node.put() == 503
    node.folder.mkdir()
    assert node.put() == 503
    assert list(node.folder.iterdir()) == [], "it tried again at once"
    node.clock.advance(wsgi.RETRY_SECONDS)
    assert node.put() == 201


def test_each_attempt_costs_one_line_in_the_log(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        node.put()
    node.clock.advance(wsgi.RETRY_SECONDS)
    node.put()
    lines = [each for each in caplog.records if each.name == wsgi.__name__]
    assert len(lines) == 2
    assert "The store does not open" in lines[0].getMessage()
    assert all(each.exc_info is None for each in lines)


def test_closing_is_idempotent_and_ends_service(node: Node) -> None:
    node.folder.mkdir()
    node.put()
    node.application.close()
    node.application.close()
    assert node.put() == 503


def test_the_module_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'app'"):
        wsgi.app  # noqa: B018 - the access is what is tested
