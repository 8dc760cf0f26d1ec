"""What the figures were taken on."""

import os
import platform
import sqlite3
import subprocess
from importlib.metadata import version
from pathlib import Path

from bench.servers import ROOT


def describe(folder: Path) -> dict[str, str]:
    """Describe the machine, the programs, and the disk of a folder, by name."""
    one, five, fifteen = os.getloadavg()
    return {
        "cores": f"{os.cpu_count()} ({_processor()})",
        "kernel": f"{platform.system()} {platform.release()}",
        "disk": filesystem(folder),
        "load average before": f"{one:.2f}, {five:.2f}, {fifteen:.2f}",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        **{name: version(name) for name in ("falcon", "gunicorn", "gunicorn_h1c", "msgspec")},
        "commit": _output("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
    }


def filesystem(folder: Path) -> str:
    """Return the type of the file system that a folder is on."""
    return _output("stat", "--file-system", "--format=%T", str(folder))


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _output(*command: str) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return done.stdout.strip() or "unknown"
