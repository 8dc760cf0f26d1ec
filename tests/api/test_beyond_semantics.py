"""Promises of the spec that no case of the list covers: what operations do.

Missing queues, isolation of projects, deletion, time, paging, configured limits.
"""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from marconi_server.storage.conformance import ManualClock
from tests.api.client import (
    C1,
    C2,
    Answer,
    Client,
    Queue,
    assert_empty,
    assert_error,
    hrefs_of,
    id_of,
    ids_query,
    next_link,
    query_of,
)

MESSAGE = [{"ttl": 300, "body": 1}]
CLAIM = {"ttl": 300, "grace": 100}

QUEUE_OPERATIONS = [
    ("GET", "", None, 404, 204),
    ("HEAD", "", None, 404, 204),
    ("PUT", "", None, 201, 204),
    ("DELETE", "", None, 204, 204),
    ("GET", "/metadata", None, 404, 200),
    ("PUT", "/metadata", {"a": 1}, 404, 204),
    ("GET", "/stats", None, 404, 200),
    ("POST", "/messages", MESSAGE, 404, 201),
    ("GET", "/messages", None, 204, 204),
    ("GET", "/messages?ids={message}", None, 204, 204),
    ("DELETE", "/messages?ids={message}", None, 204, 204),
    ("GET", "/messages/{message}", None, 404, 404),
    ("DELETE", "/messages/{message}", None, 204, 204),
    ("DELETE", "/messages/{message}?claim_id={claim}", None, 204, 204),
    ("POST", "/claims", CLAIM, 204, 204),
    ("GET", "/claims/{claim}", None, 404, 404),
    ("PATCH", "/claims/{claim}", {"ttl": 300}, 404, 404),
    ("DELETE", "/claims/{claim}", None, 204, 204),
]
"""Operations with their status on a queue that does not exist (spec 8), and on an empty one."""

OPERATION = ("method", "path", "body", "on_missing", "on_empty")


@pytest.mark.parametrize(OPERATION, QUEUE_OPERATIONS)
def test_missing_queue(
    client: Client,
    missing: Queue,
    method: str,
    path: str,
    body: Any,
    on_missing: int,
    on_empty: int,
) -> None:
    url = missing.path + path.format(message="m", claim="c")
    assert client.request(method, url, body, client_id=C1).status == on_missing
    exists = client.get(missing.path).status == 204
    assert exists == (method == "PUT" and path == "")


@pytest.mark.parametrize(OPERATION, QUEUE_OPERATIONS)
@pytest.mark.parametrize("exists", [False, True], ids=["missing", "same name"])
def test_projects_are_isolated(
    client: Client,
    other: Client,
    queue: Queue,
    exists: bool,
    method: str,
    path: str,
    body: Any,
    on_missing: int,
    on_empty: int,
) -> None:
    client.put(f"{queue.path}/metadata", {"secret": True})
    message, claimed = queue.post_n(2)
    claim, _ = queue.claimed("?limit=1")

    def seen_by_owner() -> list[Any]:
        paths = (f"{queue.path}/metadata", f"{queue.path}/stats", message, claimed, claim)
        return [client.get(path).json() for path in paths]

    before = seen_by_owner()
    if exists:
        other.create(queue.name)
    url = queue.path + path.format(message=id_of(message), claim=id_of(claim))
    answer = other.request(method, url, body, client_id=C2)
    assert answer.status == (on_empty if exists else on_missing)
    assert b"secret" not in answer.body
    assert seen_by_owner() == before
    assert client.names() == [queue.name]


@pytest.mark.parametrize("project", ["None", "null", "-", "0"])
def test_no_project_is_no_word(client: Client, project: str) -> None:
    client.of(None).create("q")
    assert client.of(project).names() == []


def test_project_and_name_are_not_run_together(client: Client) -> None:
    pairs = [("a", "bc"), ("ab", "c"), ("a/b", "c"), ("a", "b_c"), ("a_b", "c"), ("a-b", "c")]
    for project, name in pairs:
        client.of(project).create(name)
    for project in {project for project, _ in pairs}:
        assert client.of(project).names() == sorted(n for p, n in pairs if p == project)


