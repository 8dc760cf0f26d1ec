"""TLS in the worker: real clients, slow ones, wrong ones, reload and stop."""

import os
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPSConnection
from pathlib import Path

import pytest
import requests

from tests.support.certificates import Authority
from tests.support.command import refusal, run
from tests.support.live import LiveServer
from tests.support.programs import find
from tests.support.tiny import get, post, tiny
from tests.support.wire import SECONDS, Wire

pytestmark = pytest.mark.measured

HEADERS = {"Client-ID": "c"}


def config(authority: Authority, *more: str) -> str:
    lines = [f"cert_file = {authority.cert_file}", f"key_file = {authority.key_file}", *more]
    return "\n".join(["[drivers:transport:wsgi]", *lines, ""])


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """One worker, so that what holds it up would be seen."""
    with LiveServer(
        tmp_path_factory.mktemp("tls"),
        config=config(authority, "request_timeout = 3", "access_log = true"),
        workers=1,
        tls=authority.client(),
    ) as server:
        requests.put(
            f"{server.url}/v1/queues/q", timeout=SECONDS, verify=str(authority.ca_file)
        ).raise_for_status()
        yield server


def connect(server: LiveServer, context: ssl.SSLContext) -> ssl.SSLSocket:
    client = socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS)
    try:
        return context.wrap_socket(client, server_hostname="127.0.0.1")
    except BaseException:
        client.close()
        raise


def read_to_end(client: ssl.SSLSocket) -> bytes:
    pieces = []
    while piece := client.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


# Good clients


def test_curl(server: LiveServer, authority: Authority) -> None:
    command = ["curl", "--silent", "--show-error", "--cacert", str(authority.ca_file), "-i"]
    done = run(f"{server.url}/v1/queues/q", command=command)
    assert done.stderr == ""
    assert done.stdout.startswith("HTTP/1.1 204 ")
    assert server.output().startswith(f"The queue server listens on {server.url}\n")


def test_large_bodies_go_both_ways(server: LiveServer, authority: Authority) -> None:
    bodies = [chr(97 + number) * 12_000 for number in range(20)]
    with requests.Session() as session:
        session.trust_env = False  # it may name other authorities
        session.verify = str(authority.ca_file)
        session.headers.update(HEADERS)
        queue = f"{server.url}/v1/queues/large"
        session.put(queue, timeout=SECONDS).raise_for_status()
        for _ in range(3):
            messages = [{"ttl": 60, "body": body} for body in bodies]
            answer = session.post(f"{queue}/messages", json=messages, timeout=SECONDS)
            assert answer.status_code == 201
            ids = answer.headers["Location"].partition("?")[2]
            listed = session.get(f"{queue}/messages?{ids}", timeout=SECONDS).json()
            assert [message["body"] for message in listed] == bodies


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_requests_follow_each_other_on_one_connection(
    version: ssl.TLSVersion, server: LiveServer, authority: Authority
) -> None:
    context = authority.client()
    context.minimum_version = context.maximum_version = version
    with connect(server, context) as client:
        assert client.version() == {772: "TLSv1.3", 771: "TLSv1.2"}[version]
        # All at once, in one record, and the last one in single bytes.
        client.sendall(get("/v1/queues/q") * 3)
        for byte in get("/v1/queues/q", "Connection: close"):
            client.send(bytes([byte]))
        answers = read_to_end(client)
    assert answers.count(b"HTTP/1.1 204 ") == 4


def test_an_answer_that_a_slow_client_takes_in_pieces(
    server: LiveServer, authority: Authority
) -> None:
    messages = [{"ttl": 60, "body": "x" * 250_000}]
    for _ in range(8):
        requests.post(
            f"{server.url}/v1/queues/q/messages",
            json=messages,
            headers=HEADERS,
            timeout=SECONDS,
            verify=str(authority.ca_file),
        ).raise_for_status()
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(SECONDS)
    raw.connect(("127.0.0.1", server.port))
    with authority.client().wrap_socket(raw, server_hostname="127.0.0.1") as client:
        client.sendall(
            get("/v1/queues/q/messages?echo=true", *("Client-ID: c", "Connection: close"))
        )
        # Others are served while the answer does not fit into the buffers in between.
        assert server.is_healthy()
        answer = read_to_end(client)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert f"\r\nContent-Length: {len(body)}".lower().encode() in head.lower()
    assert len(body) > 2_000_000


def test_the_end_of_an_answer_is_an_end_of_tls(server: LiveServer, authority: Authority) -> None:
    context = authority.client()
    client = socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS)
    with context.wrap_socket(
        client, server_hostname="127.0.0.1", suppress_ragged_eofs=False
    ) as secure:
        secure.sendall(get("/v1/queues/q", "Connection: close"))
        assert read_to_end(secure).startswith(b"HTTP/1.1 204 ")  # else it raises SSLEOFError


# Slow and wrong clients


