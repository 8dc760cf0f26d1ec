"""Where the time goes: stacks to layers, and one small run of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench import __main__ as command
from bench import options, profile, wrk
from bench.results import Profile, ProfileRow
from tests.unit.benchmark import cells, demand_wrk, measure

STACKS = """\
<module> (marconi_server/__main__.py:8);run (gunicorn/arbiter.py:2);run (marconi_server/server/worker.py:9) 4
run (marconi_server/server/worker.py:9);select (selectors.py:468) 3
run (marconi_server/server/worker.py:9);serve (marconi_server/server/greenlets.py:5) 2
serve (marconi_server/server/greenlets.py:5);encode (marconi_server/server/answers.py:1) 5
on_get (marconi_server/api/v1/messages.py:7);list (marconi_server/storage/sqlite/messages.py:3) 6
work (marconi_server/storage/mongodb/free.py:3);find (pymongo/collection.py:3);start (threading.py:1) 7
a lambda; and more (falcon/app.py:1) 1
_worker (concurrent/futures/thread.py:83) 8
"""  # noqa: E501


def test_a_sample_is_of_the_innermost_layer() -> None:
    assert profile.by_layer(STACKS) == {
        "loop and connections": 7,
        "HTTP": 5,
        "waiting": 2,
        "Falcon": 1,
        "store": 6,
        "pymongo": 7,
        "other": 8,
    }


def test_the_table_has_what_each_layer_costs_a_request() -> None:
    rows = [
        ProfileRow("sqlite", "stats", 20_000.0, 50e-6, {"HTTP": 30, "store": 10}),
        ProfileRow("sqlite", "post1", 10_000.0, 80e-6, {"store": 1, "API": 1}),
    ]
    result = Profile(started="2026-01-02T03:04:05Z", command="x", conditions={}, rows=rows)
    head, stats, post = cells(profile.markdown(result))
    assert head == ["case", "requests/s", "server CPU µs", "HTTP", "API", "store"]
    assert stats == ["stats", "20,000", "50", "38", "0", "12"]
    assert post == ["post1", "10,000", "80", "0", "40", "40"]


def test_without_py_spy_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(wrk, "available", lambda: True)
    monkeypatch.setattr(options, "MEMORY", ())
    monkeypatch.setattr("bench.profile.shutil.which", lambda *_args, **_options: None)
    arguments = ["profile", "health", "--engines", "sqlite", "--folder", str(tmp_path)]
    assert command.main(arguments) == 2
    assert "install the extra bench" in capsys.readouterr().err


def refusal() -> str:
    """Tell why py-spy may not look at other processes here, if so."""
    pipe = subprocess.PIPE
    waits = [sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(waits, stdin=pipe, stdout=pipe, text=True) as waiting:
        assert waiting.stdout is not None
        waiting.stdout.readline()
        look = [profile._spy(), "dump", "--pid", str(waiting.pid)]
        done = subprocess.run(look, capture_output=True, text=True, timeout=30, check=False)
        waiting.communicate("\n", timeout=30)
    return done.stderr if done.returncode else ""


def test_a_profile_is_made_and_leaves_nothing_but_the_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    demand_wrk()
    if reason := refusal():
        pytest.skip(f"py-spy may not look at other processes: {reason}")
    arguments = "profile stats --engines sqlite --seconds 1 --workers 1"
    result, views = measure(arguments, Profile, monkeypatch, tmp_path)
    assert views.keys() == {"sqlite"}
    (row,) = result.rows
    assert (row.engine, row.case) == ("sqlite", "stats")
    assert row.rate > 0
    assert 0 < row.server_cpu < 1
    assert {"loop and connections", "store"} <= row.samples.keys()
