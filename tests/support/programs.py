"""Programs that tests need and the machine may not have, and a port for them."""

import os
import shutil
import socket

import pytest


def find(program: str, folders: str | None = None) -> str:
    """Return the path of a program; without it, a test is skipped, and fails in CI.

    It is looked for in these folders, or where the system has programs.
    """
    path = shutil.which(program, path=folders or f"{os.environ.get('PATH', '')}:/usr/sbin")
    if path is None:
        if "CI" in os.environ:
            pytest.fail(f"{program} is not installed")
        pytest.skip(f"{program} is not installed")
    return path


def free_port() -> int:
    """Return a port on which nobody listens now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
