"""Every option of the server, in declarative sections, and how they are read.

A section is a frozen dataclass whose fields are options; its docstring says what it
is about. `etc/marconi.conf` and `docs/reference/configuration.md` are generated from
these sections. A storage driver brings its own section (`Store.Options`).

Precedence: overrides (the command line), then the environment (`OS_<GROUP>__<OPTION>`),
then the files, then the default. The result is plain frozen data: nothing asks
oslo.config after the start.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Protocol, TypeVar, get_type_hints

from oslo_config import cfg


class SettingsError(Exception):
    """The configuration is wrong; the text is one line that says what to change."""


def option(
    default: Any,
    *,
    help: str,
    minimum: int | None = None,
    maximum: int | None = None,
    choices: Sequence[str] | None = None,
    old_names: Sequence[tuple[str, str]] = (),
) -> Any:
    """Declare an option as a field of a section.

    `minimum` and `maximum` are inclusive. `old_names` are (group, name) pairs under which
    earlier releases of Marconi knew the option.
    """
    return field(
        default=default,
        metadata={
            "help": help,
            "minimum": minimum,
            "maximum": maximum,
            "choices": choices,
            "old_names": tuple(old_names),
        },
    )


class Section(Protocol):
    """A group of options: a frozen dataclass with the name of its group in the file."""

    GROUP: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]


SectionType = TypeVar("SectionType", bound=Section)


@dataclass(frozen=True)
class General:
    """How the service as a whole behaves."""

    GROUP: ClassVar[str] = "DEFAULT"

    auth_strategy: str = option(
        "",
        choices=("",),
        help="How clients are authenticated. Empty: not at all, X-Project-Id is believed.",
    )


@dataclass(frozen=True)
class Drivers:
    """Which drivers serve."""

    GROUP: ClassVar[str] = "drivers"

    transport: str = option("wsgi", choices=("wsgi",), help="How the API is offered.")
    storage: str = option(
        "mongodb",
        help="Where messages are kept: the name of a storage driver, such as mongodb or sqlite.",
    )


@dataclass(frozen=True)
class Wsgi:
    """The HTTP server."""

    GROUP: ClassVar[str] = "drivers:transport:wsgi"

    bind: str = option("127.0.0.1", help="Address to listen on.")
    port: int = option(8888, minimum=0, maximum=65535, help="TCP port; 0 takes a free one.")
    workers: int = option(2, minimum=1, maximum=1024, help="Number of worker processes.")
    threads: int = option(
        16, minimum=1, maximum=1024, help="Requests that one worker handles at the same time."
    )
    connections: int = option(
        1000, minimum=1, maximum=1_000_000, help="Connections that one worker keeps open."
    )
    keepalive: int = option(
        75, minimum=1, maximum=3600, help="Seconds that an idle connection is kept open."
    )
    request_timeout: int = option(
        30,
        minimum=1,
        maximum=3600,
        help="Seconds in which a request has to arrive whole, head and body.",
    )
    graceful_timeout: int = option(
        30,
        minimum=1,
        maximum=3600,
        help="Seconds that requests in flight get to finish when a worker stops.",
    )


@dataclass(frozen=True)
class Limits:
    """Limits that clients meet; spec section 5."""

    GROUP: ClassVar[str] = "transport"

    max_queues_per_page: int = option(
        20,
        minimum=1,
        maximum=1000,
        help="Largest page when listing queues.",
        old_names=[("limits:transport", "queue_paging_uplimit")],
    )
    max_messages_per_page: int = option(
        20,
        minimum=1,
        maximum=1000,
        help="Largest page when listing messages, and most ids in a bulk get or bulk delete.",
        old_names=[("limits:transport", "message_paging_uplimit")],
    )
    max_messages_per_claim: int = option(
        20, minimum=1, maximum=1000, help="Most messages that one claim takes."
    )
    max_queue_metadata: int = option(
        64 * 1024,
        minimum=2,
        maximum=16 * 1024**2,
        help="Largest metadata document in bytes, white space included.",
        old_names=[("limits:transport", "metadata_size_uplimit")],
    )
    max_message_size: int = option(
        256 * 1024,
        minimum=32,
        maximum=16 * 1024**2,
        help="Largest body of a request that posts messages, in bytes, white space included.",
        old_names=[("limits:transport", "message_size_uplimit")],
    )
    max_message_ttl: int = option(
        14 * 24 * 3600,
        minimum=60,
        maximum=10 * 366 * 24 * 3600,
        help="Longest life of a message in seconds.",
        old_names=[("limits:transport", "message_ttl_max")],
    )
    max_claim_ttl: int = option(
        12 * 3600,
        minimum=60,
        maximum=10 * 366 * 24 * 3600,
        help="Longest life of a claim in seconds.",
        old_names=[("limits:transport", "claim_ttl_max")],
    )
    max_claim_grace: int = option(
        12 * 3600,
        minimum=60,
        maximum=10 * 366 * 24 * 3600,
        help="Longest grace of a claim in seconds.",
        old_names=[("limits:transport", "claim_grace_max")],
    )
    max_claim_body: int = option(
        64 * 1024,
        minimum=32,
        maximum=16 * 1024**2,
        help="Largest body of a request that creates or renews a claim, in bytes.",
    )
    max_messages_per_post: int = option(
        0, minimum=0, maximum=1_000_000, help="Most messages in one post; 0 for no such limit."
    )
    client_id_uuid_safe: str = option(
        "off",
        choices=("off", "strict"),
        help="off: any non-empty Client-ID is taken. strict: it has to be a UUID.",
    )


@dataclass(frozen=True)
class Settings:
    """All options, and the section of the chosen storage driver."""

    general: General = General()
    drivers: Drivers = Drivers()
    wsgi: Wsgi = Wsgi()
    limits: Limits = Limits()
    store: Any = None


SECTIONS: tuple[type[Any], ...] = (General, Drivers, Wsgi, Limits)
