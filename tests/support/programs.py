"""Programs that tests need and the machine may not have, and a port for them."""

import os
import shutil
import socket
import subprocess
from typing import Final, NoReturn

import pytest

_IS_TOO_OLD: Final = "import sys; sys.exit(sys.version_info < (3, 11))"


def find(program: str) -> str:
    """Return the path of a program; without it, a test is skipped, and fails in CI."""
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if path is None:
        _miss(program)
    return path


def find_file(path: str) -> str:
    """Return the path of a file that some package has; without it, as `find`."""
    if not os.path.exists(path):
        _miss(path)
    return path


def _miss(what: str) -> NoReturn:
    if "CI" in os.environ:
        pytest.fail(f"{what} is not installed")
    pytest.skip(f"{what} is not installed")


def system_python(path: str = "/usr/bin") -> str:
    """Return the Python of the system, if there is one on which the server runs."""
    python = shutil.which("python3", path=path)
    assert python is not None
    if subprocess.run([python, "-c", _IS_TOO_OLD], check=False).returncode:
        pytest.skip(f"{python} is too old")
    return python


def free_port() -> int:
    """Return a port on which nobody listens now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
