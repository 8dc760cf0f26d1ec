"""What is set in vain: it is named, and where it was authentication nothing starts."""

from pathlib import Path

import pytest

from marconi_server.config.files import read_files
from marconi_server.config.load import Configuration, load
from marconi_server.config.options import SettingsError
from marconi_server.config.reader import Overrides
from tests.support.settings import remarks

SQLITE = {("drivers", "storage"): "sqlite"}

EMBEDDED = {**SQLITE, ("DEFAULT", "auth_strategy"): ""}
"""What --embedded says."""

KEYSTONE = (
    "[DEFAULT]\nauth_strategy = keystone\n[keystone_authtoken]\nauth_url = http://127.0.0.1:5000\n"
    "auth_type = password\nusername = queues\npassword = hunter2\n"
)

NAME = "OS_KEYSTONE_AUTHTOKEN__PASSWORD"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "marconi.conf"


def refusal(file: Path, overrides: Overrides = SQLITE) -> str:
    with pytest.raises(SettingsError) as caught:
        load([str(file)], overrides)
    line = str(caught.value)
    assert "\n" not in line
    assert "hunter2" not in line
    return line.removeprefix(f"{file}: ")


# Open by omission


@pytest.mark.parametrize(
    ("section", "option"),
    [
        ("keystone_authtoken", "password = hunter2"),
        ("keystone_authtoken", "auth_uri = https://identity.example"),
        ("Keystone_Authtoken", "nonsense ="),
        ("authentication", "open_health = true"),
        ("oslo_policy", "policy_file = policy.yaml"),
    ],
)
@pytest.mark.parametrize("strategy", ["", "[DEFAULT]\nauth_strategy =\n"])
def test_a_section_of_authentication_without_a_strategy_is_refused(
    strategy: str, section: str, option: str, file: Path
) -> None:
    file.write_text(f"{strategy}[{section}]\n{option}\n")
    line = refusal(file)
    assert line.startswith(
        f"[{section.lower()}] has an effect only where clients are authenticated"
    )
    assert line.endswith("set auth_strategy = keystone, or remove the section")


@pytest.mark.parametrize("variable", [NAME, "OS_AUTHENTICATION__TIMEOUT", "os_oslo_policy__x"])
def test_a_variable_of_authentication_without_a_strategy_is_refused(
    variable: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.touch()
    monkeypatch.setenv(variable, "hunter2")
    assert refusal(file).startswith(f"environment variable {variable}: [")


def test_a_section_of_which_nothing_is_set_is_no_reason(file: Path) -> None:
    """Such as those of the sample file, of which each option is a comment."""
    file.write_text("[keystone_authtoken]\n# password = hunter2\n[authentication]\n")
    assert load([str(file)], SQLITE).general.auth_strategy == ""


def test_embedded_does_not_undo_authentication(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("[DEFAULT]\nauth_strategy = keystone\n")
    line = refusal(file, EMBEDDED)
    assert line == (
        f"--embedded serves without authentication, but {file} asks for it with auth_strategy:"
        " remove that, or leave out --embedded and set storage = sqlite in [drivers]"
    )
    file.write_text("[keystone_authtoken]\npassword = hunter2\n")
    assert f"but {file} asks for it with [keystone_authtoken]" in refusal(file, EMBEDDED)
    file.write_text("[DEFAULT]\nauth_strategy =\n")
    assert load([str(file)], EMBEDDED).general.auth_strategy == ""
    monkeypatch.setenv("OS_DEFAULT__AUTH_STRATEGY", "keystone")
    variable = "environment variable OS_DEFAULT__AUTH_STRATEGY"
    assert f"but {variable} asks for it with auth_strategy" in refusal(file, EMBEDDED)


# In files


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[drivers:storage:mongodb]\nuri = mongodb://u:hunter2@h\n",
            "[drivers:storage:mongodb] has no effect: storage of [drivers] is sqlite",
        ),
        (
            "[drivers:transport:zmq]\nport = 1\n",
            "[drivers:transport:zmq] has no effect: transport of [drivers] is wsgi",
        ),
        (
            "[drivers:transport:wsgi]\nthreads = 4\n",
            (
                "threads of [drivers:transport:wsgi] has no effect: with storage = sqlite,"
                " requests run on the event loop of a worker"
            ),
        ),
        (
            "[transport]\nmax_claim_ttl = 100\n[limits:transport]\nclaim_ttl_max = 200\n",
            "claim_ttl_max of [limits:transport] has no effect beside max_claim_ttl of [transport]",
        ),
        (
            "[transport]\nmax_claim_ttl = 100\n[Transport]\nmax_claim_ttl = 200\n",
            "max_claim_ttl of [transport] is set 2 times; the last one counts",
        ),
    ],
)
def test_what_has_no_effect_is_named(text: str, expected: str, file: Path) -> None:
    file.write_text(text)
    assert remarks(str(file), SQLITE, unknown=False) == [f"{file}: {expected}"]
    assert remarks(str(file), SQLITE, unknown=True) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[transprot]\n", "there is no group [transprot]; did you mean [transport]?"),
        ("[default]\nx = 1\n", "there is no group [default]; did you mean [DEFAULT]?"),
        ("[keystone_authtokens]\n", "[keystone_authtokens]; did you mean [keystone_authtoken]?"),
        ("[drivers:storage:mongo_db]\n", "did you mean [drivers:storage:mongodb]?"),
        ("[transport]\nmax_clam_ttl = 1\n", "did you mean max_claim_ttl?"),
    ],
)
def test_what_is_unknown_is_named(text: str, expected: str, file: Path) -> None:
    file.write_text(text)
    (line,) = remarks(str(file), SQLITE, unknown=True)
    assert line.endswith(expected)


