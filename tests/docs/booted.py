"""A machine that boots systemd, made of this one, whose files stay as they are.

What it writes lies over the files of this machine, in memory, and is gone with it. It has
processes and a network of its own, which leads nowhere.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.support.programs import find

SECONDS: Final = 900.0
"""Bound of the wait for a machine to boot, do its work and end, which takes a minute."""

GROUP_SECONDS: Final = 5.0
"""Bound of the wait for processes that were killed."""

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
"""Where its programs are."""

# When it is killed, so is the first process in there, and with that all others.
_APART: Final = ("unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child")

_FILES: Final = """
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs {machine}
mkdir {machine}/above {machine}/work {machine}/root
mount -t overlay overlay \
  -o lowerdir=/,upperdir={machine}/above,workdir={machine}/work {machine}/root
"""

_BOOT: Final = """
cp {work}/work.service {machine}/root/etc/systemd/system
exec systemd-nspawn --quiet --boot --directory {machine}/root --machine marconi-{number} \
  --private-network --register=no --keep-unit --link-journal=no --console=pipe \
  --bind {work}:/work systemd.unit=work.service
"""

# The machine ends with the status of the script.
_UNIT: Final = """
[Unit]
SuccessAction=exit
FailureAction=exit

[Service]
Type=oneshot
WorkingDirectory=/work
Environment=PATH={path} {environment}
ExecStart=/bin/bash -eux /work/script
StandardOutput=append:/work/output
StandardError=inherit
"""


def require_one() -> None:
    """Skip a test on a machine that cannot boot another; in CI, a missing program fails it."""
    for program in ("systemd-nspawn", "unshare", "ip"):
        find(program)
    # What it takes is not to be had in most containers, and CI may be one.
    if os.geteuid() != 0:
        pytest.skip("booting a machine takes root")
    attempt = _FILES.format(machine="/mnt") + "test -w /sys/fs/cgroup"
    done = subprocess.run(
        [*_APART, "--net", "--ipc", "--uts", "--cgroup", "sh", "-euc", attempt],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"no namespaces, overlays or control groups to be had: {done.stderr.strip()}")


def boot(folder: Path, script: str, environment: str) -> str:
    """Boot a machine that runs the script as root, and return what it wrote.

    The files in `folder` are those of `/work` there, where the script runs.
    """
    (folder / "script").write_text(script)
    (folder / "work.service").write_text(_UNIT.format(path=PATH, environment=environment))
    machine = folder.parent / "machine"
    machine.mkdir()
    names = {"work": folder, "machine": machine, "number": os.getpid()}
    commands = (_FILES + _BOOT).format(**names)
    output = folder / "output"
    output.touch()
    with _no_groups_left():
        done = subprocess.run(
            [*_APART, "sh", "-euc", commands],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    assert done.returncode == 0, f"{done.stdout}\n{output.read_text()}"
    return output.read_text()


@contextmanager
def _no_groups_left() -> Iterator[None]:
    """Remove the control groups that systemd-nspawn leaves behind where no systemd does it."""
    before = _groups()
    try:
        yield
    finally:
        for group in sorted(_groups() - before, reverse=True):  # what is below comes first
            _remove(group)


def _remove(group: Path) -> None:
    """Remove a control group when its last process is gone, if it is not that of somebody else."""
    deadline = time.monotonic() + GROUP_SECONDS
    while time.monotonic() < deadline:
        try:
            group.rmdir()
        except OSError:
            time.sleep(0.05)
        else:
            break


def _groups() -> set[Path]:
    return {path for path in Path("/sys/fs/cgroup").rglob("*") if path.is_dir()}
