"""Role rules: which operations a caller may use, decided by oslo.policy.

By default any role will do: who has a role in a project may do everything with its queues.
A policy file changes single rules, in the language of oslo.policy. It is read together with
the configuration, and what is wrong in it stops the start: a rule that nobody understands must
not turn out to be one that lets everybody pass, or nobody.

This module is imported only where an authentication strategy is set; without one there are no
roles.
"""

import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from logging.handlers import BufferingHandler
from pathlib import Path
from typing import Any, Final

from oslo_config import cfg
from oslo_policy import policy

from marconi_server.api.v1.operations import OPERATIONS
from marconi_server.config.files import check_regular
from marconi_server.config.options import SettingsError
from marconi_server.config.settings import Policy

ANYBODY: Final = "@"
"""The rule that lets everybody pass: the default of every operation on a project's own queues."""

DEFAULT_FILE: Final = "policy.yaml"
"""The policy file, if there is one of this name, where the options name none."""

ATTRIBUTES: Final = {
    "role": "HTTP_X_ROLES",
    "user_id": "HTTP_X_USER_ID",
    "user_domain_id": "HTTP_X_USER_DOMAIN_ID",
    "project_id": "HTTP_X_PROJECT_ID",
    "project_domain_id": "HTTP_X_PROJECT_DOMAIN_ID",
}
"""What a rule may look at, and the WSGI variable in which the authentication left it."""

_REFERENCE: Final = re.compile(r"\brule:([^\s()]+)")

MOST_DECISIONS: Final = 4096
"""Decisions that a process remembers, so that hardly any request waits for a rule."""


class RoleRules:
    """Decides what a caller may do. Safe to use from several threads."""

    def __init__(self, changed: Mapping[str, str]) -> None:
        """Take the defaults, and the rules of a policy file that change them.

        :raises SettingsError: a rule is not one that could be decided here
        """
        texts = {each.name: each.check_str for each in defaults()} | dict(changed)
        _check_names(texts)
        checks = {name: _parse(name, text) for name, text in texts.items()}
        _check_references(checks)
        looked_at = set().union(*map(_attributes, checks, checks.values()))
        self._attributes = sorted(looked_at)
        self._variables = [ATTRIBUTES[each] for each in self._attributes]
        self._open = frozenset(name for name, each in checks.items() if str(each) == ANYBODY)
        self._enforcer = policy.Enforcer(_no_options(), use_conf=False)
        self._enforcer.set_rules(checks)
        self._remembered = lru_cache(MOST_DECISIONS)(self._decide)

    def is_open(self, rule: str) -> bool:
        """Tell whether a rule lets everybody pass, whoever it is."""
        return rule in self._open

    def allows(self, rule: str, environ: Mapping[str, Any]) -> bool:
        """Decide whether the caller of a WSGI request may use the operation of a rule."""
        return self._remembered(rule, *map(environ.get, self._variables))

    def _decide(self, rule: str, *values: str | None) -> bool:
        """Ask oslo.policy; `values` are those of the attributes that the rules look at."""
        known = zip(self._attributes, values, strict=True)
        caller: dict[str, Any] = {name: value for name, value in known if value}
        # A caller reaches its own project only, so that is also the owner of what it reaches.
        target = {"project_id": caller["project_id"]} if "project_id" in caller else {}
        caller["roles"] = caller["role"].split(",") if "role" in caller else []
        return bool(self._enforcer.enforce(rule, target, caller))


def defaults() -> list[policy.DocumentedRuleDefault]:
    """Return the rules in code; also the entry point for the tools of oslo.policy."""
    return [
        policy.DocumentedRuleDefault(
            each.rule,
            ANYBODY,
            each.description,
            [{"path": each.path, "method": method} for method in each.methods],
        )
        for each in OPERATIONS
    ]


def find(named: str, folders: Sequence[str]) -> str:
    """Return the path of the policy file, empty if there is none.

    `named` is what the options name: an absolute path, one within the first of the folders
    that has it, or empty for `DEFAULT_FILE`, which may be missing.

    :raises SettingsError: a file is named that is not there
    """
    places = [os.path.join(folder, named or DEFAULT_FILE) for folder in folders]
    for place in places:
        if os.path.lexists(place):
            return place
    if named:
        raise SettingsError(
            f"option policy_file of [{Policy.GROUP}] is {named!r}, but there is no file "
            f"{' or '.join(dict.fromkeys(places))}"
        )
    return ""


