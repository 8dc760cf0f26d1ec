"""A log that nobody reads, or that cannot be written, costs lines and nothing else."""

import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import pytest
import requests

from tests.support.live import COMMAND, STOP_SECONDS, children

CONFIG = (
    "[drivers:transport:wsgi]\naccess_log = true\nworkers = 2\ndrain_timeout = 1\n"
    "[DEFAULT]\nuse_json = {}\n"
)

REQUESTS = 200
"""Of which each leaves a line: more than fits into the smallest pipe."""


class Server(NamedTuple):
    """A server whose log goes somewhere else than into a file."""

    process: subprocess.Popen[str]
    url: str

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)


@contextmanager
def server(
    folder: Path, log: int | IO[str], *, command: Sequence[str] = (COMMAND,), use_json: bool = False
) -> Iterator[Server]:
    config = folder / "marconi.conf"
    config.write_text(CONFIG.format(use_json))
    with subprocess.Popen(
        [*command, "--embedded", folder / "q.db", "--port", "0", "--config-file", config],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            yield Server(process, url)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def ask_often(url: str) -> None:
    """Ask on one connection after the other, so that all workers are asked."""
    for _ in range(REQUESTS):
        assert requests.get(f"{url}/v1/health", timeout=20).status_code == 204


def test_requests_and_the_stop_do_not_wait_for_the_reader_of_the_log(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    try:
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
        with server(tmp_path, writer) as blocked:
            ask_often(blocked.url)
            before = set(children(blocked.process.pid))
            blocked.process.send_signal(signal.SIGHUP)
            while before & set(children(blocked.process.pid)):
                assert blocked.process.poll() is None
            ask_often(blocked.url)
            assert blocked.stop() == 0
    finally:
        os.close(reader)
        os.close(writer)


def test_who_begins_to_read_again_gets_all_that_waited(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    with open(reader) as log, server(tmp_path, writer) as slow:
        os.close(writer)
        ask_often(slow.url)
        lines: list[str] = []
        while sum('"GET /v1/health" 204' in line for line in lines) < REQUESTS:
            lines.append(log.readline())
        slow.process.terminate()
        lines += log  # to the end, when nobody is left who could write
        assert slow.process.wait(STOP_SECONDS) == 0
    assert sum('"GET /v1/health" 204' in line for line in lines) == REQUESTS
    assert not [line for line in lines if "lines of the log were lost" in line]
    assert "Handling signal: term" in "\n".join(lines)


@pytest.mark.parametrize("use_json", [False, True])
def test_a_log_on_a_full_disk_costs_no_request(use_json: bool, tmp_path: Path) -> None:
    with open("/dev/full", "w") as log, server(tmp_path, log, use_json=use_json) as full:
        ask_often(full.url)
        assert full.stop() == 0


def test_a_log_whose_reader_is_gone_costs_no_request(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with server(tmp_path, writer) as alone:
        os.close(writer)
        os.close(reader)
        ask_often(alone.url)
        assert alone.stop() == 0


def test_without_standard_error_the_server_serves(tmp_path: Path) -> None:
    command = ("sh", "-c", 'exec "$0" "$@" 2>&-', COMMAND)
    with server(tmp_path, subprocess.DEVNULL, command=command) as mute:
        ask_often(mute.url)
        for pid in (mute.process.pid, *children(mute.process.pid)):
            assert os.readlink(f"/proc/{pid}/fd/2") == os.devnull, "nothing else may be there"
        assert mute.stop() == 0
