"""The configuration: layers, limits, old names, and one line for all that is wrong."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest

from marconi_server.config.load import default_files, load
from marconi_server.config.options import (
    LONGEST_SHOWN,
    Address,
    HostNames,
    Networks,
    Option,
    SettingsError,
    option,
    options,
)
from marconi_server.config.settings import SECTIONS, Limits, Settings, Wsgi
from marconi_server.storage import registry
from marconi_server.storage.contract import LARGEST_METADATA
from marconi_server.storage.errors import StorageUnusable
from marconi_server.storage.sqlite.driver import SQLiteOptions
from tests.support.settings import remarks

SQLITE = {("drivers", "storage"): "sqlite"}
PAGE = ("transport", "max_messages_per_page")

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a configuration file and return its path."""

    def write(text: str) -> str:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.conf"
        path.write_text(text)
        return str(path)

    return write


def refusal(*files: str, **overrides: str) -> str:
    """Load what has to be refused, and return the line that says why."""
    with pytest.raises(SettingsError) as caught:
        load(files, {**SQLITE, **{("transport", name): value for name, value in overrides.items()}})
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_without_files_everything_has_its_default() -> None:
    settings = load([], SQLITE)
    assert settings.limits == Limits()
    assert settings.wsgi == Wsgi()
    assert settings.general.auth_strategy == ""
    assert settings.store == SQLiteOptions()


def test_the_defaults_are_those_of_the_specification() -> None:
    assert Limits() == Limits(
        max_queues_per_page=20,
        max_messages_per_page=20,
        max_messages_per_claim=20,
        max_queue_metadata=65536,
        max_message_size=262144,
        max_message_ttl=1209600,
        max_claim_ttl=43200,
        max_claim_grace=43200,
        max_claim_body=65536,
        max_messages_per_post=0,
        client_id_uuid_safe="off",
    )
    assert (Wsgi().bind, Wsgi().port) == ("127.0.0.1", 8888)
    assert Settings().drivers.storage == "mongodb"


def test_settings_cannot_be_changed_after_the_start() -> None:
    with pytest.raises(FrozenInstanceError):
        load([], SQLITE).limits.max_claim_ttl = 1  # type: ignore[misc]


def test_a_file_wins_over_defaults(write: Write) -> None:
    file = write("[transport]\nmax_messages_per_page = 7\n[drivers]\nstorage = sqlite\n")
    assert load([file]).limits.max_messages_per_page == 7


def test_a_later_file_wins_over_an_earlier(write: Write) -> None:
    files = [write(f"[transport]\nmax_messages_per_page = {size}\n") for size in (5, 6)]
    assert load(files, SQLITE).limits.max_messages_per_page == 6


def test_the_environment_wins_over_files(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write("[transport]\nmax_messages_per_page = 7\n[drivers]\nstorage = mongodb\n")
    monkeypatch.setenv("OS_TRANSPORT__MAX_MESSAGES_PER_PAGE", "8")
    monkeypatch.setenv("OS_DRIVERS__STORAGE", "sqlite")
    assert load([file]).limits.max_messages_per_page == 8


def test_the_environment_reaches_groups_with_colons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_DRIVERS:TRANSPORT:WSGI__PORT", "8001")
    monkeypatch.setenv("OS_DRIVERS_TRANSPORT_WSGI__THREADS", "3")
    monkeypatch.setenv("OS_DRIVERS_STORAGE_SQLITE__DATABASE", "/somewhere/else.db")
    settings = load([], SQLITE)
    assert (settings.wsgi.port, settings.wsgi.threads) == (8001, 3)
    assert settings.store.database == "/somewhere/else.db"


def test_overrides_win_over_all(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write("[transport]\nmax_messages_per_page = 7\n")
    monkeypatch.setenv("OS_TRANSPORT__MAX_MESSAGES_PER_PAGE", "8")
    assert load([file], {**SQLITE, PAGE: "9"}).limits.max_messages_per_page == 9


def test_overrides_are_taken_literally() -> None:
    database = ("drivers:storage:sqlite", "database")
    assert load([], {**SQLITE, database: "/a/$b.db"}).store.database == "/a/$b.db"


def test_the_command_line_of_the_process_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["pytest", "--config-file", "/nowhere/at-all.conf"])
    assert load([], SQLITE).limits == Limits()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("queue_paging_uplimit", "max_queues_per_page"),
        ("message_paging_uplimit", "max_messages_per_page"),
        ("metadata_size_uplimit", "max_queue_metadata"),
        ("message_size_uplimit", "max_message_size"),
        ("message_ttl_max", "max_message_ttl"),
        ("claim_ttl_max", "max_claim_ttl"),
        ("claim_grace_max", "max_claim_grace"),
    ],
)
def test_old_names_are_understood(old: str, new: str, write: Write) -> None:
    file = write(f"[limits:transport]\n{old} = 444\n")
    settings = load([file], SQLITE)
    assert getattr(settings.limits, new) == 444
    assert remarks(file, SQLITE) == []