def test_what_belongs_to_others_is_left_alone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("[database]\nconnection = x\n[oslo_messaging_rabbit]\n[nova]\nx = 1\n")
    for name in (
        *("AUTH_URL", "AUTH_TYPE", "USERNAME", "USER_ID", "PASSWORD", "TOKEN", "REGION_NAME"),
        *("PROJECT_NAME", "PROJECT_ID", "USER_DOMAIN_NAME", "PROJECT_DOMAIN_ID", "TENANT_NAME"),
        *("APPLICATION_CREDENTIAL_ID", "APPLICATION_CREDENTIAL_SECRET", "IDENTITY_API_VERSION"),
        *("CACERT", "CLOUD", "INTERFACE", "AUTH_STRATEGY", "TEST_TIMEOUT", "DATABASE__CONNECTION"),
    ):
        monkeypatch.setenv(f"OS_{name}", "x")
    for name in ("SERVICE_HOST", "PORT_8888_TCP", "TEST_MONGODB"):
        monkeypatch.setenv(f"MARCONI_{name}", "x")
    assert remarks(str(file), SQLITE) == []
    file.write_text(KEYSTONE)
    assert remarks(str(file), SQLITE) == []


def test_a_secret_that_was_broken_in_two_is_no_name(file: Path) -> None:
    file.write_text("[drivers]\n//user:hunter2@host/?x = y\n:hunter2\n")
    with pytest.raises(SettingsError) as caught:
        remarks(str(file), SQLITE)
    assert "hunter2" not in str(caught.value)
    file.write_text("[drivers]\n//user//hunter2@host/?x = y\n")
    (line,) = remarks(str(file), SQLITE)
    assert line == f"{file}: something that is no name of [drivers] has no effect here"


# In the environment


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("OS_TRANSPORT__MAX_CLAM_TTL", "did you mean OS_TRANSPORT__MAX_CLAIM_TTL?"),
        ("OS_TRANSPORT_MAX_CLAIM_TTL", "did you mean OS_TRANSPORT__MAX_CLAIM_TTL?"),
        ("OS_TRANSPROT__MAX_CLAIM_TTL", "did you mean OS_TRANSPORT__MAX_CLAIM_TTL?"),
        ("os_transport__max_claim_ttl", "did you mean OS_TRANSPORT__MAX_CLAIM_TTL?"),
        ("OS_LIMITS_TRANSPORT__CLAIM_TTL_MAX", "did you mean OS_TRANSPORT__MAX_CLAIM_TTL?"),
        ("OS_DEFAULT__AUTH_STRATEGI", "did you mean OS_DEFAULT__AUTH_STRATEGY?"),
        ("OS_DRIVERS__TRANSPORT__WSGI__PORT", "did you mean OS_DRIVERS_TRANSPORT_WSGI__PORT?"),
        ("OS_TRANSPORT__NONSENSE", "sets nothing"),
        ("OS_KEYSTONE_AUTHTOKEM__PASSWORD", "sets nothing"),
    ],
)
def test_a_misspelt_variable_is_named(
    variable: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "hunter2")
    (line,) = remarks(SQLITE, unknown=True)
    assert line.startswith(f"environment variable {variable}: sets nothing")
    assert line.endswith(expected)


