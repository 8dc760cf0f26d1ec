"""The floors of the package: imports go down, never up and never in a circle."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "marconi_server"

HERE = Path(__file__).parents[2]

FLOORS = (
    ("cli", "__main__"),
    ("server",),
    ("wsgi", "logs", "log_writer"),
    ("api",),
    ("config.load", "config.unused", "config.reference"),
    ("auth",),
    ("storage",),
    # Names of operations, which the API and role rules both speak of, and nothing but that.
    ("api.v1.operations", "api.v1"),
    (
        "config",
        "config.files",
        "config.masking",
        "config.options",
        "config.reader",
        "config.settings",
    ),
    ("", "waiting", "request_ids"),
)
"""The modules of each floor, from the top; a package stands for all in it not named elsewhere."""

EXACT = {"", "config", "api.v1"}
"""Packages that stand for their `__init__` alone."""


def modules(folder: Path) -> dict[str, Path]:
    """Find the modules of the package, by their names in it."""
    found = {}
    for file in sorted((folder / PACKAGE).rglob("*.py")):
        parts = file.relative_to(folder / PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports(file: Path, names: set[str]) -> Iterator[str]:
    """Find which modules of the package a file imports, anywhere in it, also for types only."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            named = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: imports have full names"
            # What is imported may be a module itself, or stand in one.
            named = [f"{node.module}.{each.name}" for each in node.names]
        else:
            continue
        for each in named:
            head, _, name = each.partition(".")
            if head == PACKAGE:
                yield name if name in names else name.rpartition(".")[0]


def floor(name: str) -> int:
    """Return the floor of a module, 0 for the lowest."""
    for length in range(name.count(".") + 1, 0, -1):
        package = ".".join(name.split(".")[:length])
        for number, here in enumerate(reversed(FLOORS)):
            if package in here and (package == name or package not in EXACT):
                return number
    assert name == "", f"{name} is on no floor: give it one in FLOORS"
    return 0


def violations(folder: Path) -> list[str]:
    """Say what is wrong with the imports of a package, a line each."""
    files = modules(folder)
    graph = {name: set(imports(file, set(files))) - {name} for name, file in files.items()}
    lines = [
        f"{name} imports {each}, which is on a higher floor"
        for name, imported in graph.items()
        for each in sorted(imported)
        if floor(each) > floor(name)
    ]
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        lines.append(f"imports go in a circle: {' <- '.join(error.args[1])}")
    return lines


def test_imports_go_down_only_and_never_in_a_circle() -> None:
    assert violations(HERE) == []


def test_all_modules_are_looked_at() -> None:
    files = modules(HERE)
    assert {"", "cli", "api.app", "api.v1.queues", "storage.sqlite.driver"} <= files.keys()
    assert len(files) > 60


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("storage/a.py", "from marconi_server.api import app", "storage.a imports api.app"),
        ("api/v1/a.py", "import marconi_server.server.worker", "api.v1.a imports server.worker"),
        ("auth/a.py", "def f():\n    from marconi_server import cli", "auth.a imports cli"),
        (
            "config/settings.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import marconi_server.auth",
            "config.settings imports auth",
        ),
        ("api/errors.py", "from marconi_server.api import app", "imports go in a circle"),
    ],
)
def test_a_wrong_import_is_found_wherever_it_stands(
    tmp_path: Path, file: str, text: str, complaint: str
) -> None:
    for path, content in {
        "__init__.py": "",
        "cli.py": "",
        "api/__init__.py": "",
        "api/app.py": "from marconi_server.api import errors",
        "auth/__init__.py": "",
        "server/worker.py": "",
        file: text,
    }.items():
        module = tmp_path / PACKAGE / path
        module.parent.mkdir(parents=True, exist_ok=True)
        module.write_text(content)
    (line,) = violations(tmp_path)
    assert line.startswith(complaint)
