"""The section [keystone_authtoken]: what is wrong in it stops the start, in one line."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from marconi_server.auth.authtoken import CONNECT_SECONDS, AuthToken
from marconi_server.auth.strategies import open_authenticator
from marconi_server.config import load as configuration
from marconi_server.config.options import SettingsError
from tests.support.settings import remarks

GOOD = {
    "auth_url": "http://127.0.0.1:5000/v3",
    "auth_type": "password",
    "username": "queues",
    "password": "secret",
    "user_domain_id": "default",
    "project_name": "service",
    "project_domain_id": "default",
}


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(options: Mapping[str, Any], more: str = "") -> str:
        file = tmp_path / "marconi.conf"
        lines = [f"{name} = {value}" for name, value in options.items() if value is not None]
        file.write_text(
            "[DEFAULT]\nauth_strategy = keystone\n[drivers]\nstorage = sqlite\n"
            "[keystone_authtoken]\n" + "\n".join(lines) + f"\n{more}"
        )
        return str(file)

    return write


def load(file: str) -> AuthToken:
    section = configuration.load([file]).keystone_authtoken
    assert isinstance(section, AuthToken)
    return section


def refusal(file: str) -> str:
    with pytest.raises(SettingsError) as caught:
        configuration.load([file])
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_complete_section(write: Any) -> None:
    section = load(write(GOOD))
    assert section.url == section.public_url == GOOD["auth_url"]
    assert section.user == "queues (auth_type password)"
    assert section.cache_time == 300
    assert not section.memcached
    assert section.overrides()["http_connect_timeout"] == CONNECT_SECONDS


def test_what_operators_set_is_heeded(write: Any) -> None:
    more = {
        "www_authenticate_uri": "https://cloud.example/identity",
        "http_connect_timeout": 2,
        "token_cache_time": 60,
    }
    section = load(write({**GOOD, **more}))
    assert section.public_url == "https://cloud.example/identity"
    assert section.overrides()["http_connect_timeout"] == 2
    assert section.cache_time == 60
    assert load(write({**GOOD, "token_cache_time": -1})).cache_time == 0


def test_it_comes_from_the_environment_too(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_KEYSTONE_AUTHTOKEN__AUTH_URL", "https://other.example/v3")
    monkeypatch.setenv("OS_KEYSTONE_AUTHTOKEN__PASSWORD", "secret")
    assert load(write({**GOOD, "password": None})).url == "https://other.example/v3"


def test_the_login_may_have_a_section_of_its_own(write: Any) -> None:
    login = "\n".join(f"{name} = {value}" for name, value in GOOD.items())
    file = write({"auth_section": "login"}, f"[login]\n{login}\n")
    assert load(file).url == GOOD["auth_url"]
    assert "[login] lacks password" in refusal(
        write({"auth_section": "login"}, f"[login]\n{login}\n".replace("password = secret", ""))
    )


def test_application_credentials_will_do(write: Any) -> None:
    credential = {
        "auth_type": "v3applicationcredential",
        "auth_url": GOOD["auth_url"],
        "application_credential_id": "some-id",
        "application_credential_secret": "secret",
    }
    assert load(write(credential)).user == "some-id (auth_type v3applicationcredential)"
    assert "lacks application_credential_secret" in refusal(
        write({**credential, "application_credential_secret": None})
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "lacks auth_type, auth_url, username, password, which auth_strategy = keystone needs"),
        ({"auth_host": "127.0.0.1", "admin_user": "queues"}, "lacks auth_type, auth_url"),
        ({**GOOD, "auth_url": None}, "[keystone_authtoken] lacks auth_url,"),
        ({**GOOD, "auth_type": None}, "[keystone_authtoken] lacks auth_type,"),
        ({**GOOD, "username": None}, "[keystone_authtoken] lacks username,"),
        ({**GOOD, "password": ""}, "[keystone_authtoken] lacks password,"),
        ({**GOOD, "auth_type": "pasword"}, "auth_type of [keystone_authtoken] is 'pasword'"),
        ({**GOOD, "auth_type": "none"}, "'none', which does not log in at Keystone"),
        (
            {**GOOD, "auth_url": "127.0.0.1:5000"},
            "auth_url of [keystone_authtoken] has to be a URL",
        ),
        ({**GOOD, "auth_url": "ftp://host/v3"}, "has to be a URL, such as http://"),
        ({**GOOD, "auth_url": "http://[::1/v3"}, "has to be a URL, such as http://"),
        (
            {**GOOD, "token_cache_time": "long"},
            "token_cache_time of [keystone_authtoken] has to be",
        ),
        ({**GOOD, "insecure": "maybe"}, "insecure of [keystone_authtoken] has to be true or false"),
        ({**GOOD, "username": "$nobody"}, "a dollar sign is written $$"),
        ({**GOOD, "cafile": "/nowhere/ca.pem"}, "cafile of [keystone_authtoken] is '/nowhere/"),
        ({**GOOD, "memcache_security_strategy": "maybe"}, "memcache_security_strategy"),
    ],
)
def test_what_is_wrong_is_said(write: Any, options: Mapping[str, Any], expected: str) -> None:
    assert expected in refusal(write(options))


def test_memcached(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = {**GOOD, "memcached_servers": "127.0.0.1:11211"}
    monkeypatch.setitem(sys.modules, "memcache", None)  # as if it were not installed
    assert "needs the package python-memcached: pip install" in refusal(write(shared))
    monkeypatch.setitem(sys.modules, "memcache", json)  # and as if it were
    assert load(write(shared)).memcached
    secret = {**shared, "memcache_security_strategy": "ENCRYPT"}
    assert "lacks memcache_secret_key" in refusal(write(secret))
    assert load(write({**secret, "memcache_secret_key": "secret"})).memcached
    monkeypatch.setitem(sys.modules, "bmemcached", None)
    encrypted = {**shared, "memcache_tls_enabled": "true"}
    assert "needs the package python-binary-memcached" in refusal(write(encrypted))


def test_secrets_are_not_shown(write: Any) -> None:
    line = refusal(write({**GOOD, "password": "hush$hush"}))
    assert "option password of [keystone_authtoken] has to be text; a dollar sign is" in line
    assert "hush" not in line
    settings = configuration.load([write(GOOD)])
    authenticator = open_authenticator(settings)
    assert authenticator is not None
    shown = f"{settings!r} {authenticator.describe()}"
    assert "queues" in shown
    assert "secret" not in shown
    authenticator.close()


def test_names_that_nobody_reads_are_told(write: Any) -> None:
    login = "\n".join(f"{name} = {value}" for name, value in GOOD.items())
    file = write(
        {"auth_section": "login", "token_cachetime": 60, "memcache_servers": ""},
        f"[login]\n{login}\nuser_domain = x\n[keystone_authtokens]\n",
    )
    assert [line.removeprefix(f"{file}: ") for line in remarks(file)] == [
        f"option {name} of [{group}] has no effect here; did you mean {other}?"
        for name, group, other in (
            ("token_cachetime", "keystone_authtoken", "token_cache_time"),
            ("user_domain", "login", "user_domain_id"),
        )
    ] + ["there is no group [keystone_authtokens]; did you mean [keystone_authtoken]?"]


def test_without_the_strategy_the_section_is_refused(write: Any) -> None:
    """Whoever wrote it wants authentication: see tests/unit/test_unused.py."""
    file = Path(write(GOOD))
    file.write_text(file.read_text().replace("auth_strategy = keystone", "auth_strategy ="))
    assert refusal(str(file)).startswith(f"{file}: [keystone_authtoken] has an effect only where")
    file.write_text(file.read_text().partition("[keystone_authtoken]")[0])
    settings = configuration.load([str(file)])
    assert settings.keystone_authtoken is None
    assert open_authenticator(settings) is None