CLAIM_IDS = ["none", "live", "released", "expired", "another", "unknown", "malformed"]

DELETION = {
    "unclaimed": {"none": (204, False), "malformed": (204, True)},
    "claimed": {"none": (403, True), "live": (204, False), "malformed": (204, True)},
}
"""Spec 6.8: status, and whether the message is kept; 403 and kept for all other claim ids."""

GONE = ["missing", "malformed", "deleted", "expired", "other queue", "other project", "no queue"]


@dataclass
class Scene:
    """A target under a live claim, other messages, and claim ids by what they are to the target."""

    target: str
    bystander: str
    expired: str
    claim_ids: dict[str, str | None]

    def delete(self, client: Client, href: str, given: str) -> Answer:
        claim_id = self.claim_ids[given]
        return client.delete(href if claim_id is None else f"{href}?claim_id={claim_id}")


@pytest.fixture
def scene(client: Client, queue: Queue, clock: ManualClock) -> Scene:
    target, bystander, short_lived = queue.post_ttls([1000, 1000, 60])
    released, _ = queue.claimed("?limit=1")
    client.delete(released)
    expired, _ = queue.claimed("?limit=1", ttl=60)
    clock.advance(61)
    live, _ = queue.claimed("?limit=1")
    another, _ = queue.claimed("?limit=1")
    elsewhere = Queue(client, "elsewhere")
    client.create("elsewhere")
    elsewhere.post_n(1)
    unknown, _ = elsewhere.claimed()
    paths = {
        "live": live,
        "released": released,
        "expired": expired,
        "another": another,
        "unknown": unknown,
    }
    claim_ids: dict[str, str | None] = {name: id_of(path) for name, path in paths.items()}
    claim_ids |= {"none": None, "malformed": "no;claim"}
    return Scene(target, bystander, short_lived, claim_ids)


@pytest.mark.parametrize("given", CLAIM_IDS)
@pytest.mark.parametrize("state", DELETION)
def test_deletion_of_a_visible_message(
    client: Client, queue: Queue, scene: Scene, state: str, given: str
) -> None:
    if state == "unclaimed":
        client.delete(f"{queue.claims}/{scene.claim_ids['live']}")
    status, kept = DELETION[state].get(given, (403, True))
    answer = scene.delete(client, scene.target, given)
    assert answer.status == status
    if status == 403:
        assert_error(answer, 403, "Unable to delete")
    assert (client.get(scene.target).status == 200) == kept
    assert client.get(scene.bystander).status == 200


@pytest.mark.parametrize("given", CLAIM_IDS)
@pytest.mark.parametrize("state", GONE)
def test_deletion_of_a_message_that_is_not_there(
    client: Client, other: Client, queue: Queue, scene: Scene, state: str, given: str
) -> None:
    if state == "deleted":
        scene.delete(client, scene.target, "live")
    url = {
        "missing": scene.target.replace("/messages/", "/messages/x"),
        "malformed": f"{queue.messages}/no;message",
        "expired": scene.expired,
        "other queue": scene.target.replace(queue.name, "elsewhere"),
        "no queue": scene.target.replace(queue.name, "nowhere"),
    }.get(state, scene.target)
    sender = other if state == "other project" else client
    assert_empty(scene.delete(sender, url, given), 204)
    kept = [scene.bystander] if state == "deleted" else [scene.target, scene.bystander]
    assert queue.listed("?echo=true&include_claimed=true") == kept


