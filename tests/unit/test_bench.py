"""The harness of the benchmark: what it makes of figures, and that it measures at all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import machine, report, wrk
from bench.report import Measurement, Result, Row
from bench.servers import BenchError

OUTCOME = {
    "requests": 1000,
    "microseconds": 500_000,
    "p50": 1500,
    "p99": 9000,
    "wrong": 0,
    "first_wrong": "",
    "unanswered": 0,
    "timeouts": 0,
}


def printed(**changes: object) -> str:
    """What wrk prints, with the line of our script at its end."""
    return f"Running 1s test\n  2 threads\n{json.dumps(OUTCOME | changes)}\n"


def measured(rate: float, errors: int = 0) -> Measurement:
    return Measurement(
        requests=int(rate),
        seconds=1.0,
        p50=1.0,
        p99=2.0,
        errors=errors,
        complaint="409: no" if errors else "",
        server_cpu=50e-6,
        load_cpu=10e-6,
        others=0.02,
    )


def row(contender: str, *rates: float, errors: int = 0) -> Row:
    return Row("post1", 32, contender, [measured(rate, errors) for rate in rates])


def test_the_outcome_is_found_in_what_wrk_prints() -> None:
    outcome = wrk.parse(printed())
    assert (outcome.requests, outcome.p50, outcome.p99) == (1000, 1500, 9000)
    assert outcome.errors == 0
    assert outcome.complaint == ""


def test_an_output_without_outcome_is_no_measurement() -> None:
    with pytest.raises(BenchError, match="no outcome"):
        wrk.parse("unable to connect to 127.0.0.1:1 Connection refused\n")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"wrong": 3, "first_wrong": "503: {}"}, "3 wrong answers, such as: 503: {}"),
        ({"unanswered": 2}, "2 failed connections"),
        ({"timeouts": 4}, "4 timeouts"),
        ({"requests": 0}, "no answers"),
    ],
)
def test_whatever_goes_wrong_is_an_error(changes: dict[str, object], complaint: str) -> None:
    outcome = wrk.parse(printed(**changes))
    assert outcome.errors > 0
    assert outcome.complaint == complaint


def test_the_share_of_the_empty_responder_is_that_of_the_same_round() -> None:
    rows = [row("empty", 1000, 2000, 4000), row("marconi", 500, 1000, 3000)]
    assert report.ratio(rows[1], rows) == 0.5
    assert report.ratio(rows[0], rows) == 1.0


def test_nothing_is_compared_with_an_invalid_or_missing_row() -> None:
    good, bad = row("marconi", 500), row("empty", 1000, errors=1)
    assert report.ratio(good, [good]) is None
    assert report.ratio(good, [bad, good]) is None
    assert report.ratio(row("marconi", 500, errors=1), [row("empty", 1000)]) is None


def test_the_table_shows_median_extremes_and_share() -> None:
    rows = [row("empty", 10_000, 30_000, 20_000), row("marconi", 5000, 16_000, 10_000)]
    head, rule, empty, marconi = report.table(rows).splitlines()
    assert {line.count("|") for line in (head, rule, empty, marconi)} == {head.count("|")}
    cells = [cell.strip() for cell in marconi.strip("|").split("|")]
    assert cells == [
        "post1", "32", "marconi", "10,000", "5,000", "16,000", "1.00", "2.00", "0", "50.0",
        "10.0", "2%", "50%",
    ]  # fmt: skip


def test_errors_make_a_row_invalid_and_are_said() -> None:
    rows = [row("empty", 1000), row("marconi", 500, errors=2)]
    assert report.table(rows).splitlines()[-1].rstrip(" |").endswith("invalid")
    (complaint,) = report.complaints(rows)
    assert "marconi" in complaint
    assert "409: no" in complaint


def test_a_result_is_written_for_people_and_for_programs(tmp_path: Path) -> None:
    result = Result(
        started="2026-01-02T03:04:05Z",
        command="python -m bench post1",
        conditions={"cores": "2"},
        rows=[row("empty", 1000), row("marconi", 500)],
    )
    path = report.write(result, tmp_path)
    assert "python -m bench post1" in path.read_text()
    assert report.table(result.rows) in path.read_text()
    stored = json.loads(path.with_suffix(".json").read_text())
    assert [each["contender"] for each in stored["rows"]] == ["empty", "marconi"]


def test_the_share_of_others_is_never_negative() -> None:
    assert machine.others_share(busy=1.0, own=1.5, seconds=1.0) == 0
    assert machine.others_share(busy=3.0, own=1.0, seconds=2.0) == 1 / (os.cpu_count() or 1)


def test_a_case_is_measured_for_real(tmp_path: Path) -> None:
    if not wrk.available():
        assert not os.environ.get("CI"), "CI has to install wrk"
        pytest.skip("wrk is not installed")
    command = [
        sys.executable, "-m", "bench", "cycle1", "--seconds", "1", "--rounds", "1",
        "--connections", "4", "--contenders", "empty", "marconi", "store",
        "--results", str(tmp_path),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = tmp_path.glob("*.json")
    rows = json.loads(result.read_text())["rows"]
    assert {each["contender"] for each in rows} == {"empty", "marconi", "store"}
    assert all(each["rounds"][0]["requests"] > 0 for each in rows)
