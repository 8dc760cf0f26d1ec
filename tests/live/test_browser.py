"""What pages of other origins can do to an open server, in a real browser: nothing."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.browser import MARK, REDIRECTION, Page, browser
from tests.support.live import LiveServer
from tests.support.programs import find, free_port

CONFIG = "[drivers:transport:wsgi]\naccess_log = true\n"

POST = [{"ttl": 300, "body": "of the page"}]
CLAIM = {"ttl": 300, "grace": 300}

# All that a page may send without asking the server first (a "simple request"), and what it may
# not. It reports when each of them has come to its end.
ATTACKS = """
const queue = %(target)s + "/v1/queues/q";
const claim = %(claim)s, post = %(post)s;
const plain = {"Content-Type": "text/plain"}, custom = {"Client-ID": "page"};

const attacks = {
  "simple claim": () => fetch(queue + "/claims", {method: "POST", headers: plain, body: claim}),
  "opaque claim": () => fetch(queue + "/claims", {method: "POST", mode: "no-cors", body: claim}),
  "opaque post": () => fetch(queue + "/messages", {method: "POST", mode: "no-cors", body: post}),
  "redirected claim": () => fetch(%(redirection)s + queue + "/claims",
    {method: "POST", mode: "no-cors", body: claim}),
  "XHR claim": () => new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.onload = done, request.onerror = failed;
    request.open("POST", queue + "/claims");
    request.send(claim);
  }),
  "beacon claim": async () => {
    if (!navigator.sendBeacon(queue + "/claims", claim)) throw "not sent";
  },
  "form claim": () => new Promise((done, failed) => {
    document.body.insertAdjacentHTML("beforeend", `<iframe name=frame></iframe>
      <form method=POST enctype=text/plain target=frame><input type=hidden></form>`);
    const form = document.querySelector("form"), input = document.querySelector("input");
    form.action = queue + "/claims";
    input.name = claim.slice(0, -1) + ', "x": "';
    input.value = '"}';
    document.querySelector("iframe").onload = done;
    setTimeout(done, 2000);  // an answer without content does not load
    form.submit();
  }),
  "post": () => fetch(queue + "/messages", {method: "POST", headers: custom, body: post}),
  "create": () => fetch(queue + "2", {method: "PUT"}),
  "describe": () => fetch(queue + "/metadata", {method: "PUT", body: "{}"}),
  "renew": () => fetch(queue + "/claims/c", {method: "PATCH", body: claim}),
  "delete messages": () => fetch(queue + "/messages?ids=x", {method: "DELETE"}),
  "delete": () => fetch(queue, {method: "DELETE"}),
  "list": () => fetch(queue + "/messages", {headers: custom}),
  "look": () => fetch(%(target)s + "/v1/queues"),
};
const results = {};
for (const [name, attack] of Object.entries(attacks))
  try {
    const answer = await attack();
    results[name] = answer instanceof Response && answer.type !== "opaque" ?
      [answer.status, await answer.text()] : "sent";
  } catch (error) {
    results[name] = "blocked";
  }
"""

SENT = {
    *("opaque claim", "opaque post", "redirected claim", "beacon claim", "form claim"),
    *("simple claim", "XHR claim"),  # of which the page then gets no answer
}
"""The attacks of which a request reaches the server."""


def attacks(target: str, redirection: str) -> str:
    values = {
        "target": target,
        "redirection": redirection,
        "claim": json.dumps(CLAIM),
        "post": json.dumps(POST),
    }
    return ATTACKS % {name: json.dumps(value) for name, value in values.items()}


def fill(server: LiveServer) -> None:
    """Make a queue with two messages and metadata."""
    queue = f"{server.url}/v1/queues/q"
    requests.put(queue, timeout=60).raise_for_status()
    requests.put(f"{queue}/metadata", json={"kept": True}, timeout=60).raise_for_status()
    message = [{"ttl": 300, "body": "secret"}] * 2
    requests.post(
        f"{queue}/messages", json=message, headers={"Client-ID": "owner"}, timeout=60
    ).raise_for_status()


def state(server: LiveServer) -> dict[str, Any]:
    """What the server has."""
    queues = requests.get(f"{server.url}/v1/queues", timeout=60).json()["queues"]
    stats = requests.get(f"{server.url}/v1/queues/q/stats", timeout=60).json()["messages"]
    metadata = requests.get(f"{server.url}/v1/queues/q/metadata", timeout=60).json()
    return {
        "queues": [queue["name"] for queue in queues],
        "free": stats["free"],
        "claimed": stats["claimed"],
        "metadata": metadata,
    }


FILLED = {"queues": ["q"], "free": 2, "claimed": 0, "metadata": {"kept": True}}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    find("chromium")
    with LiveServer(tmp_path, config=CONFIG, workers=1) as server:
        yield server


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "evil.example"])
def test_a_page_of_another_origin_changes_nothing(
    host: str, server: LiveServer, tmp_path: Path
) -> None:
    fill(server)
    script = f"{attacks(server.url, REDIRECTION)} report(results);"
    with closing(Page(script)) as page, browser(tmp_path, f"http://{host}:{page.port}/"):
        results = page.report()
        # A beacon has no end that its page would hear of.
        sent = len(SENT) + 1  # one was ours
        server.wait_until(lambda: logged(server, '"POST') == sent, 60, "was not reached by all")
        assert state(server) == FILLED
    assert logged(server, '" 403 ') == len(SENT)
    assert "sent" in results.values()
    assert set(results.values()) == {"sent", "blocked"}, "the page has read an answer"


def logged(server: LiveServer, text: str) -> int:
    """Count the lines of the access log that have this text."""
    return server.log().count(text)


REBINDING = """
report("loaded");
for (;;)
  try {
    const answer = await fetch("/v1", {cache: "no-store"});
    if (!answer.headers.has(%s)) break;
  } catch (error) {
    await new Promise(done => setTimeout(done, 50));
  }
"""


def test_a_page_whose_name_leads_to_the_server_reads_and_changes_nothing(tmp_path: Path) -> None:
    """DNS rebinding: first the name is that of the page's server, then that of ours.

    Here the server behind the name and the port is exchanged, which to a browser is the same.
    """
    find("chromium")
    port = free_port()
    origin = f"http://evil.example:{port}"
    script = REBINDING % json.dumps(MARK) + attacks("", "") + "report(results);"
    with (
        closing(Page("")) as listener,
        closing(Page(script, port, reports_to=listener)) as page,
        browser(tmp_path, origin),
    ):
        assert listener.report() == "loaded"
        page.close()
        with LiveServer(tmp_path, port=port, config=CONFIG, workers=1) as server:
            fill(server)
            results = listener.report()
            assert state(server) == FILLED
    assert len(results) > 10
    answers = {name: result for name, result in results.items() if isinstance(result, list)}
    assert {"look", "list", "create", "delete"} <= answers.keys(), "to the browser it is one origin"
    for status, text in answers.values():
        assert status == 421
        assert "secret" not in text
