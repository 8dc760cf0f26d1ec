"""The application that finds out itself what it needs, and goes on without it."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from wsgiref.util import setup_testing_defaults

import pytest

from marconi_server import wsgi
from marconi_server.config.files import ConfigFiles
from marconi_server.config.options import SettingsError
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
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def settings(folder: Path) -> Settings:
    return Settings(
        drivers=Drivers(storage="sqlite"),
        store=SQLiteOptions(database=str(folder / "marconi.db")),
    )


@pytest.fixture
def node(folder: Path, settings: Settings) -> Iterator[Node]:
    clock = ManualClock()
    application = wsgi.Application(lambda: settings, clock)
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


# The configuration


class Source:
    """Settings that are wrong until they are put right."""

    def __init__(self, settings: Settings, error: Exception) -> None:
        self.settings = settings
        self.error: Exception | None = error
        self.reads = 0

    def __call__(self) -> Settings:
        self.reads += 1
        if self.error is not None:
            raise self.error
        return self.settings


@pytest.fixture(
    params=[
        SettingsError("marconi.conf: option port is 'x'"),
        StorageUnusable(reason="This build has no storage driver 'x'.", remedy="Choose another."),
    ],
    ids=["settings", "driver"],
)
def source(request: pytest.FixtureRequest, settings: Settings) -> Source:
    return Source(settings, request.param)


@pytest.fixture
def unsure(source: Source, folder: Path) -> Iterator[Node]:
    """Give a node whose configuration is wrong, and whose store would open."""
    folder.mkdir()
    clock = ManualClock()
    application = wsgi.Application(source, clock)
    yield Node(folder, clock, application)
    application.close()


def test_nothing_is_read_before_the_first_request(unsure: Node, source: Source) -> None:
    assert source.reads == 0
    unsure.put()
    assert source.reads == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/v1/queues/q"),
        ("GET", "/v1"),
        ("GET", "/v1/nonsense"),
        ("GET", "/v1/health"),
        ("HEAD", "/v1/health"),
        ("OPTIONS", "*"),
        ("POST", "/"),
    ],
)
def test_with_a_wrong_configuration_nothing_is_answered(
    unsure: Node, method: str, path: str
) -> None:
    """Nobody knows who may ask for what."""
    answer = unsure.ask(method, path)
    assert answer.status == 503
    assert answer.headers["retry-after"] == "30"
    assert answer.headers["x-openstack-request-id"].startswith("req-")
    if method == "HEAD":
        assert answer.body == b""
    else:
        assert json.loads(answer.body)["title"] == "Service temporarily unavailable"


def test_a_wrong_configuration_is_read_again_but_not_for_each_request(
    unsure: Node, source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    error = source.error
    for reads in (1, 2):
        for _ in range(5):
            assert unsure.put() == 503
        assert source.reads == reads
        unsure.clock.advance(wsgi.RETRY_SECONDS)
    lines = [each for each in caplog.records if each.name == wsgi.__name__]
    said = f"The configuration is wrong, requests get 503: {error}"
    assert [each.getMessage() for each in lines] == [said] * 2
    assert all(each.exc_info is None and "\n" not in each.getMessage() for each in lines)


def test_a_configuration_that_was_put_right_is_used_without_a_restart(
    unsure: Node, source: Source
) -> None:
    assert unsure.put() == 503
    source.error = None
    assert unsure.put() == 503
    unsure.clock.advance(wsgi.RETRY_SECONDS)
    assert [unsure.put(), unsure.put()] == [201, 204]
    assert source.reads == 2


def test_what_was_read_is_not_read_again_when_the_store_does_not_open(
    source: Source, folder: Path
) -> None:
    source.error = None
    node = Node(folder, ManualClock(), wsgi.Application(source, ManualClock()))
    assert [node.put(), node.ask("GET", "/v1").status] == [503, 200]
    assert source.reads == 1


def test_a_defect_is_no_wrong_configuration(unsure: Node, source: Source) -> None:
    source.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):  # the host answers, and logs the traceback
        unsure.put()


def test_opening_by_hand_says_what_is_wrong_with_the_configuration(
    unsure: Node, source: Source
) -> None:
    assert source.error is not None
    with pytest.raises(type(source.error)):
        unsure.application.open()


def test_a_pipe_with_a_wrong_configuration_does_not_become_an_empty_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whose defaults let everybody in."""
    monkeypatch.setattr(wsgi, "_files", ConfigFiles(wsgi._paths))
    reader, writer = os.pipe()
    os.write(writer, b"[DEFAULT]\nauth_strategy = keyston\n")
    os.close(writer)
    monkeypatch.setenv("MARCONI_CONFIG_FILE", f"/dev/fd/{reader}")
    for complaint in ("auth_strategy of \\[DEFAULT\\] is 'keyston'", "was read before"):
        with pytest.raises(SettingsError, match=complaint):
            wsgi._read_environment()
    os.close(reader)


def test_the_application_is_an_attribute_as_any_other() -> None:
    """Hosts such as uWSGI and mod_wsgi look for it in the dictionary of the module."""
    assert isinstance(vars(wsgi)["application"], wsgi.Application)