def test_expiry_is_exact(client: Client, queue: Queue, clock: ManualClock) -> None:
    [short, long] = queue.post_ttls([60, 300])
    claim, _ = queue.claimed("?limit=2", ttl=60, grace=60)
    client.delete(claim)
    assert client.get(short).json()["ttl"] == 120
    claim, _ = queue.claimed("?limit=2", ttl=100, grace=60)
    clock.advance(99.5)
    assert client.get(claim).json()["age"] == 99
    clock.advance(0.5)
    assert client.get(claim).status == 404
    assert queue.listed() == [short, long]
    assert queue.counts() == (0, 2, 2)
    clock.advance(59.5)
    assert client.get(short).json()["age"] == 159
    clock.advance(0.5)
    assert client.get(short).status == 404
    assert hrefs_of(client.get(queue.messages + ids_query([short, long])).json()) == [long]
    assert queue.listed() == queue.listed("?echo=true&include_claimed=true") == [long]
    assert queue.counts() == (0, 1, 1)
    assert queue.claimed()[1] == [long]


def test_reported_ttl_is_never_lowered(client: Client, queue: Queue, clock: ManualClock) -> None:
    [href] = queue.post_n(1, ttl=300)
    clock.advance(250)
    queue.claimed(ttl=60, grace=60)
    assert client.get(href).json()["ttl"] == 300
    clock.advance(119)
    assert client.get(href).json()["age"] == 369
    clock.advance(1)
    assert client.get(href).status == 404


def test_grace_of_a_renewal(client: Client, queue: Queue, clock: ManualClock) -> None:
    [href] = queue.post_n(1, ttl=60)
    claim, _ = queue.claimed(ttl=60, grace=60)
    assert client.patch(claim, {"ttl": 100, "grace": 50}).status == 204
    assert client.get(href).json()["ttl"] == 150
    clock.advance(149)
    assert client.get(href).status == 200
    clock.advance(1)
    assert client.get(href).status == 404


def test_old_marker_does_not_hide_messages_of_a_new_queue(client: Client, queue: Queue) -> None:
    queue.post_n(5)
    link = next_link(queue.page("?echo=true"))
    client.delete(queue.path)
    client.put(queue.path)
    hrefs = queue.post_n(1)
    assert hrefs_of(client.get(link, client_id=C1).json()["messages"]) == hrefs


def test_marker_outlives_a_claimed_or_expired_message(
    client: Client, queue: Queue, clock: ManualClock
) -> None:
    hrefs = queue.post_ttls([300, 60, 300])
    after_first = next_link(queue.page("?echo=true&limit=1"))
    after_second = next_link(queue.page("?echo=true&limit=2"))
    queue.claimed("?limit=1", ttl=300)
    clock.advance(61)
    for link in (after_first, after_second):
        answer = client.get(link, client_id=C1)
        assert hrefs_of(answer.json()["messages"]) == hrefs[2:]


def test_stats_pass_over_what_has_expired(client: Client, queue: Queue, clock: ManualClock) -> None:
    _, alive, _ = queue.post_ttls([60, 300, 60])
    clock.advance(60)
    stats = client.get(f"{queue.path}/stats").json()["messages"]
    assert stats["oldest"] == stats["newest"]
    assert (stats["oldest"]["href"], stats["oldest"]["age"]) == (alive, 60)


def test_bulk_get_is_in_queue_order(client: Client, queue: Queue) -> None:
    hrefs = queue.post_n(3)
    answer = client.get(queue.messages + ids_query(reversed(hrefs)))
    assert hrefs_of(answer.json()) == hrefs


UUID = "5f2c9cd4-91a3-4b6e-a0f3-0d6c7f9e8b1a"


@pytest.mark.limits(client_id_uuid_safe="strict")
@pytest.mark.parametrize(
    "form", [UUID.upper(), UUID.replace("-", ""), f"{{{UUID}}}", f"urn:uuid:{UUID}"]
)
def test_forms_of_a_strict_client_id(queue: Queue, form: str) -> None:
    hrefs = queue.post_n(1, client_id=form)
    assert queue.page(client_id=UUID).status == 204
    assert queue.listed("", str(uuid4())) == hrefs


@pytest.mark.parametrize("blank", [" ", "\t", " \t "])
def test_blank_client_id(queue: Queue, blank: str) -> None:
    assert_error(queue.post(MESSAGE, client_id=blank), 400, "Invalid API call")
    assert_error(queue.page(client_id=blank), 400, "Invalid API call")


