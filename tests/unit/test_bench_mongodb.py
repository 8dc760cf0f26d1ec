"""The benchmark on a real MongoDB: our server, our driver, and bare pymongo."""

import os
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from bench import bare
from bench.cases import CASES, Case
from bench.contenders import CONTENDERS, ON_MONGODB
from bench.engines import ENGINES
from bench.measure import Plan
from bench.points import Point
from bench.subjects import OfStore, sample
from tests.mongodb import search
from tests.mongodb.deployment import Deployment
from tests.unit.benchmark import case, demand_wrk

PLAN = Plan(connections=2, seconds=1, warm_up=1, workers=1, threads=4, load_threads=1, timeout=30)


@pytest.fixture
def program() -> None:
    """Demand a MongoDB that can be started; one that somebody else runs is not enough."""
    try:
        search.mongod()
    except search.NoMongoDB as missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(missing))


def test_bare_pymongo_does_all_cases() -> None:
    assert bare.WORK.keys() == {case.name for case in CASES}


@pytest.mark.parametrize("each", CASES, ids=lambda each: each.name)
def test_bare_pymongo_gives_right_answers(mongodb: Deployment, each: Case) -> None:
    with mongodb.client() as client:
        client.drop_database("bare")
        messages = bare.messages_of(client)
        try:
            bare.fill(messages, each.fill // 100 + min(each.taken, 60))
            steps = bare.WORK[each.name](messages)
            assert list(islice(steps, 6)) == [True] * 6
            claimed = messages.count_documents({"claim": {"$ne": None}})
            if each.cycle:
                assert messages.count_documents({}) == 0
            elif each.name.startswith("claim"):
                assert claimed == 6 * int(each.name.removeprefix("claim"))
        finally:
            client.drop_database("bare")


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize("name", sorted(ON_MONGODB))
def test_the_contenders_on_mongodb(name: str, tmp_path: Path) -> None:
    demand_wrk()
    measured = CONTENDERS[name](case("cycle1"), PLAN, tmp_path)
    assert (measured.errors, measured.complaint) == (0, "")
    assert measured.requests > 0
    assert measured.database_cpu is not None
    assert measured.database_cpu > 0


@pytest.mark.usefixtures("program")
def test_an_engine_knows_what_its_database_takes(tmp_path: Path) -> None:
    with ENGINES["mongodb"](tmp_path) as engine, engine.store("some") as store:
        empty = engine.size("some")
        engine.fill("some", store, Point(0, free=500))
        assert engine.size("some") > empty + 500_000  # it compresses nothing of random letters
        assert engine.leftovers("some") == 500
        assert "[drivers:storage:mongodb]" in Path(engine.options("some")[1]).read_text()


@pytest.mark.usefixtures("program")
def test_many_queues_are_made_as_the_point_says(tmp_path: Path) -> None:
    point = Point(4, queues=4, free=12, claimed=3, body=200)
    with ENGINES["mongodb"](tmp_path) as engine, engine.store("some") as store:
        engine.fill("some", store, point)
        for _ in range(2):
            for number in range(point.queues):
                stats = store.queues.stats("bench", point.queue(number))
                assert (stats.claimed, stats.free) == (3, 12)
            sample(OfStore(store), point, 9, Random(1))