def test_slow_handshakes_hold_up_nobody_and_end(server: LiveServer, authority: Authority) -> None:
    with ExitStack() as stack:
        clients = []
        for hello in (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"):
            client = socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS)
            clients.append(stack.enter_context(client))
            client.sendall(hello)
        assert server.is_healthy()
        for client in clients:
            assert client.recv(100) == b"", "nothing is closed at its deadline"


def test_a_handshake_in_single_bytes(server: LiveServer, authority: Authority) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = authority.client().wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def exchange() -> None:
            for number in outgoing.read():
                client.send(bytes([number]))
            byte = client.recv(1)
            assert byte
            incoming.write(byte)

        while not finished(tls):
            exchange()
        tls.write(get("/v1/queues/q"))
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            exchange()
            with suppress(ssl.SSLWantReadError):
                answer += tls.read(1000)
    assert answer.startswith(b"HTTP/1.1 204 ")


def finished(tls: ssl.SSLObject) -> bool:
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


CLEAR_TEXTS = {
    "GET": get("/v1/queues/q"),
    "OPTIONS": b"OPTIONS * HTTP/1.1\r\nHost: q\r\n\r\n",
    "POST": post("/v1/queues/q/messages", b"[]"),
    "a large body": post("/v1/queues/q/messages", b" " * 300_000),
    "an unknown method": b"BREW /v1 HTTP/1.1\r\nHost: q\r\n\r\n",
    "a long method": b"M" * 1000 + b" / HTTP/1.1\r\n\r\n",
    "lower case": b"get /v1 http/1.1\r\n\r\n",
    "lower-case head": b"head /v1 http/1.1\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "a line break first": b"\r\nGET / HTTP/1.1\r\nHost: q\r\n\r\n",
    "one letter": b"G",
    "another protocol": b"EHLO me\r\n",
    "a proxy's line": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    "nonsense": b"~}!\xff\x00",
}


@pytest.mark.parametrize("data", CLEAR_TEXTS.values(), ids=CLEAR_TEXTS)
def test_clear_text_is_told_so(server: LiveServer, data: bytes) -> None:
    with Wire(server.port) as wire:
        response = wire.send(data).receive()
        assert response.status == 400
        assert response.title == "Invalid API call"
        assert response.headers["connection"] == "close"
        assert b"https" in response.body
        assert wire.finish().ended()
    assert server.is_healthy()


@pytest.mark.parametrize("before", [b"", b"\r\n"])
def test_a_head_in_clear_text_is_told_so_without_content(server: LiveServer, before: bytes) -> None:
    with Wire(server.port) as wire:
        wire.send(before + b"HEAD /v1/health HTTP/1.1\r\nHost: q\r\n\r\n")
        response = wire.receive("HEAD")
        assert response.status == 400
        assert wire.ended(), "there is content"
    assert server.is_healthy()


@pytest.mark.parametrize("data", [b"\x00" * 100, b"\x80\x2e\x01\x00\x02", b"\x7f", b"\xc3\xa4"])
def test_what_is_no_text_is_left_to_tls(server: LiveServer, data: bytes) -> None:
    with Wire(server.port) as wire:
        wire.send(data).finish()
        with suppress(ConnectionResetError):
            assert not wire.socket.recv(1000).startswith(b"HTTP")
    assert server.is_healthy()


