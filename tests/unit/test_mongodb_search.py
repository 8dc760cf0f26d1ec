"""The tests find a MongoDB in the order that CONTRIBUTING.md gives."""

import os
import subprocess
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from tests.mongodb import plugin, search


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Start from a machine without a URI, and with nothing on PATH."""
    monkeypatch.delenv(search.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))


def install(folder: Path) -> Path:
    program = folder / "mongod"
    program.touch(mode=0o755)
    return program


def test_a_uri_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(tmp_path)
    monkeypatch.setenv(search.VARIABLE, "mongodb://user:secret@one,two:27018/?replicaSet=x")
    assert search.given_uri() == "mongodb://user:secret@one,two:27018/?replicaSet=x"
    assert plugin.origin() == "one:27017,two:27018 (MARCONI_TEST_MONGODB)"


def test_an_empty_uri_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(search.VARIABLE, "")
    assert search.given_uri() is None


def test_the_command_comes_second(tmp_path: Path) -> None:
    program = install(tmp_path)
    assert search.mongod() == program
    assert plugin.origin() == str(program)


def test_the_package_comes_third() -> None:
    try:
        program = search.mongod()
    except search.NoMongoDB:
        pytest.skip(f"{search.PACKAGE} is not for this platform")
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("db version v")
    assert program.parts[-4:] == ("fiftyone", "db", "bin", "mongod")


def test_without_any_the_reason_says_what_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(search, "files", not_installed)
    with pytest.raises(search.NoMongoDB) as caught:
        search.mongod()
    for word in search.VARIABLE, "PATH", search.PACKAGE:
        assert word in str(caught.value)
    assert plugin.pytest_report_header() == f"mongodb: none. {caught.value}"


@pytest.mark.parametrize("in_ci", [True, False])
def test_without_any_a_test_is_skipped_and_in_ci_fails(
    monkeypatch: pytest.MonkeyPatch, in_ci: bool
) -> None:
    if in_ci:
        monkeypatch.setenv("CI", "true")
    else:
        monkeypatch.delenv("CI", raising=False)
    outcome = pytest.fail.Exception if in_ci else pytest.skip.Exception
    with pytest.raises(outcome, match="nowhere"), plugin._required():
        raise search.NoMongoDB("nowhere")
    assert os.environ["PATH"]  # the outcome came from the block, not from the fixture
