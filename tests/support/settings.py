"""What a configuration is told to be in vain."""

from marconi_server.config.files import read_files
from marconi_server.config.load import Configuration
from marconi_server.config.reader import Overrides


def remarks(
    *files: str | Overrides, is_command: bool = True, unknown: bool | None = None
) -> list[str]:
    """Return the remarks on files, and on overrides behind them; all, or only the (un)known."""
    paths = [each for each in files if isinstance(each, str)]
    overrides = [each for each in files if not isinstance(each, str)]
    configuration = Configuration(read_files(paths), *overrides)
    found = configuration.remarks(configuration.settings(), is_command=is_command)
    return [each.text for each in found if unknown in (None, each.is_unknown)]