def test_clients_that_vanish_or_talk_nonsense(server: LiveServer) -> None:
    for data in (b"\x16\x03\x01", b"\x00" * 100, os.urandom(1000), b"\x16\x03\x01\x00\x05hello"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as client:
            client.sendall(data)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    assert server.is_healthy()
    assert "Traceback" not in server.log()


def test_old_versions_are_refused(server: LiveServer) -> None:
    done = run(
        *("s_client", "-connect", f"127.0.0.1:{server.port}", "-tls1_1"),
        *("-cipher", "ALL:@SECLEVEL=0"),
        command=[find("openssl")],
    )
    assert done.returncode == 1
    assert "alert protocol version" in done.stderr
    assert server.is_healthy()


def test_the_application_knows_scheme_and_client(authority: Authority, tmp_path: Path) -> None:
    """Under plain gunicorn, with gunicorn's own options."""
    certificate = ("--certfile", str(authority.both_file))
    with tiny(tmp_path, *certificate, tls=authority.client()) as server:
        verify = str(authority.ca_file)
        seen = requests.get(f"{server.url}/echo", timeout=SECONDS, verify=verify).json()
        assert (seen["scheme"], seen["client"]) == ("https", "127.0.0.1")
        server.stop()


# Certificates of clients


def test_with_an_authority_only_its_clients_are_served(
    authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger")
    with LiveServer(
        tmp_path,
        config=config(authority, f"ca_file = {authority.ca_file}"),
        tls=authority.client_with_certificate(),
        workers=1,
    ) as server:
        for context in (authority.client(), strange_client(authority, stranger)):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                ask(server, context)
        assert server.is_healthy()
        server.stop()
    assert server.log().count("No TLS with 127.0.0.1: ") == 2


def ask(server: LiveServer, context: ssl.SSLContext) -> None:
    with connect(server, context) as client:
        client.sendall(get("/v1/queues/q"))
        client.recv(100)


def strange_client(authority: Authority, stranger: Authority) -> ssl.SSLContext:
    context = authority.client()
    context.load_cert_chain(stranger.both_file)
    return context


# Start, reload and stop


def wrong_files(folder: Path, authority: Authority) -> dict[str, tuple[str, str]]:
    """What is wrong, as a configuration and a part of the line that says so."""
    other = Authority(folder, "other")
    encrypted = folder / "encrypted.pem"
    encrypt = [find("openssl"), "pkey", "-aes256", "-passout", "pass:x"]
    subprocess.run([*encrypt, "-in", authority.key_file, "-out", encrypted], check=True)
    cert, key = authority.cert_file, authority.key_file
    garbage = folder / "garbage.pem"
    garbage.write_text("nothing\n")
    return {
        "no such certificate": (f"cert_file = {folder}/none.pem", "No such file"),
        "a folder": (f"cert_file = {folder}\nkey_file = {key}", "Is a directory"),
        "no such key": (f"cert_file = {cert}\nkey_file = {folder}/none.pem", "No such file"),
        "a certificate without a key": (f"cert_file = {cert}", "private key"),
        "another key": (f"cert_file = {cert}\nkey_file = {other.key_file}", "MISMATCH"),
        "garbage": (f"cert_file = {garbage}\nkey_file = {key}", "not a certificate in PEM"),
        "an encrypted key": (f"cert_file = {cert}\nkey_file = {encrypted}", "is encrypted"),
        "no authority": (f"cert_file = {cert}\nkey_file = {key}\nca_file = {garbage}", "ca_file"),
        "a key alone": (f"key_file = {key}", "cert_file of [drivers:transport:wsgi] is missing"),
    }


@pytest.mark.seconds(7)
def test_wrong_files_are_refused_in_one_line(authority: Authority, tmp_path: Path) -> None:
    file = tmp_path / "marconi.conf"
    for what, (text, complaint) in wrong_files(tmp_path, authority).items():
        file.write_text(f"[drivers:transport:wsgi]\n{text}\n")
        line = refusal("--embedded", str(tmp_path / "marconi.db"), "--config-file", str(file))
        assert complaint in line, what


def test_the_check_reads_the_certificate(authority: Authority, tmp_path: Path) -> None:
    file = tmp_path / "marconi.conf"
    arguments = ("check", "--embedded", str(tmp_path / "marconi.db"), "--config-file", str(file))
    file.write_text(config(authority))
    assert f", TLS with {authority.cert_file}\n" in run(*arguments).stdout
    file.write_text(f"[drivers:transport:wsgi]\ncert_file = {tmp_path}/none.pem\n")
    assert run(*arguments).returncode == 2


def test_a_reload_takes_a_new_certificate_or_keeps_the_old_one(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with LiveServer(
        tmp_path, config=config(authority), tls=authority.client(), workers=1
    ) as server:
        old = serial(server, authority)
        new = authority.issue()
        assert serial(server, authority) == old
        server.reload()
        assert serial(server, authority) == new != old
        authority.key_file.write_text("half of a key")
        server.reload()
        assert "Not reloaded, the old configuration stays in force: option cert_f" in server.log()
        assert serial(server, authority) == new
        server.stop()


def serial(server: LiveServer, authority: Authority) -> int:
    with connect(server, authority.client()) as client:
        certificate = client.getpeercert()
        assert certificate is not None
        return int(str(certificate["serialNumber"]), 16)


def test_a_graceful_stop_answers_what_is_on_its_way(authority: Authority, tmp_path: Path) -> None:
    with (
        LiveServer(tmp_path, config=config(authority), tls=authority.client()) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as silent,
        connect(server, authority.client()) as idle,
        connect(server, authority.client()) as client,
    ):
        client.sendall(get("/v1/health")[:20])
        os.kill(server.pid, signal.SIGTERM)
        server.wait_until(lambda: "Worker exiting" in server.log(), SECONDS, "does not stop")
        client.sendall(get("/v1/health")[20:])
        answer = read_to_end(client)
        assert answer.startswith(b"HTTP/1.1 204 ")
        assert b"\r\nConnection: close\r\n" in answer
        assert idle.recv(100) == b""
        assert silent.recv(100) == b""
        assert server.wait() == 0
        assert "Cutting" not in server.log()


def test_a_client_keeps_its_connection(server: LiveServer, authority: Authority) -> None:
    connection = HTTPSConnection(
        "127.0.0.1", server.port, timeout=SECONDS, context=authority.client()
    )
    connection.connect()
    own = connection.sock.getsockname()
    for _ in range(3):
        connection.request("GET", "/v1/health")
        assert connection.getresponse().read() == b""
        assert connection.sock.getsockname() == own
    connection.close()
