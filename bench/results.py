"""What was measured, as it is kept in files, and shares of it."""

from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Final, TypeVar

import msgspec

BASELINE: Final = "empty"
"""The contender that all others are compared with, unless another is named."""

PRODUCT: Final = ("marconi", "mongodb", "keystone")
"""The contenders that are the product, in the order in which they are shown, before all others."""

FOLDER: Final = Path(__file__).resolve().parent / "results"
"""Where results go, and where those are that others are compared with."""

MEGABYTE: Final = 1e6

HELD: Final = 0.95
"""The share of the requests that were due which have to be answered, for a rate that was held."""

Kept = TypeVar("Kept", bound="Result")


class Measurement(msgspec.Struct, frozen=True):
    """One run of one case by one contender.

    `requests` were answered rightly or wrongly in `seconds`; `p50` and `p99` are
    latencies in milliseconds; `errors` counts wrong answers, failed connections and timeouts, and
    `complaint` shows one. `server_cpu` and `load_cpu` are seconds of CPU per request, of all
    processes of the server and of the load tool; without a load tool of its own, the latter
    is `None` and part of the former. `others` is the share of all the machine's CPU that went to
    other processes meanwhile: 0 on a quiet machine. `database_cpu` is as `server_cpu`, of the
    database if that has a process of its own.
    """

    requests: int
    seconds: float
    p50: float
    p99: float
    errors: int
    complaint: str
    server_cpu: float
    load_cpu: float | None
    others: float
    database_cpu: float | None = None

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


class Row(msgspec.Struct, frozen=True):
    """All rounds of one case by one contender at one number of connections, in order.

    With as many requests a second as it takes, or, with a `percent`, at that share of it: `asked`
    requests a second.
    """

    case: str
    connections: int
    contender: str
    rounds: list[Measurement]
    percent: int | None = None
    asked: float | None = None

    @property
    def errors(self) -> int:
        """The errors of all rounds; any makes the row invalid."""
        return sum(each.errors for each in self.rounds)

    def median(self, value: Callable[[Measurement], float]) -> float:
        """Return the median of a value over the rounds."""
        return median(map(value, self.rounds))

    @property
    def rate(self) -> float:
        """Requests per second, the median."""
        return self.median(lambda each: each.rate)

    @property
    def held(self) -> bool:
        """Whether a row at a fixed rate got its answers at that rate; else latencies say little.

        They then grow for as long as the measurement lasts.
        """
        return self.asked is not None and self.rate >= self.asked * HELD


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What all results have: when they were taken, how, and on what."""

    started: str
    command: str
    conditions: dict[str, str]


class Contest(Result, frozen=True, kw_only=True):
    """One run of contenders against each other."""

    rows: list[Row]
    baseline: str = BASELINE


class Latency(msgspec.Struct, frozen=True):
    """Latencies of one round, in milliseconds."""

    p50: float
    p99: float


class GrowthRow(msgspec.Struct, frozen=True):
    """An operation on a store of a certain size: all rounds, in order.

    `level` is "store" for the driver alone, "HTTP" for a server.
    """

    question: str
    engine: str
    level: str
    operation: str
    size: int
    rounds: list[Latency]

    @property
    def p50(self) -> float:
        """The median latency in milliseconds: the median of the rounds."""
        return median(each.p50 for each in self.rounds)

    @property
    def p99(self) -> float:
        """The latency that one in a hundred exceeds, in milliseconds: the median of the rounds."""
        return median(each.p99 for each in self.rounds)


class Growth(Result, frozen=True, kw_only=True):
    """One run of `python -m bench growth`."""

    rows: list[GrowthRow]


class Memory(msgspec.Struct, frozen=True):
    """The memory of each worker in bytes, after so many requests."""

    requests: int
    workers: list[int]


class Space(msgspec.Struct, frozen=True):
    """What a database takes of the disk, in bytes, at a step of its life."""

    step: str
    size: int


class Life(msgspec.Struct, frozen=True):
    """What an engine's server and database have come through."""

    engine: str
    memory: list[Memory]
    space: list[Space]


class Endurance(Result, frozen=True, kw_only=True):
    """One run of `python -m bench endurance`."""

    lives: list[Life]


class ProfileRow(msgspec.Struct, frozen=True):
    """Where the CPU of a case goes: how often each layer was found running, of all `samples`.

    `rate` is in requests a second, `server_cpu` in seconds for each request.
    """

    engine: str
    case: str
    rate: float
    server_cpu: float
    samples: dict[str, int]

    def share(self, layer: str) -> float:
        """Return the share of a layer."""
        return self.samples.get(layer, 0) / max(sum(self.samples.values()), 1)


class Profile(Result, frozen=True, kw_only=True):
    """One run of `python -m bench profile`."""

    rows: list[ProfileRow]


def product_first(contenders: Iterable[str]) -> list[str]:
    """Return each contender once, those that are the product before the others."""
    found = list(dict.fromkeys(contenders))
    return [name for name in PRODUCT if name in found] + [
        name for name in found if name not in PRODUCT
    ]


def ratio(row: Row, rows: Iterable[Row], baseline: str = BASELINE) -> float | None:
    """Return the rate of a row as a share of that of the baseline in the same run.

    The median of the shares round by round, as the machine may be slower in one round than in
    another. `None` if there is nothing valid to compare.
    """
    for other in rows:
        if (other.case, other.connections, other.contender, other.percent) == (
            row.case,
            row.connections,
            baseline,
            None,
        ):
            if row.errors or other.errors or row.percent is not None:
                return None
            pairs = zip(row.rounds, other.rounds, strict=True)
            return median(mine.rate / its.rate for mine, its in pairs)
    return None


def place(folder: Path, kind: str, name: str = "") -> Path:
    """Return the file of a result: that of its kind, or one of several that have names."""
    return folder / ("-".join(filter(None, (kind, name))) + ".json")


def kind_of(path: Path) -> str:
    """Return the kind of the result in a file."""
    return path.stem.partition("-")[0]


def stored(folder: Path, kind: str) -> list[Path]:
    """Return the files of results of a kind."""
    return sorted(path for path in folder.glob("*.json") if kind_of(path) == kind)


def write(result: Result, path: Path) -> None:
    """Write a result, in the place of the last one in this file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")


def read(path: Path, kind: type[Kept]) -> Kept:
    """Read a result that was written.

    :raises OSError: the file cannot be read
    :raises msgspec.ValidationError: it is not of this kind
    """
    return msgspec.json.decode(path.read_bytes(), type=kind)
