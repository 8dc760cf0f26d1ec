"""Cases A: the home document."""

from urllib.parse import urljoin

import pytest

from tests.api.client import Client, assert_empty, assert_error


@pytest.mark.case(1)
def test_home(client: Client) -> None:
    answer = client.get("/v1")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json-home"
    assert "max-age=86400" in (answer.headers["Cache-Control"] or "")
    assert isinstance(answer.json()["resources"], dict)


@pytest.mark.case(2)
def test_home_with_slash(client: Client) -> None:
    answer = client.get("/v1/")
    assert answer.status == 200
    assert answer.body == client.get("/v1").body


@pytest.mark.case(3)
def test_relations(client: Client) -> None:
    assert set(client.get("/v1").json()["resources"]) == {
        "rel/queues",
        "rel/queue",
        "rel/queue-metadata",
        "rel/queue-stats",
        "rel/messages",
        "rel/post-messages",
        "rel/claim",
    }


@pytest.mark.case(4)
def test_templates_begin_with_v1(client: Client) -> None:
    resources = client.get("/v1").json()["resources"].values()
    assert all(resource["href-template"].startswith("/v1/") for resource in resources)


@pytest.mark.case(5)
@pytest.mark.parametrize("base", ["https://host.example/v1", "https://host.example/v1/"])
def test_template_resolves_from_either_form(client: Client, base: str) -> None:
    template = client.get("/v1").json()["resources"]["rel/queue"]["href-template"]
    url = urljoin(base, template.replace("{queue_name}", "foo"))
    assert url == "https://host.example/v1/queues/foo"


@pytest.mark.case(6)
def test_hints(client: Client) -> None:
    resources = client.get("/v1").json()["resources"]
    assert {name: set(resource["hints"]["allow"]) for name, resource in resources.items()} == {
        "rel/queues": {"GET"},
        "rel/queue": {"GET", "HEAD", "PUT", "DELETE"},
        "rel/queue-metadata": {"GET", "PUT"},
        "rel/queue-stats": {"GET"},
        "rel/messages": {"GET"},
        "rel/post-messages": {"POST"},
        "rel/claim": {"POST"},
    }
    for name in ("rel/post-messages", "rel/claim"):
        assert resources[name]["hints"]["accept-post"] == ["application/json"]


@pytest.mark.case(7)
def test_accepts_its_own_media_type(client: Client) -> None:
    assert client.get("/v1", accept="application/json-home").status == 200


@pytest.mark.case(8)
def test_not_as_xml(client: Client) -> None:
    assert_empty(client.get("/v1", accept="application/xml"), 406)


@pytest.mark.case(9)
def test_empty_project(client: Client) -> None:
    assert_error(client.of("").get("/v1"), 400, "Empty project header not allowed")


@pytest.mark.case(10)
def test_no_post(client: Client) -> None:
    answer = client.post("/v1")
    assert_error(answer, 405, "Method not allowed")
    assert "GET" in answer.allow()
