"""Queues, their metadata and their stats (spec 7.3 to 7.8)."""

import time
from functools import lru_cache

import falcon
import msgspec

from marconi_server.api import documents, requests
from marconi_server.api.responses import next_link, send, with_query
from marconi_server.api.v1 import QUEUES
from marconi_server.config.settings import Limits
from marconi_server.storage.contract import MessageStamp, Queue, Store
from marconi_server.storage.errors import QueueNotFound

# The values stay raw: metadata is only checked to be an object.
_METADATA = msgspec.json.Decoder(dict[str, msgspec.Raw])


class QueuesResource:
    """`/v1/queues`."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self._queues = store.queues
        self._limits = limits

    def on_get(self, req: falcon.Request, resp: falcon.Response, project: str | None) -> None:
        """List the queues of the project."""
        limit = requests.integer(req, "limit")
        detailed = requests.boolean(req, "detailed")
        page = self._queues.list(
            project,
            marker=requests.string(req, "marker"),
            limit=requests.page_size(limit, self._limits.max_queues_per_page),
            detailed=bool(detailed),
        )
        if page.marker is None:
            resp.status = falcon.HTTP_204
            return
        send(
            resp,
            b'{"queues": [%b], "links": %b}'
            % (
                b", ".join(map(_entry, page.items)),
                next_link(QUEUES, page.marker, limit=limit, detailed=detailed),
            ),
        )
        resp.set_header("Content-Location", with_query(QUEUES, req))


class QueueResource:
    """`/v1/queues/{queue}`."""

    def __init__(self, store: Store) -> None:
        self._queues = store.queues

    def on_put(
        self, _req: falcon.Request, resp: falcon.Response, project: str | None, queue: str
    ) -> None:
        """Create the queue unless it exists. The body is never looked at."""
        created = self._queues.create(project, queue)
        resp.status = falcon.HTTP_201 if created else falcon.HTTP_204
        resp.set_header("Location", f"{QUEUES}/{queue}")

    def on_get(
        self, _req: falcon.Request, resp: falcon.Response, project: str | None, queue: str
    ) -> None:
        """Tell whether the queue exists."""
        if not self._queues.exists(project, queue):
            raise QueueNotFound(queue=queue, project=project)
        resp.status = falcon.HTTP_204
        resp.set_header("Content-Location", f"{QUEUES}/{queue}")

    on_head = on_get

    def on_delete(
        self, _req: falcon.Request, resp: falcon.Response, project: str | None, queue: str
    ) -> None:
        """Delete the queue with all that is in it."""
        self._queues.delete(project, queue)
        resp.status = falcon.HTTP_204


class MetadataResource:
    """`/v1/queues/{queue}/metadata`."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self._queues = store.queues
        self._limits = limits

    def on_get(
        self, _req: falcon.Request, resp: falcon.Response, project: str | None, queue: str
    ) -> None:
        """Return the metadata object itself."""
        send(resp, self._queues.metadata(project, queue))
        resp.set_header("Content-Location", f"{QUEUES}/{queue}/metadata")

    def on_put(
        self, req: falcon.Request, resp: falcon.Response, project: str | None, queue: str
    ) -> None:
        """Replace the metadata."""
        raw = requests.body(req, self._limits.max_queue_metadata)
        documents.read(_METADATA, raw)
        self._queues.set_metadata(project, queue, documents.normal_form(raw))
        resp.status = falcon.HTTP_204
        resp.set_header("Location", f"{QUEUES}/{queue}/metadata")


class StatsResource:
    """`/v1/queues/{queue}/stats`."""

    def __init__(self, store: Store) -> None:
        self._queues = store.queues

    def on_get(
        self, _req: falcon.Request, resp: falcon.Response, project: str | None, queue: str
    ) -> None:
        """Count the messages; show the first and the last."""
        stats = self._queues.stats(project, queue)
        total = stats.claimed + stats.free
        counts = f'"claimed": {stats.claimed}, "free": {stats.free}, "total": {total}'
        if stats.oldest is not None and stats.newest is not None:
            counts += f', "oldest": {_stamp(queue, stats.oldest)}'
            counts += f', "newest": {_stamp(queue, stats.newest)}'
        send(resp, f'{{"messages": {{{counts}}}}}'.encode())
        resp.set_header("Content-Location", f"{QUEUES}/{queue}/stats")


def _entry(queue: Queue) -> bytes:
    name = queue.name.encode()
    entry = b'{"href": "%b/%b", "name": "%b"' % (QUEUES.encode(), name, name)
    if queue.metadata is not None:
        entry += b', "metadata": ' + queue.metadata
    return entry + b"}"


def _stamp(queue: str, stamp: MessageStamp) -> str:
    created = _date(int(stamp.created))
    href = f"{QUEUES}/{queue}/messages/{stamp.id}"
    return f'{{"age": {stamp.age}, "created": "{created}", "href": "{href}"}}'


@lru_cache(maxsize=256)  # PERF: the oldest and the newest of a queue seldom change their second
def _date(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
