"""Nodes are stopped, killed and replaced under load, and the balancer makes up for it."""

import pytest

from tests.balancers.balancer import Balancer
from tests.balancers.conftest import Nodes
from tests.live.history import Outcome, Record
from tests.live.judge import Report, judge
from tests.live.load import LEAST_PER_SECOND, Load
from tests.support.live import LiveServer

CLIENTS = 18
SECONDS_BETWEEN = 0.5
LEAST = 4 * SECONDS_BETWEEN * LEAST_PER_SECOND


def served(node: LiveServer) -> int:
    """How many requests of clients a node has answered."""
    return node.log().count("/messages") + node.log().count("/claims")


def wait_for_requests(node: LiveServer) -> None:
    """Wait until the balancer sends requests to a node that has just started."""
    before = served(node)
    node.wait_until(lambda: served(node) > before, 30, "gets no requests")


@pytest.mark.seconds(25)
def test_a_rolling_upgrade_costs_no_request(
    nodes: Nodes, balancer: Balancer, report: Report
) -> None:
    with Load(balancer, least=LEAST) as load:
        load.run(SECONDS_BETWEEN)
        for node in nodes:
            node.stop()
            load.run(SECONDS_BETWEEN)
            node.start()
            wait_for_requests(node)
    history = judge(load, report)
    assert load.unavailable == 0
    for outcome in (Outcome.UNKNOWN, Outcome.FAILED):
        assert history.count(Record, outcome) == 0, history.summary()


@pytest.mark.seconds(15)
def test_a_killed_node_costs_answers_and_no_message(
    nodes: Nodes, balancer: Balancer, report: Report
) -> None:
    victim, other = nodes
    with Load(balancer, least=LEAST) as load:
        load.run(SECONDS_BETWEEN)
        wait_for_requests(victim)
        victim.kill()
        wait_for_requests(other)
        load.run(SECONDS_BETWEEN)
        victim.start()
        wait_for_requests(victim)
    history = judge(load, report)
    # What was on the node is lost, and maybe what was sent to it while it went down.
    assert history.count(Record, Outcome.UNKNOWN) <= 2 * CLIENTS, history.summary()
    assert history.count(Record, Outcome.FAILED) == 0, history.summary()
