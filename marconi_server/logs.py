"""The log of the command: one line per event on stderr, as text or as JSON.

Each line has the id of the request that was handled when it was written. Only the command
sets logging up. Another WSGI host can be told to use these formats: see `etc/logging.conf`.
"""

import json
import logging
from typing import Any, Final

from marconi_server import request_ids

TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%S%z"


def configure(*, use_json: bool = False) -> None:
    """Set up the log of this process; called again, it changes the format."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if use_json else TextFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # It logs up to five lines for each token. What matters in them is logged by us, in one.
    logging.getLogger("keystonemiddleware").setLevel(logging.CRITICAL + 1)


class TextFormatter(logging.Formatter):
    """Time, level, request id and message, and behind them the traceback if there is one."""

    def __init__(self, *_: object, **__: object) -> None:
        """Take no notice of formats, which `logging.config` passes."""
        super().__init__("%(asctime)s %(levelname)s [%(request_id)s] %(message)s", TIME_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of an event."""
        record.request_id = request_ids.current()
        return super().format(record)


class JsonFormatter(logging.Formatter):
    """One JSON object per line.

    It has `time`, `level`, `logger` and `message`; `request_id` and `exception` (the
    traceback) where there is one; and what the record has as `fields`.
    """

    def __init__(self, *_: object, **__: object) -> None:
        """Take no notice of formats, which `logging.config` passes."""
        super().__init__(datefmt=TIME_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of an event."""
        line: dict[str, Any] = {
            "time": self.formatTime(record, self.datefmt),
            "level": record.levelname,
            "logger": record.name,
        }
        request_id = request_ids.current()
        if request_id != request_ids.NONE:
            line["request_id"] = request_id
        line["message"] = record.getMessage()
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        line |= getattr(record, "fields", {})
        return json.dumps(line)
