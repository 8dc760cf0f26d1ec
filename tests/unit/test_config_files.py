"""Configuration files that are no files: each is read once, and never taken for an empty one."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from marconi_server.config.files import LARGEST, ConfigFiles, check_regular, read_files
from marconi_server.config.load import Configuration
from marconi_server.config.options import SettingsError

TEXT = (
    "[DEFAULT]\nauth_strategy = keystone\n[drivers]\nstorage = sqlite\n"
    "[limits:transport]\nclaim_ttl_max = 444\n[keystone_authtoken]\n"
    "auth_url = http://127.0.0.1:5000\nauth_type = password\nusername = u\npassword = hunter2\n"
)


@contextmanager
def pipe(text: str) -> Iterator[str]:
    """Give the path of a pipe as shells make it for `<(…)`."""
    reader, writer = os.pipe()
    try:
        os.write(writer, text.encode())
        os.close(writer)
        yield f"/dev/fd/{reader}"
    finally:
        os.close(reader)


def refusal(files: ConfigFiles) -> str:
    with pytest.raises(SettingsError) as caught:
        files.read()
    return str(caught.value)


def test_all_of_the_configuration_comes_from_one_reading_of_a_pipe() -> None:
    with pipe(TEXT + "[transport]\nmax_clam_ttl = 1\n") as path:
        configuration = Configuration(read_files([path]))
        assert configuration.general().auth_strategy == "keystone"
        settings = configuration.settings()
        assert settings.limits.max_claim_ttl == 444
        assert settings.keystone_authtoken.user.startswith("u ")
        (remark,) = configuration.remarks(settings, is_command=True)
        assert remark.text.startswith(f"{path}: option max_clam_ttl of [transport]")


def test_a_named_pipe_is_read_as_soon_as_somebody_writes(tmp_path: Path) -> None:
    fifo = tmp_path / "marconi.conf"
    os.mkfifo(fifo)
    writer = Thread(target=fifo.write_text, args=(TEXT,))
    writer.start()
    configuration = Configuration(read_files([str(fifo)]))
    writer.join()
    assert configuration.settings().limits.max_claim_ttl == 444


def test_a_pipe_is_not_read_again(tmp_path: Path) -> None:
    with pipe(TEXT) as path:
        files = ConfigFiles(lambda: [path])
        assert files.read()
        line = refusal(files)
    assert line.startswith(f"{path}: was read before, and cannot be read again")
    fifo = tmp_path / "marconi.conf"
    os.mkfifo(fifo)
    writer = Thread(target=fifo.write_text, args=(TEXT,))
    writer.start()
    files = ConfigFiles(lambda: [str(fifo)])
    assert files.read()
    writer.join()
    assert "was read before" in refusal(files), "and nobody waits for a writer"
    fifo.unlink()
    fifo.write_text(TEXT)
    assert files.read(), "it has become a file"


def test_an_empty_pipe_is_no_configuration() -> None:
    """Somebody else has read it, and all defaults would be taken: no authentication."""
    with pipe("") as path:
        line = refusal(ConfigFiles(lambda: [path]))
    assert line == f"{path}: is empty; if it is a pipe, it may have been read before"


def test_one_pipe_given_twice_is_refused() -> None:
    with pipe(TEXT) as path:
        assert "was read before" in refusal(ConfigFiles(lambda: [path, path]))


@pytest.mark.parametrize("text", [TEXT, ""])
def test_files_are_read_as_often_as_one_likes(text: str, tmp_path: Path) -> None:
    file = tmp_path / "marconi.conf"
    file.write_text(text)
    link = tmp_path / "link.conf"
    link.symlink_to(file)
    files = ConfigFiles(lambda: [str(file), str(link), os.devnull])
    assert [each.content.decode() for each in files.read()] == [text, text, ""]
    file.write_text("[transport]\nmax_claim_ttl = 99\n")
    assert files.read()[0].groups == {"transport": {"max_claim_ttl": ["99"]}}


def test_the_paths_are_looked_for_each_time(tmp_path: Path) -> None:
    """A file that was added to marconi.conf.d is seen by a reload."""
    files = ConfigFiles(lambda: sorted(map(str, tmp_path.glob("*.conf"))))
    assert files.read() == []
    (tmp_path / "10.conf").touch()
    assert len(files.read()) == 1


def test_what_never_ends_is_refused(tmp_path: Path) -> None:
    line = refusal(ConfigFiles(lambda: ["/dev/zero"]))
    assert line == f"/dev/zero: is larger than {LARGEST} bytes, which no configuration is"
    file = tmp_path / "marconi.conf"
    file.write_text("#" * LARGEST)
    assert ConfigFiles(lambda: [str(file)]).read()
    file.write_text("#" * (LARGEST + 1))
    assert "is larger than" in refusal(ConfigFiles(lambda: [str(file)]))


@pytest.mark.parametrize("path", ["", "\0", "x" * 10_000, "/", "/dev/null/x"])
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    assert "cannot be read: " in refusal(ConfigFiles(lambda: [path]))


def test_nothing_of_a_file_stays_open_or_is_shown() -> None:
    before = os.listdir("/proc/self/fd")
    with pipe(TEXT) as path:
        (file,) = read_files([path])
        configuration = Configuration([file])
        configuration.settings()
    assert os.listdir("/proc/self/fd") == before
    assert repr(file) == f"ConfigFile(path='{path}')"


def test_a_library_gets_regular_files_only(tmp_path: Path) -> None:
    check_regular(__file__)
    for path, error in {"/dev/null": OSError, str(tmp_path): IsADirectoryError}.items():
        with pytest.raises(error):
            check_regular(path)
    file = tmp_path / "secret"
    file.touch()
    file.chmod(stat.S_IWUSR)
    if os.geteuid():
        with pytest.raises(PermissionError):
            check_regular(str(file))
