"""What the figures were taken on, and how busy it was with other things."""

import os
import platform
import resource
import sqlite3
import subprocess
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Final

from bench.servers import ROOT, TICK

_BUSY: Final = (0, 1, 2, 5, 6, 7)
"""Of the figures in /proc/stat: user, nice, system, irq, softirq and steal; see proc(5)."""

_WRITES: Final = 50

_PACKAGES: Final = ("falcon", "gunicorn", "msgspec", "pymongo")
"""What the server is made of."""


def describe(folder: Path) -> dict[str, str]:
    """Describe the machine, the programs, and the disk of a folder, by name."""
    one, five, fifteen = os.getloadavg()
    return {
        "cores": f"{os.cpu_count()} ({_processor()})",
        "kernel": f"{platform.system()} {platform.release()}",
        "disk": f"{filesystem(folder)}, {sync_seconds(folder) * 1e3:.2f} ms to write 4 KB durably",
        "load average before": f"{one:.2f}, {five:.2f}, {fifteen:.2f}",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        **{name: version(name) for name in _PACKAGES},
        "commit": _output("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
    }


def filesystem(folder: Path) -> str:
    """Return the type of the file system that a folder is on."""
    return _output("stat", "--file-system", "--format=%T", str(folder))


def busy_cpu() -> float:
    """Return the seconds of CPU that this machine has spent since it was started, all cores."""
    first = Path("/proc/stat").read_text().splitlines()[0]
    figures = first.split()[1:]
    return sum(int(figures[number]) for number in _BUSY) * TICK


def children_cpu() -> float:
    """Return the seconds of CPU of all processes that this one has waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def others_share(busy: float, own: float, seconds: float) -> float:
    """Return the share of all CPU that was not our own; the ticks of clocks may make it less."""
    return max(0.0, busy - own) / (seconds * (os.cpu_count() or 1))


def sync_seconds(folder: Path) -> float:
    """Return how long a small durable write takes on the disk of a folder (median)."""
    durations = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_WRITES):
            start = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fdatasync(file.fileno())
            durations.append(time.perf_counter() - start)
    return median(durations)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _output(*command: str) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return done.stdout.strip() or "unknown"
