"""TLS from the balancer to the nodes, as the page on deploying shows it."""

from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.balancers.balancer import SECONDS, Balancer, HAProxy, Nginx
from tests.docs.markdown import page
from tests.support.certificates import Authority
from tests.support.live import LiveServer

PLACES = {"haproxy": "    default-server check", "nginx": "        proxy_pass http://marconi;\n"}
"""Where the page says that its lines belong."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def node(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    files = f"cert_file = {authority.cert_file}\nkey_file = {authority.key_file}\n"
    with LiveServer(
        tmp_path_factory.mktemp("node"),
        config=f"[drivers:transport:wsgi]\n{files}",
        workers=1,
        tls=authority.client(),
    ) as node:
        yield node


def lines(program: str, ca_file: Path, name: str) -> str:
    """What the page shows for a balancer, with an authority, and the name that nodes have."""
    authority = f"/etc/{program}/nodes-ca.pem"
    blocks = page("docs/operations/deploying.md").blocks()
    (text,) = (block.text for block in blocks if authority in block.text)
    for old, new in ((authority, str(ca_file)), ("nodes.example", name)):
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


def secure(kind: type[Balancer], more: str) -> type[Balancer]:
    """Add lines where they belong."""

    class Secure(kind):  # type: ignore[misc,valid-type]
        def edited(self, edits: dict[str, str]) -> str:
            text = super().edited(edits)
            place = PLACES[self.program]
            assert text.count(place) == 1
            kept = place if self.program == "haproxy" else ""
            return str(text.replace(place, more + kept))

    return Secure


@pytest.mark.parametrize("kind", [HAProxy, Nginx], ids=lambda kind: kind.program)
@pytest.mark.parametrize(
    ("trusted", "name"), [(True, "localhost"), (False, "localhost"), (True, "x")]
)
def test_only_nodes_with_the_right_certificate_get_requests(
    kind: type[Balancer],
    trusted: bool,
    name: str,
    authority: Authority,
    node: LiveServer,
    tmp_path: Path,
) -> None:
    other = Authority(tmp_path, "other")
    more = lines(kind.program, (authority if trusted else other).ca_file, name)
    with secure(kind, more)(tmp_path, [node.port] * 2) as balancer:
        connection = HTTPConnection("127.0.0.1", balancer.port, timeout=SECONDS)
        connection.request("GET", "/v1/health")
        status = connection.getresponse().status
        connection.close()
    assert (status == 204) == (trusted and name == "localhost")
    assert status in (204, 502, 503)
