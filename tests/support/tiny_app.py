"""A tiny application under our worker, run as `python -m tests.support.tiny_app`.

`tests.support.tiny.tiny` starts it, to see the worker alone:

/v1/health      204, as everywhere
/echo           200, what arrived, as JSON
/hold?FIFO      200, but only when somebody has written to that FIFO
/large?N        200, N bytes
/fail           raises
/work?N         200, when it has kept its thread for N milliseconds
/hang?HOW       never: in Python, in a way that stops for nothing, or in C
"""

import argparse
import hashlib
import json
import resource
import time
from collections import deque
from collections.abc import Iterable
from itertools import repeat
from pathlib import Path
from typing import Any, NoReturn
from wsgiref.types import StartResponse, WSGIEnvironment

from gunicorn.app.base import BaseApplication


def application(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/v1/health":
        start("204 No Content", [])
        return []
    if path == "/fail":
        raise RuntimeError("told to fail")
    if path == "/hang":
        hang_in_c() if query == "in-c" else hang_in_python()
    if path == "/work":
        time.sleep(int(query) / 1000)
    if path == "/hold":
        Path(query).read_bytes()
    start("200 OK", [("Content-Type", "application/json")])
    if path == "/large":
        return [b"x" * int(query)]
    body = environ["wsgi.input"].read()
    seen = {
        "method": environ["REQUEST_METHOD"],
        "path": path,
        "query": query,
        "length": environ.get("CONTENT_LENGTH"),
        "body": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "client": environ.get("REMOTE_ADDR"),
        "scheme": environ["wsgi.url_scheme"],
    }
    return [json.dumps(seen).encode()]


def hang_in_python() -> NoReturn:
    while True:
        try:
            time.sleep(0.001)
        except BaseException:  # as libraries do, if not for ever
            continue


def hang_in_c() -> NoReturn:
    deque(repeat(0), maxlen=0)  # no signal handler gets to run in there
    raise AssertionError("it never ends")


class Tiny(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        super().__init__()

    def load_config(self) -> None:
        options = self.options
        self.cfg.set("worker_class", "marconi_server.server.worker.Worker")
        self.cfg.set("control_socket_disable", True)
        self.cfg.set("bind", options.bind or f"127.0.0.1:{options.port}")
        for name in ("workers", "threads", "worker_connections", "keepalive", "max_requests"):
            self.cfg.set(name, getattr(options, name))
        self.cfg.set("graceful_timeout", options.graceful_timeout)
        self.cfg.set("timeout", options.timeout)
        self.cfg.set("accesslog", options.accesslog)
        self.cfg.set("certfile", options.certfile)
        self.cfg.set("post_fork", self.post_fork)

    def post_fork(self, _arbiter: Any, worker: Any) -> None:
        worker.request_timeout = self.options.request_timeout
        worker.farewell = self.options.farewell
        worker.on_loop = self.options.on_loop
        if self.options.descriptors:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.options.descriptors,) * 2)

    def load(self) -> Any:
        return application


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bind")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--worker-connections", type=int, default=1000)
    parser.add_argument("--keepalive", type=int, default=75)
    parser.add_argument("--max-requests", type=int, default=0)
    parser.add_argument("--graceful-timeout", type=int, default=30)
    parser.add_argument("--timeout", type=int, default=30)
    parser.add_argument("--on-loop", action="store_true")
    parser.add_argument("--request-timeout", type=float, default=30)
    parser.add_argument("--farewell", type=float, default=1)
    parser.add_argument("--descriptors", type=int, default=0)
    parser.add_argument("--accesslog")
    parser.add_argument("--certfile")
    Tiny(parser.parse_args()).run()
