"""The promises of a queue, checked on a finished history of what its clients saw.

Each check is a pure function from the history of one queue to violations. It reports only
what cannot be explained by any order in which the server may have done the requests: a
request takes effect once, at some moment between its start and its end, and if its
outcome is unknown at any moment after its start or never.

P1 no loss, P2 nothing invented or altered, P4 one live claim, P5 delete is final, P6 one
order, P7 followers skip and repeat nothing, P8 batches are whole.
"""

import math
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush
from itertools import pairwise
from operator import attrgetter

from tests.live.history import Claim, History, Outcome, Page, QueueHistory, Walk


@dataclass(frozen=True)
class Violation:
    """A promise that was broken, and how."""

    promise: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.sentence}"


Violations = Iterator[Violation]

Scale = dict[str, tuple[float, float]]
"""What is known of the order, by message id: a message surely stands before another if its
second number is below the other's first."""


def check(history: History) -> list[Violation]:
    """Return every violation of a promise, each once; none if the history is sound."""
    return list(
        dict.fromkeys(
            violation
            for queue in history.queues()
            for promise in CHECKS
            for violation in promise(queue)
        )
    )


def nothing_lost(history: QueueHistory) -> Violations:
    """P1: an acknowledged message is in the final state unless somebody tried to delete it."""
    for post in history.posts:
        for id in post.ids:
            if id not in history.drained and math.isinf(history.deleted_from(id)):
                yield Violation("P1", f"Message {id} was acknowledged, not deleted, and is gone.")


def nothing_invented(history: QueueHistory) -> Violations:
    """P2: what is shown was posted to this queue, once, under one id."""
    body_of: dict[str, str] = {}
    id_of: dict[str, str] = {}
    posted = {body for post in history.posts for body in post.bodies}
    for post in history.posts:
        if post.acknowledged and len(post.ids) != len(post.bodies):
            yield Violation("P2", f"{len(post.bodies)} messages were posted as {post.ids}.")
        for id, body in zip(post.ids, post.bodies, strict=False):
            if id in body_of:
                yield Violation("P2", f"The id {id} was given to two messages.")
            body_of[id] = body
            id_of[body] = id
    for shown in history.shown:
        for seen in shown.messages:
            if seen.body not in posted:
                yield Violation("P2", f"Nobody posted message {seen.id} here: {seen.body}.")
            elif body_of.setdefault(seen.id, seen.body) != seen.body:
                yield Violation("P2", f"Message {seen.id} has two bodies, one is {seen.body}.")
            elif id_of.setdefault(seen.body, seen.id) != seen.id:
                yield Violation("P2", f"{id_of[seen.body]} and {seen.id} have one body.")


def one_live_claim(history: QueueHistory) -> Violations:
    """P4: the spans during which claims surely held a message do not overlap."""
    for claim_id, count in Counter(claim.claim_id for claim in history.claims).items():
        if claim_id and count > 1:
            yield Violation("P4", f"The claim id {claim_id} was given to {count} claims.")
    holds: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for claim in history.claims:
        until = surely_live_until(history, claim)
        for id, times in Counter(seen.id for seen in claim.messages).items():
            if times > 1:
                yield Violation("P4", f"Claim {claim.claim_id} has message {id} {times} times.")
            holds[id].append((claim.end, min(until, history.deleted_from(id)), claim.claim_id))
    for id, spans in holds.items():
        latest: tuple[float, float, str] = (-math.inf, -math.inf, "")
        for span in sorted(spans, key=lambda span: span[0]):
            if span[0] < min(span[1], latest[1]):
                yield Violation("P4", f"Claims {latest[2]} and {span[2]} held {id} together.")
            latest = max(latest, span, key=lambda span: span[1])


def claims_last(history: QueueHistory) -> Violations:
    """P4: a claim that is surely live, with a message in it, can be renewed and used."""
    refused = defaultdict(list)
    for deletion in history.deletions:
        if deletion.outcome is Outcome.REFUSED:
            refused[deletion.claim_id].append(deletion)
    for claim in history.claims:
        held = {seen.id: history.deleted_from(seen.id) for seen in claim.messages}
        if not held:
            continue
        until = surely_live_until(history, claim)
        for renewal in history.renewals[claim.claim_id]:
            live = claim.end < renewal.start and renewal.end < min(until, max(held.values()))
            if live and renewal.outcome is Outcome.REFUSED:
                yield Violation("P4", f"Claim {claim.claim_id} was live, its renewal refused.")
        for deletion in refused[claim.claim_id]:
            for id in held.keys() & deletion.ids:
                if claim.end < deletion.start and deletion.end < min(until, held[id]):
                    yield Violation("P4", f"{id} was not deleted under its claim {claim.claim_id}.")


