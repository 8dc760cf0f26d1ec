"""Role rules: what they decide, and what is not taken for a rule."""

import logging
import os
from pathlib import Path
from traceback import format_exception

import pytest

from marconi_server.api.v1.operations import OPERATIONS
from marconi_server.auth import roles
from marconi_server.auth.roles import RoleRules
from marconi_server.config.load import load
from marconi_server.config.options import SettingsError
from marconi_server.config.settings import Policy, Settings

SAMPLE = Path(__file__).parents[2] / "etc" / "policy.yaml.sample"

CALLER = {
    "HTTP_X_ROLES": "reader,Worker",
    "HTTP_X_USER_ID": "u1",
    "HTTP_X_USER_DOMAIN_ID": "d1",
    "HTTP_X_PROJECT_ID": "p1",
    "HTTP_X_PROJECT_DOMAIN_ID": "d2",
}


def decide(text: str, caller: dict[str, str] = CALLER, **others: str) -> bool:
    return RoleRules({"claims:create": text, **others}).allows("claims:create", caller)


def refusal(rules: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        RoleRules(rules)
    line = str(caught.value)
    assert "\n" not in line
    return line


# What rules decide


def test_by_default_everybody_may_do_everything() -> None:
    rules = RoleRules({})
    for operation in OPERATIONS:
        assert rules.is_open(operation.rule)
        assert rules.allows(operation.rule, CALLER)
        assert rules.allows(operation.rule, {})


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("@", True),
        ("", True),
        ("!", False),
        ("role:reader", True),
        ("role:worker", True),  # Keystone's names of roles have no case
        ("role:work", False),
        ("role:reader and role:worker", True),
        ("role:admin or role:worker", True),
        ("role:admin and role:worker", False),
        ("not role:admin", True),
        ("not role:worker", False),
        ("role:reader and not (role:worker or role:admin)", False),
        ("user_id:u1", True),
        ("user_id:p1", False),
        ("user_domain_id:d1", True),
        ("project_id:p1", True),
        ("project_id:p2", False),
        ("project_domain_id:d2", True),
        ("project_domain_id:d1", False),
        ("project_id:%(project_id)s", True),
        ("role:p1-%(project_id)s", False),
    ],
)
def test_decisions(text: str, allowed: bool) -> None:
    assert decide(text) is allowed


@pytest.mark.parametrize(
    "text",
    ["role:reader", "role:", "user_id:u1", "user_id:None", "user_id:", "project_id:%(project_id)s"],
)
def test_who_is_nobody_has_no_attributes(text: str) -> None:
    assert not decide(text, {})


def test_a_rule_may_refer_to_another() -> None:
    text = "role:admin or rule:consumer"
    assert decide(text, consumer="role:worker")
    assert not decide(text, consumer="rule:boss", boss="role:chief")
    assert not decide("not rule:consumer", consumer="role:worker")
    refers_to_an_operation = {"claims:create": text, "consumer": "rule:claims:get"}
    rules = RoleRules({**refers_to_an_operation, "claims:get": "!"})
    assert not rules.allows("claims:create", CALLER)


def test_a_rule_changes_its_operation_only() -> None:
    rules = RoleRules({"claims:create": "!"})
    assert [each.rule for each in OPERATIONS if not rules.is_open(each.rule)] == ["claims:create"]


def test_decisions_are_remembered_by_what_the_rules_look_at() -> None:
    rules = RoleRules({"claims:create": "role:worker"})
    for number in range(100):
        assert rules.allows("claims:create", {**CALLER, "HTTP_X_USER_ID": str(number)})
    assert rules._remembered.cache_info().currsize == 1
    assert not rules.allows("claims:create", {**CALLER, "HTTP_X_ROLES": "reader"})
    assert rules.allows("claims:create", CALLER)
    assert rules._remembered.cache_info().currsize == 2


def test_decisions_about_users_are_not_mixed_up_and_bounded() -> None:
    rules = RoleRules({"claims:create": "user_id:u7", "messages:post": "not user_id:u7"})
    for number in range(roles.MOST_DECISIONS):
        caller = {**CALLER, "HTTP_X_USER_ID": f"u{number}"}
        assert rules.allows("claims:create", caller) is (number == 7)
        assert rules.allows("messages:post", caller) is (number != 7)
    assert rules._remembered.cache_info().currsize == roles.MOST_DECISIONS


# What is no rule


