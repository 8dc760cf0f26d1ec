"""Does what a page says in a shell, and compares the answers with those that it shows.

A block of the language `sh` is a command; the block behind it is its answer: `json` as a
value, `text` as it is, `http` a head as it is and a JSON document below it. Ids and times differ
from one run to the next, and are not compared.
"""

import json
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.docs.markdown import Block
from tests.support.waiting import PATIENCE

URL = "http://127.0.0.1:8888"
"""Where the pages say that the server is."""

SECONDS = PATIENCE
"""Bound of the wait for all commands of a page, which take seconds."""

END = "--- end of the answer ---"
"""What the shell says behind each answer."""

Varying = tuple[re.Pattern[str], str]
"""What differs from one run to the next, and what takes its place."""

_VARYING: list[Varying] = [
    (re.compile(r"\b[0-9a-f]{24}\b"), "<id>"),
    (re.compile(r"(?<=^Date: ).*$", re.MULTILINE | re.IGNORECASE), "<now>"),
    (re.compile(r"\breq(-[0-9a-f]+){5}\b"), "<request>"),
    (re.compile(r'(?<="created": )"[0-9TZ:-]+"'), '"<then>"'),
    (re.compile(r'(?<="age": )[0-9]+'), "0"),
]


@dataclass(frozen=True)
class Step:
    """A command, and what it is said to answer, if anything is."""

    command: str
    language: str
    answer: str


def steps(blocks: Iterable[Block]) -> list[Step]:
    """Pair each command with its answer; other blocks are not looked at."""
    found: list[Step] = []
    answered = True
    for block in blocks:
        if block.language == "sh":
            found.append(Step(block.text, "", ""))
            answered = False
        elif block.language in {"json", "text", "http"}:
            assert not answered, f"an answer to nothing:\n{block.text}"
            found[-1] = Step(found[-1].command, block.language, block.text)
            answered = True
    return found


def walk(
    steps: list[Step], url: str, cwd: Path, environment: Mapping[str, str] | None = None
) -> None:
    """Run all steps in one shell against the server at `url`, and check their answers."""
    done = subprocess.run(
        ["sh", "-eu"],
        input=script(steps).replace(URL, url),
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    compare(steps, done.stdout)


def script(steps: Sequence[Step]) -> str:
    """Return the commands of all steps, in such a way that their answers can be told apart."""
    assert steps
    return "".join(f"{step.command}\necho\necho '{END}'\n" for step in steps)


def compare(steps: Sequence[Step], output: str, varying: Sequence[Varying] = ()) -> None:
    """Compare what the script wrote with the answers; `varying` tells what else differs."""
    answers = output.replace("\r\n", "\n").split(END)
    assert len(answers) == len(steps) + 1
    for step, answer in zip(steps, answers, strict=False):
        if step.language:
            seen, shown = (
                _read(step.language, text, [*_VARYING, *varying]) for text in (answer, step.answer)
            )
            assert seen == shown, step.command


def _read(language: str, answer: str, varying: Sequence[Varying]) -> Any:
    """Return an answer in a form that can be compared."""
    for pattern, stand_in in varying:
        answer = pattern.sub(stand_in, answer)
    answer = answer.strip()
    if language == "json":
        return json.loads(answer)
    if language == "http":
        head, _, body = answer.partition("\n\n")
        return head, json.loads(body)
    return answer