def test_the_new_name_wins_over_the_old(write: Write) -> None:
    file = write("[limits:transport]\nclaim_ttl_max = 444\n[transport]\nmax_claim_ttl = 555\n")
    assert load([file], SQLITE).limits.max_claim_ttl == 555


def test_the_largest_body_is_that_of_the_largest_limit() -> None:
    assert Limits().largest_body == 262144
    assert Limits(max_queue_metadata=300000).largest_body == 300000
    assert Limits(max_claim_body=400000).largest_body == 400000


@pytest.mark.parametrize("value", ["ten", "", "7.5", "0", "1001", "-3", "0x10"])
def test_a_bad_number_is_refused(value: str, write: Write) -> None:
    file = write(f"[transport]\nmax_messages_per_page = {value}\n")
    assert refusal(file) == (
        f"{file}: option max_messages_per_page of [transport] is {value!r}, "
        "but has to be a whole number from 1 to 1000"
    )


@pytest.mark.parametrize("section", SECTIONS)
def test_limits_are_inclusive(section: type[object]) -> None:
    for each in options(section):
        for edge, step in ((each.minimum, -1), (each.maximum, 1)):
            if edge is not None:
                assert each.read(str(edge)) == edge
                with pytest.raises(SettingsError):
                    each.read(str(edge + step))


def test_a_bad_choice_is_refused(write: Write) -> None:
    file = write("[transport]\nclient_id_uuid_safe = on\n")
    assert refusal(file).endswith("is 'on', but has to be off or strict")


def test_an_unknown_strategy_is_refused_and_not_passed_over(write: Write) -> None:
    file = write("[DEFAULT]\nauth_strategy = keyston\n")
    expected = "auth_strategy of [DEFAULT] is 'keyston', but has to be empty or keystone"
    assert expected in refusal(file)


def test_a_bad_override_is_refused() -> None:
    assert refusal(max_claim_ttl="x").startswith("option max_claim_ttl of [transport] is 'x'")


def test_a_bad_variable_is_named(monkeypatch: pytest.MonkeyPatch, write: Write) -> None:
    file = write("[transport]\nmax_messages_per_page = 7\n")
    monkeypatch.setenv("OS_TRANSPORT__MAX_MESSAGES_PER_PAGE", "ten")
    assert refusal(file).startswith("environment variable OS_TRANSPORT__MAX_MESSAGES_PER_PAGE: ")


def test_the_file_with_the_bad_value_is_named(write: Write) -> None:
    good = write("[transport]\nmax_messages_per_page = 7\n")
    bad = write("[transport]\nmax_messages_per_page = ten\n")
    other = write("[transport]\nmax_claim_ttl = 100\n")
    assert refusal(good, bad, other).startswith(f"{bad}: ")


def test_a_reference_to_an_unknown_option_is_refused(write: Write) -> None:
    file = write("[drivers:storage:sqlite]\ndatabase = /data/$nonsense.db\n")
    line = refusal(file)
    assert line.startswith(f"{file}: option database of [drivers:storage:sqlite] refers to ")
    assert "nonsense" in line
    assert line.endswith("a dollar sign is written $$")


def test_a_dollar_sign_is_written_twice(write: Write) -> None:
    file = write("[drivers:storage:sqlite]\ndatabase = /data/$$nonsense.db\n")
    assert load([file], SQLITE).store.database == "/data/$nonsense.db"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    line = refusal(str(tmp_path / "missing.conf"))
    assert line == f"{tmp_path}/missing.conf: cannot be read: No such file or directory"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(str(tmp_path)) == f"{tmp_path}: cannot be read: Is a directory"


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "binary.conf"
    file.write_bytes(b"[transport]\n\xff\xfe = 1\n")
    assert refusal(str(file)) == f"{file}: cannot be read: it is not text in UTF-8"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[transport]\nmax_claim_ttl\n", 2),
        ("\n\nmax_claim_ttl = 100\n", 3),
        ("[transport\n", 1),
        ("[transport]\n# a comment\n = 5\n", 3),
    ],
)
def test_a_file_that_does_not_parse_is_refused_with_the_line(
    text: str, line: int, write: Write
) -> None:
    file = write(text)
    refused = refusal(file)
    assert refused.startswith(f"{file}: line {line}: ")
    assert "max_claim_ttl" not in refused, "the text of the line might be a secret"


def test_an_unknown_driver_is_refused_with_what_there_is() -> None:
    with pytest.raises(StorageUnusable, match="no storage driver 'mangodb'") as caught:
        load([], {("drivers", "storage"): "mangodb"})
    assert "sqlite" in caught.value.remedy
    assert "--embedded" in caught.value.remedy


