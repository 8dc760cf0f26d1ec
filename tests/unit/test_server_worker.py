"""What the worker decides without a client: who takes a new connection."""

from copy import copy

import pytest

from marconi_server.server.loads import FRESH_SECONDS, Loads

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