def deletes_final(history: QueueHistory) -> Violations:
    """P5: no request that starts after a delete was acknowledged shows the message."""
    for shown in history.shown:
        for seen in shown.messages:
            if history.deleted_by(seen.id) < shown.start:
                yield Violation("P5", f"{shown.client} was shown {seen.id} after its deletion.")


def one_order(history: QueueHistory) -> Violations:
    """P6: there is an order that every reader, claim, batch and the course of time agree with."""
    known = history.post_of.keys()
    before: TopologicalSorter[str | tuple[float, int]] = TopologicalSorter()
    chains = [walk.ids for walk in history.walks]
    chains += [[seen.id for seen in claim.messages] for claim in history.claims]
    chains += [[history.id_of.get(body, "") for body in post.bodies] for post in history.posts]
    for chain in chains:
        for earlier, later in pairwise(id for id in dict.fromkeys(chain) if id in known):
            before.add(later, earlier)
    # Time is a chain of moments between the messages. Of two at the same time the start of
    # a post comes first: nothing follows from an answer that came at that very moment.
    moments = set()
    for id, (start, end) in clock_scale(history).items():
        before.add(id, (start, 0))
        before.add((end, 1), id)
        moments |= {(start, 0), (end, 1)}
    for moment, next_moment in pairwise(sorted(moments)):
        before.add(next_moment, moment)
    try:
        before.prepare()
    except CycleError as error:
        ids = [node for node in error.args[1] if isinstance(node, str)]
        yield Violation("P6", f"No order fits what was seen of {', '.join(ids)}.")


def oldest_claimed_first(history: QueueHistory) -> Violations:
    """P6: no claim passes over a message that was surely free from its start to its end."""
    free = sorted(surely_free(history))
    claims = sorted(history.claims, key=attrgetter("start"))
    for _, scale in scales(history):
        waiting: list[tuple[float, float, str]] = []
        entered = 0
        for claim in claims:
            while entered < len(free) and free[entered][0] < claim.start:
                _, until, id = free[entered]
                entered += 1
                if id in scale:
                    heappush(waiting, (scale[id][1], until, id))
            ids = {seen.id for seen in claim.messages}
            newest = max((scale[id][0] for id in ids if id in scale), default=-math.inf)
            reach = newest if ids else math.inf
            still = []
            while waiting and waiting[0][0] < reach:
                entry = heappop(waiting)
                if entry[1] <= claim.start:
                    continue
                still.append(entry)
                if claim.end < entry[1] and entry[2] not in ids:
                    name = claim.claim_id or f"of {claim.client} that got nothing"
                    yield Violation("P6", f"Claim {name} passed over {entry[2]}, which was free.")
                    break
            for entry in still:
                heappush(waiting, entry)


def nothing_repeated(history: QueueHistory) -> Violations:
    """P7: no reader is shown a message twice."""
    for walk in history.walks:
        shown = Counter(seen.id for page in walk.pages for seen in page.messages)
        for id, times in shown.items():
            if times > 1:
                yield Violation("P7", f"{walk.reader} was shown {id} {times} times.")


def nothing_skipped(history: QueueHistory) -> Violations:
    """P7: no reader gets past the place of a message that is there without seeing it.

    What the drain does not see is lost (P1), not skipped.
    """
    for walk in history.walks:
        if walk.reader == history.drain:
            continue
        for ruler, scale in scales(history):
            fronts: list[float] = []
            front = -math.inf
            for page in walk.pages:
                ahead = [scale[seen.id][0] for seen in page.messages if seen.id in scale]
                # A page that came back short shows all that was posted before it was asked for.
                if ruler is None and page.has_room:
                    ahead.append(page.start)
                front = max(front, *ahead, -math.inf)
                fronts.append(front)
            for id, (_, high) in scale.items():
                number = bisect_right(fronts, high)
                if number == len(fronts) or walk.page.get(id, math.inf) <= number:
                    continue
                if walk.pages[number].end < history.deleted_from(id):
                    yield Violation("P7", f"{walk.reader} skipped message {id}.")


