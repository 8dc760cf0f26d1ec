"""The log where nobody reads it, where it cannot be written, and over forks."""

import fcntl
import logging
import os
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import NoReturn

import pytest

from marconi_server import log_writer
from marconi_server.log_writer import MOST_WAITING, LogWriter

LOST = re.compile(r"(\d+) lines of the log were lost here: .*")

LINE = "x" * 99


class Pipe:
    """A pipe for a log, as small as the system lets it be."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        fcntl.fcntl(self.reader, fcntl.F_SETPIPE_SZ, 4096)
        self.received = b""

    def fill(self) -> None:
        """Leave no room in it, as if somebody else had."""
        os.set_blocking(self.writer, False)
        with suppress(BlockingIOError):
            while True:
                os.write(self.writer, b"#" * 4095 + b"\n")
        os.set_blocking(self.writer, True)

    def read_until(self, end: bytes) -> list[str]:
        """Read until the last line is this one; return the lines since."""
        while not self.received.endswith(end + b"\n"):
            self.received += os.read(self.reader, 65536)
        lines = self.received.decode().splitlines()
        self.received = b""
        return [line for line in lines if not line.startswith("#")]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    for descriptor in (made.reader, made.writer):
        with suppress(OSError):
            os.close(descriptor)


@pytest.fixture
def handler(pipe: Pipe) -> Iterator[LogWriter]:
    made = LogWriter(pipe.writer)
    yield made
    thread = made._thread
    made.close()
    with suppress(OSError):
        os.close(pipe.reader)  # what still waits cannot be written, which ends all waiting
    if thread is not None:
        thread.join()


def say(handler: LogWriter, text: str) -> None:
    handler.handle(logging.LogRecord("test", logging.INFO, "", 0, text, (), None))


def leave(handler: LogWriter) -> NoReturn:
    """End a child, when all that it has logged is written, however long that takes."""
    while handler._taken < handler._given:
        handler.flush()
    os._exit(0)


def test_lines_come_in_their_order(pipe: Pipe, handler: LogWriter) -> None:
    for number in range(500):
        say(handler, str(number))
    assert pipe.read_until(b"499") == [str(number) for number in range(500)]


def test_what_is_logged_after_the_end_is_written(pipe: Pipe, handler: LogWriter) -> None:
    say(handler, "first")
    handler.flush()
    handler.close()
    say(handler, "second")
    assert pipe.read_until(b"second") == ["first", "second"]


def test_nobody_waits_for_who_does_not_read(pipe: Pipe, handler: LogWriter) -> None:
    pipe.fill()
    for number in range(2 * MOST_WAITING // 100):
        say(handler, LINE if number else "first")
    handler.flush()  # which would wait for ever, if it waited
    reader = Thread(target=lambda: lines.extend(pipe.read_until(b"third")))
    lines: list[str] = []
    reader.start()
    handler.flush()
    say(handler, "second")
    say(handler, "third")
    reader.join()
    first, *kept, report, second, third = lines
    assert (first, second, third) == ("first", "second", "third")
    assert set(kept) == {LINE}
    lost = LOST.fullmatch(report)
    assert lost is not None
    assert len(kept) + int(lost[1]) + 1 == 2 * MOST_WAITING // 100
    assert abs(len(kept) * 100 - MOST_WAITING) < 1000


def test_what_was_lost_is_told_though_nothing_follows(pipe: Pipe, handler: LogWriter) -> None:
    pipe.fill()
    for _ in range(2 * MOST_WAITING // 100):
        say(handler, LINE)
    lines: list[str] = []

    def read() -> None:
        while not (lines and LOST.fullmatch(lines[-1])):
            lines.extend(os.read(pipe.reader, 65536).decode().splitlines())

    reader = Thread(target=read)
    reader.start()
    reader.join()


def test_a_pipe_that_others_made_not_to_block_loses_nothing(pipe: Pipe, handler: LogWriter) -> None:
    pipe.fill()
    os.set_blocking(pipe.writer, False)
    for number in range(1000):
        say(handler, str(number))
    assert pipe.read_until(b"999") == [str(number) for number in range(1000)]
    assert not os.get_blocking(pipe.writer), "it is theirs, and left as it is"


def test_a_reader_that_is_gone_costs_lines(pipe: Pipe, handler: LogWriter) -> None:
    os.close(pipe.reader)
    for number in range(10):
        say(handler, str(number))
        handler.flush()
    assert handler._lost == 10


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let no file of this process get larger, which for its writer is as a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_costs_lines_which_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with file.open("ab") as log:
        handler = LogWriter(log.fileno())
        say(handler, "first")
        assert file.read_text() == "first\n", "a file is written at once"
        with full_disk(file.stat().st_size + 3):
            for _ in range(5):
                say(handler, LINE)
        say(handler, "last")
    first, torn, report, last = file.read_text().splitlines()
    assert (first, torn, last) == ("first", "xxx", "last")
    assert report.startswith("5 lines of the log were lost here")


def test_a_process_writes_what_it_has_logged_itself(pipe: Pipe, handler: LogWriter) -> None:
    pipe.fill()
    say(handler, "of the parent")
    child = os.fork()
    if child == 0:  # no assertions here: it is a copy of the whole test run
        say(handler, "of the child")
        leave(handler)
    seen = pipe.read_until(b"of the parent")
    while "of the child" not in seen:
        seen += os.read(pipe.reader, 65536).decode().splitlines()
    os.waitpid(child, 0)
    say(handler, "once more")
    seen += pipe.read_until(b"once more")
    assert sorted(seen) == ["of the child", "of the parent", "once more"]


def test_lines_of_several_processes_are_not_mixed(pipe: Pipe, handler: LogWriter) -> None:
    pipe.fill()
    children = []
    for letter in "abc":
        children.append(os.fork())
        if children[-1] == 0:
            for _ in range(200):
                say(handler, letter * 99)
            leave(handler)
    received = b""
    while received.count(b"\n") < 600 + received.count(b"#\n"):
        received += os.read(pipe.reader, 1000)
    for child in children:
        os.waitpid(child, 0)
    lines = [line for line in received.decode().splitlines() if not line.startswith("#")]
    assert sorted(lines) == [letter * 99 for letter in "abc" for _ in range(200)]


def test_a_line_that_cannot_be_made_costs_this_line(
    pipe: Pipe, handler: LogWriter, capsys: pytest.CaptureFixture[str]
) -> None:
    handler.handle(logging.LogRecord("test", logging.INFO, "", 0, "%d", ("x",), None))
    assert "TypeError" in capsys.readouterr().err
    say(handler, "\udcff")
    assert pipe.read_until(b"\\udcff") == ["\\udcff"]


def test_the_end_waits_for_a_reader_as_long_as_it_reads(
    pipe: Pipe, handler: LogWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "_BATCH", 1)
    pipe.fill()
    for _ in range(200):
        say(handler, LINE)
    say(handler, "last")
    reader = Thread(target=lambda: pipe.read_until(b"last"))
    reader.start()
    handler.flush()
    assert handler._queue.empty()
    reader.join()
