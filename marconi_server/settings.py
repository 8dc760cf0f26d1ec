"""Every option of the server, in declarative sections, and the configuration as a whole.

`etc/marconi.conf` and `docs/reference/configuration.md` are generated from these sections
(`python -m marconi_server.settings_reference`). A storage driver brings its own section
(`Store.Options`). How options are declared and read is in `options.py`.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from oslo_config import cfg

from marconi_server.auth import KEYSTONE, STRATEGIES
from marconi_server.options import Networks, Reader, names_set_in, option, options
from marconi_server.storage import registry

if TYPE_CHECKING:
    from marconi_server.auth.authtoken import AuthToken


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

    bind: str = option("127.0.0.1", help="Address to listen on.")
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
        maximum=15 * 1024**2,
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
    """All options, the section of the chosen storage driver, and what others read from the files.

    `role_rules` are text by name (see `marconi_server.policy`). They are part of the settings so
    that all workers have the same, and change them only together with the rest. So is
    `keystone_authtoken`, which is there where `auth_strategy` is `keystone`.
    """

    general: General = General()
    drivers: Drivers = Drivers()
    wsgi: Wsgi = Wsgi()
    limits: Limits = Limits()
    authentication: Authentication = Authentication()
    policy: Policy = Policy()
    store: Any = None
    role_rules: Mapping[str, str] = field(default_factory=dict)
    keystone_authtoken: "AuthToken | None" = field(default=None, repr=False, compare=False)


SECTIONS: tuple[type[Any], ...] = (General, Drivers, Wsgi, Limits, Authentication, Policy)


def default_files() -> list[str]:
    """Return the files that are read if none is named, as oslo.config finds them.

    That is `marconi.conf`, then `*.conf` in a folder `marconi.conf.d`, each from the first of
    `~/.marconi`, `~`, `/etc/marconi` and `/etc` that has it.
    """
    files = cfg.find_config_files(project="marconi", prog="marconi-server")
    for folder in cfg.find_config_dirs(project="marconi", prog="marconi-server"):
        files += sorted(map(str, Path(folder).glob("*.conf")))
    return files


def load_general(files: Sequence[str], overrides: Mapping[tuple[str, str], Any]) -> General:
    """Read one section alone: the log is set up by it before `load` may have to warn.

    :raises SettingsError: a file cannot be read, or a value is not allowed
    """
    return Reader(files, overrides).section(General)


def load(
    files: Sequence[str] | None = None,
    overrides: Mapping[tuple[str, str], Any] | None = None,
) -> Settings:
    """Read the configuration, with the section of the storage driver that it chooses.

    `files` are paths, of which a later one wins over an earlier; `None` stands for
    `default_files()`. `overrides` maps (group, name) to a value that wins over all else.

    :raises SettingsError: a file cannot be read, or a value is not allowed
    :raises StorageUnusable: this installation has no such storage driver
    """
    files = default_files() if files is None else files
    reader = Reader(files, overrides or {})
    drivers = reader.section(Drivers)
    settings = Settings(
        general=reader.section(General),
        drivers=drivers,
        wsgi=reader.section(Wsgi),
        limits=reader.section(Limits),
        authentication=reader.section(Authentication),
        policy=reader.section(Policy),
        store=reader.section(registry.driver(drivers.storage).Options),
    )
    if settings.general.auth_strategy == KEYSTONE:
        settings = replace(settings, keystone_authtoken=_keystone_authtoken(files))
    return _with_role_rules(settings, files) if settings.general.auth_strategy else settings


def _keystone_authtoken(files: Sequence[str]) -> "AuthToken":
    """Read the section of keystonemiddleware, from the files and the environment.

    :raises SettingsError: an option is missing, or has a value that makes no sense
    """
    from marconi_server.auth import authtoken  # which needs much that nobody else does

    conf = cfg.ConfigOpts()
    conf([], project="marconi", default_config_files=list(files), default_config_dirs=[])
    return authtoken.read(conf)


def _with_role_rules(settings: Settings, files: Sequence[str]) -> Settings:
    """Add what the policy file says; `policy_file` becomes the path at which it was found.

    :raises SettingsError: it cannot be read, or a rule is wrong
    """
    from marconi_server import policy  # which needs much that nobody else does

    # A later file wins over an earlier. Without any, there is the working folder.
    folders = [os.path.dirname(file) for file in reversed(files)] or [""]
    file = policy.find(settings.policy.policy_file, folders)
    rules = policy.read(file) if file else {}
    return replace(settings, policy=Policy(policy_file=file), role_rules=rules)


def unknown_options(files: Sequence[str], settings: Settings) -> list[str]:
    """Return a line for each option in the files that nobody reads, which may be a typo.

    Looks only at our own groups and at groups with nearly the same name: the rest of a
    file belongs to others, such as drivers that are not in use.

    :raises SettingsError: a file cannot be read
    """
    known: dict[str, set[str]] = {}
    for section in (*SECTIONS, type(settings.store)):
        for each in options(section):
            for group, name in each.names:
                known.setdefault(group, set()).add(name)
    if settings.keystone_authtoken is not None:
        known |= settings.keystone_authtoken.names
    lines = []
    for file in files:
        for group, names in names_set_in(file).items():
            if group not in known:
                similar = get_close_matches(group, known, n=1, cutoff=0.85)
                lines += [
                    f"{file}: there is no group [{group}]; did you mean [{each}]?"
                    for each in similar
                ]
                continue
            for name in sorted(names - known[group]):
                similar = get_close_matches(name, known[group], n=1)
                hint = f"; did you mean {similar[0]}?" if similar else ""
                lines.append(f"{file}: option {name} of [{group}] has no effect here{hint}")
    return lines
