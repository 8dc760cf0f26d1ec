"""Cases H: listing queues."""

import pytest

from tests.api.client import JSON, Client, assert_empty, assert_error, next_link, query_of

THIRTEEN = [f"q{n:02}" for n in range(13)]


@pytest.mark.case(81)
def test_none(client: Client) -> None:
    assert_empty(client.get("/v1/queues"), 204)


@pytest.mark.case(82)
def test_one(client: Client) -> None:
    client.create("samplequeue")
    answer = client.get("/v1/queues")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == JSON
    assert answer.headers["Content-Location"] == "/v1/queues"
    assert answer.json() == {
        "queues": [{"name": "samplequeue", "href": "/v1/queues/samplequeue"}],
        "links": [{"rel": "next", "href": "/v1/queues?marker=samplequeue"}],
    }


@pytest.mark.case(83)
def test_ten_sorted_by_name(client: Client) -> None:
    client.create(*reversed(THIRTEEN))
    assert client.names() == THIRTEEN[:10]


@pytest.mark.case(84)
def test_follow_next(client: Client) -> None:
    client.create(*THIRTEEN)
    second = client.get(next_link(client.get("/v1/queues")))
    assert [queue["name"] for queue in second.json()["queues"]] == THIRTEEN[10:]
    assert_empty(client.get(next_link(second)), 204)


@pytest.mark.case(85)
def test_link_repeats_limit(client: Client) -> None:
    client.create("q1", "q2", "q3")
    answer = client.get("/v1/queues?limit=2")
    assert [queue["name"] for queue in answer.json()["queues"]] == ["q1", "q2"]
    assert query_of(next_link(answer)) == {"limit": "2", "marker": "q2"}
    assert answer.headers["Content-Location"] == "/v1/queues?limit=2"


@pytest.mark.case(86)
def test_last_page_has_a_link(client: Client) -> None:
    client.create("q1", "q2", "q3")
    answer = client.get("/v1/queues?limit=5")
    assert len(answer.json()["queues"]) == 3
    assert client.get(next_link(answer)).status == 204


@pytest.mark.case(87, 89)
@pytest.mark.parametrize("query", ["", "?detailed=false"])
def test_without_metadata(client: Client, query: str) -> None:
    client.create("q1", "q2")
    client.put("/v1/queues/q1/metadata", {"a": 1})
    answer = client.get(f"/v1/queues{query}")
    assert answer.status == 200
    assert [set(queue) for queue in answer.json()["queues"]] == [{"name", "href"}] * 2


@pytest.mark.case(88)
def test_detailed(client: Client) -> None:
    client.create("q1", "q2")
    client.put("/v1/queues/q1/metadata", {"owner": {"name": "Zoë"}})
    answer = client.get("/v1/queues?detailed=true")
    first, second = answer.json()["queues"]
    assert first["metadata"] == client.get("/v1/queues/q1/metadata").json()
    assert first["metadata"] == {"owner": {"name": "Zoë"}}
    assert second["metadata"] == {}
    assert query_of(next_link(answer)) == {"detailed": "true", "marker": "q2"}


@pytest.mark.case(90)
@pytest.mark.parametrize(
    ("value", "detailed"), [("True", True), ("yes", True), ("False", False), ("no", False)]
)
def test_forms_of_detailed(client: Client, value: str, detailed: bool) -> None:
    client.create("q1")
    [queue] = client.get(f"/v1/queues?detailed={value}").json()["queues"]
    assert ("metadata" in queue) == detailed


@pytest.mark.case(91)
@pytest.mark.parametrize("value", ["1", "maybe"])
def test_bad_detailed(client: Client, value: str) -> None:
    answer = client.get(f"/v1/queues?detailed={value}")
    assert_error(answer, 400, "Invalid query parameter")


@pytest.mark.case(92, 93, 94)
@pytest.mark.parametrize("limit", [21, 1001, 0, -1, 10000000000000000000])
def test_limit_out_of_range(client: Client, limit: int) -> None:
    assert client.get("/v1/queues?limit=20").status == 204
    client.create("q1")
    assert client.get("/v1/queues?limit=20").status == 200
    assert_error(client.get(f"/v1/queues?limit={limit}"), 400, "Invalid API call")


@pytest.mark.case(95)
@pytest.mark.parametrize("limit", ["ten", "1.5"])
def test_limit_not_an_integer(client: Client, limit: str) -> None:
    answer = client.get(f"/v1/queues?limit={limit}")
    assert_error(answer, 400, "Invalid query parameter")


@pytest.mark.case(96)
def test_empty_limit(client: Client) -> None:
    client.create(*THIRTEEN)
    assert client.names("?limit=") == THIRTEEN[:10]


@pytest.mark.case(97)
def test_marker_behind_all(client: Client) -> None:
    client.create("q1", "q2")
    assert client.get("/v1/queues?marker=zzz").status == 204


@pytest.mark.case(98)
def test_marker_need_not_exist(client: Client) -> None:
    client.create("a", "c")
    assert client.names("?marker=b") == ["c"]


@pytest.mark.case(99)
def test_unknown_parameter(client: Client) -> None:
    client.create("a")
    assert client.names("?colour=red") == ["a"]


@pytest.mark.case(100)
def test_sorted_by_byte(client: Client) -> None:
    client.create("B", "_", "a", "-", "1")
    assert client.names() == ["-", "1", "B", "_", "a"]


@pytest.mark.case(101)
def test_no_project_is_a_scope_of_its_own(client: Client) -> None:
    nobody = client.of(None)
    nobody.create("unowned")
    client.create("owned")
    assert client.names() == ["owned"]
    assert nobody.names() == ["unowned"]


@pytest.mark.case(102)
def test_projects_that_differ_in_the_last_digit(client: Client) -> None:
    projects = {digit: client.of(f"480924{digit}") for digit in (1, 2)}
    for digit, project in projects.items():
        project.create("q3")
        project.put("/v1/queues/q3/metadata", {"digit": digit})
    for digit, project in projects.items():
        [queue] = project.get("/v1/queues?detailed=true").json()["queues"]
        assert queue["name"] == "q3"
        assert queue["metadata"] == {"digit": digit}


@pytest.mark.case(103)
@pytest.mark.parametrize("project", ["a.c", "a*", "("])
def test_project_is_not_a_pattern(client: Client, project: str) -> None:
    client.of("abc").create("theirs")
    assert client.of(project).names() == []
    client.of(project).create("mine")
    assert client.of(project).names() == ["mine"]
