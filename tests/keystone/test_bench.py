"""The benchmark measures the server with a real Keystone."""

import os
from pathlib import Path

import pytest

from bench import contenders, wrk
from bench.cases import CASES
from bench.measure import Plan
from tests.keystone.server import KeystoneServer


def test_the_contender_with_keystone(keystone: KeystoneServer, tmp_path: Path) -> None:
    if not wrk.available():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(wrk.MISSING)
    plan = Plan(
        connections=2, seconds=1, warm_up=1, workers=1, threads=4, load_threads=1, timeout=30
    )
    (cycle,) = (case for case in CASES if case.name == "cycle1")
    measured = contenders.keystone(cycle, plan, tmp_path)
    assert (measured.errors, measured.complaint) == (0, "")
    assert measured.requests > 0
