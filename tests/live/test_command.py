"""The command `marconi-server`, as a real process: what it says, serves and checks."""

import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import requests

from marconi_server import __version__
from tests.support.command import run, write_config
from tests.support.live import COMMAND, LiveServer

pytestmark = pytest.mark.measured


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path)


# What it says of itself


def test_help_shows_options_and_examples() -> None:
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for word in (
        "--config-file FILE",
        "--embedded [FILE]",
        "--bind",
        "--port",
        "--workers",
        "--threads",
        "--version",
        "check",
        "register",
        "examples:",
    ):
        assert word in done.stdout


@pytest.mark.parametrize("command", [(COMMAND,), (sys.executable, "-m", "marconi_server")])
def test_version(command: Sequence[str]) -> None:
    done = run("--version", command=command)
    assert (done.returncode, done.stdout) == (0, f"marconi-server {__version__}\n")


# Serving


def test_embedded_prints_the_url_and_a_curl_line_that_works(tmp_path: Path) -> None:
    with LiveServer(tmp_path) as server:
        listens, attempt = server.output().splitlines()
        assert listens.endswith(server.url)
        curl = attempt.removeprefix("Try: ").split()
        assert curl[0] == "curl"
        done = run(*curl[1:], command=["curl", "--silent"])
        assert done.stdout.startswith("HTTP/1.1 201 ")
        assert server.database.exists()
        server.stop()


def test_it_runs_as_a_module(tmp_path: Path) -> None:
    with LiveServer(tmp_path, command=(sys.executable, "-m", "marconi_server")) as server:
        assert requests.put(f"{server.url}/v1/queues/q", timeout=60).status_code == 201
        server.stop()


def test_it_serves_as_a_configuration_file_says(tmp_path: Path, config: Path) -> None:
    with LiveServer(
        tmp_path, config=config.read_text(), embedded=False, port=None, workers=1
    ) as server:
        assert requests.put(f"{server.url}/v1/queues/q", timeout=60).status_code == 201
        assert server.output() == ""
        server.stop()


@pytest.mark.parametrize(
    ("state_home", "folder"), [("", ".local/state/marconi"), ("state", "state/marconi")]
)
def test_the_default_database_is_in_the_state_folder(
    state_home: str, folder: str, tmp_path: Path
) -> None:
    env = {
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / state_home) if state_home else "",
    }
    with LiveServer(tmp_path, embedded=False, args=["--embedded"], env=env) as server:
        assert requests.put(f"{server.url}/v1/queues/q", timeout=60).status_code == 201
        assert (tmp_path / folder / "marconi.db").exists()
        server.stop()


def test_embedded_reads_no_default_files(tmp_path: Path) -> None:
    (tmp_path / ".marconi").mkdir()
    (tmp_path / ".marconi" / "marconi.conf").write_text("this is not a configuration\n")
    env = {"HOME": str(tmp_path), "XDG_STATE_HOME": ""}
    with LiveServer(tmp_path, embedded=False, args=["--embedded"], env=env) as server:
        server.stop()


