"""The application under other WSGI hosts than our command."""

import json
import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import requests

from tests.support.command import run, write_config
from tests.support.hosts import NAMES, PAGE, SECONDS, Host, host, install_for_apache
from tests.support.live import COMMAND, LiveServer
from tests.support.wire import exchange

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


IMPORT = """
import sys, threading
opened = []

def note(event, arguments):
    if event == "open" and not str(arguments[0]).endswith((".py", ".pyc", ".so")):
        opened.append(arguments[0])
    if event.startswith(("socket.", "subprocess.", "os.fork", "sqlite3.", "_thread.start")):
        opened.append(event)

before = set(sys.modules)
import email, zoneinfo, encodings.idna  # what the standard library reads for itself
sys.addaudithook(note)
import marconi_server.wsgi
assert vars(marconi_server.wsgi)["application"]
opened = [file for file in opened if not isinstance(file, int)]
heavy = {"keystonemiddleware", "keystoneauth1", "oslo_policy", "pymongo", "sqlite3", "gunicorn"}
print(sorted(heavy & {name.partition(".")[0] for name in sys.modules}), opened)
"""


def test_importing_the_module_does_nothing(tmp_path: Path) -> None:
    env = {"MARCONI_CONFIG_FILE": str(tmp_path / "missing.conf")}
    done = run("-c", IMPORT, command=PYTHON, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "[] []\n"


REQUEST = """
from wsgiref.util import setup_testing_defaults
from marconi_server.wsgi import application

environ = {"PATH_INFO": "/v1/queues"}
setup_testing_defaults(environ)
application(environ, lambda status, headers: print(status))
"""


def test_the_application_reads_several_files_and_reports_typos(
    config: Path, tmp_path: Path
) -> None:
    more = tmp_path / "more.conf"
    more.write_text("[transport]\nmax_clam_ttl = 100\n")
    env = {"MARCONI_CONFIG_FILE": f"{config}{os.pathsep}{more}"}
    done = run("-c", REQUEST, command=PYTHON, env=env)
    assert (done.returncode, done.stdout) == (0, "204 No Content\n")
    assert f"{more}: option max_clam_ttl of [transport] has no effect here" in done.stderr


def test_a_host_with_a_wrong_configuration_says_why_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "missing.conf"
    done = run("-c", REQUEST, command=PYTHON, env={"MARCONI_CONFIG_FILE": str(file)})
    assert (done.returncode, done.stdout) == (0, "503 Service Unavailable\n")
    assert done.stderr == (
        "The configuration is wrong, requests get 503: "
        f"{file}: cannot be read: No such file or directory\n"
    )


# The hosts of the page


@pytest.fixture(scope="session")
def apache() -> Iterator[Path]:
    with TemporaryDirectory(prefix="marconi-home-") as folder:
        yield install_for_apache(Path(folder))


@pytest.fixture
def home(name: str, request: pytest.FixtureRequest) -> Path | None:
    found: Path | None = request.getfixturevalue("apache") if name == "apache" else None
    return found


MESSAGES = "/v1/queues/q/messages"


each_host = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.group("apache")) if name == "apache" else name
        for name in NAMES
    ],
)
"""Those of Apache are together, since it needs an installation of its own."""


@each_host
def test_a_host_serves_as_the_page_says(name: str, home: Path | None) -> None:
    with host(name, home) as served:
        use_all_methods(served)
        send_a_body_in_chunks(served, name)
        send_too_much(served)
        send_at_the_same_time(served)


