"""What the command says of itself: the log of the start, and output that cannot be written."""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import requests

from marconi_server import __version__
from tests.support.command import RUN_SECONDS, write_config
from tests.support.live import COMMAND, LiveServer


def messages(server: LiveServer, level: str) -> list[str]:
    """The events of a level, without what is in front of them."""
    found = re.findall(rf"^\S+ {level} \[-\] (.*)$", server.log(), re.MULTILINE)
    assert found, server.log()
    return found


# The log of the start


def test_the_log_begins_with_what_serves(tmp_path: Path) -> None:
    config = "[transport]\nmax_claim_ttl = 100\n"
    env = {"OS_TRANSPORT__MAX_CLAIM_GRACE": "100"}
    with LiveServer(tmp_path, config=config, env=env) as server:
        first = messages(server, "INFO")
        requests.put(f"{server.url}/v1/queues/q", timeout=30).raise_for_status()
        server.reload()
        again = messages(server, "INFO")[len(first) :]
        server.stop()
        assert " WARNING " not in server.log()
    version, files, *_ = first
    assert re.fullmatch(rf"marconi-server {__version__}, Python 3\.\d+\.\S+", version)
    assert files == (
        f"Configuration files: {server.config_file}; environment variables "
        "OS_DRIVERS_TRANSPORT_WSGI__DRAIN_TIMEOUT, OS_TRANSPORT__MAX_CLAIM_GRACE; command line: "
        "port, workers, auth_strategy, storage, database"
    )
    for line in (
        "Address: 127.0.0.1, port 0",
        "Processes: 2 workers, which handle requests on an event loop each",
        "Authentication: off, nobody is asked and X-Project-Id is believed",
        f"Storage: sqlite, {server.database}, new",
    ):
        assert [each for each in first if each.startswith(line)]
    found = rf"Storage: sqlite, {re.escape(str(server.database))}, found, \d\.\d MB"
    assert [line for line in again if re.fullmatch(found, line)], "a reload says it again"


def test_a_start_that_is_dangerous_or_too_small_warns(tmp_path: Path) -> None:
    shell = 'ulimit -n 256 && exec "$0" "$@"'
    command = ("sh", "-c", shell, COMMAND)
    config = "[drivers:transport:wsgi]\nbind = 0.0.0.0\nconnections = 200\nthreads = 4\n"
    with LiveServer(tmp_path, config=config, command=command) as server:
        server.stop()
        idle, danger, small = messages(server, "WARNING")
    assert "threads of [drivers:transport:wsgi] has no effect" in idle
    assert danger.startswith("Authentication is off, and 0.0.0.0 is not this machine alone")
    assert small.startswith("A process may open 256 files, which is too few for 200 connections")


@pytest.mark.parametrize("kind", ["pipe", "fifo"])
def test_a_reload_cannot_read_a_pipe_again_and_says_so(kind: str, tmp_path: Path) -> None:
    """`--config-file <(…)`, and a named pipe that nobody writes into any more."""
    text = write_config(tmp_path).read_text() + "[transport]\nmax_queues_per_page = 5\n"
    path = str(tmp_path / "fifo.conf")
    script = f'exec "$0" "$@" --config-file <(printf "{text}")'
    if kind == "fifo":
        os.mkfifo(path)
        script = f'printf "{text}" > {path} & exec "$0" "$@" --config-file {path}'
    command = ("bash", "-c", script.replace("\n", "\\n"), COMMAND)
    with LiveServer(tmp_path, command=command, embedded=False, port=None) as server:
        for _ in range(2):
            answer = requests.get(f"{server.url}/v1/queues", params={"limit": 6}, timeout=30)
            assert answer.status_code == 400
            server.reload()
        errors = messages(server, "ERROR")
        server.stop()
    assert len(errors) == 2
    for line in errors:
        assert line.startswith("Not reloaded, the old configuration stays in force: /")
        assert "was read before, and cannot be read again" in line


def test_an_open_server_does_not_come_from_a_pipe(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    config.write_text(
        config.read_text() + "[DEFAULT]\nauth_strategy = keystone\n[keystone_authtoken]\n"
        "auth_url = http://127.0.0.1:1\nauth_type = password\nusername = u\npassword = hunter2\n"
        "[authentication]\nopen_health = true\n"
    )
    for script in (
        f'exec "$0" "$@" --config-file <(cat {config})',
        f'exec "$0" "$@" --config-file /dev/stdin < <(cat {config})',
    ):
        with LiveServer(
            tmp_path,
            command=("bash", "-c", script, COMMAND),
            embedded=False,
            port=None,
        ) as server:
            assert requests.get(f"{server.url}/v1/queues", timeout=30).status_code == 401
            server.stop()


# Output that cannot be written


def run_with(redirection: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f'exec "$0" "$@" {redirection}', COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["check"], ["register", "--help"]]
)
def test_output_that_is_full_is_one_line(arguments: Sequence[str], tmp_path: Path) -> None:
    if arguments == ["check"]:
        arguments = ["check", "--embedded", str(tmp_path / "q.db")]
    done = run_with(">/dev/full", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "marconi-server: standard output cannot be written: No space left on device\n"
    )


def test_output_that_nobody_reads_to_its_end_is_one_line(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with subprocess.Popen(
        [COMMAND, "check", "--embedded", tmp_path / "q.db"],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.close(writer)
        _, errors = process.communicate(timeout=RUN_SECONDS)
    assert process.returncode == 2
    assert errors == "marconi-server: standard output cannot be written: Broken pipe\n"


@pytest.mark.parametrize("arguments", [["--version"], ["check"]])
def test_output_that_is_closed_is_quiet(arguments: Sequence[str], tmp_path: Path) -> None:
    if arguments == ["check"]:
        arguments = ["check", "--embedded", str(tmp_path / "q.db")]
    done = run_with(">&-", *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = run_with("<&- >&- 2>&-", *arguments)
    assert done.returncode == 0
    assert run_with("2>&-", "--nonsense").returncode == 2
    assert run_with("2>/dev/full", "--config-file", str(tmp_path / "missing")).returncode == 2


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-", "<&- >&-"])
def test_the_server_serves_though_its_output_cannot_be_written(
    redirection: str, tmp_path: Path
) -> None:
    command = ("sh", "-c", f'exec "$0" "$@" {redirection}', COMMAND)
    with LiveServer(tmp_path, command=command) as server:
        assert requests.put(f"{server.url}/v1/queues/q", timeout=30).status_code == 201
        server.stop()
        log = server.log()
    assert "Traceback" not in log
    assert ("The address was not told: standard output cannot be written" in log) == (
        "full" in redirection
    )
