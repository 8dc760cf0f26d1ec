"""What the worker decides without a client: who takes a new connection, what an exception means."""

import logging
from collections.abc import Iterable
from copy import copy

import pytest
from greenlet import GreenletExit
from gunicorn.config import Config

from marconi_server.server.answers import Answer, Application
from marconi_server.server.loads import FRESH_SECONDS, Loads
from marconi_server.server.worker import Worker

NOW = 1000.0


def another(loads: Loads, number: int, connections: int) -> None:
    """Say what another worker would say; the live tests see real ones."""
    other = copy(loads)  # with the same table, as behind a fork
    other.join(number)
    other.beat(NOW)
    other.tell(connections)


@pytest.fixture
def loads() -> Loads:
    """The table as worker 1 sees it, which has said nothing yet."""
    loads = Loads()
    loads.join(1)
    return loads


def test_a_worker_alone_is_never_too_heavy(loads: Loads) -> None:
    loads.beat(NOW)
    assert not loads.is_heavy(1_000_000)


def test_a_worker_leaves_connections_to_one_that_has_fewer(loads: Loads) -> None:
    another(loads, 2, connections=5)
    another(loads, 3, connections=500)
    loads.beat(NOW)
    assert not loads.is_heavy(5)
    assert not loads.is_heavy(7)
    assert loads.is_heavy(9)


def test_the_more_connections_the_less_exact(loads: Loads) -> None:
    another(loads, 2, connections=800)
    loads.beat(NOW)
    assert not loads.is_heavy(900)
    assert loads.is_heavy(930)


def test_numbers_are_seen_as_they_change(loads: Loads) -> None:
    another(loads, 2, connections=0)
    loads.beat(NOW)
    assert loads.is_heavy(10)
    another(loads, 2, connections=10)
    assert not loads.is_heavy(10)


def test_a_worker_that_died_is_forgotten(loads: Loads) -> None:
    another(loads, 2, connections=0)
    loads.beat(NOW + FRESH_SECONDS - 0.1)
    assert loads.is_heavy(10)
    loads.beat(NOW + FRESH_SECONDS + 0.1)
    assert not loads.is_heavy(10)


def test_a_worker_that_left_is_forgotten(loads: Loads) -> None:
    another(loads, 2, connections=0)
    leaving = copy(loads)
    leaving.join(2)
    leaving.leave()
    loads.beat(NOW)
    assert not loads.is_heavy(10)


def test_worker_numbers_grow_for_ever(loads: Loads) -> None:
    another(loads, 1_000_000_002, connections=0)
    loads.beat(NOW)
    assert loads.is_heavy(10)


def test_room_elsewhere_is_that_of_workers_that_are_alive(loads: Loads) -> None:
    another(loads, 2, connections=9)
    another(loads, 3, connections=10)
    loads.beat(NOW)
    assert loads.others_have_room(10)
    assert not loads.others_have_room(9)
    loads.beat(NOW + FRESH_SECONDS + 0.1)
    assert not loads.others_have_room(10)


# Exceptions of the application


def run(application: Application) -> Answer:
    """Have a worker run an application, and return what it answers."""
    worker = Worker(1, 0, [], None, 30, Config(), logging.getLogger("test"))
    worker.wsgi = application
    worker._logs_access = False
    try:
        return worker._run({"REQUEST_METHOD": "GET", "RAW_URI": "/"})
    finally:
        worker.tmp.close()


def raising(error: BaseException) -> Application:
    def application(*_: object) -> Iterable[bytes]:
        raise error

    return application


@pytest.mark.parametrize("error", [RuntimeError(), SystemExit(0), KeyboardInterrupt()], ids=repr)
def test_whatever_the_application_raises_is_its_defect(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    assert run(raising(error)).status == "500 Internal Server Error"
    assert "Error handling request GET /" in caplog.text


def test_a_greenlet_that_has_to_end_does(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(GreenletExit):
        run(raising(GreenletExit()))
    assert caplog.text == ""
