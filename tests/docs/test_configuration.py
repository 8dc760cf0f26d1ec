"""The sample configuration and its reference page say what the option table says."""

from pathlib import Path

import pytest

from marconi_server.config.files import read_files
from marconi_server.config.load import load
from marconi_server.config.options import options
from marconi_server.config.reader import Reader
from marconi_server.config.reference import PAGE, SAMPLE, main, page, sample, sections
from marconi_server.config.settings import SECTIONS
from marconi_server.storage.sqlite.driver import SQLiteOptions

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize(("path", "text"), [(SAMPLE, sample()), (PAGE, page())])
def test_the_files_are_not_stale(path: Path, text: str) -> None:
    remedy = "run python -m marconi_server.config.reference"
    assert (CHECKOUT / path).read_text() == text, f"{path} is stale: {remedy}"


def test_the_generator_writes_both_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    main()
    assert (tmp_path / SAMPLE).read_text() == sample()
    assert (tmp_path / PAGE).read_text() == page()


def test_every_option_is_on_the_page() -> None:
    text = page()
    assert SQLiteOptions in sections()
    assert set(SECTIONS) < set(sections())
    for section in sections():
        _, _, part = text.partition(f"\n## `[{section.GROUP}]`\n")
        part, _, _ = part.partition("\n## ")
        for each in options(section):
            assert f"\n| `{each.name}` |" in part
            assert each.help in part
            for group, name in each.old_names:
                assert f"Old name: `{name}` of `[{group}]`." in part


def test_the_sample_changes_nothing(tmp_path: Path) -> None:
    assert load([str(CHECKOUT / SAMPLE)], {("drivers", "storage"): "sqlite"}) == load(
        [], {("drivers", "storage"): "sqlite"}
    )


def test_the_sample_shows_each_option_with_its_default(tmp_path: Path) -> None:
    lines = sample().splitlines()
    options_only = [line.removeprefix("#") for line in lines if not line.startswith("# ")]
    file = tmp_path / "marconi.conf"
    file.write_text("\n".join(options_only))
    # Not as a whole: sections about authentication, and none set, are refused.
    read = Reader(read_files([str(file)]), {})
    for section in sections():
        assert read.section(section) == section()
        for each in options(section):
            assert sum(line.startswith(f"{each.name} =") for line in options_only) >= 1
