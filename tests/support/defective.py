"""The command with a defect in it, run as `python -m tests.support.defective`: stats are a 500."""

import sys
from typing import NoReturn

from marconi_server.api.v1.queues import StatsResource
from marconi_server.cli import main


def fail(*_: object, **__: object) -> NoReturn:
    raise ZeroDivisionError("a defect")


if __name__ == "__main__":
    StatsResource.on_get = fail  # type: ignore[method-assign]
    sys.exit(main())