def read(file: str) -> dict[str, str]:
    """Return the rules of a policy file, and make sure of them.

    :raises SettingsError: it cannot be read, or `RoleRules` would refuse what it says
    """
    try:
        rules = _parse_file(file)
        RoleRules(rules)
    except SettingsError as error:
        raise SettingsError(f"{file}: {error}") from error
    return rules


def _parse_file(file: str) -> dict[str, str]:
    try:
        check_regular(file)
        content = policy.parse_file_contents(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError("cannot be read: it is not text in UTF-8") from error
    except ValueError as error:
        # APPSEC: what the parser says repeats the line, and this may be the wrong file.
        mark = getattr(error.__context__, "problem_mark", None)
        where = "" if mark is None else f" (line {mark.line + 1}, column {mark.column + 1})"
        raise SettingsError(f"is not YAML{where}") from None
    if not isinstance(content, dict):
        raise SettingsError("has to be a mapping of rules, as in 'claims:create': 'role:worker'")
    for name, text in content.items():
        if not (isinstance(name, str) and isinstance(text, str)):
            raise SettingsError(f"rule {name} has to be text, as in 'role:worker'")
    return content


def _check_names(texts: Mapping[str, str]) -> None:
    """Make sure that each rule has an effect.

    APPSEC: before anything else, since other complaints repeat what a rule says. A file with other
    names is no policy file, but perhaps one with secrets, of which only a name is shown.

    :raises SettingsError: one is of no operation, and no other refers to it
    """
    operations = {each.rule for each in OPERATIONS}
    referred = {name for text in texts.values() for name in _REFERENCE.findall(text)}
    for name in sorted(texts.keys() - operations - referred):
        similar = get_close_matches(name, operations, n=1, cutoff=0.8)
        hint = f"; did you mean {similar[0]}?" if similar else ""
        raise SettingsError(f"rule {name} is of no operation, and no other rule refers to it{hint}")


def _parse(name: str, text: str) -> Any:
    """Make a check of the text of a rule.

    :raises SettingsError: it is not one
    """
    with _complaints() as complaints:
        check = policy.RuleDefault(name, text).check
    if complaints:
        raise SettingsError(f"rule {name} is {text!r}, which makes no sense as a rule")
    return check


@contextmanager
def _complaints() -> Iterator[Sequence[logging.LogRecord]]:
    """Collect what oslo.policy logs as errors: it tells nothing else of rules that do not parse."""
    logger = logging.getLogger("oslo_policy")
    handler = BufferingHandler(sys.maxsize)
    handler.setLevel(logging.ERROR)
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield handler.buffer
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate


def _leaves(check: Any) -> Iterator[policy.Check]:
    """Walk through a tree of checks to those that look at something."""
    if isinstance(check, policy.Check):
        yield check
    elif isinstance(check, policy.NotCheck):
        yield from _leaves(check.rule)
    elif isinstance(check, policy.AndCheck | policy.OrCheck):
        for each in check.rules:
            yield from _leaves(each)


def _attributes(name: str, check: Any) -> set[str]:
    """Return which attributes of the caller a rule looks at.

    :raises SettingsError: it looks at something else
    """
    found = set()
    for leaf in _leaves(check):
        if leaf.kind == "rule":
            continue
        if leaf.kind not in ATTRIBUTES:
            raise SettingsError(
                f"rule {name} looks at {leaf.kind!r}, but can look at "
                f"{', '.join(ATTRIBUTES)} and at another rule"
            )
        found.add(leaf.kind)
        if "%" in leaf.match:
            found.add("project_id")
            _check_placeholders(name, leaf.match)
    return found


def _check_placeholders(name: str, text: str) -> None:
    try:
        text % {"project_id": ""}
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(
            f"rule {name} has {text!r}, but the only placeholder is %(project_id)s"
        ) from error


def _check_references(checks: Mapping[str, Any]) -> None:
    """Make sure that rules refer to rules that exist, and without circles.

    :raises SettingsError: that is not so
    """
    references = {
        name: {leaf.match for leaf in _leaves(check) if leaf.kind == "rule"}
        for name, check in checks.items()
    }
    for name, others in references.items():
        for other in sorted(others - checks.keys()):
            raise SettingsError(f"rule {name} refers to rule {other}, which does not exist")
    try:
        TopologicalSorter(references).prepare()
    except CycleError as error:
        raise SettingsError(f"rules go in a circle: {' -> '.join(error.args[1])}") from error


def _no_options() -> cfg.ConfigOpts:
    """Make a configuration of defaults: the rules come from here, and not from files of its own."""
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[], default_config_dirs=[], use_env=False)
    return conf
