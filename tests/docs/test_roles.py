"""The page about role rules names all of them, and its examples do what it says."""

import os
import re
import sysconfig
from pathlib import Path

import pytest

from marconi_server.api.v1.operations import OPERATIONS, Operation
from marconi_server.auth import roles
from marconi_server.auth.roles import ATTRIBUTES, RoleRules
from tests.docs.markdown import CHECKOUT, Block, page
from tests.support.command import run

PAGE = page("docs/operations/roles.md")
SAMPLE = Path("etc/policy.yaml.sample")
GENERATOR = os.path.join(sysconfig.get_path("scripts"), "oslopolicy-sample-generator")

ALL = {operation.rule for operation in OPERATIONS}
READING = {
    *("home", "health", "queues:list", "queues:exists", "queues:metadata:get", "queues:stats"),
    *("messages:list", "messages:get", "claims:get"),
}


def example(heading: str, folder: Path) -> RoleRules:
    """Read the policy file that stands under a heading of the page."""
    (text,) = (block.text for block in PAGE.blocks() if block.heading == heading)
    file = folder / "policy.yaml"
    file.write_text(text)
    return RoleRules(roles.read(str(file)))


def allowed(rules: RoleRules, roles: str) -> set[str]:
    return {rule for rule in ALL if rules.allows(rule, {"HTTP_X_ROLES": roles})}


def test_the_sample_is_not_stale(tmp_path: Path) -> None:
    made = tmp_path / "policy.yaml"
    arguments = ["--namespace", "marconi", "--output-file"]
    assert run(*arguments, str(made), command=[GENERATOR]).returncode == 0
    remedy = f"run oslopolicy-sample-generator {' '.join(arguments)} {SAMPLE}"
    assert (CHECKOUT / SAMPLE).read_text() == made.read_text(), f"stale: {remedy}"


def requests(operation: Operation) -> str:
    *others, last = operation.methods
    return "".join(f"`{method}` and " for method in others) + f"`{last} {operation.path}`"


def test_the_table_has_every_rule_with_its_requests() -> None:
    rows = re.findall(r"^\| `([a-z:_]+)` \| (`.*?`)(?:, .*)? \|$", PAGE.text, re.MULTILINE)
    rows = [row for row in rows if "/v1" in row[1]]
    assert rows == [(operation.rule, requests(operation)) for operation in OPERATIONS]


def test_everything_that_a_rule_can_look_at_is_on_the_page() -> None:
    for attribute in ATTRIBUTES:
        assert f"`{attribute}:" in PAGE.text


def test_producers_and_consumers(tmp_path: Path) -> None:
    rules = example("Producers that cannot claim, consumers that cannot post", tmp_path)
    reading = READING - {"claims:get"}
    assert allowed(rules, "producer") == reading | {"messages:post"}
    assert allowed(rules, "consumer") == READING | {
        *("messages:delete", "claims:create", "claims:renew", "claims:release")
    }
    assert allowed(rules, "member,reader") == ALL
    assert allowed(rules, "other") == reading


def test_an_auditor(tmp_path: Path) -> None:
    rules = example("An auditor that can only read", tmp_path)
    assert allowed(rules, "reader") == READING
    assert allowed(rules, "member,reader") == ALL


@pytest.mark.parametrize("block", [block for block in PAGE.blocks() if block.language == "yaml"])
def test_all_examples_are_policy_files(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(block.text)
    assert roles.read(str(file))