def test_typos_are_reported_with_the_nearest_name(write: Write) -> None:
    file = write(
        "[transport]\nmax_mesages_per_page = 5\n"
        "[drivers:storage:sqlite]\nfile_of_the_database = x\n"
        "[transprot]\nmax_claim_ttl = 100\n"
    )
    typo, nonsense, group = remarks(file, SQLITE)
    assert typo == (
        f"{file}: option max_mesages_per_page of [transport] has no effect here; "
        "did you mean max_messages_per_page?"
    )
    assert nonsense == (
        f"{file}: option file_of_the_database of [drivers:storage:sqlite] has no effect here"
    )
    assert group == f"{file}: there is no group [transprot]; did you mean [transport]?"


def test_a_configuration_of_marconi_still_loads(write: Write) -> None:
    """What an operator of the 2014.1 release has: much of it means nothing here."""
    file = write(
        "[DEFAULT]\ndebug = False\nlog_file = /var/log/marconi/server.log\nadmin_mode = False\n"
        "[drivers]\ntransport = wsgi\nstorage = sqlite\n"
        "[drivers:transport:wsgi]\nbind = 0.0.0.0\nport = 9999\n"
        "[drivers:storage:mongodb]\nuri = mongodb://db1,db2/?replicaSet=r\ndatabase = marconi\n"
        "[drivers:storage:sqlalchemy]\nuri = sqlite:///:memory:\n"
        "[limits:transport]\nmessage_paging_uplimit = 15\n"
    )
    settings = load([file])
    assert (settings.wsgi.bind, settings.wsgi.port) == ("0.0.0.0", 9999)
    assert settings.limits.max_messages_per_page == 15
    assert [line.removeprefix(f"{file}: ") for line in remarks(file)] == [
        *(
            f"option {name} of [DEFAULT] has no effect here"
            for name in ("admin_mode", "debug", "log_file")
        ),
        "[drivers:storage:mongodb] has no effect: storage of [drivers] is sqlite",
        "[drivers:storage:sqlalchemy] has no effect: storage of [drivers] is sqlite",
    ]


def test_group_names_are_read_without_regard_to_case(write: Write) -> None:
    file = write("[Transport]\nmax_messages_per_page = 7\n")
    settings = load([file], SQLITE)
    assert settings.limits.max_messages_per_page == 7
    assert remarks(file, SQLITE) == []


def test_default_files_come_from_the_first_folder_that_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "marconi.conf").write_text("[drivers]\nstorage = mongodb\n")
    assert default_files() == [f"{tmp_path}/marconi.conf"]
    folder = tmp_path / ".marconi"
    (folder / "marconi.conf.d").mkdir(parents=True)
    for name, text in {
        "marconi.conf": "[drivers]\nstorage = sqlite\n[transport]\nmax_claim_ttl = 111\n",
        "marconi.conf.d/20.conf": "[transport]\nmax_claim_ttl = 333\n",
        "marconi.conf.d/10.conf": "[transport]\nmax_claim_ttl = 222\n",
        "marconi.conf.d/notes.txt": "not a configuration\n",
    }.items():
        (folder / name).write_text(text)
    assert default_files() == [
        f"{folder}/{name}"
        for name in ("marconi.conf", "marconi.conf.d/10.conf", "marconi.conf.d/20.conf")
    ]
    assert load().limits.max_claim_ttl == 333


@dataclass(frozen=True)
class Example:
    """A section of a driver made elsewhere."""

    GROUP: ClassVar[str] = "drivers:storage:example"

    uri: str = option("example://", help="Where it is.")
    safe: bool = option(True, help="Whether it is safe.")
    ratio: float = option(0.5, minimum=0, help="How much.")
    size: int = option(3, maximum=9, help="How many.")
    count: int = option(3, help="How many.")
    share: float = option(0.5, minimum=0, maximum=1, help="Which part.")
    near: Networks = option(Networks(), help="Who is near.")  # noqa: RUF009
    known: HostNames = option(HostNames(), help="How it is called.")  # noqa: RUF009
    here: Address = option(Address("::"), help="Who is here.")  # noqa: RUF009


@pytest.mark.parametrize(
    ("name", "good", "value", "bad", "allowed"),
    [
        ("uri", "x", "x", None, "text"),
        ("safe", "no", False, "maybe", "true or false"),
        ("ratio", "2.5", 2.5, "-1", "a number of at least 0"),
        ("size", "-9", -9, "10", "a whole number of at most 9"),
        ("count", "12", 12, "1.5", "a whole number"),
        ("share", "1", 1.0, "1.1", "a number from 0 to 1"),
        ("near", "::1,", Networks.parse("::1"), "::1/0", "addresses and networks"),
        ("known", "b.C, _d-1,", HostNames(["b.c", "_d-1"]), "b.c:80", "names of hosts"),
        ("here", "[::1]", "::1", "", "an address or the name of a host"),
    ],
)
def test_options_of_all_kinds(
    name: str, good: str, value: object, bad: str | None, allowed: str
) -> None:
    (each,) = (each for each in options(Example) if each.name == name)
    assert isinstance(each, Option)
    assert each.read(good) == value
    assert each.allowed.startswith(allowed)
    if bad is not None:
        with pytest.raises(SettingsError, match=f"is '{bad}', but has to be {allowed}"):
            each.read(bad)