def use_all_methods(served: Host) -> None:
    queue = "/v1/queues/q"
    assert served.ask("PUT", queue) == (201, b"")
    assert served.ask("PUT", queue) == (204, b"")
    assert served.ask("PUT", f"{queue}/metadata", '{"colour": "blå"}'.encode())[0] == 204
    assert json.loads(served.ask("GET", f"{queue}/metadata")[1]) == {"colour": "blå"}
    assert served.ask("HEAD", queue) == (204, b"")
    assert served.ask("HEAD", "/v1/queues/other") == (404, b"")
    status, headers, content = served.answer("PUT", "/v1/queues/bl%C3%A5")
    assert (status, json.loads(content)["title"]) == (400, "Invalid queue identification")
    assert headers["X-Openstack-Request-Id"].startswith("req-")
    assert served.ask("PUT", "/v1/queues/q%2Fstats")[0] in (404, 405)
    assert served.ask("OPTIONS", queue)[0] == 204
    assert served.ask("PUT", "/v1/queues/r", Sec_Fetch_Site="cross-site")[0] == 403
    assert post(served, "one", "two") == 201
    assert served.ask("GET", f"{MESSAGES}?echo=true&limit=1")[0] == 200
    status, content = served.ask("POST", f"{queue}/claims?limit=1", b'{"ttl": 60, "grace": 60}')
    (message,) = json.loads(content)
    assert (status, message["body"]) == (201, "one")
    assert served.ask("DELETE", message["href"]) == (204, b"")
    assert served.ask("DELETE", message["href"]) == (204, b"")
    assert total(served) == 1
    assert served.ask("DELETE", queue) == (204, b"")


def post(served: Host, *bodies: str) -> int:
    batch = [{"ttl": 300, "body": body} for body in bodies]
    return served.ask("POST", MESSAGES, json.dumps(batch).encode())[0]


def total(served: Host) -> int:
    count: int = json.loads(served.ask("GET", "/v1/queues/q/stats")[1])["messages"]["total"]
    return count


def send_a_body_in_chunks(served: Host, name: str) -> None:
    """A body whose length is not known is taken, or refused, as the page has it."""
    title = {"sync": "gunicorn, `sync`", "gthread": "gunicorn, `gthread`", "uwsgi": "uWSGI"}
    title["apache"] = "Apache with mod_wsgi"
    row = re.search(
        rf"^\| {re.escape(title.get(name, name))} \|.*\| (.*) \|$", PAGE.text, re.MULTILINE
    )
    assert row is not None
    served.ask("PUT", "/v1/queues/q")
    # All at once, since a host that refuses it may close before it has read all of it.
    body = b'[{"ttl": 300, "body": "in chunks"}]'
    chunks = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (9, body[:9], len(body) - 9, body[9:])
    head = f"POST {MESSAGES} HTTP/1.1\r\nHost: localhost\r\nClient-ID: tests\r\n"
    coding = "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    answer = exchange(served.port, (head + coding).encode() + chunks)
    status, content = answer.status, answer.body
    if row[1] == "taken":
        assert status == 201
        assert total(served) == 1
    else:
        assert row[1] == "refused (411)"
        assert (status, json.loads(content)["title"]) == (411, "Length required")
        assert total(served) == 0
    assert served.ask("DELETE", "/v1/queues/q")[0] == 204


def send_too_much(served: Host) -> None:
    served.ask("PUT", "/v1/queues/q")
    status, content = served.ask("POST", MESSAGES, b" " * 300_000)
    assert (status, json.loads(content)["title"]) == (400, "Invalid API call")
    assert total(served) == 0


def send_at_the_same_time(served: Host) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: post(served, str(number)), range(200)))
    assert answers == [201] * 200
    assert total(served) == 200


@each_host
def test_a_host_with_a_wrong_configuration_answers_until_it_is_right(
    name: str, home: Path | None
) -> None:
    wrong = "[drivers:transport:wsgi]\nport = x\n"
    with host(name, home, wrong) as served:
        status, headers, content = served.answer("PUT", "/v1/queues/q")
        assert (status, headers["Retry-After"]) == (503, "30")
        assert json.loads(content)["title"] == "Service temporarily unavailable"
        reason = "The configuration is wrong, requests get 503: "
        said = f"{reason}{served.config_file}: option port of [drivers:transport:wsgi] is 'x'"
        served.wait_until(lambda: said in served.log(), SECONDS, "does not say it")
        good = served.config_file.read_text().removesuffix(wrong)
        served.config_file.write_text(good)
        served.wait_until(
            lambda: served.ask("PUT", "/v1/queues/q")[0] in (201, 204), SECONDS, "does not serve"
        )
