"""The service unit and the container are what they claim to be."""

import json
import re
import shutil
import socket
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from marconi_server.config.load import load
from marconi_server.config.settings import Wsgi
from tests.docs.markdown import CHECKOUT
from tests.support.command import run
from tests.support.live import COMMAND, LiveServer
from tests.support.programs import find

UNIT = CHECKOUT / "etc" / "systemd" / "marconi-server.service"
PROGRAM = "/opt/marconi/bin/marconi-server"


# The unit


def directives() -> dict[str, str]:
    pairs = re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze; without it, a test is skipped, and fails in CI."""
    find("systemd-analyze")
    return run(*arguments, command=["systemd-analyze"])


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, for the server where it is installed here: what does not exist is an error."""
    text = UNIT.read_text()
    assert text.count(f"ExecStart={PROGRAM} ") == 1
    file = tmp_path / UNIT.name
    file.write_text(text.replace(PROGRAM, COMMAND))
    return file


def test_systemd_understands_the_unit(unit: Path) -> None:
    done = analyze("verify", str(unit))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    unit.write_text(unit.read_text().replace("RestartSec=", "RestrtSec="))
    assert "RestrtSec" in analyze("verify", str(unit)).stderr, "it would not notice an error"


def test_the_unit_gives_little_to_an_intruder(unit: Path) -> None:
    # From 0 (nothing is exposed) to 100; below 50 is "OK". A unit without limits has 96.
    assert analyze("security", "--offline=true", "--threshold=20", str(unit)).returncode == 0
    assert analyze("security", "--offline=true", "--threshold=10", str(unit)).returncode != 0


def test_the_unit_waits_for_a_graceful_stop() -> None:
    assert int(directives()["TimeoutStopSec"]) > Wsgi().graceful_timeout
    assert directives()["KillSignal"] == "SIGTERM"
    assert int(directives()["LimitNOFILE"]) > 2 * Wsgi().connections


def test_the_server_reports_when_it_listens(tmp_path: Path) -> None:
    assert directives()["Type"] == "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
        notifications.bind(str(tmp_path / "notify"))
        notifications.settimeout(30)
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with LiveServer(tmp_path, env=env, workers=1) as server:
            assert b"READY=1" in notifications.recv(1000).split(b"\n")
            server.stop()


# The container


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, each with its continued lines in one."""
    text = (CHECKOUT / "Dockerfile").read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", "")
    pairs = [line.split(None, 1) for line in text.splitlines() if line.strip()]
    return [(name, " ".join(rest.split())) for name, rest in pairs]


def values(name: str) -> list[str]:
    return [value for instruction, value in instructions() if instruction == name]


def test_the_image_is_slim_and_its_user_is_nobody_special() -> None:
    stages = values("FROM")
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", stages[-1])
    build, final = (re.match(r"python:(3\.\d+)-(?:slim-)?(\w+)", stage) for stage in stages)
    assert build is not None
    assert final is not None
    assert build.groups() == final.groups(), "what is compiled in one has to run in the other"
    (user,) = values("USER")
    assert int(user) > 0
    assert f"--uid {user} " in values("RUN")[-1]
    after = [name for name, _ in instructions()][-6:]
    assert after == ["ENV", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT"]


def test_the_image_needs_no_network_but_that_of_pip() -> None:
    assert values("ADD") == []
    install, useradd = values("RUN")
    assert install.split(" && ") == [
        "python -m venv /opt/marconi",
        "/opt/marconi/bin/pip install --no-cache-dir .",
    ]
    assert useradd.startswith("useradd ")


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first stage of the build has of this checkout."""
    folder = tmp_path_factory.mktemp("context")
    ignored = (CHECKOUT / ".dockerignore").read_text().splitlines()
    for copied in values("COPY"):
        *sources, target = copied.split()
        if sources[0].startswith("--from="):
            continue
        for source in sources:
            assert f"!{source}" in ignored, f"{source} is not sent to the builder"
            if (CHECKOUT / source).is_dir():
                caches = shutil.ignore_patterns("__pycache__")
                shutil.copytree(CHECKOUT / source, folder / target, ignore=caches)
            else:
                shutil.copy(CHECKOUT / source, folder / target)
    return folder


@pytest.mark.seconds(5)
def test_the_package_can_be_built_from_what_is_copied(context: Path) -> None:
    done = run(
        *("-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(context / "out"), "."),
        command=[sys.executable],
        cwd=context,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = (context / "out").iterdir()
    packed = set(zipfile.ZipFile(wheel).namelist())
    files = {
        str(path.relative_to(context))
        for path in (context / "marconi_server").rglob("*")
        if path.is_file()
    }
    assert files <= packed


def health_check(port: int) -> int:
    """Run the command of the health check, and return its exit status."""
    (check,) = values("HEALTHCHECK")
    command = json.loads(check.partition(" CMD ")[2])
    assert command[:2] == ["python", "-c"]
    program = command[2].replace("8888", str(port))
    return run("-c", program, command=[sys.executable]).returncode


def test_the_health_check_of_the_container(tmp_path: Path) -> None:
    with LiveServer(tmp_path, workers=1) as server:
        assert health_check(server.port) == 0
        server.stop()
        assert health_check(server.port) == 1


@pytest.mark.parametrize(("status", "result"), [(204, 0), (401, 0), (404, 1), (500, 1)])
def test_a_server_that_wants_a_token_is_alive(status: int, result: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        listener.settimeout(30)
        checked = pool.submit(health_check, listener.getsockname()[1])
        client, _ = listener.accept()
        with client:
            assert client.recv(1000).startswith(b"HEAD /v1/health HTTP/1.1\r\n")
            client.sendall(b"HTTP/1.1 %d Said\r\n\r\n" % status)
            assert checked.result(30) == result


def test_the_container_listens_where_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = dict(value.split("=", 1) for value in values("ENV"))
    assert environment.pop("PATH") == f"{Path(PROGRAM).parent}:$PATH"
    assert values("ENTRYPOINT") == [f'["{Path(PROGRAM).name}"]']
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert load([], {("drivers", "storage"): "sqlite"}).wsgi.bind == "0.0.0.0"
    assert values("EXPOSE") == [str(Wsgi().port)]
    assert values("VOLUME") == ["/var/lib/marconi"]
