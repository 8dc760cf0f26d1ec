"""The documentation has everything that there is, and nothing that there is not."""

import argparse
import ast
import re
from functools import cache
from inspect import signature
from pathlib import Path

import falcon
import pytest
from falcon.routing.util import map_http_methods
from keystoneauth1 import loading
from keystonemiddleware import auth_token

from marconi_server.api import errors
from marconi_server.api.app import routes
from marconi_server.cli import _parser, _registration_parser
from marconi_server.config.options import options
from marconi_server.config.reference import sections
from marconi_server.config.settings import SECTIONS, Settings
from marconi_server.server.answers import Refusal
from marconi_server.storage.mongodb.driver import MongoDBOptions
from marconi_server.storage.sqlite.driver import SQLiteOptions, SQLiteStore
from tests.docs.markdown import CHECKOUT, Page, page, pages
from tests.mongodb import search

PACKAGE = sorted((CHECKOUT / "marconi_server").rglob("*.py"))

GENERATED = "docs/reference/configuration.md"

ALL_TEXT = "\n".join(page.text for page in pages())

OPTIONS = [each for section in sections() for each in options(section)]

FOREIGN = {
    option.dest
    for options_ in (
        *(options_ for _, options_ in auth_token.list_opts()),
        loading.get_auth_plugin_conf_options("password"),
    )
    for option in options_
}
"""The options of [keystone_authtoken]."""

each_page = pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)


@cache
def words_of_the_code() -> set[str]:
    """All words in the code of the project."""
    files = [*PACKAGE, *CHECKOUT.glob("tests/**/*.py"), *CHECKOUT.glob("examples/*.py")]
    files += [CHECKOUT / name for name in ("pyproject.toml", "tox.ini", ".ci/run")]
    return {word for file in files for word in re.findall(r"\w+", file.read_text())}


# Options


def test_every_option_is_documented() -> None:
    assert {MongoDBOptions, SQLiteOptions, *SECTIONS} == set(sections())
    text = page(GENERATED).text
    missing = [each.name for each in OPTIONS if f"| `{each.name}` |" not in text]
    assert missing == []


@each_page
def test_no_option_is_invented(page: Page) -> None:
    """What is written as `name = value` is an option, and so is a value in a table of them."""
    names = {name for each in OPTIONS for _, name in each.names} | FOREIGN
    written = {match[1] for code in page.code() if (match := re.match(r"(\w+) = ", code))}
    assert written <= names | {"name"}  # `name = value` speaks of all of them


@each_page
def test_no_name_is_out_of_date(page: Page) -> None:
    """Every name with an underscore occurs in the code: options, parameters, functions."""
    known = words_of_the_code() | FOREIGN
    code = " ".join(code for code in page.code() if "/" not in code)
    names = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", code))
    assert names <= known


@each_page
def test_no_group_is_invented(page: Page) -> None:
    groups = {group for each in OPTIONS for group, _ in each.names} | {"keystone_authtoken"}
    written = {match[1] for code in page.code() if (match := re.fullmatch(r"\[([\w:]+)\]", code))}
    assert written <= groups


# The command


def _of_keystoneauth() -> argparse.ArgumentParser:
    """Make a parser of the flags that every client of OpenStack has, and its own page explains."""
    parser = argparse.ArgumentParser(add_help=False)
    loading.register_auth_argparse_arguments(parser, [], default="password")
    loading.register_session_argparse_arguments(parser)
    return parser


def flags(parser: argparse.ArgumentParser) -> set[str]:
    return {
        flag
        for action in parser._actions
        for flag in action.option_strings
        if flag.startswith("--")
    }


FLAGS = flags(_parser())
FLAGS_OF_REGISTER = flags(_registration_parser([]))
OF_KEYSTONEAUTH = flags(_of_keystoneauth())


def test_every_flag_and_command_is_documented() -> None:
    running, register = (
        page(f"docs/operations/{name}.md").text for name in ("running", "register")
    )
    assert [flag for flag in sorted(FLAGS) if f"`{flag}" not in running] == []
    own = FLAGS_OF_REGISTER - OF_KEYSTONEAUTH
    assert [flag for flag in sorted(own) if f"`{flag}" not in register] == []
    for action in _parser()._actions:
        for command in action.choices or ():
            assert f"`marconi-server {command}`" in running


