"""The log of a live server: a request id in each line, and nothing that is not for its readers."""

import json
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.command import run, write_config
from tests.support.live import COMMAND, LiveServer
from tests.support.tiny import ROOT, get
from tests.support.wire import Response, Wire, exchange

ID = "req-c0ffee00-1234-4321-abcd-0123456789ab"
HEADER = "X-Openstack-Request-Id"

TOKEN = "gAAAAABsecret-token"
BODY = "a-secret-body"
SECRETS = {"X-Auth-Token": TOKEN, "Client-ID": "c"}

CONFIG = "[drivers:transport:wsgi]\naccess_log = true\n[drivers:storage:sqlite]\ntimeout = 1\n"


def config(*, use_json: bool) -> str:
    return f"[DEFAULT]\nuse_json = {use_json}\n{CONFIG}"


DEFECTIVE = (sys.executable, "-m", "tests.support.defective")
GUNICORN = str(Path(COMMAND).with_name("gunicorn"))
PATH = {"PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module", params=[False, True], ids=["text", "json"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A server with an access log, where asking for stats is a defect."""
    with LiveServer(
        tmp_path_factory.mktemp("logs"),
        config=config(use_json=request.param),
        command=DEFECTIVE,
        env=PATH,
    ) as server:
        requests.put(f"{server.url}/v1/queues/q", timeout=60).raise_for_status()
        yield server


class Asked:
    """A request with a token, its answer, and the lines that it left in the log."""

    def __init__(
        self, server: LiveServer, method: str, path: str, body: Any = None, **headers: str
    ) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = requests.request(
            method,
            f"{server.url}/v1/queues/q{path}",
            json=body,
            headers=SECRETS | named,
            timeout=30,
        )
        self.status = answer.status_code
        self.request_id = answer.headers[HEADER]
        self.answer = answer
        self.lines = [line for line in server.log().splitlines() if self.request_id in line]


def messages(body: str = BODY) -> list[dict[str, Any]]:
    return [{"ttl": 60, "body": body}]


def claim_one(server: LiveServer) -> str:
    """Post a message and claim it; return its path below the queue."""
    Asked(server, "POST", "/messages", messages())
    claim = {"ttl": 60, "grace": 60}
    (message,) = Asked(server, "POST", "/claims?limit=1", claim).answer.json()
    path: str = message["href"].partition("?")[0].removeprefix("/v1/queues/q")
    return path


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Keep all others from writing."""
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_all_requests_have_different_ids(server: LiveServer) -> None:
    ids = {Asked(server, "GET", "").request_id for _ in range(20)}
    assert len(ids) == 20


def test_the_id_of_the_client_is_in_the_answer_and_the_log(server: LiveServer) -> None:
    asked = Asked(server, "GET", "", X_Openstack_Request_Id=ID)
    assert (asked.status, asked.request_id) == (204, ID)
    assert len(asked.lines) == 1


def test_an_id_that_is_none_is_not_repeated(server: LiveServer) -> None:
    asked = Asked(server, "GET", "", X_Openstack_Request_Id="req-1")
    assert re.fullmatch(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", asked.request_id)


def test_the_access_log(server: LiveServer) -> None:
    asked = Asked(server, "GET", "/metadata?a=b")
    (line,) = asked.lines
    said = r'127\.0\.0\.1 "GET /v1/queues/q/metadata\?a=b" 200 2 bytes (\d+\.\d{6}) s'
    if line.startswith("{"):
        event = json.loads(line)
        assert event["request_id"] == asked.request_id
        assert re.fullmatch(said, event["message"])
        assert (event["status"], event["bytes"], event["client"]) == (200, 2, "127.0.0.1")
        assert 0 < event["seconds"] < 60
    else:
        assert re.fullmatch(rf"\S+ INFO \[{asked.request_id}\] {said}", line)


def test_no_secret_is_in_the_log_whatever_happens(server: LiveServer) -> None:
    path = claim_one(server)
    statuses = [
        Asked(server, *request).status
        for request in (
            ("POST", "/messages", messages()),
            ("GET", "/messages?echo=true"),
            ("POST", "/messages", messages() * 20_000),
            ("POST", "/messages", [{"ttl": BODY, "body": BODY}]),
            ("PUT", "/metadata", [BODY]),
            ("GET", f"/messages/x?limit={'x' * 1000}"),
            ("DELETE", path),
        )
    ]
    assert statuses == [201, 200, 400, 400, 400, 404, 403]
    failed = Asked(server, "POST", "/stats", messages())
    assert failed.status == 405
    defect = Asked(server, "GET", "/stats", messages())
    assert defect.status == 500
    with locked(server.database):
        unavailable = Asked(server, "POST", "/messages", messages())
    assert unavailable.status == 503
    for asked in (defect, unavailable):
        assert len(asked.lines) == 2, "one says why, and one is of the access log"
    log = server.log()
    assert "ZeroDivisionError" in log
    assert "storage unavailable" in log
    assert TOKEN not in log
    assert BODY not in log


MALFORMED = {
    "head": f"GET /v1 HTTP/1.1\r\nX-Auth-Token: {TOKEN}\r\nX-Auth-Token {TOKEN}\r\n\r\n",
    "body": "POST /v1/queues/q/messages HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
    f"X-Auth-Token: {TOKEN}\r\nX-Openstack-Request-Id: {ID[:-1]}c\r\n\r\n{BODY}\r\n",
}


def malformed(server: LiveServer, kind: str) -> Response:
    return exchange(server.port, MALFORMED[kind].encode())


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_refused_request_has_an_id_too(server: LiveServer, kind: str) -> None:
    response = malformed(server, kind)
    assert response.status == 400
    request_id = response.headers[HEADER.lower()]
    assert (request_id == f"{ID[:-1]}c") == (kind == "body")
    (line,) = (line for line in server.log().splitlines() if request_id in line)
    assert "Refused a request of 127.0.0.1" in line
    assert TOKEN not in server.log()
    assert BODY not in server.log()


def test_without_requests_there_is_no_id(tmp_path: Path) -> None:
    with LiveServer(tmp_path, workers=1) as server, Wire(server.port) as wire:
        # The same connection, the same worker: an id must not outlive its request.
        assert wire.send(get("/v1/queues/q/stats")).receive().status == 404
        server.stop()
        for line in server.log().splitlines():
            assert re.fullmatch(r"\S+ INFO \[-\] .+", line)


def test_the_format_is_changed_by_a_reload(tmp_path: Path) -> None:
    with LiveServer(tmp_path, config=config(use_json=False)) as server:
        requests.get(f"{server.url}/v1", timeout=60)
        text = server.log()
        server.config_file.write_text(config(use_json=True))
        server.reload()
        requests.get(f"{server.url}/v1", timeout=60)
        server.stop()
        rest = server.log().removeprefix(text)
    assert not [line for line in text.splitlines() if line.startswith("{")]
    events = [json.loads(line) for line in rest.splitlines() if line.startswith("{")]
    assert {"marconi_server.access", "gunicorn.error"} <= {event["logger"] for event in events}


def test_json_from_the_first_line(tmp_path: Path) -> None:
    """What the configuration makes the server say is JSON already."""
    text = "[limits:transport]\nclaim_ttl_max = 100\n[transport]\nmax_clam_ttl = 100\n"
    with LiveServer(tmp_path, config=text + config(use_json=True)) as server:
        server.stop()
        events = [json.loads(line) for line in server.log().splitlines()]
    warnings = [event["message"] for event in events if event["level"] == "WARNING"]
    assert len(warnings) == 2


def test_another_wsgi_host_has_ids_as_well(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    config.write_text(config.read_text().replace("marconi.db\n", "marconi.db\ntimeout = 1\n"))
    logging = ("--log-config", str(ROOT / "etc" / "logging.conf"))
    with LiveServer(
        tmp_path,
        command=(GUNICORN, "--bind", "127.0.0.1:0", "--no-control-socket", *logging),
        args=["marconi_server.wsgi:application"],
        embedded=False,
        port=None,
        env={"MARCONI_CONFIG_FILE": str(config)},
    ) as server:
        requests.put(f"{server.url}/v1/queues/q", timeout=30).raise_for_status()
        with locked(tmp_path / "marconi.db"):
            asked = Asked(server, "DELETE", "", X_Openstack_Request_Id=ID)
        assert (asked.status, asked.request_id) == (503, ID)
        (line,) = asked.lines
        assert re.match(rf"\S+ WARNING \[{ID}\] DELETE '/v1/queues/q': storage unavail", line)
        server.stop()


def test_the_command_logs_what_is_wrong_as_one_line_all_the_same() -> None:
    done = run("--embedded", "/no/such/folder/marconi.db", env={"OS_DEFAULT__USE_JSON": "true"})
    assert done.returncode == 2
    assert done.stderr.startswith("marconi-server: ")
