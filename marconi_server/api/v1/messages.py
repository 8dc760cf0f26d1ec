"""Messages: posting, listing, getting, deleting (spec 7.9 to 7.13)."""

import falcon
import msgspec

from marconi_server.api import documents, requests
from marconi_server.api.errors import InvalidCall, MissingQueryParameter
from marconi_server.api.responses import (
    location,
    message,
    messages,
    next_link,
    send,
    with_query,
)
from marconi_server.api.v1 import QUEUES
from marconi_server.config.settings import Limits
from marconi_server.storage.contract import NewMessage, Store


class PostedMessage(msgspec.Struct):
    """An element of the array that a client posts: `ttl` in seconds."""

    ttl: int
    body: msgspec.Raw


_POST = msgspec.json.Decoder(list[PostedMessage])


class MessagesResource:
    """`/v1/queues/{queue}/messages`."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self._messages = store.messages
        self._limits = limits
        self._uuid_only = limits.client_id_uuid_safe == "strict"

    def on_post(
        self, req: falcon.Request, resp: falcon.Response, project: str | None, queue: str
    ) -> None:
        """Append a batch of messages."""
        client_id = requests.client_id(req, uuid_only=self._uuid_only)
        raw = requests.body(req, self._limits.max_message_size)
        posted = documents.read(_POST, raw)
        self._check_batch(posted)
        # PERF: all of it at once, and the bodies taken out again, costs less than one by one.
        text = documents.normal_form(raw, around=2, known=2 * len(posted))
        posted = _POST.decode(text)
        batch = [NewMessage(item.ttl, bytes(item.body)) for item in posted]
        for each in batch:
            documents.check_size(each.body)
        ids = self._messages.post(project, queue, client_id, batch)

        path = f"{QUEUES}/{queue}/messages"
        resp.status = falcon.HTTP_201
        hrefs = '", "'.join([f"{path}/{message_id}" for message_id in ids])
        send(resp, f'{{"partial": false, "resources": ["{hrefs}"]}}'.encode())
        resp.set_header("Location", location(path, ids, self._limits.max_messages_per_page))

    def on_get(
        self, req: falcon.Request, resp: falcon.Response, project: str | None, queue: str
    ) -> None:
        """List messages page by page, or get those with the given ids."""
        path = f"{QUEUES}/{queue}/messages"
        ids = requests.strings(req, "ids")
        if ids is None:
            body = self._list(req, project, queue, path)
        else:
            body = self._get_many(req, project, queue, path, ids)
        if body is None:
            resp.status = falcon.HTTP_204
        else:
            send(resp, body)
        resp.set_header("Content-Location", with_query(path, req))

    def on_delete(
        self, req: falcon.Request, resp: falcon.Response, project: str | None, queue: str
    ) -> None:
        """Delete the messages with the given ids, claimed or not."""
        ids = requests.strings(req, "ids")
        if ids is None:
            raise MissingQueryParameter("ids")
        self._check_ids(ids)
        self._messages.delete_many(project, queue, ids)
        resp.status = falcon.HTTP_204

    def _list(
        self, req: falcon.Request, project: str | None, queue: str, path: str
    ) -> bytes | None:
        client_id = requests.client_id(req, uuid_only=self._uuid_only)
        limit = requests.integer(req, "limit")
        echo = requests.boolean(req, "echo")
        include_claimed = requests.boolean(req, "include_claimed")
        page = self._messages.list(
            project,
            queue,
            marker=requests.string(req, "marker"),
            limit=requests.page_size(limit, self._limits.max_messages_per_page),
            exclude_client=None if echo else client_id,
            include_claimed=bool(include_claimed),
        )
        if page.marker is None:
            return None
        return b'{"messages": %b, "links": %b}' % (
            messages(path, page.items),
            next_link(path, page.marker, limit=limit, echo=echo, include_claimed=include_claimed),
        )

    def _get_many(
        self, req: falcon.Request, project: str | None, queue: str, path: str, ids: list[str]
    ) -> bytes | None:
        self._check_ids(ids)
        found = self._messages.get_many(project, queue, ids)
        if not found:
            return None
        array = messages(path, found)
        # The shape depends on `echo` for the sake of two generations of clients
        # (row 4 of spec section 12).
        return b'{"messages": %b}' % array if requests.is_boolean(req, "echo") else array

    def _check_batch(self, posted: list[PostedMessage]) -> None:
        if not posted:
            raise InvalidCall("The array of messages is empty.")
        most = self._limits.max_messages_per_post
        if 0 < most < len(posted):
            raise InvalidCall(f"At most {most} messages can be posted at once.")
        shortest, longest = requests.SMALLEST_LIFE, self._limits.max_message_ttl
        for index, item in enumerate(posted):
            if not shortest <= item.ttl <= longest:
                requests.check_range(f"$[{index}].ttl", item.ttl, shortest, longest)

    def _check_ids(self, ids: list[str]) -> None:
        most = self._limits.max_messages_per_page
        if len(ids) > most:
            raise InvalidCall(f"At most {most} ids can be given at once.")


class MessageResource:
    """`/v1/queues/{queue}/messages/{message_id}`."""

    def __init__(self, store: Store) -> None:
        self._messages = store.messages

    def on_get(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        project: str | None,
        queue: str,
        message_id: str,
    ) -> None:
        """Return one message, claimed or not."""
        path = f"{QUEUES}/{queue}/messages"
        found = self._messages.get(project, queue, message_id)
        send(resp, message(path, found))
        resp.set_header("Content-Location", with_query(f"{path}/{found.id}", req))

    def on_delete(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        project: str | None,
        queue: str,
        message_id: str,
    ) -> None:
        """Delete one message, if claims allow it."""
        claim_id = requests.string(req, "claim_id")
        self._messages.delete(project, queue, message_id, claim_id)
        resp.status = falcon.HTTP_204
