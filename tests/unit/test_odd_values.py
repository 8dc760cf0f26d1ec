"""Every option takes odd values, or refuses them in one line, which gives no secret away."""

import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from traceback import format_exception
from typing import NamedTuple

import pytest
from keystoneauth1 import loading
from keystonemiddleware import auth_token

from marconi_server import cli, logs
from marconi_server.auth import authtoken, roles
from marconi_server.config.files import parsed, read_files
from marconi_server.config.masking import text_without_secrets
from marconi_server.config.options import Option, SettingsError, options
from marconi_server.config.settings import SECTIONS
from marconi_server.storage.mongodb import startup
from marconi_server.storage.mongodb.driver import MongoDBOptions
from marconi_server.storage.sqlite.driver import SQLiteOptions

SECRET = "hunter2"

ODD = (
    "",
    " ",
    "\t",
    '"',
    "''",
    "#",
    "[",
    "=",
    "%s",
    "$",
    "$$",
    "$nothing",
    "\0",
    "a\0b",
    "a\vb",
    "\x1b[2J",
    "\u2028",
    "ü€😀",
    "-1",
    "1e9",
    "0x10",
    "9" * 5000,
    "x" * 300,
    "x/" * 3000,
    ".",
    "..",
    "/",
    "//",
    "/.",
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/proc/self/mem",
    "a folder",
    "a pipe",
    "locked",
    "true",
    "None",
    "[::1]",
    "[::1]:80",
    "127.0.0.1:80",
    "::1%lo",
    "http://[::1",
    f"mongodb://user:{SECRET}@127.0.0.1:1/",
    f"http://user:{SECRET}@127.0.0.1:1/v3",
)

SECRETS = (
    f"mongodb//user:{SECRET}@127.0.0.1:1/",
    f"mongodb:/user:{SECRET}@127.0.0.1:1/",
    f"user:{SECRET}@127.0.0.1:1",
    f"mongodb://user:{SECRET}",
    f"mongodb://user:{SECRET}/x@127.0.0.1:1/",
    f"mongodb://user:{SECRET}@x@127.0.0.1:1/",
    f"mongodb://user:%{SECRET}@127.0.0.1:1/",
    f"mongodb://127.0.0.1:1/?maxPoolSize={SECRET}",
    f"mongodb://127.0.0.1:1/?{SECRET}",
    f"mongodb://127.0.0.1:{SECRET}/",
    f"http//user:{SECRET}@127.0.0.1:1/v3",
)

OF_LIBRARIES = (
    "",
    "$",
    "\0",
    "-1",
    "9" * 5000,
    "/",
    "/dev/zero",
    "a pipe",
    "http://[::1",
    *ODD[-2:],
)
"""Values for the many options of libraries, which mostly read them as ours are read."""

IN_THE_ENVIRONMENT = ("", " ", "a\nb", "\udcff", "x" * 300, ".", f"mongodb://u:{SECRET}@h")
"""Values that no file can hold, and some that it can."""


SECRETS_IN_THE_ENVIRONMENT = (f"mongodb:/user:{SECRET}\n@h", f"mongodb://user:{SECRET}\n")


class Outcome(NamedTuple):
    status: int
    output: str
    errors: str


Check = Callable[[str], Outcome]


