"""The log of the command: one line per event on stderr, with time and level.

Only the command sets logging up. Under another WSGI host that is the host's business.
"""

import logging
from typing import Final

FORMAT: Final = "%(asctime)s %(levelname)s %(message)s"
TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%S%z"


def configure() -> None:
    """Set up the log of this process."""
    logging.basicConfig(level=logging.INFO, format=FORMAT, datefmt=TIME_FORMAT)
