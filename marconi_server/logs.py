"""The log of the command: one line per event on stderr, as text or as JSON.

Each line has the id of the request that was handled when it was written. Only the command
sets logging up. Another WSGI host can be told to use these formats: see `etc/logging.conf`.
"""

import json
import logging
from typing import Any, Final

from marconi_server import request_ids
from marconi_server.config.masking import text_without_secrets
from marconi_server.log_writer import LogWriter

STDERR: Final = 2

TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%S%z"


def configure(*, use_json: bool = False) -> None:
    """Set up the log of this process; called again, it changes the format."""
    root = logging.getLogger()
    handler = next((each for each in root.handlers if isinstance(each, LogWriter)), None)
    if handler is None:
        handler = LogWriter(STDERR)
        logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    handler.setFormatter(JsonFormatter() if use_json else TextFormatter())
    # It logs up to five lines for each token. What matters in them is logged by us, in one.
    logging.getLogger("keystonemiddleware").setLevel(logging.CRITICAL + 1)


def flush() -> None:
    """Have what was logged written, as far as somebody reads it."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def in_one_line(text: str) -> str:
    """Return a text in which nothing ends a line, moves a cursor, or gives a secret away."""
    if not text.isprintable():
        text = "".join(
            each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
        )
    return text_without_secrets(text)


class TextFormatter(logging.Formatter):
    """Time, level, request id and message, and behind them the traceback if there is one."""

    def __init__(self, *_: object, **__: object) -> None:
        """Take no notice of formats, which `logging.config` passes."""
        super().__init__("%(asctime)s %(levelname)s [%(request_id)s] %(message)s", TIME_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of an event."""
        record.request_id = request_ids.current()
        return text_without_secrets(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - of logging
        """Return the line of the event itself, which is one whatever was put into it."""
        return in_one_line(super().formatMessage(record))


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
        line["message"] = text_without_secrets(record.getMessage())
        if record.exc_info:
            line["exception"] = text_without_secrets(self.formatException(record.exc_info))
        line |= getattr(record, "fields", {})
        return json.dumps(line)
