"""What the packaging says of dependencies holds together."""

import configparser
import re
import tomllib

from tests.docs.markdown import CHECKOUT, page

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement)[0]


def test_the_lowest_versions_are_those_that_are_tested() -> None:
    tox = configparser.ConfigParser()
    tox.read(CHECKOUT / "tox.ini")
    tested = dict(line.split("==") for line in tox["testenv:lowest"]["deps"].split())
    stated = {name(each): re.findall(r">=([\d.]+)", each) for each in PROJECT["dependencies"]}
    assert tested.keys() == stated.keys()
    for package, (lowest,) in stated.items():
        numbers = tested[package].split(".")
        assert numbers[: len(lowest.split("."))] == lowest.split(".")
        assert set(numbers[len(lowest.split(".")) :]) <= {"0"}


def test_every_dependency_has_its_reason() -> None:
    _, _, text = page("CONTRIBUTING.md").text.partition("## Dependencies")
    needed = {name(each) for each in [*PROJECT["dependencies"], *EXTRAS["test"]]}
    assert set(re.findall(r"^\| ([\w.-]+) \|", text, re.MULTILINE)) == needed | {"Package"}
    for each in [*EXTRAS["lint"], *EXTRAS["docs"]]:
        assert name(each) in text
