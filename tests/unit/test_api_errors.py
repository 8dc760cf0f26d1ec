"""Errors as clients and the operator see them."""

import logging

import falcon
import pytest
from falcon import testing

from marconi_server.api import errors
from marconi_server.api.app import Router, create_app, routes
from marconi_server.config.settings import Settings
from marconi_server.storage.conformance import ManualClock
from marconi_server.storage.errors import StorageConflict, StorageUnavailable
from tests.storage.memory import Data, MemoryStore
from tests.support.faulty import FaultyStore


@pytest.fixture
def store() -> FaultyStore:
    return FaultyStore(MemoryStore.open(Data(), ManualClock()))


@pytest.fixture
def client(store: FaultyStore) -> testing.TestClient:
    return testing.TestClient(create_app(Settings(), store))


def test_document() -> None:
    assert errors.document("T", 'é "quoted"').decode() == (
        '{\n    "title": "T",\n    "description": "é \\"quoted\\""\n}'
    )


def test_every_operation_on_storage_says_what_failed(store: FaultyStore) -> None:
    router = Router()
    operations = {
        (template, method)
        for template, resource in routes(Settings(), store)
        for method in router.map_http_methods(resource)
        if template not in ("/v1", "/v1/health")
    }
    assert set(errors.FAILURES) == operations


def post(client: testing.TestClient) -> testing.Result:
    return client.simulate_post(
        "/v1/queues/q/messages", headers={"Client-ID": "c"}, body='[{"ttl": 60, "body": 1}]'
    )


def test_conflict_differs_from_other_failures(
    client: testing.TestClient, store: FaultyStore
) -> None:
    descriptions = []
    for failure in (StorageUnavailable(reason="disk"), StorageConflict(reason="busy")):
        with store.failing(failure):
            answer = post(client)
        assert answer.status == falcon.HTTP_503
        assert answer.headers["retry-after"] == "30"
        descriptions.append(answer.json["description"])
    unavailable, conflict = descriptions
    assert "messages could not be enqueued" in unavailable
    assert "messages could not be enqueued" in conflict
    assert "at the same time" in conflict
    assert "at the same time" not in unavailable


def status_of(client: testing.TestClient, **environ: str) -> str:
    """Send a request past Falcon's test client, which wants what HTTP does not ask for."""
    recorder = testing.StartResponseMock()
    client.app(testing.create_environ() | environ, recorder)
    assert isinstance(recorder.status, str)
    return recorder.status


def test_storage_failure_in_the_log(
    client: testing.TestClient, store: FaultyStore, caplog: pytest.LogCaptureFixture
) -> None:
    failure = StorageUnavailable(reason="Failed.")
    with store.failing(failure):
        assert status_of(client, PATH_INFO="/v1/health") == falcon.HTTP_503
        failure.__cause__ = OSError(5, "disk")
        path = "/v1/queues/q/messages/a\nb"
        assert status_of(client, PATH_INFO=path) == falcon.HTTP_503
    assert caplog.messages == [
        "GET '/v1/health': storage unavailable: Failed.",
        r"GET '/v1/queues/q/messages/a\nb': storage unavailable: Failed. (OSError)",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_bug_is_a_500_with_a_traceback_in_the_log(
    client: testing.TestClient, store: FaultyStore, caplog: pytest.LogCaptureFixture
) -> None:
    with store.failing(ZeroDivisionError("a bug")):
        answer = client.simulate_get("/v1/queues")
    assert answer.status == falcon.HTTP_500
    assert answer.json["title"] == "Internal server error"
    assert "a bug" not in answer.text
    assert "retry-after" not in answer.headers
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


def test_method_that_falcon_keeps_for_itself(client: testing.TestClient) -> None:
    status = status_of(client, REQUEST_METHOD="WEBSOCKET", PATH_INFO="/v1/queues")
    assert status == falcon.HTTP_400
