"""Programs that tests need and pip does not bring."""

import os
import shutil

import pytest


def find(program: str) -> str:
    """Return the path of a program; without it, a test is skipped, and fails in CI."""
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if path is None:
        if "CI" in os.environ:
            pytest.fail(f"{program} is not installed")
        pytest.skip(f"{program} is not installed")
    return path