@pytest.mark.parametrize(
    ("bind", "host"),
    [
        ("localhost", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("::1", "[::1]"),
        ("[::1]", "[::1]"),
        ("::", "[::1]"),
    ],
)
def test_it_listens_on_names_and_on_both_families(bind: str, host: str, tmp_path: Path) -> None:
    if ":" in bind and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with LiveServer(tmp_path, args=["--bind", bind], workers=1) as server:
        assert server.host in {host, "[::1]"}, "localhost may be either"
        assert server.output().splitlines()[0].endswith(server.url)
        if bind in {"0.0.0.0", "::"}:
            answer = requests.get(f"http://127.0.0.1:{server.port}/v1/health", timeout=60)
            assert answer.status_code == 204
        server.stop()


def test_a_stop_closes_the_store(tmp_path: Path) -> None:
    with LiveServer(tmp_path, workers=1) as server:
        assert requests.put(f"{server.url}/v1/queues/q", timeout=60).status_code == 201
        log = Path(f"{server.database}-wal")
        assert log.exists()
        server.stop()
        assert not log.exists(), "SQLite removes it when the last connection is closed"


def test_nothing_is_written_to_the_working_folder(tmp_path: Path) -> None:
    folder = tmp_path / "working"
    folder.mkdir()
    command = ("env", "--chdir", str(folder), COMMAND)
    with LiveServer(tmp_path, command=command) as server:
        assert requests.put(f"{server.url}/v1/queues/q", timeout=60).status_code == 201
        server.stop()
    assert list(folder.iterdir()) == []


def test_limits_and_deadlines_reach_the_worker(tmp_path: Path) -> None:
    config = (
        "[transport]\nmax_message_size = 1000000\n[drivers:transport:wsgi]\nrequest_timeout = 1\n"
    )
    with LiveServer(tmp_path, config=config) as server:
        requests.put(f"{server.url}/v1/queues/q", timeout=60)
        answer = requests.post(
            f"{server.url}/v1/queues/q/messages",
            json=[{"ttl": 60, "body": "x" * 900_000}],
            headers={"Client-ID": "c"},
            timeout=60,
        )
        assert answer.status_code == 201
        # By default the server would wait for the rest longer than this socket does.
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as slow:
            slow.sendall(b"GET /v1/health HT")
            assert slow.recv(1000).startswith(b"HTTP/1.1 400 ")
        server.stop()


def test_a_start_loads_no_library_that_it_does_not_use(tmp_path: Path) -> None:
    with LiveServer(tmp_path, env={"PYTHONPROFILEIMPORTTIME": "1"}) as server:
        assert requests.put(f"{server.url}/v1/queues/q", timeout=60).status_code == 201
        server.stop()
        imported = {
            line.rpartition("|")[2].strip().partition(".")[0]
            for line in server.log().splitlines()
            if line.startswith("import time:")
        }
    assert {"falcon", "gunicorn", "marconi_server", "oslo_config"} <= imported
    unused = {"pymongo", "bson", "keystonemiddleware", "keystoneauth1", "keystoneclient"}
    assert not imported & (unused | {"oslo_policy"})


def test_the_log_is_one_format(tmp_path: Path) -> None:
    text = "[transport]\nmax_clam_ttl = 100\n[limits:transport]\nclaim_ttl_max = 100\n"
    with LiveServer(tmp_path, config=text) as server:
        server.stop()
        lines = server.log().splitlines()
    for line in lines:
        time, level, message = line.split(" ", 2)
        assert len(time) == len("2000-01-01T00:00:00+0000")
        assert level in {"INFO", "WARNING"}
        assert message
    warnings = [line for line in lines if " WARNING " in line]
    assert len(warnings) == 2
    assert any("max_clam_ttl" in line for line in warnings)
    assert any("claim_ttl_max" in line for line in warnings)


# The check


def test_check_says_what_it_found(config: Path) -> None:
    done = run("check", "--config-file", str(config))
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        f"Configuration files: {config}",
        "Address: 127.0.0.1, port 0",
        "Processes: 2 workers, which handle requests on an event loop each",
        "262144 bytes for a post",
        "Storage: sqlite",
        f"database = {config.parent}/marconi.db",
        "All is well.",
    ):
        assert words in done.stdout


def test_check_reports_typos_and_is_not_content(config: Path) -> None:
    config.write_text(config.read_text() + "[transport]\nmax_clam_ttl = 100\n")
    arguments = ("check", "--config-file", str(config))
    done = run(*arguments, env={"OS_TRANSPORT__MAX_CLIAM_TTL": "100"})
    warnings = [line for line in done.stderr.splitlines() if " WARNING " in line]
    assert len(warnings) == 2
    assert (
        "max_clam_ttl of [transport] has no effect here; did you mean max_claim_ttl?" in warnings[0]
    )
    assert "OS_TRANSPORT__MAX_CLIAM_TTL: sets nothing" in warnings[1]
    assert done.returncode == 2
    assert "2 of the options that are set are unknown" in done.stderr.splitlines()[-1]
    assert "All is well." not in done.stdout
    lenient = run(*arguments, "--lenient")
    assert lenient.returncode == 0
    assert "max_clam_ttl" in lenient.stderr
    assert "All is well." in lenient.stdout


def test_check_names_what_has_no_effect_and_is_content(config: Path) -> None:
    done = run("check", "--config-file", str(config), "--threads", "4")
    assert done.returncode == 0
    assert "command line: threads of [drivers:transport:wsgi] has no effect" in done.stderr


def test_check_says_what_is_wrong_with_the_configuration(config: Path) -> None:
    config.write_text(config.read_text() + "[transport]\nmax_claim_ttl = -1\n")
    done = run("check", "--config-file", str(config))
    assert done.returncode == 2
    assert "max_claim_ttl of [transport] is '-1'" in done.stderr
    assert "All is well" not in done.stdout


def test_check_shows_no_password(tmp_path: Path) -> None:
    uri = "mongodb://marconi:hunter2@127.0.0.1:1/?replicaSet=r"
    done = run("check", env={"HOME": str(tmp_path), "OS_DRIVERS_STORAGE_MONGODB__URI": uri})
    assert "  uri = mongodb://marconi:***@127.0.0.1:1/?replicaSet=r\n" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def test_check_says_what_is_wrong_with_the_store(tmp_path: Path) -> None:
    done = run("check", "--embedded", str(tmp_path / "missing" / "marconi.db"))
    assert done.returncode == 2
    assert f"{tmp_path}/missing" in done.stderr
    assert "Storage: sqlite" in done.stdout
    assert "All is well" not in done.stdout


def test_check_works_beside_a_running_server(tmp_path: Path) -> None:
    with LiveServer(tmp_path) as server:
        assert run("check", "--embedded", str(server.database)).returncode == 0
        assert server.is_healthy()
        server.stop()
