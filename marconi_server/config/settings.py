"""Every option of the server, in declarative sections, and the configuration as a whole.

`etc/marconi.conf` and `docs/reference/configuration.md` are generated from these sections
(`python -m marconi_server.config.reference`). A storage driver brings its own section
(`Store.Options`). How options are declared is in `options.py`, how they are found in `load.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from marconi_server.config.options import Address, HostNames, Networks, option

KEYSTONE: Final = "keystone"

STRATEGIES: Final = ("", KEYSTONE)
"""What `auth_strategy` may be. Empty: nobody is asked, and `X-Project-Id` is believed."""


@dataclass(frozen=True)
class General:
    """How the service as a whole behaves."""

    GROUP: ClassVar[str] = "DEFAULT"

    auth_strategy: str = option(
        "",
        choices=STRATEGIES,
        help="How clients are authenticated. Empty: not at all, X-Project-Id is believed. keystone:"
        " by tokens, as [keystone_authtoken] says.",
    )
    use_json: bool = option(
        False, help="Write the log as JSON, one object per line, rather than as text."
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

    bind: Address = option(  # noqa: RUF009 - as all options are declared
        Address("127.0.0.1"), help="Address to listen on, or the name of this host."
    )
    port: int = option(8888, minimum=0, maximum=65535, help="TCP port; 0 takes a free one.")
    workers: int = option(2, minimum=1, maximum=1024, help="Number of worker processes.")
    threads: int = option(
        16,
        minimum=1,
        maximum=1024,
        help="Threads of one worker that handle requests, for storage drivers that need them. With"
        " mongodb and sqlite, requests run on the event loop of the worker.",
    )
    connections: int = option(
        1000,
        minimum=1,
        maximum=1_000_000,
        help="Connections that one worker keeps open. When all are taken, idle ones give way.",
    )
    keepalive: int = option(
        75,
        minimum=1,
        maximum=3600,
        help="Seconds that an idle connection is kept open, if there is room.",
    )
    request_timeout: int = option(
        30,
        minimum=1,
        maximum=3600,
        help="Seconds in which a request has to arrive whole, head and body. A client that takes"
        " nothing of its answer for as long is cut.",
    )
    graceful_timeout: int = option(
        30,
        minimum=1,
        maximum=3600,
        help="Seconds that requests in flight get to finish when a worker stops.",
    )
    drain_timeout: int = option(
        5,
        minimum=0,
        maximum=3600,
        help="Seconds that idle connections stay open when a worker stops, since a request may be"
        " on its way. Behind a balancer, longer than it keeps one idle, or takes to notice.",
    )
    cert_file: str = option(
        "",
        help="Certificate of the server in PEM, with those of the authorities between it and the"
        " root behind it. With it the server speaks TLS, and only that.",
    )
    key_file: str = option(
        "", help="Private key of that certificate in PEM; empty if it is in cert_file."
    )
    ca_file: str = option(
        "",
        help="Certificates of authorities in PEM. With it, only clients are served that have a"
        " certificate of one of them.",
    )
    trusted_proxies: Networks = option(  # noqa: RUF009 - as all options are declared
        Networks(),
        help="Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed. Empty: none.",
    )
    trusted_hosts: HostNames = option(  # noqa: RUF009 - as all options are declared
        HostNames(),
        help="Names by which clients may call this server, beside addresses and localhost. Without"
        " authentication, and not through trusted_proxies, a request with another name in Host is"
        " refused with 421 if bind is a loopback address, or if there is a name here.",
    )
    access_log: bool = option(
        False, help="Write a line for each request to the log. It costs some throughput."
    )


@dataclass(frozen=True)
class Limits:
    """Limits that clients meet, all inclusive.

    Names and defaults are those of spec section 5.
    """

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
        maximum=4 * 1024**2,  # what is kept of it may have half as much again
        help="Largest metadata document in bytes, white space included.",
        old_names=[("limits:transport", "metadata_size_uplimit")],
    )
    max_message_size: int = option(
        256 * 1024,
        minimum=32,
        maximum=15 * 1024**2,  # a document of MongoDB has at most 16 MiB
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

    @property
    def largest_body(self) -> int:
        """The largest body that any request may have, in bytes."""
        return max(self.max_queue_metadata, self.max_message_size, self.max_claim_body)


@dataclass(frozen=True)
class Authentication:
    """How tokens are dealt with. Where Keystone is stands in `[keystone_authtoken]`."""

    GROUP: ClassVar[str] = "authentication"

    open_health: bool = option(
        False, help="Answer /v1/health without a token, for load balancers that have none."
    )
    timeout: int = option(
        10,
        minimum=1,
        maximum=300,
        help="Seconds that a request waits for Keystone before it is answered with 503.",
    )
    token_cache_size: int = option(
        10_000,
        minimum=1,
        maximum=1_000_000,
        help="Most tokens that one worker remembers. For how long it does,"
        " token_cache_time of [keystone_authtoken] says.",
    )
    refused_token_time: int = option(
        5,
        minimum=0,
        maximum=300,
        help="Seconds for which a token that Keystone refused is refused without asking again;"
        " 0 asks each time.",
    )


@dataclass(frozen=True)
class Policy:
    """Who may do what, where clients are authenticated."""

    GROUP: ClassVar[str] = "oslo_policy"

    policy_file: str = option(
        "",
        help="File with role rules, absolute or beside one of the configuration files. Empty:"
        " policy.yaml beside a configuration file, if there is one.",
    )


@dataclass(frozen=True)
class Settings:
    """All options, and what others read from the files.

    store               the section of the chosen storage driver: its `Store.Options`
    role_rules          text by name, see `marconi_server.auth.roles`
    keystone_authtoken  an `AuthToken` of `marconi_server.auth.authtoken`, `None` unless
                        `auth_strategy` is `keystone`
    origins             where all of it comes from, in words

    Role rules and Keystone's section are part of the settings so that all workers have the same,
    and change them only together with the rest.
    """

    general: General = General()
    drivers: Drivers = Drivers()
    wsgi: Wsgi = Wsgi()
    limits: Limits = Limits()
    authentication: Authentication = Authentication()
    policy: Policy = Policy()
    store: Any = None
    role_rules: Mapping[str, str] = field(default_factory=dict)
    keystone_authtoken: Any = field(default=None, repr=False, compare=False)
    origins: str = field(default="", repr=False, compare=False)


SECTIONS: tuple[type[Any], ...] = (General, Drivers, Wsgi, Limits, Authentication, Policy)