# Secrets


@dataclass(frozen=True)
class Vault:
    """A section with secrets."""

    GROUP: ClassVar[str] = "vault"

    uri: str = option("", secret=True, help="Where it is, with user and password.")
    pin: int = option(0, secret=True, minimum=0, help="What opens it.")
    colour: str = option("", help="What it looks like.")


URI, PIN, COLOUR = options(Vault)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("mongodb://user:hunter2@host/db", "mongodb://user:***@host/db"),
        ("mongodb+srv://user:hunter2@host", "mongodb+srv://user:***@host"),
        ("mongodb://user:hunter2@one:1,two:2/?w=2", "mongodb://user:***@one:1,two:2/?w=2"),
        ("mongodb://user:hunter2@one/?replicaSet=r", "mongodb://user:***@one/?replicaSet=r"),
        ("mongodb://[::1]:27017,b/q?w=1", "mongodb://[::1]:27017,b/q?w=1"),
        ("mongodb://a@b:hunter2@host/", "***"),
        ("mongodb://user:hunter2@hunter2/hunter2@host/", "***"),
        ("mongodb://user:hunter2\nhunter2@host/", "mongodb://user:***@host/"),
        ("mongodb://hunter2@host/", "mongodb://***@host/"),
        ("mongodb://user:hunter2", "***"),
        ("mongodb://user:hunter2/", "***"),
        ("mongodb://user:1?hunter2@host", "***"),
        ("mongodb://host/?authSource=a@hunter2", "***"),
        ("mongodb://host/#hunter2", "***"),
        ("mongodb://one:27017,two:27017/", "mongodb://one:27017,two:27017/"),
        (
            "mongodb://host/?tls=true&tlsCertificateKeyFilePassword=hunter2&w=2",
            "mongodb://host/?tls=true&tlsCertificateKeyFilePassword=***&w=2",
        ),
        (
            "mongodb://host/?authMechanismProperties=AWS_SESSION_TOKEN:hunter2",
            "mongodb://host/?authMechanismProperties=***",
        ),
        (
            "mongodb://host/?w=2;tlsCertificateKeyFilePassword=hunter2",
            "mongodb://host/?w=2;tlsCertificateKeyFilePassword=***",
        ),
        ("mongodb://host/?w=2,password=hunter2", "mongodb://host/?w=***"),
        ("mongodb://host/?pasword=hunter2&hunter2", "mongodb://host/?pasword=***&***"),
        ("hunter2", "***"),
        ("mongodb:/user:hunter2@host", "***"),
        ("", ""),
    ],
)
def test_a_secret_is_masked(value: str, shown: str) -> None:
    assert URI.shown(value) == shown


def test_only_secrets_are_masked() -> None:
    assert COLOUR.shown("dark green") == "dark green"
    assert COLOUR.shown("mongodb://host/?pin=1") == "mongodb://host/?pin=1"
    assert PIN.shown(1234) == "***"


def test_a_uri_in_the_wrong_place_loses_its_password() -> None:
    assert COLOUR.shown("mongodb://user:hunter2@host/db") == "mongodb://***@host/db"


def test_of_a_long_value_the_beginning_is_shown() -> None:
    assert COLOUR.shown("x" * 10_000) == "x" * LONGEST_SHOWN + "…"


def test_a_refusal_does_not_show_a_secret() -> None:
    with pytest.raises(SettingsError, match=r"pin of \[vault\] is '\*\*\*', but") as caught:
        PIN.read("-1234")
    assert "1234" not in str(caught.value)


def test_a_secret_with_a_dollar_sign_is_not_shown(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "driver", lambda name: SimpleNamespace(Options=Vault))
    file = write("[vault]\nuri = mongodb://user:pa$hunter2@host/\n")
    assert "hunter2" not in refusal(file)


def test_a_section_does_not_print_its_secrets() -> None:
    assert repr(Vault(uri="hunter2", pin=1234, colour="red")) == "Vault(colour='red')"


def test_the_largest_metadata_has_room_for_its_blanks() -> None:
    (maximum,) = (each.maximum for each in options(Limits) if each.name == "max_queue_metadata")
    assert maximum is not None
    assert maximum * 3 / 2 <= LARGEST_METADATA