@pytest.fixture
def check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Check]:
    """Give what runs `marconi-server check` on a configuration, in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(startup, "CONNECT_SECONDS", 0.05)
    (tmp_path / "a folder").mkdir()
    (tmp_path / "locked").touch(mode=0)
    os.mkfifo(tmp_path / "a pipe")
    root = logging.getLogger()
    before, level = root.handlers[:], root.level

    def check(text: str) -> Outcome:
        file = tmp_path / "marconi.conf"
        file.write_text(text, errors="surrogateescape", newline="")
        root.handlers = []
        try:
            status = cli.main(["check", "--lenient", "--config-file", str(file)])
        finally:
            for handler in root.handlers:
                handler.flush()
                handler.close()
            root.handlers = before
        return Outcome(status, *capfd.readouterr())

    yield check
    root.setLevel(level)


def prove(outcome: Outcome) -> None:
    """Make sure that an outcome is a success, or one line that says why not."""
    assert SECRET not in outcome.output + outcome.errors
    assert "Traceback" not in outcome.errors
    lines = outcome.errors.splitlines()
    rest = [line for line in lines if not re.match(r"\S+ WARNING \[-\] ", line)]
    if outcome.status == 0:
        assert rest == []
        assert outcome.output.endswith("All is well.\n")
    else:
        assert outcome.status == 2
        (line,) = rest
        assert line.startswith("marconi-server: ")


def base(option: Option, folder: Path) -> str:
    storage = "mongodb" if option.group == MongoDBOptions.GROUP else "sqlite"
    text = f"[drivers]\nstorage = {storage}\n"
    if option.name != "database":
        text += f"[drivers:storage:sqlite]\ndatabase = {folder}/q.db\n"
    if storage == "mongodb" and option.name != "uri":
        text += f"[drivers:storage:mongodb]\nuri = mongodb://user:{SECRET}@127.0.0.1:1/?w=1;x=2\n"
    return text


OPTIONS = [
    each for section in (*SECTIONS, SQLiteOptions, MongoDBOptions) for each in options(section)
]

NUMBERS = [each for each in OPTIONS if each.kind in (int, float, bool)]

TEXTS = [each for each in OPTIONS if each not in NUMBERS and each.name != "policy_file"]
"""Of which almost everything can be said, and that goes on to whoever uses it."""


def each_of(chosen: Sequence[Option]) -> pytest.MarkDecorator:
    names = [f"{option.group}-{option.name}" for option in chosen]
    return pytest.mark.parametrize("option", chosen, ids=names)


@each_of(NUMBERS)
def test_an_odd_number(option: Option) -> None:
    """It is refused as it is read; all of them are read in the same way."""
    for value in (*ODD, *IN_THE_ENVIRONMENT):
        try:
            assert isinstance(option.read(value), option.kind)
        except SettingsError as error:
            prove(Outcome(cli.FAILED, "", f"marconi-server: {logs.in_one_line(str(error))}"))


@each_of(TEXTS)
def test_an_odd_value_in_a_file(option: Option, check: Check, tmp_path: Path) -> None:
    for value in (*ODD, *(SECRETS if option.secret else ())):
        prove(check(f"{base(option, tmp_path)}[{option.group}]\n{option.name} = {value}\n"))


@each_of(TEXTS)
def test_an_odd_value_in_the_environment(
    option: Option, check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in (*IN_THE_ENVIRONMENT, *(SECRETS_IN_THE_ENVIRONMENT if option.secret else ())):
        monkeypatch.setenv(option.variables[0], value)
        prove(check(base(option, tmp_path)))


def prove_refused(error: SettingsError) -> None:
    prove(Outcome(cli.FAILED, "", f"marconi-server: {logs.in_one_line(str(error))}"))
    assert SECRET not in text_without_secrets("".join(format_exception(error)))


def test_an_odd_value_of_keystone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is right here is used with the first token only; `check` tells what does not work."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "a pipe")
    good = {
        "auth_url": "http://127.0.0.1:1/v3",
        "auth_type": "password",
        "username": "queues",
        "password": SECRET,
    }
    of_libraries = [options for _, options in auth_token.list_opts()]
    of_libraries.append(loading.get_auth_plugin_conf_options("password"))
    file = tmp_path / "marconi.conf"
    for name in sorted(each.dest for found in of_libraries for each in found):
        may_be_secret = re.search("password|secret|auth_ur", name)
        for value in (*OF_LIBRARIES, *(SECRETS if may_be_secret else ())):
            section = {**good, name: value}
            lines = [f"{each} = {section[each]}" for each in section]
            file.write_text("\n".join(["[keystone_authtoken]", *lines]))
            try:
                found = authtoken.read(parsed(read_files([str(file)]), use_env=False))
            except SettingsError as error:
                prove_refused(error)
            else:
                assert SECRET not in logs.in_one_line(f"{found.describe()} {found.public_url}")


def test_an_odd_policy_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "a pipe")
    for value in ODD:
        try:
            file = roles.find(value, [str(tmp_path)])
            if file:
                roles.read(file)
        except SettingsError as error:
            prove_refused(error)
