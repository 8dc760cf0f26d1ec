"""The walk through a page turns red when the page is wrong."""

from pathlib import Path

import pytest

from tests.docs.markdown import Block
from tests.docs.walkthrough import Step, steps, walk

SERVER = "http://127.0.0.1:1"


def commands(*blocks: tuple[str, str]) -> list[Step]:
    return steps(Block(language, text, "") for language, text in blocks)


@pytest.mark.parametrize(
    ("command", "language", "answer"),
    [
        ("echo 1", "text", "1\n"),
        ("echo '{\"a\": [1,\n2]}'", "json", '{"a": [1, 2]}'),
        (
            "printf 'HTTP/1.1 200 OK\\r\\nDate: today\\r\\n\\r\\n[]'",
            "text",
            "HTTP/1.1 200 OK\nDate: now\n\n[]",
        ),
        ("printf 'HTTP/1.1 200 OK\\r\\n\\r\\n[1,2]'", "http", "HTTP/1.1 200 OK\n\n[1, 2]"),
        ("echo 0123456789abcdef01234567", "text", "76543210fedcba9876543210"),
        ("echo '{\"age\": 7}'", "json", '{"age": 3}'),
        ("X=1\n", "", ""),
    ],
)
def test_a_right_answer(command: str, language: str, answer: str, tmp_path: Path) -> None:
    walk([Step(command, language, answer)], SERVER, tmp_path)


@pytest.mark.parametrize(
    ("command", "language", "answer"),
    [
        ("echo 1", "text", "2\n"),
        ("echo '{\"a\": 1}'", "json", '{"a": 2}'),
        ("echo '{\"ttl\": 7}'", "json", '{"ttl": 3}'),
        ("printf 'HTTP/1.1 201 OK\\r\\n\\r\\n[]'", "http", "HTTP/1.1 200 OK\n\n[]"),
        ("printf 'HTTP/1.1 200 OK\\r\\n\\r\\n[]'", "http", "HTTP/1.1 200 OK\n\n[1]"),
        ("false", "", ""),
        ("echo $UNSET", "", ""),
    ],
)
def test_a_wrong_answer(command: str, language: str, answer: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        walk([Step(command, language, answer)], SERVER, tmp_path)


def test_the_steps_share_a_shell_and_know_where_the_server_is(tmp_path: Path) -> None:
    walk(
        commands(
            ("sh", "URL=http://127.0.0.1:8888\ncd ..\n"),
            ("ini", "not = looked at\n"),
            ("sh", 'echo "$URL"; pwd\n'),
            ("text", f"{SERVER}\n{tmp_path.parent}\n"),
        ),
        SERVER,
        tmp_path,
    )


def test_an_answer_belongs_to_a_command() -> None:
    with pytest.raises(AssertionError):
        commands(("sh", "true\n"), ("text", "one\n"), ("text", "two\n"))
    with pytest.raises(AssertionError):
        commands(("text", "one\n"))
