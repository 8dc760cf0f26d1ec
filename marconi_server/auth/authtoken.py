"""The section `[keystone_authtoken]`, read and checked before keystonemiddleware works with it.

Its options are those of keystonemiddleware and of the way in which this server logs in at
Keystone (`auth_type`). They may stand in any file of the configuration, and in environment
variables as oslo.config names them, such as `OS_KEYSTONE_AUTHTOKEN__PASSWORD`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import urlsplit

from keystoneauth1 import exceptions, loading
from keystonemiddleware import auth_token
from oslo_config import cfg, types

from marconi_server.config.files import check_regular
from marconi_server.config.masking import uri_without_secrets, uri_without_user
from marconi_server.config.options import SettingsError

GROUP: Final = "keystone_authtoken"

CONNECT_SECONDS: Final = 5
"""Of one request to Keystone, if `http_connect_timeout` is not set: it would wait for ever."""

FILES: Final = (
    "cafile",
    "certfile",
    "keyfile",
    "memcache_tls_cafile",
    "memcache_tls_certfile",
    "memcache_tls_keyfile",
)
"""Options that name a file, which nobody looks at before the first request."""


@dataclass(frozen=True)
class AuthToken:
    """What the section says, as far as it matters outside of keystonemiddleware.

    conf        the configuration, from which keystonemiddleware reads the rest
    url         where this server reaches Keystone, as people may see it
    public_url  where clients are told to reach it
    user        who this server is there, in words
    cache_time  seconds for which a token may be believed without asking again
    memcached   whether the filter keeps what it knows in memcached
    names       the options that there are, by group
    idle        options of this section without effect under these settings, and why
    """

    conf: cfg.ConfigOpts
    url: str
    public_url: str
    user: str
    cache_time: int
    memcached: bool
    names: Mapping[str, set[str]]
    idle: Mapping[str, str]

    def describe(self) -> list[str]:
        """Say in lines of text what is used, without secrets."""
        where = " and in memcached" if self.memcached else ""
        return [
            f"keystone at {self.url}, as {self.user}",
            f"tokens are remembered for {self.cache_time} seconds, in each process{where}",
        ]

    def overrides(self) -> dict[str, Any]:
        """Return what the filter has to be told in spite of the section, or beyond it."""
        return {
            "http_connect_timeout": self.conf[GROUP].http_connect_timeout or CONNECT_SECONDS,
            "www_authenticate_uri": self.public_url,
            # Who cannot be identified gets no further, and access rules need the catalogue.
            "delay_auth_decision": False,
            "include_service_catalog": True,
        }


def read(conf: cfg.ConfigOpts) -> AuthToken:
    """Read the section; nothing is asked of Keystone.

    :raises SettingsError: an option is missing, or has a value that makes no sense
    """
    names: dict[str, set[str]] = {}
    for group, options in auth_token.list_opts():
        _register(conf, group, options, names)
    # The login may be in a section of its own.
    loading.register_auth_conf_options(conf, GROUP)
    group = conf[GROUP].auth_section or GROUP
    names.setdefault(group, set()).add("auth_type")
    values = conf[group]
    _check_login(conf, group, names)
    who_names = ("username", "user_id", "application_credential_id", "application_credential_name")
    who = next((values[name] for name in who_names if values.get(name)), "nobody")
    memcached = bool(conf[GROUP].memcached_servers)
    if memcached:
        _check_memcached(conf)
    for each in FILES:
        _check_file(each, conf[GROUP][each])
    return AuthToken(
        conf=conf,
        url=uri_without_secrets(values.auth_url),
        public_url=uri_without_user(conf[GROUP].www_authenticate_uri or values.auth_url),
        user=f"{who} (auth_type {values.auth_type})",
        cache_time=max(0, conf[GROUP].token_cache_time),
        memcached=memcached,
        names=names,
        idle=_idle(conf, memcached=memcached),
    )


def _idle(conf: cfg.ConfigOpts, *, memcached: bool) -> dict[str, str]:
    """Find the options that this server does not heed, or not under these settings."""
    found = {
        "delay_auth_decision": "who cannot be identified gets no further",
        "include_service_catalog": "access rules need the catalogue",
    }
    if not memcached:
        found["cache"] = "tokens are remembered in the process"
        for each in conf[GROUP]:
            if each.startswith("memcache_"):
                found[each] = "memcached_servers is empty"
    if conf[GROUP].insecure:
        found["cafile"] = "with insecure = true, no certificate is looked at"
    return found


def _check_login(conf: cfg.ConfigOpts, group: str, names: dict[str, set[str]]) -> None:
    """Make sure that there is what this server needs to log in at Keystone.

    :raises SettingsError: there is not
    """
    missing = [] if conf[group].auth_type else ["auth_type"]
    kind = conf[group].auth_type or "password"  # to say all that is missing at once
    try:
        plugin: Any = loading.get_plugin_loader(kind)
    except exceptions.NoMatchingPlugin as error:
        raise SettingsError(
            f"option auth_type of [{group}] is {kind!r}, which keystoneauth does not know; "
            "as a rule it is password"
        ) from error
    _register(conf, group, loading.get_auth_plugin_conf_options(plugin), names)
    values = conf[group]
    if "auth_url" not in values:
        raise SettingsError(
            f"option auth_type of [{group}] is {kind!r}, which does not log in at Keystone; "
            "as a rule it is password"
        )
    missing += [
        each.dest for each in plugin.get_options() if each.required and not values[each.dest]
    ]
    if "password" in values:  # keystoneauth leaves it to Keystone to complain
        missing += [] if values.get("username") or values.get("user_id") else ["username"]
        missing += [] if values.password else ["password"]
    if missing:
        raise SettingsError(
            f"[{group}] lacks {', '.join(missing)}, which auth_strategy = keystone needs"
        )
    if not _is_url(values.auth_url):
        raise SettingsError(
            # APPSEC: what is no URL may have a password anywhere.
            f"option auth_url of [{group}] has to be a URL, such as http://127.0.0.1:5000/v3"
        )


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def _register(
    conf: cfg.ConfigOpts, group: str, options: list[cfg.Opt], names: dict[str, set[str]]
) -> None:
    """Register options, note their names, and make sure that their values have their types.

    :raises SettingsError: one has not
    """
    conf.register_opts(options, group=group)
    for each in options:
        old = (deprecated.name for deprecated in each.deprecated_opts if deprecated.name)
        names.setdefault(group, set()).update((each.name, each.dest, *old))
        try:
            # Of a number that is left empty, oslo.config makes nothing.
            if conf[group][each.dest] is None and each.default is not None:
                raise ValueError
        except (cfg.Error, ValueError):
            # APPSEC: what these say repeats the value, and it is not for us to know which of the
            # options of others hold secrets.
            raise SettingsError(
                f"option {each.dest} of [{group}] has to be {_allowed(each)}; "
                "a dollar sign is written $$"
            ) from None


def _allowed(option: cfg.Opt) -> str:
    """Say what a value has to be."""
    if choices := getattr(option.type, "choices", None):
        return " or ".join(str(each) for each in choices)
    if isinstance(option.type, types.Boolean):
        return "true or false"
    return "a number" if isinstance(option.type, types.Number) else "text"


def _check_file(option: str, file: str | None) -> None:
    """Make sure that a file that is named can be read.

    :raises SettingsError: it cannot
    """
    try:
        if file:
            check_regular(file)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"option {option} of [{GROUP}] is {file!r}, which is not a file that can be read"
        ) from error


def _check_memcached(conf: cfg.ConfigOpts) -> None:
    """Make sure that memcached can be used: the filter would find out with the first request.

    :raises SettingsError: it cannot
    """
    values = conf[GROUP]
    binary = values.memcache_sasl_enabled or values.memcache_tls_enabled
    module, package = (
        ("bmemcached", "python-binary-memcached") if binary else ("memcache", "python-memcached")
    )
    if find_spec(module) is None:
        raise SettingsError(
            f"option memcached_servers of [{GROUP}] needs the package {package}: "
            f"pip install {package}"
        )
    if values.memcache_security_strategy.lower() != "none" and not values.memcache_secret_key:
        raise SettingsError(
            f"[{GROUP}] lacks memcache_secret_key, which memcache_security_strategy needs"
        )
