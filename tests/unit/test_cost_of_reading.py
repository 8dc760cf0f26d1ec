"""What a request costs to read grows with its length and no faster, whatever it is made of.

The cost is the CPU time of this thread, in proportion to that of another request or of one that is
shorter. Every header and every query parameter that anything here looks at has its place in this
file.
"""

import ast
import gc
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from oslo_config import cfg

from marconi_server import request_ids
from marconi_server.api import accept, requests
from marconi_server.auth import authtoken, identity
from marconi_server.auth.token_filter import LONGEST_TOKEN, TokenFilter, _UnknownToken
from marconi_server.config.options import Networks
from marconi_server.config.settings import Settings
from marconi_server.server.http1 import LONGEST_CONNECTION, MAX_HEAD, Reader, Refused
from marconi_server.server.proxies import Proxies
from marconi_server.storage.conformance import ManualClock
from marconi_server.wsgi import build_app
from tests.storage.memory import Data, MemoryStore

PACKAGE: Final = Path(requests.__file__).parents[1]

HUGE: Final = MAX_HEAD - 8 * 1024
"""Bytes of a value that fits in a head, with all else that is in it."""

HEADERS: Final = {
    "Accept": accept.LONGEST,
    "Client-Id": requests.LONGEST_CLIENT_ID,
    "Connection": LONGEST_CONNECTION,
    "Expect": HUGE,
    "Origin": HUGE,
    "Sec-Fetch-Site": HUGE,
    "Transfer-Encoding": HUGE,
    "X-Auth-Token": LONGEST_TOKEN,
    "X-Forwarded-For": HUGE,
    "X-Forwarded-Proto": HUGE,
    "X-Openstack-Request-Id": HUGE,
    "X-Project-Id": requests.LONGEST_PROJECT_ID,
    "X-Service-Token": LONGEST_TOKEN,
    "X-Storage-Token": LONGEST_TOKEN,
}
"""Each header that is read, and the bytes of its largest value that is not refused unread."""

NOT_IN_ENVIRON: Final = {"Content-Length", "Content-Type", "Cookie", "Host", "Range", "X-Anything"}
"""Headers that are read elsewhere, such as in libraries, or not at all."""

PARAMETERS: Final = {
    "claim_id",
    "detailed",
    "echo",
    "ids",
    "include_claimed",
    "limit",
    "marker",
}

PATTERNS: Final = [
    *("a", "9", "0", "-", "+", "_", " ", "\t", ";", ",", "=", '"', "\\", "%", "&", "/", ":", "."),
    *("{", "[", "(", "*", "?", "#", "@", "<", "\x7f", "\x80", "\xe9", "\xff", "\xc3\xa9"),
    *(";=", ";q=", ";q=1", ",;", '";', '",', '\\"', "\\\\", '";"', ", ", "; ", "a=", "a=b&"),
    *("a/b,", "*/*;q=0,", "a/b;q=.1,", "%4", "%41", "%ff", "%2C", "%2f", "a&", "a=%41&", "%=%&"),
    *("//", "../", "/a", "1:", "1.", "::1,", "127.0.0.1,", "10.0.0.1, ", "close,", "chunked,"),
    *("req-", "a-", "urn:uuid:", "{a}", "-a", "\xa0", "http,", "true,", "100-continue,"),
]

BEGINNINGS: Final = ("", 'a/b;x="', "application/json;")


def named(kind: str, node: ast.AST) -> Iterator[str]:
    """Find the strings in code that name headers, or query parameters."""
    if kind == "headers" and isinstance(node, ast.Constant) and isinstance(node.value, str):
        if re.fullmatch("HTTP_[A-Z_]+[A-Z]", node.value):
            yield node.value[5:].replace("_", "-").title()
    elif kind == "parameters" and isinstance(node, ast.Call):
        called = ast.unparse(node.func).removeprefix("requests.")
        if called in ("string", "strings", "integer", "boolean", "is_boolean"):
            yield from (each.value for each in node.args[1:2] if isinstance(each, ast.Constant))  # type: ignore[misc]


