"""Paths of access rules: what they are for, and that nothing makes them slow."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marconi_server.auth.access_rules import LONGEST_PATH, matches


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/v1/queues", "/v1/queues"),
        ("/v1/queues/*", "/v1/queues/a.b"),
        ("/v1/queues/{queue_name}/stats", "/v1/queues/q/stats"),
        ("/v1/queues/**", "/v1/queues/q/messages/m"),
        ("/v1/queues/**", "/v1/queues/"),
        ("/v1/**/m", "/v1/queues/q/messages/m"),
        ("/v1/queues/prod-*/messages", "/v1/queues/prod-1/messages"),
        ("***", "/v1"),
        ("/a}{", "/a}{"),
    ],
)
def test_what_a_pattern_is_for(pattern: str, path: str) -> None:
    assert matches(path, pattern)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("", "/v1"),
        ("/v1/queues", "/v1/queues/"),
        ("/v1/queues", "/v1/queue"),
        ("/v1/queues/*", "/v1/queues/"),
        ("/v1/queues/*", "/v1/queues/q/messages"),
        ("/v1/{a}/{b}", "/v1/queues"),
        ("/v1/q.eues", "/v1/queues"),
        ("/v1/[a-z]{6}", "/v1/queues"),
        ("**", "/" * (LONGEST_PATH + 1)),
    ],
)
def test_what_a_pattern_is_not_for(pattern: str, path: str) -> None:
    assert not matches(path, pattern)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "/", "*", "**", "{x}"]), max_size=8), st.data())
def test_as_a_regular_expression_would_do_it(parts: list[str], data: st.DataObject) -> None:
    path = data.draw(st.text("ab/", max_size=12))
    pattern = "".join(parts)
    regex = re.sub(
        r"(\*(?!\*)|\{x\})|(\*\*)",
        lambda match: "[^/]+" if match[1] else ".*",
        pattern,
    )
    assert matches(path, pattern) == (re.fullmatch(regex, path) is not None)
