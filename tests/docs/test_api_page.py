"""docs/api.md: every example is run, in its order, on a new server."""

from pathlib import Path

from tests.docs.markdown import page
from tests.docs.walkthrough import steps, walk
from tests.support.live import LiveServer


def test_every_example(tmp_path: Path) -> None:
    with LiveServer(tmp_path) as server:
        walk(steps(page("docs/api.md").blocks()), server.url, tmp_path)