def test_a_misspelt_variable_of_keystone_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(KEYSTONE)
    monkeypatch.setenv("OS_KEYSTONE_AUTHTOKEN__TOKEN_CACHETIME", "1")
    (line,) = remarks(str(file), SQLITE, unknown=True)
    assert line.endswith("did you mean OS_KEYSTONE_AUTHTOKEN__TOKEN_CACHE_TIME?")


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("OS_DRIVERS_STORAGE_MONGODB__URI", "[drivers:storage:mongodb] has no effect: storage of"),
        ("OS_DRIVERS_TRANSPORT_WSGI__THREADS", "threads of [drivers:transport:wsgi] has no effect"),
        ("MARCONI_CONFIG_FILE", "has no effect on this command, which takes --config-file"),
    ],
)
def test_a_variable_without_effect_is_named(
    variable: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "4")
    (line,) = remarks(SQLITE, unknown=False)
    assert line.startswith(f"environment variable {variable}: {expected}")


def test_of_two_spellings_of_a_variable_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_DRIVERS:TRANSPORT:WSGI__PORT", "1")
    assert remarks(SQLITE) == []
    monkeypatch.setenv("OS_DRIVERS_TRANSPORT_WSGI__PORT", "2")
    assert remarks(SQLITE) == [
        (
            "environment variable OS_DRIVERS:TRANSPORT:WSGI__PORT: has no effect beside "
            "OS_DRIVERS_TRANSPORT_WSGI__PORT"
        )
    ]


# Elsewhere


def test_what_the_command_line_sets_in_vain_is_named() -> None:
    (line,) = remarks({**SQLITE, ("drivers:transport:wsgi", "threads"): "4"})
    assert line.startswith("command line: threads of [drivers:transport:wsgi] has no effect: ")


def test_another_wsgi_host_is_told_what_is_up_to_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARCONI_CONFIG_FILE", str(file))
    file.write_text(
        "[DEFAULT]\nuse_json = true\n[drivers]\nstorage = sqlite\n"
        "[drivers:transport:wsgi]\nport = 80\ntrusted_hosts = queue.example\n"
    )
    assert [line.removeprefix(f"{file}: ") for line in remarks(str(file), is_command=False)] == [
        "use_json of [DEFAULT] has no effect: this is up to the WSGI host",
        "port of [drivers:transport:wsgi] has no effect: this is up to the WSGI host",
    ]


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("delay_auth_decision = true", "who cannot be identified gets no further"),
        ("memcache_secret_key = hunter2", "memcached_servers is empty"),
        ("insecure = true\ncafile = /etc/hosts", "no certificate is looked at"),
    ],
)
def test_what_has_no_effect_on_tokens_is_named(option: str, reason: str, file: Path) -> None:
    file.write_text(f"{KEYSTONE}{option}\n")
    (line,) = remarks(str(file), SQLITE)
    assert line.endswith(reason)
    assert "hunter2" not in line


def test_names_of_this_server_have_no_effect_on_tokens(file: Path) -> None:
    file.write_text(f"{KEYSTONE}[drivers:transport:wsgi]\ntrusted_hosts = queue.example\n")
    (line,) = remarks(str(file), SQLITE)
    assert line.endswith("has no effect: only without authentication a name matters")


def test_where_all_comes_from_is_told_without_values(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, "hunter2")
    file.write_text(KEYSTONE)
    settings = Configuration(read_files([str(file)]), SQLITE).settings()
    assert settings.origins == f"{file}; environment variables {NAME}; command line: storage"
    monkeypatch.delenv(NAME)
    assert load([], {**SQLITE}).origins == "none; command line: storage"
