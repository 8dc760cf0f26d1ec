"""The gunicorn worker: one loop that owns the connections, and a runner for the requests.

The loop accepts, reads, finds where requests begin and end, and writes. The runner gets a
request when it is complete, and gives it back with its answer, so that nothing but the loop
ever waits for a client. Nothing of a connection is shared.
"""

import gc
import os
import selectors
import socket
import ssl
import time
from collections import deque
from datetime import timedelta
from functools import partial
from typing import Any

from greenlet import GreenletExit
from gunicorn.http.wsgi import base_environ
from gunicorn.sock import ssl_context

from marconi_server import request_ids
from marconi_server.api import origins
from marconi_server.server.answers import CLOSE, KEEP, Answer, Environ, Refusal
from marconi_server.server.connection import NEVER, READ, Connection
from marconi_server.server.greenlets import Greenlets
from marconi_server.server.http1 import Reader
from marconi_server.server.loads import shared_loads
from marconi_server.server.log import Seldom
from marconi_server.server.proxies import Proxies
from marconi_server.server.room import Room
from marconi_server.server.runner import Request, Runner, Threads
from marconi_server.server.signals import SignalledWorker
from marconi_server.server.tls import TlsConnection

TICK = 0.5
"""Seconds between two looks at deadlines, and signs of life for the arbiter."""

ASIDE_SECONDS = 0.002
"""How long a worker leaves new connections to others that have fewer."""

ACCEPTS_AFTER_ASIDE = 8
"""Connections that it takes then, since the others did not."""

PLACES_WANTED = 8
"""Busy clients that are asked to close at once, so that others get their places."""

REQUESTS_BETWEEN_SIGNS = 16
"""Requests of one turn between two looks whether a sign of life is due."""