@pytest.mark.parametrize(
    "text",
    ["worker", "role:a role:b", "role:a or", "role:a or or role:b", "(role:a", "role:a or worker"],
)
def test_what_does_not_parse_is_refused_and_not_logged(
    text: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    assert refusal({"claims:create": text}) == (
        f"rule claims:create is {text!r}, which makes no sense as a rule"
    )
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_a_refusal_leaves_the_log_of_the_library_as_it_was(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refusal({"claims:create": "worker"})
    logging.getLogger("oslo_policy").error("heard")
    assert caplog.messages == ["heard"]


@pytest.mark.parametrize("text", ["is_admin:True", "http://127.0.0.1/", "'x':y", "roles:a", ":a"])
def test_what_a_rule_cannot_look_at_is_refused(text: str) -> None:
    line = refusal({"claims:create": f"role:a or not {text}"})
    assert line == (
        f"rule claims:create looks at {text.split(':')[0]!r}, but can look at role, user_id, "
        "user_domain_id, project_id, project_domain_id and at another rule"
    )


@pytest.mark.parametrize("text", ["role:%(queue)s", "role:100%", "role:%d"])
def test_a_wrong_placeholder_is_refused(text: str) -> None:
    line = refusal({"claims:create": text})
    assert line == (
        f"rule claims:create has {text[5:]!r}, but the only placeholder is %(project_id)s"
    )


def test_a_reference_to_nothing_is_refused() -> None:
    line = refusal({"claims:create": "role:a or not rule:consumer"})
    assert line == "rule claims:create refers to rule consumer, which does not exist"


def test_a_rule_without_effect_is_refused() -> None:
    line = refusal({"claim:create": "role:a"})
    assert line == (
        "rule claim:create is of no operation, and no other rule refers to it; "
        "did you mean claims:create?"
    )
    assert refusal({"default": "!"}).endswith("no other rule refers to it")


@pytest.mark.parametrize(
    "rules",
    [
        {"claims:create": "rule:claims:create"},
        {"claims:create": "not rule:a", "a": "role:x or rule:b", "b": "rule:claims:create"},
    ],
)
def test_a_circle_is_refused(rules: dict[str, str]) -> None:
    assert refusal(rules).startswith("rules go in a circle: ")


# The policy file


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    file = tmp_path / "etc" / "marconi.conf"
    file.write_text("[drivers]\nstorage = sqlite\n")
    return file


def test_without_a_file_there_are_the_defaults(config: Path) -> None:
    assert roles.find("", [str(config.parent)]) == ""


def test_the_default_file_is_beside_a_configuration_file(tmp_path: Path, config: Path) -> None:
    folders = [str(tmp_path), str(config.parent)]
    (config.parent / "policy.yaml").write_text("claims:create: role:a\n")
    assert roles.find("", folders) == f"{config.parent}/policy.yaml"
    (tmp_path / "policy.yaml").write_text("claims:create: role:b\n")
    assert roles.find("", folders) == f"{tmp_path}/policy.yaml"


def test_a_file_is_named_by_an_absolute_path_or_one_beside(tmp_path: Path, config: Path) -> None:
    file = config.parent / "rules.yaml"
    file.touch()
    for named in (str(file), "rules.yaml"):
        assert roles.find(named, [str(tmp_path), str(config.parent)]) == str(file)


def test_a_named_file_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        roles.find("rules.yaml", [str(tmp_path), str(tmp_path)])
    assert str(caught.value) == (
        "option policy_file of [oslo_policy] is 'rules.yaml', but there is no file "
        f"{tmp_path}/rules.yaml"
    )


def test_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text('# nothing\n"claims:create": "role:a"\nmessages:post: rule:p\np: role:é\n')
    assert roles.read(str(file)) == {
        "claims:create": "role:a",
        "messages:post": "rule:p",
        "p": "role:é",
    }
    for nothing in ("", "# nothing\n", "{}\n", SAMPLE.read_text()):
        file.write_text(nothing)
        assert roles.read(str(file)) == {}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"\xff", "cannot be read: it is not text in UTF-8"),
        (b"a: [", "is not YAML (line 1, column 5)"),
        (b"- role:a\n", "has to be a mapping of rules, as in 'claims:create': 'role:worker'"),
        (b"role:a\n", "has to be a mapping of rules"),
        (b"claims:create:\n", "rule claims:create has to be text"),
        (b"claims:create: [[role:a]]\n", "rule claims:create has to be text"),
        (b"1: role:a\n", "rule 1 has to be text"),
        (b"claims:create: worker\n", "rule claims:create is 'worker', which makes no sense"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(
    content: bytes, complaint: str, tmp_path: Path
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        roles.read(str(file))
    line = str(caught.value)
    assert line.startswith(f"{file}: {complaint}")
    assert "\n" not in line


@pytest.mark.parametrize(
    "content",
    [
        "[keystone_authtoken]\npassword = hunter2\n",
        "password: hunter2\n",
        "password: hunter2:x\n",
        "password: [hunter2]\n",
        "claims:create: [hunter2]\n",
        "password: *hunter2\n",
        "password: !hunter2 x\n",
        "password: {hunter2\n",
        "- hunter2\n",
        "hunter2\n",
    ],
)
def test_of_a_file_that_is_none_nothing_is_repeated(content: str, tmp_path: Path) -> None:
    """The option may name the wrong file, such as the configuration itself."""
    file = tmp_path / "policy.yaml"
    file.write_text(content)
    with pytest.raises(SettingsError) as caught:
        roles.read(str(file))
    assert "hunter2" not in "".join(format_exception(caught.value))


def test_a_pipe_is_no_policy_file(tmp_path: Path) -> None:
    """It could be read once only, and nobody might write into it at all."""
    file = tmp_path / "policy.yaml"
    os.mkfifo(file)
    with pytest.raises(SettingsError, match="cannot be read: It is not a regular file"):
        roles.read(str(file))


def test_a_folder_is_no_policy_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        roles.read(str(tmp_path))


def test_without_authentication_no_policy_file_is_read(config: Path) -> None:
    (config.parent / "policy.yaml").write_text("nonsense")
    settings = load([str(config)])
    assert (settings.policy, settings.role_rules) == (Policy(), {})
    assert settings.role_rules == Settings().role_rules
