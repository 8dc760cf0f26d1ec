"""What the pages say of files, backup, configuration and limits is what happens."""

import stat
import subprocess
from pathlib import Path

import requests

from marconi_server.api.documents import MAX_DEPTH
from marconi_server.config.settings import Limits, Wsgi
from marconi_server.server.connection import LINGER_BYTES, LINGER_SECONDS
from marconi_server.server.http1 import MAX_FIELDS, MAX_HEAD
from tests.docs.markdown import Block, page, pages
from tests.support.live import LiveServer
from tests.support.settings import remarks

HEADERS = {"Client-ID": "operator"}


def commands(heading: str) -> list[str]:
    blocks: list[Block] = page("docs/operations/sqlite.md").blocks()
    return [block.text for block in blocks if (block.language, block.heading) == ("sh", heading)]


def bodies(url: str) -> list[str]:
    answer = requests.get(f"{url}/messages?echo=true", headers=HEADERS, timeout=60)
    return [message["body"] for message in answer.json()["messages"]]


def test_backup_and_restore(tmp_path: Path) -> None:
    backup, restore = commands("Backup and restore")
    backups = tmp_path / "backups"
    backups.mkdir()

    def run(command: str) -> None:
        command = command.replace("/var/lib/marconi", str(tmp_path))
        command = command.replace("/var/backups", str(backups))
        assert "/var/" not in command.replace(str(tmp_path), "")
        subprocess.run(["sh", "-eu", "-c", command], check=True, timeout=60)

    with LiveServer(tmp_path) as server:
        queue = f"{server.url}/v1/queues/q"
        requests.put(queue, timeout=60).raise_for_status()

        def post(body: str) -> None:
            message = [{"ttl": 300, "body": body}]
            requests.post(
                f"{queue}/messages", json=message, headers=HEADERS, timeout=60
            ).raise_for_status()

        post("before")
        run(backup)
        post("after")
        assert bodies(queue) == ["before", "after"]
        server.kill()  # so that the log of the old file is left behind
        assert Path(f"{server.database}-wal").stat().st_size > 0
        run(restore)
        server.start()
        assert bodies(queue) == ["before"]
        post("later")
        assert bodies(queue) == ["before", "later"]
        server.stop()


def test_the_files_are_those_of_the_page(tmp_path: Path) -> None:
    folder = tmp_path / "marconi"
    folder.mkdir()
    with LiveServer(tmp_path, database=folder / "marconi.db") as server:
        requests.put(f"{server.url}/v1/queues/q", timeout=60).raise_for_status()
        files = {path.name for path in folder.iterdir()}
        server.stop()
    text = page("docs/operations/sqlite.md").text
    _, _, table = text.partition("## Files\n")
    named = {line.split("`")[1] for line in table.splitlines()[:9] if line.startswith("| `")}
    assert files == named


def test_the_default_folder_is_for_the_user_alone(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "XDG_STATE_HOME": ""}
    with LiveServer(tmp_path, embedded=False, args=["--embedded"], env=env) as server:
        server.stop()
    folder = tmp_path / ".local" / "state" / "marconi"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_every_configuration_is_valid(tmp_path: Path) -> None:
    texts = [block.text for page in pages() for block in page.blocks() if block.language == "ini"]
    assert texts
    for number, text in enumerate(texts):
        file = tmp_path / f"{number}.conf"
        file.write_text(text)
        assert remarks(str(file), {("drivers", "storage"): "sqlite"}, unknown=True) == []


def test_the_limits_are_those_of_the_code() -> None:
    running = page("docs/operations/running.md").text
    for words in (
        f"{MAX_HEAD // 1024} KiB, {MAX_FIELDS} fields",
        f"up to {LINGER_BYTES // 1024**2} MiB of it, for up to {LINGER_SECONDS:g} s",
        f"`request_timeout` ({Wsgi().request_timeout} s)",
        f"`graceful_timeout` ({Wsgi().graceful_timeout} s)",
        f"`drain_timeout`\n({Wsgi().drain_timeout} s)",
        f"`keepalive` ({Wsgi().keepalive} s)",
    ):
        assert words in running
    api, limits = page("docs/api.md").text, Limits()
    for words in (
        f"1 to {limits.max_messages_per_page} ",
        f"up to {limits.max_messages_per_page} ids",
        f"up to {limits.max_queue_metadata} bytes",
        f"up to {limits.max_message_size}",
        f"60 to {limits.max_message_ttl} ",
        f"60 to {limits.max_claim_ttl} ",
        f"60 to {limits.max_claim_grace}:",
        f"0 to {limits.max_claim_grace},",
    ):
        assert words in api
    assert f"more than {MAX_DEPTH} levels" in page("docs/errors.md").text
