"""Claims: taking messages, renewing and releasing them (spec 7.14 to 7.17)."""

import falcon
import msgspec

from marconi_server.api import documents, requests
from marconi_server.api.responses import messages, send, with_query
from marconi_server.api.v1 import QUEUES
from marconi_server.config.settings import Limits
from marconi_server.storage.contract import Store


class NewClaim(msgspec.Struct):
    """What a client sends to claim messages: `ttl` and `grace` in seconds."""

    ttl: int
    grace: int


class Renewal(msgspec.Struct):
    """What a client sends to renew a claim: `ttl` and `grace` in seconds."""

    ttl: int
    grace: int = 0


_NEW_CLAIM = msgspec.json.Decoder(NewClaim)
_RENEWAL = msgspec.json.Decoder(Renewal)


class ClaimsResource:
    """`/v1/queues/{queue}/claims`."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self._claims = store.claims
        self._limits = limits

    def on_post(
        self, req: falcon.Request, resp: falcon.Response, project: str | None, queue: str
    ) -> None:
        """Claim the oldest free messages."""
        limits = self._limits
        limit = requests.integer(req, "limit")
        wanted = documents.read(_NEW_CLAIM, requests.body(req, limits.max_claim_body))
        requests.check_range("ttl", wanted.ttl, requests.SMALLEST_LIFE, limits.max_claim_ttl)
        size = requests.page_size(limit, limits.max_messages_per_claim)
        requests.check_range("grace", wanted.grace, requests.SMALLEST_LIFE, limits.max_claim_grace)

        claim = self._claims.create(project, queue, ttl=wanted.ttl, grace=wanted.grace, limit=size)
        if claim is None:
            resp.status = falcon.HTTP_204
            return
        resp.status = falcon.HTTP_201
        send(resp, messages(f"{QUEUES}/{queue}/messages", claim.messages, claim.id))
        resp.set_header("Location", f"{QUEUES}/{queue}/claims/{claim.id}")


class ClaimResource:
    """`/v1/queues/{queue}/claims/{claim_id}`."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self._claims = store.claims
        self._limits = limits

    def on_get(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        project: str | None,
        queue: str,
        claim_id: str,
    ) -> None:
        """Return a live claim with its messages."""
        claim = self._claims.get(project, queue, claim_id)
        href = f"{QUEUES}/{queue}/claims/{claim.id}"
        send(
            resp,
            b'{"href": "%b", "ttl": %d, "age": %d, "messages": %b}'
            % (
                href.encode(),
                claim.ttl,
                claim.age,
                messages(f"{QUEUES}/{queue}/messages", claim.messages, claim.id),
            ),
        )
        resp.set_header("Content-Location", with_query(href, req))

    def on_patch(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        project: str | None,
        queue: str,
        claim_id: str,
    ) -> None:
        """Start the claim again from now."""
        limits = self._limits
        wanted = documents.read(_RENEWAL, requests.body(req, limits.max_claim_body))
        requests.check_range("ttl", wanted.ttl, requests.SMALLEST_LIFE, limits.max_claim_ttl)
        requests.check_range("grace", wanted.grace, 0, limits.max_claim_grace)
        self._claims.renew(project, queue, claim_id, ttl=wanted.ttl, grace=wanted.grace)
        resp.status = falcon.HTTP_204

    def on_delete(
        self,
        _req: falcon.Request,
        resp: falcon.Response,
        project: str | None,
        queue: str,
        claim_id: str,
    ) -> None:
        """Release the claim."""
        self._claims.release(project, queue, claim_id)
        resp.status = falcon.HTTP_204