class Worker(SignalledWorker):
    """Serves a WSGI application over HTTP/1.1.

    Of gunicorn's settings it heeds `threads`, `worker_connections`, `keepalive`,
    `graceful_timeout`, `max_requests`, and those of TLS, the arbiter and the logs. What gunicorn
    has no settings for are attributes, to be set before the worker runs.
    """

    sockets: list[Any]  # the listeners

    max_body: int = 256 * 1024
    """Bytes of the largest request body that the application takes."""

    request_timeout: float = 30.0
    """Seconds in which a request has to arrive whole, and the client to take any part of its
    answer; for the whole of that it has `connection.ANSWER_SECONDS`."""

    farewell: float = 1.0
    """Seconds that a stopping worker keeps idle connections: a request may be on its way."""

    proxies: Proxies | None = None
    """Whom to believe what they say of a client; nobody by default."""

    on_loop: bool = False
    """Whether requests run on the loop, as greenlets, because the application never makes its
    caller wait except through `marconi_server.waiting`; else `threads` threads run them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Prepare a worker: this still runs in the master, before it forks."""
        super().__init__(*args, **kwargs)
        self._loads = shared_loads()
        self.now = time.monotonic()
        self.keepalive = float(self.cfg.keepalive)
        self._connections: set[Connection] = set()
        self._most: int = self.cfg.worker_connections
        self._room = Room(self._connections)
        self._crowded = False  # while nobody gives way to those who wait
        self._places_wanted = 0  # by them: so many answers close their connections
        self._crowd_log = Seldom(self.log.warning)
        self._shortage_log = Seldom(self.log.error)
        self._memory_log = Seldom(self.log.warning)
        self._accepting = False
        self._aside_until = NEVER  # while new connections are left to others
        self._asleep = False  # whether the loop waits, and has to be woken for an answer
        self._next_tick = 0.0
        self._arrived: list[Request] = []  # in this turn
        self._answers: deque[tuple[Connection, bytes, bool]] = deque()

    def run(self) -> None:
        """Serve until the arbiter or `max_requests` ends it, then stop gracefully."""
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.PIPE[0], READ, self._woken)
        self._logs_access = self.log.access_log_enabled
        self._common: Environ = base_environ(self.cfg)
        self._common |= {"wsgi.multithread": True, "wsgi.url_scheme": "http", "SCRIPT_NAME": ""}
        self._tls: ssl.SSLContext | None = None
        if self.cfg.is_ssl:
            self._tls = ssl_context(self.cfg)
            self._common["wsgi.url_scheme"] = "https"
        self._runner: Runner = (
            Greenlets(self._serve, self._wake)
            if self.on_loop
            else Threads(self._serve, self.cfg.threads)
        )
        self._loads.join(self.age)
        # PERF: what exists by now stays; the garbage collector need not look at it again.
        gc.collect()
        gc.freeze()
        self._tick()
        while self.alive:
            self._turn()
        self._stop()
        self._runner.stop(max(0.0, self._end - time.monotonic()))

    # The loop

    def _turn(self) -> None:
        """Wait until there is something to do, and do it."""
        self._asleep = True
        # An answer that comes after this look at the queue finds us asleep and wakes us.
        busy = self._answers or self._arrived or self._runner.can_go_on
        timeout = 0.0 if busy else min(TICK, self._aside_until - self.now)
        ready = self.selector.select(timeout)
        self._asleep = False
        self.now = time.monotonic()
        self._runner.go_on()
        self._send_answers()
        for key, _ in ready:
            key.data()
        # PERF: not before everything was read. A thread that is awake competes for the
        # interpreter whenever a socket is read, and that takes longer than many requests.
        if self._arrived:
            arrived, self._arrived = self._arrived, []
            self._run_all(arrived)
        self._runner.end_turn()
        if self.now >= self._aside_until:
            self._aside_until = NEVER
            for listener in self.sockets:
                self._accept(listener, ACCEPTS_AFTER_ASIDE)
            self._listen(self.alive)
        if self.now >= self._next_tick:
            self._tick()

    def _send_answers(self) -> None:
        while self._answers:
            connection, answer, last = self._answers.popleft()
            connection.answer(answer, last=last)

    def _run_all(self, requests: list[Request]) -> None:
        """Run requests; a worker that has many of them to run does not hang."""
        at = 0
        while len(requests) - at > REQUESTS_BETWEEN_SIGNS:
            self._runner.run(requests[at : at + REQUESTS_BETWEEN_SIGNS])
            at += REQUESTS_BETWEEN_SIGNS
            if time.monotonic() >= self._next_tick:
                self.notify()
        self._runner.run(requests[at:] if at else requests)

    def _tick(self) -> None:
        self._next_tick = self.now + TICK
        self.notify()
        if self.reopens_log:
            self.reopens_log = False
            self.log.reopen_files()
        if self.alive:
            self._loads.beat(self.now)
        if self.alive and self.ppid != os.getppid():
            self.log.info("Parent changed, shutting down: %s", self)
            self.alive = False
        for connection in [one for one in self._connections if one.deadline <= self.now]:
            connection.expire()
        if cut := self._room.relieve():
            text = "Cut %s clients that do not take their answers, whose memory is needed"
            self._memory_log(self.now, text, cut)
        self._runner.expire()
        self._crowded = False
        self._listen(self.alive)

    def _woken(self) -> None:
        os.read(self.PIPE[0], 4096)

    def _listen(self, wanted: bool) -> None:
        """Watch the listeners if that is wanted, there may be room, and it is our turn."""
        wanted = wanted and not self._crowded and self._aside_until == NEVER
        if wanted == self._accepting:
            return
        for listener in self.sockets:
            if wanted:
                self.selector.register(listener, READ, partial(self._offered, listener))
            else:
                self.selector.unregister(listener)
        self._accepting = wanted

    def _offered(self, listener: Any) -> None:
        """Take a waiting connection, or step aside for another worker to take it."""
        if not self._is_full():
            if self._loads.is_heavy(len(self._connections)):
                self._step_aside(ASIDE_SECONDS)
            else:
                self._accept(listener, 1)
        elif self._loads.others_have_room(self._most):
            self._step_aside(TICK)
        else:
            self._make_room()
            if not self._crowded:
                self._accept(listener, 1)

    def _make_room(self) -> None:
        """Have an idle client give way, or be crowded: then busy ones do, one after the other."""
        text = "All %s connections are taken: new ones wait until idle or slow ones give way"
        self._crowd_log(self.now, text, self._most)
        self._crowded = not self._room.make(self.now)
        if self._crowded:
            self._places_wanted = PLACES_WANTED
            self._listen(self.alive)

    def _is_full(self) -> bool:
        return len(self._connections) >= self._most

    def _step_aside(self, seconds: float) -> None:
        self._aside_until = self.now + seconds
        self._listen(False)

    def _accept(self, listener: Any, most: int) -> None:
        """Take up to so many connections that wait at the listener."""
        for _ in range(most):
            if self.alive and self._is_full():
                return
            try:
                client, address = listener.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:  # no descriptors or memory left
                self._shortage_log(self.now, "Cannot accept connections for now: %s", error)
                if not self._room.make(self.now):
                    self._step_aside(TICK)
                return
            base = self._base(listener.getsockname(), address)
            reader = Reader(base, self.max_body)
            peer = base.get("REMOTE_ADDR", "a local client")
            try:
                self._connections.add(self._connection(client, peer, reader))
            except OSError as error:
                self.log.debug("%s is gone: %s", peer, error)
            self._loads.tell(len(self._connections))

    def _connection(self, client: socket.socket, peer: str, reader: Reader) -> Connection:
        """Return the connection of an accepted client.

        :raises OSError: it is gone already
        """
        if self._tls is None:
            return Connection(self, client, peer, reader)
        secure = self._tls.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        return TlsConnection(self, secure, peer, reader)

    def _base(self, server: Any, client: Any) -> Environ:
        """Return what the environ of every request of a connection contains."""
        base = self._common.copy()
        if isinstance(server, tuple):
            base["SERVER_NAME"], base["SERVER_PORT"] = server[0], str(server[1])
            base["REMOTE_ADDR"], base["REMOTE_PORT"] = client[0], str(client[1])
            if origins.is_loopback(server[0]):
                base[origins.VIA] = origins.LOOPBACK
        else:  # a unix socket; PEP 3333 wants these two never to be empty
            base["SERVER_NAME"], base["SERVER_PORT"] = "localhost", "80"
        return base

    def forget(self, connection: Connection) -> None:
        """Let go of a connection that is closed."""
        self._connections.discard(connection)
        self._loads.tell(len(self._connections))
        self._crowded = False
        self._listen(self.alive)

    def _stop(self) -> None:
        """Answer what has arrived and what is on its way, within the graceful timeout.

        In haste, only what has its answer already is sent.
        """
        self.now = time.monotonic()
        # The arbiter kills what is left after its timeout: be gone a little before.
        self._end = self.now + max(0.0, self.cfg.graceful_timeout - 2 * TICK)
        self._loads.leave()
        self._aside_until = NEVER
        self._listen(False)
        for listener in self.sockets:
            # Connections that the kernel has accepted for us are reset when the last worker
            # closes the listener. Other workers may go on, but we cannot know: take them.
            if not self.in_haste:
                self._accept(listener, self.cfg.backlog)
            listener.close()
        self.sockets = []
        for connection in self._connections:
            connection.retire()
        while self._connections and self.now < self._end and not self.in_haste:
            self._turn()
        self._send_answers()
        if self.in_haste:
            self._end = self.now
        elif self._connections:
            self.log.warning("Cutting %s connections: %s", len(self._connections), self)
        for connection in list(self._connections):
            connection.abandon("the worker stops")

    # The requests

    def dispatch(self, connection: Connection, environ: Environ) -> None:
        """Have a complete request answered, behind what else arrives in this turn."""
        if self.proxies is not None:
            self.proxies.unveil(environ)
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            self.log.info("Stopping after %s requests: %s", self.nr, self)
            self.alive = False
        self._arrived.append((connection, environ))

    def _serve(self, connection: Connection, environ: Environ) -> None:
        """Answer a request, wherever the runner runs it."""
        answer = self._run(environ)
        reader = connection.reader  # the loop leaves it alone until the answer is there
        # Asked after the run: the worker may have been told to stop meanwhile.
        last = not (reader.keep_alive and self.alive) or reader.truncated
        if self._places_wanted:
            self._places_wanted -= 1
            last = True
        if last:
            encoded = answer.encode(CLOSE)
        else:
            encoded = answer.encode(KEEP if environ["SERVER_PROTOCOL"] == "HTTP/1.0" else b"")
        self._answers.append((connection, encoded, last))
        self._wake()

    def _wake(self) -> None:
        """End the sleep of the loop; called by any thread."""
        if self._asleep:
            self._asleep = False
            os.write(self.PIPE[1], b"\0")

    def _run(self, environ: Environ) -> Answer:
        """Run the application and return its answer, or that of its failure."""
        start = time.monotonic()
        request_id = request_ids.begin(environ)
        method = environ["REQUEST_METHOD"]
        answer = Answer()
        try:
            answer.run(self.wsgi, environ)
            answer.frame(method, request_id)
        except GreenletExit:  # the process ends, and there is nobody to be told
            raise
        except BaseException:  # whatever it is, the thread goes on and the client is told
            self.log.exception("Error handling request %s %s", method, environ["RAW_URI"])
            answer = Refusal.DEFECT.answer(method, request_id)
        if self._logs_access:
            fields = [
                (key[5:].replace("_", "-"), value)
                for key, value in environ.items()
                if key.startswith("HTTP_")
            ]
            duration = timedelta(seconds=time.monotonic() - start)
            self.log.access(answer, fields, environ, duration)
        return answer