def in_the_code(kind: str) -> set[str]:
    return {
        name
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        for name in named(kind, node)
    }


def test_no_header_is_forgotten() -> None:
    set_here = {each[5:].replace("_", "-").title() for each in identity.VARIABLES}
    # "Request" is a word of OpenSSL, and the host of a target takes the place of `Host`.
    assert in_the_code("headers") - set_here - {"Request", "Host"} == HEADERS.keys() - set_here


def test_no_parameter_is_forgotten() -> None:
    assert in_the_code("parameters") == PARAMETERS


def test_nothing_reads_headers_in_another_way() -> None:
    """Falcon has quadratic ways to read some of them."""
    for file in PACKAGE.rglob("*.py"):
        for way in ("client_accepts", "parse_header", "get_header", "req.headers", "req.cookies"):
            assert way not in file.read_text(), file


# The cost

TIMES_PLAIN: Final = 200
"""How many plain requests a hostile one may cost: four milliseconds, where one costs 20 us."""

ATTEMPTS: Final = 7
"""Whatever disturbs a measurement makes it larger, so that one of several is right."""


def cpu(work: Callable[[], object]) -> float:
    start = time.thread_time()
    work()
    return time.thread_time() - start


class Server:
    """All that reads a request, from its bytes to its answer, in one process."""

    def __init__(self) -> None:
        self._store = MemoryStore.open(Data(), ManualClock())
        self._store.queues.create(None, "q")
        self._app = build_app(Settings(), self._store)
        self._proxies = Proxies(Networks.parse("127.0.0.1"))
        self._base = {
            "REMOTE_ADDR": "127.0.0.1",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SCRIPT_NAME": "",
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "http",
        }
        self.plain = min(cpu(lambda: self.handle(head("GET", "/v1/queues"))) for _ in range(50))

    def handle(self, raw: bytes) -> str:
        """Give the status of the answer."""
        reader = Reader(self._base, Settings().limits.largest_body)
        reader.feed(raw)
        try:
            environ = reader.next()
        except Refused:
            return "400"
        if environ is None:
            return "waits for more"
        self._proxies.unveil(environ)
        request_ids.begin(environ)
        statuses: list[str] = []
        b"".join(self._app(environ, lambda status, *_: statuses.append(status)))  # type: ignore[arg-type]
        assert not statuses[0].startswith("5")
        return statuses[0]

    def check_is_cheap(self, raw: bytes) -> None:
        """Make sure that a request costs no more than some milliseconds."""
        limit = self.plain * TIMES_PLAIN
        costs = []
        for _ in range(ATTEMPTS):
            costs.append(cpu(lambda: self.handle(raw)))
            if costs[-1] <= limit:
                return
        pytest.fail(f"{[round(each / self.plain) for each in costs]} times the cost: {raw[:200]!r}")

    def check_grows_evenly(self, request: Callable[[int], bytes], size: int) -> None:
        """Make sure that a request of four times the size costs four times as much, or less."""
        small, large = request(size // 4), request(size)
        ratios = []
        for _ in range(ATTEMPTS):
            cost = cpu(lambda: self.handle(small))
            ratios.append(cpu(lambda: self.handle(large)) / max(cost, self.plain))
            if ratios[-1] < 8:
                return
        pytest.fail(f"{[round(each, 1) for each in ratios]} times the cost: {large[:200]!r}")


@pytest.fixture(scope="module", autouse=True)
def _small_heap() -> Iterator[None]:
    """Have the garbage collector leave alone the many objects of a process that runs tests."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def server() -> Server:
    return Server()


def head(method: str, target: str, *headers: str) -> bytes:
    lines = (f"{method} {target} HTTP/1.1", "Host: localhost", "Client-ID: c", *headers)
    return "\r\n".join((*lines, "", "")).encode("latin-1")


def filled(beginning: str, pattern: str, size: int) -> str:
    """Make a value of so many bytes, or a little less."""
    return beginning + pattern * max((size - len(beginning)) // len(pattern), 0)


@pytest.mark.parametrize("name", [*HEADERS, *sorted(NOT_IN_ENVIRON)])
def test_headers(server: Server, name: str) -> None:
    largest = HEADERS.get(name, HUGE)
    for pattern in PATTERNS:
        for beginning in BEGINNINGS:
            for size in {largest, 4096, HUGE}:
                header = f"{name}: {filled(beginning, pattern, size)}"
                server.check_is_cheap(head("GET", "/v1/queues/q/messages", header))


TARGETS: Final = (
    ("GET", "/v1/queues?x=1&{}"),
    ("GET", "/v1/queues?{}="),
    *(("GET", f"/v1/queues?{name}={{}}") for name in ("marker", "limit", "detailed")),
    *(
        ("GET", f"/v1/queues/q/messages?{name}={{}}")
        for name in ("marker", "limit", "echo", "include_claimed", "ids")
    ),
    ("DELETE", "/v1/queues/q/messages?ids={}"),
    ("DELETE", "/v1/queues/q/messages/m?claim_id={}"),
    ("POST", "/v1/queues/q/claims?limit={}"),
    ("GET", "/{}"),
    ("PUT", "/v1/queues/{}"),
    ("GET", "/v1/queues/q/messages/{}"),
    ("DELETE", "/v1/queues/q/messages/{}"),
    ("GET", "/v1/queues/q/claims/{}"),
    ("GET", "http://{}"),
    ("GET", "{}"),
)


@pytest.mark.parametrize(("method", "target"), TARGETS)
def test_paths_and_queries(server: Server, method: str, target: str) -> None:
    limit = requests.LONGEST_QUERY if "?" in target else requests.LONGEST_PATH - len(target)
    for pattern in PATTERNS:
        if " " in pattern or "\t" in pattern:
            continue  # which ends a target
        for size in (limit, 3 * limit, HUGE):
            server.check_is_cheap(head(method, target.format(filled("", pattern, size))))


JSON: Final = (
    *(('"', each, '"') for each in ("a", "9", "[", "{", "[{", r"\n", r"\\", r"\"", r"\/")),
    *(('"', each, '"') for each in (r"\u4e2d", r"\u4e2d\n", r"\ud83d\ude00", r"\u0041", r"\": ")),
    *(('"', each, '"') for each in (r"\ud800", r"\u4e2", "9" * 19 + "x", "\xc3\xa9", "\xff", "\n")),
    *(("[", each, "1]") for each in ("1,", "[],", "{},", '"",', "1e5,", "1.5,", "9" * 18 + ",")),
    *(("[", each, "1]") for each in ("9" * 19 + ",", "9" * 20 + ",", '{"a":1},', '"\\u4e2d",')),
    *(("[", each, "1]") for each in ("[", '{"a":', " ", "1 , ", "[[]],", '{"a":1,"a":1},')),
    *(
        ("{", each, '"z": 1}')
        for each in ('"a":1,', '"a":{},', '"a":[],', r'"\u4e2d":1,', '"":"",')
    ),
    *(("", each, "") for each in ("9", "-", "1.", "0", "1e", "[", "{", '"', "\\", ",", "]")),
    *(("", each, "1") for each in (" ", "\n", "\t \r\n")),
    *(("0.", each, "") for each in ("1", "0")),
)
"""Documents as beginning, what is repeated, and end. They are read before the queue is missed."""

BODIES: Final = (
    ("POST", "/v1/queues/none/messages", "{}", 262_144),
    ("POST", "/v1/queues/none/messages", '[{{"ttl": 60, "body": {}}}]', 262_144),
    ("POST", "/v1/queues/none/messages", '[{{"ttl": {}, "body": 1}}]', 262_144),
    ("POST", "/v1/queues/none/messages", '[{{"ttl": 60, "body": 1, "x": {}}}]', 262_144),
    ("PUT", "/v1/queues/none/metadata", '{{"a": {}}}', 65_536),
    ("PUT", "/v1/queues/none/metadata", "{}", 65_536),
    ("POST", "/v1/queues/q/claims", '{{"ttl": 60, "grace": {}}}', 65_536),
    ("PATCH", "/v1/queues/q/claims/c", '{{"ttl": {}, "ttl": 60}}', 65_536),
)


def with_body(method: str, path: str, body: bytes) -> bytes:
    return head(method, path, f"Content-Length: {len(body)}") + body


@pytest.mark.parametrize(("method", "path", "frame", "limit"), BODIES)
def test_bodies(server: Server, method: str, path: str, frame: str, limit: int) -> None:
    for beginning, repeated, end in JSON:

        def request(size: int, parts: tuple[str, str, str] = (beginning, repeated, end)) -> bytes:
            first, again, last = parts
            content = filled(first, again, size - len(frame) - len(last)) + last
            return with_body(method, path, frame.format(content).encode("latin-1"))

        server.check_grows_evenly(request, limit)


@pytest.mark.parametrize(
    "element",
    [
        '{"ttl":60,"body":1},',
        '{"ttl":60,"body":{}},',
        '{"ttl":60,"body":{"a":1,"a":1}},',
        '{"ttl":60,"body":{"a":1,"b":1}},',
        '{"ttl":"x","body":1,"ttl":60},',
        '{"ttl":1,"body":1,"ttl":60},',
        '{"ttl":1,"body":1},',
        "{},",
        "[],",
        "null,",
    ],
)
def test_batches(server: Server, element: str) -> None:
    def request(size: int) -> bytes:
        body = filled("[", element, size - 30) + '{"ttl":60,"body":1}]'
        return with_body("POST", "/v1/queues/none/messages", body.encode())

    server.check_grows_evenly(request, 262_144)


# Tokens


class Unknown:
    """Stands in for Keystone, which knows no token."""

    def verify_token(self, _token: str, **_: Any) -> Any:
        raise _UnknownToken

    def invalidate(self) -> None:
        pass


@pytest.fixture
def token_filter(tmp_path: Path) -> TokenFilter:
    file = tmp_path / "marconi.conf"
    file.write_text(
        "[keystone_authtoken]\nauth_type = password\nusername = queues\npassword = secret\n"
        "auth_url = http://127.0.0.1:1/v3\n"
    )
    conf = cfg.ConfigOpts()
    conf([], project="marconi", default_config_files=[str(file)], default_config_dirs=[])
    filter_ = TokenFilter(authtoken.read(conf), cache_time=0)
    filter_._filter._identity_server = Unknown()
    return filter_


@pytest.mark.parametrize("name", ["HTTP_X_AUTH_TOKEN", "HTTP_X_SERVICE_TOKEN", "HTTP_COOKIE"])
def test_tokens(token_filter: TokenFilter, name: str) -> None:
    """Which are looked at in a thread, apart from the loop; here they are not."""

    def ask(**variables: str) -> Callable[[], object]:
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/v1",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "wsgi.url_scheme": "http",
            "HTTP_X_AUTH_TOKEN": "token",
        }
        return lambda: token_filter.ask({**environ, **variables})

    plain = min(cpu(ask()) for _ in range(20))
    for pattern in PATTERNS:
        for size in (LONGEST_TOKEN, HUGE):
            work = ask(**{name: filled("", pattern, size)})
            costs: list[float] = []
            while not costs or costs[-1] > plain * TIMES_PLAIN:
                assert len(costs) < ATTEMPTS, (pattern, [round(each / plain) for each in costs])
                costs.append(cpu(work))
