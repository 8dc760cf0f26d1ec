"""What a run is, whatever is measured: check, measure, keep the result, show it."""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bench import machine, mongodb, options, results
from bench.results import Kept


def run(
    kind: str,
    arguments: argparse.Namespace,
    measure: Callable[..., Kept],
    show: Callable[[Kept], str],
    *,
    on_mongodb: bool,
    with_wrk: bool = True,
    **more: str,
) -> Kept:
    """Measure, and put the result in the place of the last one of its kind and name.

    `measure` makes the result; it is given by keyword what all results have. `show` tells what
    is printed of it, and `more` are conditions beside those of the machine.

    :raises Unfit: it cannot be measured here
    :raises BenchError: it was begun, and cannot go on
    """
    folder: Path = arguments.folder
    options.check(folder, on_mongodb=on_mongodb, with_wrk=with_wrk)
    started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    database = {"MongoDB": mongodb.version()} if on_mongodb else {}
    conditions = {**machine.describe(folder), **database, **more}
    result = measure(started=started, command=arguments.command, conditions=conditions)
    path = results.place(arguments.results, kind, arguments.name)
    results.write(result, path)
    print(f"{show(result)}\nWritten to {path}")
    return result
