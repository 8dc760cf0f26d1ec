"""Request ids: whose they are, what they look like, and where they are told."""

import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from greenlet import greenlet

from marconi_server import request_ids
from marconi_server.request_ids import HEADER, NONE, VARIABLE, RequestIds

WELL_FORMED = re.compile(r"req-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
GIVEN = "req-0a1b2c3d-4e5f-6071-8293-A4B5C6D7E8F9"


@pytest.fixture(autouse=True)
def no_request() -> Iterable[None]:
    request_ids.end()
    yield
    request_ids.end()


def begin(given: str | None = None) -> str:
    return request_ids.begin({} if given is None else {"HTTP_X_OPENSTACK_REQUEST_ID": given})


def test_an_id_that_is_made_is_a_random_uuid() -> None:
    assert WELL_FORMED.fullmatch(begin())


def test_ids_that_are_made_differ() -> None:
    ids = [begin() for _ in range(1000)]
    assert len(set(ids)) == 1000


def test_ids_of_a_forked_process_differ() -> None:
    begin()
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:  # nothing of pytest may run here
        os.write(writable, begin().encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(readable, 100).decode()
    os.close(readable)
    os.close(writable)
    assert WELL_FORMED.fullmatch(theirs)
    assert theirs[:28] != begin()[:28]


def test_an_id_of_the_client_is_kept() -> None:
    assert begin(GIVEN) == GIVEN


@pytest.mark.parametrize(
    "given",
    [
        "",
        GIVEN.removeprefix("req-"),
        GIVEN.upper(),
        f" {GIVEN}",
        f"{GIVEN}\n",
        f"{GIVEN}0",
        GIVEN[:-1],
        GIVEN.replace("a", "g"),
        GIVEN.replace("-", ""),
        f"{GIVEN},{GIVEN}",
        "req-" + "x" * 100_000,
    ],
)
def test_an_id_of_the_client_that_is_none_is_replaced(given: str) -> None:
    assert WELL_FORMED.fullmatch(begin(given))


def test_the_id_is_current_until_the_request_ends() -> None:
    assert request_ids.current() == NONE
    assert request_ids.current() != begin() == request_ids.current()
    request_ids.end()
    assert request_ids.current() == NONE


def test_each_thread_has_its_own() -> None:
    barrier = Barrier(2)

    def handle() -> tuple[str, str]:
        own = begin()
        barrier.wait(10)
        return own, request_ids.current()

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.submit(handle), pool.submit(handle)
        assert one.result()[0] == one.result()[1] != two.result()[0] == two.result()[1]
    assert request_ids.current() == NONE


def test_each_greenlet_has_its_own() -> None:
    def handle() -> None:
        own = begin()
        hub.switch(own)
        hub.switch(request_ids.current())

    hub = greenlet.getcurrent()
    one, two = greenlet(handle), greenlet(handle)
    first, second = one.switch(), two.switch()
    assert request_ids.current() == NONE
    assert first != second
    assert (one.switch(), two.switch()) == (first, second)


class Host:
    """A WSGI host, and what the application in it saw."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.seen: list[str] = []
        self.answers: list[tuple[Any, ...]] = []
        self.served = RequestIds(self.application)

    def application(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        self.seen = [environ[VARIABLE], request_ids.current()]
        if self.failure is not None:
            raise self.failure
        start("200 OK", [("X-Other", "value")])
        return [b"body"]

    def ask(self, environ: WSGIEnvironment) -> Iterable[bytes]:
        def start_response(*answer: Any) -> Any:
            self.answers.append(answer)

        return self.served(environ, start_response)


def test_the_middleware_tells_the_id_and_nothing_else() -> None:
    host = Host()
    assert host.ask({"HTTP_X_OPENSTACK_REQUEST_ID": GIVEN}) == [b"body"]
    assert host.seen == [GIVEN, GIVEN]
    assert host.answers == [("200 OK", [("X-Other", "value"), (HEADER, GIVEN)])]
    assert request_ids.current() == NONE


def test_the_middleware_ends_a_request_that_fails() -> None:
    host = Host(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        host.ask({})
    assert WELL_FORMED.fullmatch(host.seen[1])
    assert request_ids.current() == NONE


def test_the_middleware_leaves_a_request_alone_that_the_host_has_begun() -> None:
    host = Host()
    environ: WSGIEnvironment = {}
    own = request_ids.begin(environ)
    host.ask(environ)
    assert host.seen == [own, own]
    assert host.answers == [("200 OK", [("X-Other", "value")])]
    assert request_ids.current() == own
