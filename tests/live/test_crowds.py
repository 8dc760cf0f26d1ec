"""More clients than a worker has room for: who waits, who gives way, and what the log says."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread

from tests.live.test_connections import cpu_seconds, sockets_of
from tests.support.certificates import Authority
from tests.support.live import LiveServer
from tests.support.tiny import Held, get, post, seen, tiny
from tests.support.waiting import wait_until
from tests.support.wire import Wire, exchange

TAKEN = "connections are taken: new ones wait until idle or slow ones give way"


def test_idle_clients_give_way_to_new_ones(tmp_path: Path) -> None:
    with tiny(tmp_path, "--worker-connections", "3") as server, ExitStack() as stack:
        idle = [stack.enter_context(Wire(server.port)) for _ in range(3)]
        for wire in idle:
            seen(wire.send(get("/echo")).receive())
        for number in range(6):
            wire = stack.enter_context(Wire(server.port)).send(get(f"/echo?{number}"))
            assert seen(wire.receive())["query"] == str(number)
        for wire in idle:
            assert wire.ended()
        (worker,) = server.worker_pids()
        assert sockets_of(worker) <= 4
        assert server.log().count(f"All 3 {TAKEN}") == 1
        server.stop()


def test_a_balancer_gets_its_health_check_through(tmp_path: Path) -> None:
    """Whatever others do with their connections, as long as they have no request here."""
    config = "[drivers:transport:wsgi]\nconnections = 8\n"
    with LiveServer(tmp_path, config=config, workers=1) as server, ExitStack() as stack:
        wires = [stack.enter_context(Wire(server.port)) for _ in range(8)]
        health = get("/v1/health")
        for wire, data in zip(wires, (b"", b"\r\n", b"G", health[:-1]) * 2, strict=True):
            wire.send(data)
        for _ in range(3):
            assert exchange(server.port, health).status == 204
        assert TAKEN in server.log()
        server.stop()


def test_silent_clients_of_tls_give_way(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    config = (
        "[drivers:transport:wsgi]\nconnections = 3\n"
        f"cert_file = {authority.cert_file}\nkey_file = {authority.key_file}\n"
    )
    with (
        LiveServer(tmp_path, config=config, workers=1, tls=authority.client()) as server,
        ExitStack() as stack,
    ):
        for hello in (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"):
            stack.enter_context(Wire(server.port)).send(hello)
        assert server.is_healthy()
        server.stop()


def test_who_has_a_request_here_is_not_thrown_out(tmp_path: Path) -> None:
    held = Held(tmp_path)
    with tiny(tmp_path, "--worker-connections", "2") as server, ExitStack() as stack:
        in_application = stack.enter_context(Wire(server.port)).send(held.request)
        body = post("/echo", b"x" * 100)
        in_body = stack.enter_context(Wire(server.port)).send(body[:-1])
        held.wait()
        waiting = stack.enter_context(Wire(server.port)).send(get("/echo?late"))
        wait_until(lambda: TAKEN in server.log())
        (worker,) = server.worker_pids()
        before = cpu_seconds(worker)
        time.sleep(3)  # as long as an idle client is spared, and more
        assert cpu_seconds(worker) - before < 0.5, "it does not rest"
        assert sockets_of(worker) == 3
        seen(in_body.send(body[-1:]).receive())
        assert seen(waiting.receive())["query"] == "late"
        held.let_go()
        assert in_application.receive().status == 200
        assert server.log().count(f"All 2 {TAKEN}") == 1
        server.stop()


class Busy:
    """Sends one request after the other, on one connection as long as it is kept open."""

    def __init__(self, port: int) -> None:
        self.answered = 0
        self.asked_to_close = 0
        self.error: Exception | None = None
        self._port = port
        self._done = Event()
        self._thread = Thread(target=self._work)

    def __enter__(self) -> "Busy":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _work(self) -> None:
        try:
            while not self._done.is_set():
                with Wire(self._port) as wire:
                    while not self._done.is_set():
                        response = wire.send(get("/echo")).receive()
                        assert response.status == 200
                        self.answered += 1
                        if response.headers.get("connection") == "close":
                            self.asked_to_close += 1
                            break
        except Exception as error:
            self.error = error


def test_busy_clients_are_asked_to_close_and_lose_nothing(tmp_path: Path) -> None:
    with tiny(tmp_path, "--worker-connections", "4") as server, ExitStack() as stack:
        busy = [stack.enter_context(Busy(server.port)) for _ in range(4)]
        wait_until(lambda: all(client.answered > 10 for client in busy))
        for number in range(5):
            assert seen(exchange(server.port, get(f"/echo?{number}")))["query"] == str(number)
        wait_until(lambda: sum(client.asked_to_close for client in busy) > 0)
        targets = [client.answered + 10 for client in busy]
        wait_until(
            lambda: all(
                client.answered > target or client.error
                for client, target in zip(busy, targets, strict=True)
            )
        )
        assert [client.error for client in busy] == [None] * 4


def test_nobody_gives_way_while_another_worker_has_room(tmp_path: Path) -> None:
    with tiny(tmp_path, "--worker-connections", "5", workers=2) as server, ExitStack() as stack:
        time.sleep(1)  # workers look for each other twice a second
        wires = [stack.enter_context(Wire(server.port)) for _ in range(9)]
        for wire in wires:
            seen(wire.send(get("/echo")).receive())
        for wire in wires:
            seen(wire.send(get("/echo")).receive())
        assert TAKEN not in server.log()
        server.stop()


# Descriptors


@contextmanager
def out_of_descriptors(server: LiveServer) -> Iterator[None]:
    with ExitStack() as crowd:
        for _ in range(60):
            crowd.enter_context(Wire(server.port))
        wait_until(lambda: "Cannot accept connections for now" in server.log())
        yield


def test_a_worker_without_descriptors_rests_and_goes_on(tmp_path: Path) -> None:
    held = Held(tmp_path)
    with tiny(tmp_path, "--descriptors", "40") as server, Wire(server.port) as first:
        first.send(held.request)
        held.wait()
        (worker,) = server.worker_pids()
        with out_of_descriptors(server):
            before = cpu_seconds(worker)
            time.sleep(1)
            assert cpu_seconds(worker) - before < 0.5, "it does not rest"
            held.let_go()
            assert first.receive().status == 200
            # Those who are idle give way, so it gets through before they are gone.
            seen(exchange(server.port, get("/echo")))
        seen(exchange(server.port, get("/echo")))
        assert server.log().count("Cannot accept connections for now") == 1
        server.stop()