def test_repeated_parameters(client: Client, queue: Queue) -> None:
    hrefs = queue.post_n(4)
    first, second, third, _ = map(id_of, hrefs)
    # The last one wins, except for lists.
    assert queue.listed("?limit=3&limit=2&echo=false&echo=true") == hrefs[:2]
    answer = client.get(f"{queue.messages}?ids={first}&ids={second},{third}")
    assert hrefs_of(answer.json()) == hrefs[:3]
    assert client.delete(f"{queue.messages}?ids={first},{second}&ids={third}").status == 204
    assert queue.listed() == hrefs[3:]


def test_link_has_canonical_parameters(client: Client, queue: Queue) -> None:
    queue.post_n(1)
    query = query_of(next_link(queue.page("?echo=yes&include_claimed=no&limit=%2B05&marker=&x=1")))
    del query["marker"]
    assert query == {"echo": "true", "include_claimed": "false", "limit": "5"}
    query = query_of(next_link(client.get("/v1/queues?detailed=no&limit=")))
    assert query == {"detailed": "false", "marker": queue.name}


@pytest.mark.parametrize(
    ("echo", "is_object"),
    [("true", True), ("no", True), ("1", False), ("", False)],
)
def test_shape_of_bulk_get(client: Client, queue: Queue, echo: str, is_object: bool) -> None:
    [href] = queue.post_n(1)
    answer = client.get(f"{queue.messages}?ids={id_of(href)}&echo={echo}")
    messages = answer.json()["messages"] if is_object else answer.json()
    assert hrefs_of(messages) == [href]


def test_empty_items_of_a_list_count(client: Client, queue: Queue) -> None:
    [href] = queue.post_n(1)
    assert client.get(f"{queue.messages}?ids={id_of(href)}{',' * 19}").status == 200
    answer = client.get(f"{queue.messages}?ids={id_of(href)}{',' * 20}")
    assert_error(answer, 400, "Invalid API call")


@pytest.mark.limits(max_queues_per_page=3, max_messages_per_page=4, max_messages_per_claim=5)
def test_default_page_shrinks_with_the_largest(client: Client, queue: Queue) -> None:
    hrefs = queue.post_n(6)
    client.create("q1", "q2", "q3")
    assert len(client.names()) == 3
    assert queue.listed("?echo=true") == hrefs[:4]
    assert queue.claimed()[1] == hrefs[:5]


@pytest.mark.limits(max_queues_per_page=50, max_messages_per_page=60, max_messages_per_claim=70)
def test_default_page_does_not_grow_with_the_largest(client: Client, queue: Queue) -> None:
    hrefs = queue.post_n(70)
    client.create(*(f"a{n:02}" for n in range(50)))
    assert len(client.names()) == 10
    assert len(client.names("?limit=50")) == 50
    assert queue.listed("?echo=true") == hrefs[:10]
    assert queue.listed("?echo=true&limit=60") == hrefs[:60]
    assert client.get(f"{queue.messages}?ids={','.join(map(id_of, hrefs[:60]))}").status == 200
    assert queue.claimed("?limit=70")[1] == hrefs


@pytest.mark.limits(max_message_ttl=100, max_claim_ttl=110, max_claim_grace=120)
def test_configured_lives(client: Client, queue: Queue) -> None:
    assert queue.post([{"ttl": 101, "body": 1}]).status == 400
    queue.post_n(1, ttl=100)
    assert queue.claim("", 111, 120).status == 400
    assert queue.claim("", 110, 121).status == 400
    claim, _ = queue.claimed("", 110, 120)
    assert client.patch(claim, {"ttl": 111}).status == 400
    assert client.patch(claim, {"ttl": 110, "grace": 121}).status == 400
    assert client.patch(claim, {"ttl": 110, "grace": 120}).status == 204


@pytest.mark.limits(max_messages_per_post=2)
def test_configured_number_of_messages(queue: Queue) -> None:
    assert_error(queue.post(MESSAGE * 3), 400, "Invalid API call")
    assert queue.post(MESSAGE * 2).status == 201
