"""Handing out the tests to several processes: a pytest plugin for `-n`.

Tests that share a fixture stay together, and so do short ones of a module or class. Each long one
stands by itself. What takes longest comes first, so that nothing long is left for the end.
"""

import json
import os
from collections import defaultdict
from collections.abc import Generator
from functools import cached_property
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.mongodb import search
from tests.support import keeper

PROCESSES_PER_CORE = 3
"""How many tests run at the same time for each core: most of them wait most of the time."""

MOST_PROCESSES = 12
"""How many at the most: each takes some seconds to begin, and memory for a MongoDB."""

SECONDS = {"balancers": 1, "faults": 1, "keystone": 2, "live": 2}
"""How long a test of a tier takes, where nothing else is said: they start servers."""

FILE = "groups.json"
"""Where a process says which group each test is of, since only names of tests are passed on."""

WITH_A_KEYSTONE_OF_THEIR_OWN = {"test_outage", "test_register"}
"""The modules that take half of the time of all that need a Keystone, whose start takes a while."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "group(name): one process runs all tests of the group")
    config.addinivalue_line("markers", "seconds(number): how long a test takes that takes long")


def pytest_xdist_auto_num_workers() -> int:
    """Say how many processes `-n auto` means.

    A MongoDB that was given is the same for all of them, and there are tests that let it fail.
    """
    if search.given_uri():
        return 1
    return min(PROCESSES_PER_CORE * len(os.sched_getaffinity(0)), MOST_PROCESSES)


class Groups(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Hands out groups of tests, in the order in which the processes have collected them."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    @cached_property
    def _groups(self) -> dict[str, str]:
        file = next(keeper.run_folder().glob(f"*/{FILE}"))  # the processes agree
        groups: dict[str, str] = json.loads(file.read_text())
        return groups

    def _split_scope(self, nodeid: str) -> str:
        return self._groups[nodeid]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    return Groups(config, log)


@pytest.hookimpl(wrapper=True)  # behind all others, also the one that shuffles
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None]:
    yield
    if hasattr(config, "workerinput"):
        groups = {item.nodeid: _group(item) for item in items}
        weights: defaultdict[str, float] = defaultdict(float)
        for item in items:
            weights[groups[item.nodeid]] += _seconds(item)
        items.sort(key=lambda item: -weights[groups[item.nodeid]])
        (keeper.run_folder() / FILE).write_text(json.dumps(groups))


def _group(item: pytest.Item) -> str:
    chosen = item.get_closest_marker("group")
    if chosen is not None:
        return str(chosen.args[0])
    known = item._fixtureinfo.name2fixturedefs  # type: ignore[attr-defined]
    if "keystone_of_the_run" in known:
        return "keystone, too" if item.path.stem in WITH_A_KEYSTONE_OF_THEIR_OWN else "keystone"
    scopes = {each.scope for found in known.values() for each in found}
    if "module" in scopes:
        return item.path.relative_to(item.config.rootpath).as_posix()
    if _seconds(item) and "class" not in scopes:
        return item.nodeid
    assert item.parent is not None
    return item.parent.nodeid


def _seconds(item: pytest.Item) -> float:
    """Say how long a test takes, more or less."""
    marked = item.get_closest_marker("seconds")
    return float(marked.args[0]) if marked else SECONDS.get(item.path.parent.name, 0)
