"""The two formats of the log, line by line."""

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from marconi_server import request_ids
from marconi_server.logs import JsonFormatter, TextFormatter
from marconi_server.server.answers import Answer
from marconi_server.server.log import Log

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}"


@pytest.fixture
def request_id() -> Iterator[str]:
    yield request_ids.begin({})
    request_ids.end()


def record(message: str, *args: object, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord("a.logger", logging.WARNING, "file.py", 1, message, args, None)
    vars(made).update(more)
    return made


def failure() -> Any:
    try:
        raise ValueError("of a defect")
    except ValueError:
        return sys.exc_info()


def test_text() -> None:
    line = TextFormatter().format(record("one %s", "two"))
    assert re.fullmatch(rf"{TIME} WARNING \[-\] one two", line)


def test_text_of_a_request(request_id: str) -> None:
    line = TextFormatter().format(record("one"))
    assert re.fullmatch(rf"{TIME} WARNING \[{request_id}\] one", line)


def test_text_with_a_traceback() -> None:
    first, second, *_, last = TextFormatter().format(record("one", exc_info=failure())).split("\n")
    assert first.endswith(" WARNING [-] one")
    assert second == "Traceback (most recent call last):"
    assert last == "ValueError: of a defect"


def test_json() -> None:
    line = json.loads(JsonFormatter().format(record("one %s", 'two "\n\u00e9\udc80')))
    assert re.fullmatch(TIME, line.pop("time"))
    assert line == {"level": "WARNING", "logger": "a.logger", "message": 'one two "\n\u00e9\udc80'}


def test_json_of_a_request(request_id: str) -> None:
    line = json.loads(JsonFormatter().format(record("one", fields={"status": 204})))
    assert (line["request_id"], line["status"]) == (request_id, 204)


def test_json_with_a_traceback_is_one_line() -> None:
    text = JsonFormatter().format(record("one", exc_info=failure()))
    assert "\n" not in text
    assert json.loads(text)["exception"].endswith("ValueError: of a defect")


def test_logging_config_makes_both_formats() -> None:
    formatters: list[Callable[..., logging.Formatter]] = [TextFormatter, JsonFormatter]
    for formatter in formatters:  # it passes what it knows of a formatter
        assert "one" in formatter(None, None, "%", defaults=None).format(record("one"))


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/v1/queues?limit=3", "/v1/queues?limit=3"),
        ("/\x1b[2J\r\n\u0085", "/\\x1b[2J\\r\\n\\x85"),
        ("/\u00e4", "/\\xe4"),
    ],
)
def test_the_access_log(target: str, shown: str, caplog: pytest.LogCaptureFixture) -> None:
    answer = Answer()
    answer.status, answer.sent = "200 OK", 153
    environ = {"REQUEST_METHOD": "GET", "RAW_URI": target, "REMOTE_ADDR": "192.0.2.1"}
    log = Log(SimpleNamespace())
    with caplog.at_level(logging.INFO):
        log.access(answer, [], environ, timedelta(microseconds=1234))
        log.access(answer, [], {"REQUEST_METHOD": "GET", "RAW_URI": "/"}, timedelta())
    assert caplog.messages == [
        f'192.0.2.1 "GET {shown}" 200 153 bytes 0.001234 s',
        '- "GET /" 200 153 bytes 0.000000 s',
    ]
    line = json.loads(JsonFormatter().format(caplog.records[0]))
    assert line["message"] == caplog.messages[0]
    assert {name: line[name] for name in ("client", "method", "target")} == {
        "client": "192.0.2.1",
        "method": "GET",
        "target": target,
    }
    assert (line["status"], line["bytes"], line["seconds"]) == (200, 153, 0.001234)
