"""Signal handlers of a worker take note and raise nothing, whatever they interrupt."""

import signal
import subprocess
import sys

import pytest

# A worker in a process of its own, as far as signals go, and what runs in it.
WORKER = """
import os, signal, sys, time
from gunicorn.config import Config
from marconi_server.server import signals
from marconi_server.server.signals import SignalledWorker

signals.QUIT_SECONDS = 1
worker = SignalledWorker(1, os.getppid(), [], None, 30, Config(), None)
worker.PIPE = os.pipe()
os.set_blocking(worker.PIPE[1], False)
worker.init_signals()
worker.booted = True

def swallow():
    while True:
        try:
            time.sleep(0.01)
        except BaseException:
            continue
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WORKER + code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "WINCH", "CHLD"])
def test_nothing_is_raised_where_the_program_is(name: str) -> None:
    done = run(
        f"os.kill(os.getpid(), signal.SIG{name})\n"
        "print(worker.alive, worker.in_haste, worker.reopens_log)"
    )
    assert (done.returncode, done.stderr) == (0, "")
    stops, hurries = name in ("INT", "QUIT", "TERM"), name in ("INT", "QUIT")
    assert done.stdout == f"{not stops} {hurries} {name == 'USR1'}\n"


def test_the_loop_is_woken() -> None:
    done = run("os.kill(os.getpid(), signal.SIGINT)\nprint(len(os.read(worker.PIPE[0], 10)))")
    assert (done.returncode, done.stdout) == (0, "1\n")


@pytest.mark.parametrize("stderr", ["", "sys.stderr = None\n"], ids=["", "without-stderr"])
def test_an_abort_ends_whatever_swallows_exceptions(stderr: str) -> None:
    done = run(
        "import faulthandler; faulthandler.enable()\n"  # as an operator may
        f"{stderr}worker.init_signals()\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.2)\n"
        "signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGABRT))\n"
        "swallow()"
    )
    assert done.returncode == -signal.SIGABRT
    assert ("in swallow" in done.stderr) == (stderr == "")


@pytest.mark.parametrize("name", ["INT", "QUIT"])
def test_who_does_not_end_at_once_is_ended_and_says_where_it_was(name: str) -> None:
    done = run(f"os.kill(os.getpid(), signal.SIG{name})\nswallow()")
    assert done.returncode == 1
    assert "Timeout (0:00:01)!" in done.stderr
    assert "in swallow" in done.stderr


def test_a_worker_that_has_not_begun_to_serve_just_ends() -> None:
    done = run("worker.booted = False\nos.kill(os.getpid(), signal.SIGINT)\nswallow()")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
