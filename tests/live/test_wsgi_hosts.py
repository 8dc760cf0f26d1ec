"""The application under other WSGI hosts than our command."""

import os
import sys
from pathlib import Path

import pytest
import requests

from tests.support.command import run, write_config
from tests.support.live import COMMAND, LiveServer

PYTHON = (sys.executable,)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path)


@pytest.mark.parametrize("preload", [[], ["--preload"]])
def test_the_application_runs_under_plain_gunicorn(
    preload: list[str], tmp_path: Path, config: Path
) -> None:
    gunicorn = os.path.join(os.path.dirname(COMMAND), "gunicorn")
    command = (gunicorn, "--bind", "127.0.0.1:0", "--no-control-socket", *preload)
    with LiveServer(
        tmp_path,
        command=command,
        args=["marconi_server.wsgi:application"],
        embedded=False,
        port=None,
        env={"MARCONI_CONFIG_FILE": str(config)},
    ) as server:
        assert requests.put(f"{server.url}/v1/queues/q", timeout=30).status_code == 201
        assert requests.put(f"{server.url}/v1/queues/q", timeout=30).status_code == 204
        server.stop()


def test_the_application_runs_under_wsgiref(config: Path) -> None:
    program = """
from threading import Thread
from urllib.request import Request, urlopen
from wsgiref.simple_server import make_server

from marconi_server.wsgi import application

with make_server("127.0.0.1", 0, application) as host:
    server = Thread(target=host.handle_request)
    server.start()
    url = f"http://127.0.0.1:{host.server_port}/v1/queues/q"
    print(urlopen(Request(url, method="PUT")).status)
    server.join()
"""
    done = run("-c", program, command=PYTHON, env={"MARCONI_CONFIG_FILE": str(config)})
    assert done.stdout == "201\n", done.stderr
    assert done.returncode == 0


def test_the_application_reads_several_files_and_reports_typos(
    config: Path, tmp_path: Path
) -> None:
    more = tmp_path / "more.conf"
    more.write_text("[transport]\nmax_clam_ttl = 100\n")
    env = {"MARCONI_CONFIG_FILE": f"{config}{os.pathsep}{more}"}
    done = run("-c", "from marconi_server.wsgi import application", command=PYTHON, env=env)
    assert done.returncode == 0
    assert f"{more}: option max_clam_ttl of [transport] has no effect here" in done.stderr


def test_importing_the_module_reads_nothing(tmp_path: Path) -> None:
    env = {"MARCONI_CONFIG_FILE": str(tmp_path / "missing.conf")}
    done = run("-c", "import marconi_server.wsgi", command=PYTHON, env=env)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_host_that_cannot_start_the_application_says_why(tmp_path: Path) -> None:
    file = tmp_path / "missing.conf"
    env = {"MARCONI_CONFIG_FILE": str(file)}
    program = "from marconi_server.wsgi import application"
    done = run("-c", program, command=PYTHON, env=env)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last == (
        "marconi_server.config.options.SettingsError: "
        f"{file}: cannot be read: No such file or directory"
    )
