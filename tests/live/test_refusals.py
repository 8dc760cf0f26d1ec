"""Starts that the command refuses: one line that says what to do, and exit status 2."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import AS_ORDINARY_USER, refusal, run
from tests.support.live import LiveServer


@pytest.fixture
def database(tmp_path: Path) -> str:
    return str(tmp_path / "marconi.db")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """An empty configuration file."""
    file = tmp_path / "marconi.conf"
    file.touch()
    return file


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which something else listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_an_unknown_option_is_refused() -> None:
    assert "--nonsense" in refusal("--nonsense")


def test_an_unknown_command_is_refused() -> None:
    assert "serve" in refusal("serve")


@pytest.mark.parametrize(
    ("option", "value", "name"),
    [
        ("--port", "http", "port"),
        ("--port", "65536", "port"),
        ("--workers", "0", "workers"),
        ("--threads", "many", "threads"),
    ],
)
def test_a_bad_value_is_refused(option: str, value: str, name: str, database: str) -> None:
    line = refusal("--embedded", database, option, value)
    assert f"option {name} of [drivers:transport:wsgi] is '{value}'" in line
    assert "has to be a whole number from" in line


def test_a_bad_value_in_a_file_is_refused(config: Path) -> None:
    config.write_text("[transport]\nmax_claim_ttl = forever\n")
    line = refusal("--config-file", str(config))
    assert f"{config}: option max_claim_ttl of [transport] is 'forever'" in line


def test_a_file_that_does_not_parse_is_refused(config: Path) -> None:
    config.write_text("[transport]\n\nmax_claim_ttl 100\n")
    assert f"{config}: line 3: " in refusal("--config-file", str(config))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "missing.conf"
    assert f"{file}: cannot be read: No such file" in refusal("--config-file", str(file))


def test_a_file_without_the_right_to_read_it_is_refused(config: Path) -> None:
    config.chmod(0)
    line = refusal("--config-file", str(config), command=AS_ORDINARY_USER)
    assert f"{config}: cannot be read: Permission denied" in line


@pytest.mark.seconds(5)
def test_the_default_store_that_does_not_answer_is_refused(tmp_path: Path) -> None:
    uri = "mongodb://marconi:hunter2@127.0.0.1:1/?replicaSet=r"
    done = run(env={"HOME": str(tmp_path), "OS_DRIVERS_STORAGE_MONGODB__URI": uri})
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert "mongodb://marconi:***@127.0.0.1:1/?replicaSet=r" in line
    assert "Connection refused" in line
    assert "option uri of [drivers:storage:mongodb]" in line
    assert "--embedded" in line


def test_an_unknown_driver_is_refused(config: Path) -> None:
    config.write_text("[drivers]\nstorage = rabbit\n")
    assert "no storage driver 'rabbit'" in refusal("--config-file", str(config))


def test_a_busy_port_is_refused(taken_port: int, database: str) -> None:
    line = refusal("--embedded", database, "--port", str(taken_port))
    assert f"port {taken_port} of 127.0.0.1 is in use" in line
    assert "--port" in line


def test_the_second_of_two_starts_on_one_port_is_refused(tmp_path: Path) -> None:
    with LiveServer(tmp_path) as server:
        line = refusal("--embedded", str(tmp_path / "other.db"), "--port", str(server.port))
        assert f"port {server.port} of 127.0.0.1 is in use" in line
        assert server.is_healthy()
        server.stop()


def test_a_privileged_port_is_refused(database: str) -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if first == 0:
        pytest.skip("this machine has no privileged ports")
    arguments = ["--embedded", database, "--port", str(first - 1)]
    line = refusal(*arguments, command=AS_ORDINARY_USER)
    assert f"port {first - 1} of 127.0.0.1 needs privileges" in line
    assert "--port" in line


@pytest.mark.parametrize("bind", ["no-such-host.invalid", "", "1.2.3.4.5", "x" * 300])
def test_an_unknown_host_is_refused(bind: str, database: str) -> None:
    line = refusal("--embedded", database, "--bind", bind)
    assert f"option bind of [drivers:transport:wsgi] is '{bind}'" in line


def test_an_address_of_another_machine_is_refused(database: str) -> None:
    line = refusal("--embedded", database, "--port", "0", "--bind", "192.0.2.1")
    assert "192.0.2.1 is not an address of this machine" in line


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_an_address_that_needs_more_is_refused(database: str) -> None:
    line = refusal("--embedded", database, "--bind", "fe80::1")  # of which interface?
    assert "port 8888 of fe80::1 cannot be listened on" in line
    assert "--bind" in line


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "missing" / "marconi.db"
    assert f"{file.parent}" in refusal("--embedded", str(file))


def test_a_folder_without_the_right_to_write_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir(mode=0o555)
    file = folder / "marconi.db"
    line = refusal("--embedded", str(file), command=AS_ORDINARY_USER)
    assert str(file) in line
    assert "right to write" in line


def test_a_home_without_the_right_to_write_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    env = {"HOME": str(home), "XDG_STATE_HOME": ""}
    done = run("--embedded", command=AS_ORDINARY_USER, env=env)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert str(home) in line
    assert "--embedded FILE" in line


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear reader, this is not a database. " * 100)
    assert str(file) in refusal("--embedded", str(file))


def test_a_file_named_like_the_command_is_doubted() -> None:
    assert "marconi-server check --embedded" in refusal("--embedded", "check")