@each_page
def test_no_flag_is_invented(page: Page) -> None:
    lines = [line for block in page.blocks() for line in block.text.splitlines()]
    for line in [*lines, *page.code()]:
        _, command, arguments = line.partition("marconi-server ")
        if command:
            known = FLAGS_OF_REGISTER if arguments.startswith("register") else FLAGS
            assert set(re.findall(r"--[a-z-]+", arguments)) <= known


# Environment variables


@cache
def read_variables() -> set[str]:
    """The variables that the package reads by name."""
    found = set()
    for path in PACKAGE:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= set(re.findall(r"^(?:MARCONI|OS|XDG)_[A-Z_]+$", node.value))
    return found


def test_every_variable_is_documented() -> None:
    variables = read_variables()
    assert "MARCONI_CONFIG_FILE" in variables
    assert [name for name in sorted(variables) if name not in ALL_TEXT] == []


@each_page
def test_no_variable_is_invented(page: Page) -> None:
    known = {name for each in OPTIONS for name in each.variables}
    known |= read_variables() | {search.VARIABLE}
    known |= {f"OS_KEYSTONE_AUTHTOKEN__{name.upper()}" for name in ("", *FOREIGN)}
    known |= {flag[2:].upper().replace("-", "_") for flag in OF_KEYSTONEAUTH}
    code = "\n".join([*page.code(), *(block.text for block in page.blocks())])
    assert set(re.findall(r"\b(?:MARCONI|OS|XDG)_\w+", code)) <= known | {"OS_"}


# The API


def test_every_operation_is_documented(tmp_path: Path) -> None:
    store = SQLiteStore.open(SQLiteOptions(database=str(tmp_path / "marconi.db")))
    operations = {
        f"{method} {path}"
        for path, resource in routes(Settings(), store)
        for method in map_http_methods(resource)
    }
    store.close()
    api = page("docs/api.md")
    written = {
        code for heading in api.headings() for code in re.findall(r"`([A-Z]+ /v1[^`]*)`", heading)
    }
    assert written == operations


def errors_in_the_code() -> set[tuple[str, str]]:
    """Status and title of every error document."""
    found = {(refusal.value[0][:3], refusal.value[1]) for refusal in Refusal}
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, falcon.HTTPError):
            error = kind(*("x" for _ in signature(kind).parameters))
            found.add((str(error.status_code), error.title or ""))
    return found


def test_the_errors_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| (\d+) \| `([^`]+)` \|", page("docs/errors.md").text, re.MULTILINE)
    assert len(rows) > 10
    assert sorted(rows) == sorted(errors_in_the_code())


# Links and tests


@each_page
def test_links_lead_somewhere(page: Page) -> None:
    for link in page.links():
        path, _, anchor = link.partition("#")
        target = page.path if not path else (page.path.parent / path).resolve()
        assert target.exists(), link
        assert target.is_relative_to(CHECKOUT), link
        if anchor:
            assert anchor in Page(target).anchors(), link


def test_every_page_is_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [CHECKOUT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            links = [link.partition("#")[0] for link in Page(path).links()]
            waiting += [(path.parent / link).resolve() for link in links if link.endswith(".md")]
    assert {page.path for page in pages()} <= seen


@each_page
def test_files_and_tests_that_are_named_exist(page: Page) -> None:
    pattern = r"(?<![\w/.~])(?:tests|marconi_server|examples|etc|docs)/[\w./-]*\w(?:::\w+)?"
    for code in page.code():
        for name in re.findall(pattern, code):
            path, _, function = name.partition("::")
            assert (CHECKOUT / path).exists(), name
            if function:
                assert f"def {function}(" in (CHECKOUT / path).read_text(), name


def test_every_promise_has_a_test() -> None:
    text = page("docs/guarantees.md").text
    parts = re.split(r"^### (P\d+)", text.partition("## Not promised")[0], flags=re.MULTILINE)
    promises = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert list(promises) == [f"P{number}" for number in (*range(1, 11), 12)]
    for promise, part in promises.items():
        assert re.search(r"Shown by:[\s\S]*::test_", part), promise
