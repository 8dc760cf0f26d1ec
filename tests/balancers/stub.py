"""Nodes that do as they are told, and count what arrives."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class Stub:
    """What a stub node does, and what it was asked.

    is_healthy  what it says on `/v1/health`
    hangs_up    whether it ends the connection in place of an answer
    connections, requests, headers  of all requests but those for its health
    """

    def __init__(self) -> None:
        self.is_healthy = True
        self.hangs_up = False
        self.port = 0
        self.connections: set[Any] = set()
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Listen while the block runs; whoever is connected has to leave first."""
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path == "/v1/health":
                    self.send_response(204 if stub.is_healthy else 503)
                else:
                    stub.connections.add(self.client_address)
                    stub.requests.append(f"{self.command} {self.path}")
                    stub.headers.append({name.lower(): self.headers[name] for name in self.headers})
                    if stub.hangs_up:
                        self.close_connection = True
                        return
                    self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = do_PATCH = answer  # noqa: N815 - as the base class has it

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = False

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Say nothing of a balancer that is gone."""
                if not isinstance(sys.exception(), ConnectionError):
                    super().handle_error(request, client_address)

        with Server(("127.0.0.1", self.port), Handler) as server:
            self.port = server.server_address[1]
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()
