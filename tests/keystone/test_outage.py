"""A live server while Keystone is not there, or hangs, or does not want to know it."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import pytest
import requests

from tests.keystone.authenticated import Client, configuration, serve
from tests.keystone.identity import Identity, Project, User
from tests.keystone.server import KeystoneServer
from tests.support.command import run
from tests.support.live import COMMAND, LiveServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.measured

PATIENCE: Final = 60.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, identity: Identity) -> Iterator[LiveServer]:
    """One worker, so that all requests of a test meet the same memory and the same loop."""
    folder = tmp_path_factory.mktemp("server")
    token = identity.token(*identity.anybody())
    config = configuration(identity, folder, keystone_authtoken={"http_request_max_retries": 0})
    with serve(folder, config, token, workers=1) as server:
        yield server
        server.stop()


def assert_unavailable(answer: requests.Response) -> None:
    """Check for the 503 of spec section 9."""
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "30"
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.json()["title"] == "Service temporarily unavailable"
    assert answer.json()["description"].startswith("The token could not be checked.")
    assert "Location" not in answer.headers


def test_keystone_stops_and_comes_back(
    keystone: KeystoneServer, server: LiveServer, identity: Identity, token: str
) -> None:
    known, new = Client(server.url, token), Client(server.url, identity.token(*identity.anybody()))
    assert known.status("PUT", "/v1/queues/q") == 201
    keystone.stop()
    seen = len(server.log())
    assert known.status("GET", "/v1/queues/q") == 204
    assert_unavailable(new.send("PUT", "/v1/queues/q"))
    assert_unavailable(Client(server.url, "unknown").send("GET", "/v1/health"))
    head = new.send("HEAD", "/v1/queues/q")
    assert (head.status_code, head.content) == (503, b"")
    assert Client(server.url, None).status("GET", "/v1/queues") == 401
    log = server.log()[seen:]
    assert "PUT '/v1/queues/q': identity service unavailable: Keystone at http://" in log
    assert "Traceback" not in log
    assert "CRITICAL" not in log
    keystone.start()
    assert new.status("PUT", "/v1/queues/q") == 201, server.log()


def test_a_slow_keystone_holds_up_nobody_else(
    keystone: KeystoneServer, server: LiveServer, identity: Identity, token: str
) -> None:
    known = Client(server.url, token)
    assert known.status("PUT", "/v1/queues/q") == 201
    strangers = [identity.token(*identity.anybody()) for _ in range(3)]
    keystone.freeze()
    with ThreadPoolExecutor(3) as threads:
        waiting = [
            threads.submit(Client(server.url, each).status, "GET", "/v1/queues")
            for each in strangers
        ]
        assert known.status("GET", "/v1/queues/q") == 204
        assert known.send("POST", "/v1/queues/q/messages", [{"ttl": 60, "body": 1}]).ok
        assert not any(each.done() for each in waiting)
        keystone.thaw()
        assert [each.result() for each in waiting] == [204, 204, 204]


def test_a_known_token_is_refused_when_it_expires(
    server: LiveServer, identity: Identity, user: User, project: Project
) -> None:
    end = time.time() + 2
    client = Client(server.url, identity.trust_token(user, project, seconds=2))
    assert client.status("PUT", "/v1/queues/q") == 201
    wait_until(lambda: client.status("GET", "/v1/queues") == 401, pause=0.05)
    assert time.time() >= end


def test_a_server_starts_while_keystone_is_down(
    keystone: KeystoneServer, identity: Identity, tmp_path: Path
) -> None:
    token = identity.token(*identity.anybody())
    config = configuration(identity, tmp_path, authentication={"open_health": "true"})
    keystone.stop()
    with serve(tmp_path, config, "", workers=1) as server:
        client = Client(server.url, token)
        assert_unavailable(client.send("PUT", "/v1/queues/q"))
        keystone.start()
        assert client.status("PUT", "/v1/queues/q") == 201
        server.stop()


def test_keystone_hangs(keystone: KeystoneServer, identity: Identity, tmp_path: Path) -> None:
    """A request is answered in time, and a stop does not wait for what goes on behind it."""
    token, new = (identity.token(*identity.anybody()) for _ in range(2))
    options = {"http_connect_timeout": int(10 * PATIENCE)}
    config = configuration(
        identity, tmp_path, authentication={"timeout": 1}, keystone_authtoken=options
    )
    with serve(tmp_path, config, token, workers=1) as server:
        keystone.freeze()
        assert_unavailable(Client(server.url, "unknown").send("GET", "/v1/queues"))
        waiting = HTTPConnection(server.host, server.port, timeout=PATIENCE)
        waiting.request("GET", "/v1/queues", headers={"X-Auth-Token": new})
        # The only worker takes connections in turn, so this one is behind the other.
        assert Client(server.url, token).status("GET", "/v1/health") == 204
        server.stop()
        assert waiting.getresponse().status == 503
        waiting.close()


def write(folder: Path, text: str) -> str:
    file = folder / "marconi.conf"
    file.write_text(text)
    return str(file)


def test_check_asks_keystone(keystone: KeystoneServer, identity: Identity, tmp_path: Path) -> None:
    text = configuration(identity, tmp_path)
    done = run("check", "--config-file", write(tmp_path, text))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Authentication: keystone at {identity.url}, as user-" in done.stdout
    assert "tokens are remembered for 300 seconds, in each process" in done.stdout
    assert "Keystone answers, and knows this server." in done.stdout
    password = next(line for line in text.splitlines() if line.startswith("password = "))
    assert password.removeprefix("password = ") not in done.stdout

    wrong = write(tmp_path, text.replace(password, "password = wrong"))
    assert "(HTTP 401)" in complaint_of_check(wrong)
    nowhere = write(tmp_path, text + "region_name = Nowhere\n")
    assert "endpoint for identity service" in complaint_of_check(nowhere)
    keystone.stop()
    file = write(tmp_path, text + "http_request_max_retries = 0\n")
    assert "Unable to establish connection" in complaint_of_check(file)


def complaint_of_check(file: str) -> str:
    """The one line in which `check` says what is wrong."""
    done = run("check", "--config-file", file)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("marconi-server: ")]
    assert len(lines) == 1
    assert "Keystone at http://127.0.0.1:" in lines[0]
    return lines[0]


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_without_rights_does_not_blame_its_clients(
    identity: Identity, tmp_path: Path, status: int
) -> None:
    """Who hears that its token is bad gets a new one, in vain."""
    login = {"password": "wrong"}
    if status == 403:  # this one may log in, but not ask
        user, project = identity.anybody("member")
        login = {"username": user.name, "password": user.password, "project_name": project.name}
    text = configuration(
        identity, tmp_path, keystone_authtoken=login, authentication={"open_health": "true"}
    )
    with serve(tmp_path, text, "", workers=1) as server:
        token = identity.token(*identity.anybody())
        assert_unavailable(Client(server.url, token).send("GET", "/v1/queues"))
        assert f"(HTTP {status})" in server.log()
        server.stop()


def test_health_can_be_open(identity: Identity, tmp_path: Path) -> None:
    config = configuration(identity, tmp_path, authentication={"open_health": "true"})
    with serve(tmp_path, config, "", workers=1) as server:
        nobody = Client(server.url, None)
        for path in ("/v1/health", "/v1/health/"):
            assert nobody.status("GET", path) == 204
            assert nobody.status("HEAD", path) == 204
            assert nobody.send("GET", path, headers={"X-Project-Id": ""}).status_code == 204
        assert Client(server.url, "unknown").status("GET", "/v1/health") == 204
        for path in ("/v1", "/v1/queues", "/v1/healthy", "//v1/health", "/v1/queues/v1/health"):
            assert nobody.status("GET", path) == 401
        server.stop()


def test_under_another_wsgi_server(
    keystone: KeystoneServer, identity: Identity, tmp_path: Path, token: str
) -> None:
    """There a request runs in a thread and may sleep."""
    file = write(tmp_path, configuration(identity, tmp_path))
    gunicorn = os.path.join(os.path.dirname(COMMAND), "gunicorn")
    command = (gunicorn, "--bind", "127.0.0.1:0", "--no-control-socket", "--preload")
    with serve(
        tmp_path,
        None,
        token,
        workers=1,
        command=command,
        args=["--threads", "4", "marconi_server.wsgi:application"],
        port=None,
        env={"MARCONI_CONFIG_FILE": file},
    ) as server:
        client = Client(server.url, token)
        assert client.send("PUT", "/v1/queues/q", headers={"X_Project_Id": "p"}).status_code == 201
        assert client.status("GET", "/v1/queues/q") == 204
        assert Client(server.url, "unknown").status("GET", "/v1/queues") == 401
        server.stop()