def batches_whole(history: QueueHistory) -> Violations:
    """P8: what is seen of a batch is the whole batch, in one piece and in its order."""
    for post in history.posts:
        ids = [history.id_of.get(body) for body in post.bodies]
        known = [id for id in ids if id is not None]
        if known and not post.acknowledged:
            left = [
                id
                for id in known
                if id in history.drained or not math.isinf(history.deleted_from(id))
            ]
            if len(left) < len(ids):
                yield Violation("P8", f"Of a batch of {len(ids)} only {known} came to be.")
        for walk in history.walks:
            yield from _batch_in_walk(history, known, walk)


def _batch_in_walk(history: QueueHistory, batch: list[str], walk: Walk) -> Violations:
    places = [walk.position[id] for id in batch if id in walk.position]
    if not places:
        return
    if places != sorted(places):
        yield Violation("P8", f"{walk.reader} saw the batch {batch} out of its order.")
    elif places[-1] - places[0] >= len(places):
        yield Violation("P8", f"{walk.reader} saw others between the batch {batch}.")
    page: Page | None = walk.passed(max(places))
    for id in reversed(batch):
        if id in walk.page:
            page = walk.pages[walk.page[id]]
        elif page is not None and page.end < history.deleted_from(id):
            yield Violation("P8", f"{walk.reader} saw the batch {batch} without {id}.")


CHECKS: tuple[Callable[[QueueHistory], Violations], ...] = (
    nothing_lost,
    nothing_invented,
    one_live_claim,
    claims_last,
    deletes_final,
    one_order,
    oldest_claimed_first,
    nothing_repeated,
    nothing_skipped,
    batches_whole,
)


def clock_scale(history: QueueHistory) -> Scale:
    """Order by time: from the start of a message's post until it was known to be there."""
    return {id: (post.start, history.known[id]) for id, post in history.post_of.items()}


def scales(history: QueueHistory) -> Iterator[tuple[str | None, Scale]]:
    """Give all that is known of the order: by time (named `None`), and by each reader."""
    yield None, clock_scale(history)
    for walk in history.walks:
        yield walk.reader, {id: (place, place) for id, place in walk.position.items()}


def surely_live_until(history: QueueHistory, claim: Claim) -> float:
    """Until when a claim was live for certain, if it has a message left."""
    until = claim.start + claim.ttl
    for renewal in history.renewals.get(claim.claim_id, ()):
        if renewal.possible:
            renewed = renewal.start + renewal.ttl
            until = renewed if renewal.acknowledged else min(until, renewed)
    for release in history.releases.get(claim.claim_id, ()):
        if release.possible:
            until = min(until, release.start)
    return until


def perhaps_live_until(history: QueueHistory, claim: Claim) -> float:
    """From when on a claim was over for certain."""
    until = claim.end + claim.ttl
    for renewal in history.renewals.get(claim.claim_id, ()):
        if renewal.possible:
            renewed = renewal.end + renewal.ttl if renewal.acknowledged else math.inf
            until = max(until, renewed)
    for release in history.releases.get(claim.claim_id, ()):
        if release.acknowledged:
            until = min(until, release.end)
    return until


def surely_free(history: QueueHistory) -> Iterator[tuple[float, float, str]]:
    """Give the spans (since, until, message id) in which a message was free for certain.

    A claim whose answer was lost may hold any message from its start on, unless another was
    given that message while the lost claim would still have been live.
    """
    taken: dict[str, list[Claim]] = defaultdict(list)
    for claim in sorted(history.claims, key=attrgetter("start")):
        for seen in claim.messages:
            taken[seen.id].append(claim)
    over = {claim.claim_id: perhaps_live_until(history, claim) for claim in history.claims}
    lost_from = min((claim.start for claim in history.unanswered_claims), default=math.inf)
    lost_until = min(
        (claim.start + claim.ttl for claim in history.unanswered_claims), default=math.inf
    )
    for id, since in history.known.items():
        deleted = history.deleted_from(id)
        for claim in taken[id]:
            until = min(claim.start, deleted)
            if claim.end >= lost_until:
                until = min(until, lost_from)
            if since < until:
                yield since, until, id
            since = max(since, over[claim.claim_id])
        until = min(deleted, lost_from)
        if since < until:
            yield since, until, id
