"""The authenticator itself, in this process, with a clock that the tests move."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from marconi_server.auth import identity as variables
from marconi_server.auth.contract import IdentityUnavailable, Unauthenticated
from marconi_server.auth.keystone import BAD_TOKEN, NO_PROJECT, NO_TOKEN, VALIDATIONS, Keystone
from marconi_server.auth.token_filter import LONGEST_TOKEN
from marconi_server.config import load as configuration
from marconi_server.storage.conformance import ManualClock
from tests.keystone.authenticated import configuration as text_of
from tests.keystone.identity import Identity, Project, User
from tests.keystone.server import KeystoneServer
from tests.support.waiting import wait_until

Open = Callable[..., Keystone]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def open_authenticator(
    identity: Identity, keystone: KeystoneServer, tmp_path: Path, clock: ManualClock
) -> Iterator[Open]:
    """Give a function that opens an authenticator with some options changed, by group."""
    opened = []

    def open_authenticator(**groups: Any) -> Keystone:
        file = tmp_path / "marconi.conf"
        file.write_text(text_of(identity, tmp_path, **groups))
        settings = configuration.load([str(file)])
        assert settings.keystone_authtoken is not None
        opened.append(Keystone(settings.keystone_authtoken, settings.authentication, clock))
        return opened[-1]

    yield open_authenticator
    keystone.start()
    keystone.thaw()
    for each in opened:
        each.close()
    wait_until(
        lambda: all(thread.name != "keystone" for thread in threading.enumerate()),
        lambda: "a thread is left behind",
    )


def ask(authenticator: Keystone, token: str | None, **more: str) -> dict[str, Any]:
    """Authenticate a request, and return what was added to its environ."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/v1/queues",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        **({} if token is None else {"HTTP_X_AUTH_TOKEN": token}),
        **more,
    }
    before = environ.copy()
    authenticator.authenticate(environ)
    assert before.items() <= environ.items()
    return {name: value for name, value in environ.items() if name not in before}


def ask_patiently(authenticator: Keystone, token: str) -> None:
    """Authenticate a request, as often as it takes where there is not much time for each."""

    def is_answered() -> bool:
        try:
            ask(authenticator, token)
        except IdentityUnavailable:
            return False
        return True

    wait_until(is_answered, pause=0)


def reason(authenticator: Keystone, token: str | None, **more: str) -> str:
    """Authenticate a request that has to be refused, and return why it is."""
    with pytest.raises(Unauthenticated) as caught:
        ask(authenticator, token, **more)
    assert caught.value.challenge.startswith('Keystone uri="http://127.0.0.1:')
    return str(caught.value)


def test_the_identity_is_that_of_the_token(
    open_authenticator: Open, token: str, user: User, project: Project
) -> None:
    found = ask(open_authenticator(), token)
    assert found.keys() <= variables.VARIABLES
    assert all(isinstance(value, str) for value in found.values())
    assert found["HTTP_X_PROJECT_ID"] == project.id
    assert found["HTTP_X_PROJECT_NAME"] == project.name
    assert found["HTTP_X_USER_ID"] == user.id
    assert found["HTTP_X_USER_NAME"] == user.name
    assert set(found["HTTP_X_ROLES"].split(",")) == {"member", "reader"}
    assert found["HTTP_X_IDENTITY_STATUS"] == "Confirmed"


def test_a_known_token_is_not_asked_about(
    open_authenticator: Open, keystone: KeystoneServer, token: str
) -> None:
    authenticator = open_authenticator()
    cold = ask(authenticator, token)
    asked = keystone.validations()
    assert ask(authenticator, token) == cold
    assert ask(authenticator, None, HTTP_X_STORAGE_TOKEN=token) == cold
    assert keystone.validations() == asked


def test_it_is_asked_about_again_after_token_cache_time(
    open_authenticator: Open, keystone: KeystoneServer, clock: ManualClock, token: str
) -> None:
    authenticator = open_authenticator(keystone_authtoken={"token_cache_time": 60})
    ask(authenticator, token)
    asked = keystone.validations()
    clock.advance(59)
    ask(authenticator, token)
    assert keystone.validations() == asked
    clock.advance(1)
    ask(authenticator, token)
    assert keystone.validations() == asked + 1


def test_it_is_not_believed_beyond_its_own_end(
    open_authenticator: Open, keystone: KeystoneServer, clock: ManualClock, token: str
) -> None:
    authenticator = open_authenticator(keystone_authtoken={"token_cache_time": 1_000_000})
    ask(authenticator, token)
    asked = keystone.validations()
    clock.advance(3500)  # of 3600
    ask(authenticator, token)
    assert keystone.validations() == asked
    clock.advance(100)
    ask(authenticator, token)
    assert keystone.validations() == asked + 1


def test_without_token_cache_time_it_is_always_asked_about(
    open_authenticator: Open, keystone: KeystoneServer, token: str
) -> None:
    authenticator = open_authenticator(keystone_authtoken={"token_cache_time": -1})
    ask(authenticator, token)
    asked = keystone.validations()
    ask(authenticator, token)
    assert keystone.validations() == asked + 1


def test_a_revoked_token_is_refused_within_token_cache_time(
    open_authenticator: Open, identity: Identity, clock: ManualClock, token: str
) -> None:
    authenticator = open_authenticator(keystone_authtoken={"token_cache_time": 60})
    ask(authenticator, token)
    identity.revoke(token)
    clock.advance(59)
    ask(authenticator, token)
    clock.advance(1)
    assert reason(authenticator, token) == BAD_TOKEN


def test_a_refused_token_is_not_asked_about_for_a_while(
    open_authenticator: Open, keystone: KeystoneServer, clock: ManualClock
) -> None:
    authenticator = open_authenticator(authentication={"refused_token_time": 5})
    assert reason(authenticator, "unknown") == BAD_TOKEN
    asked = keystone.validations()
    clock.advance(4.5)
    assert reason(authenticator, "unknown") == BAD_TOKEN
    assert keystone.validations() == asked
    clock.advance(0.5)
    assert reason(authenticator, "unknown") == BAD_TOKEN
    assert keystone.validations() == asked + 1


def test_bad_tokens_do_not_drive_out_the_good_ones(
    open_authenticator: Open, keystone: KeystoneServer, token: str
) -> None:
    authenticator = open_authenticator(authentication={"token_cache_size": 1})
    ask(authenticator, token)
    for number in range(3):
        reason(authenticator, f"unknown-{number}")
    asked = keystone.validations()
    ask(authenticator, token)
    assert keystone.validations() == asked


def test_what_cannot_be_a_token_is_not_asked_about(
    open_authenticator: Open, keystone: KeystoneServer, token: str
) -> None:
    authenticator = open_authenticator()
    ask(authenticator, token)
    asked = keystone.validations()
    for odd in ("x" * (LONGEST_TOKEN + 1), "caf\xe9", "a\tb", "a\x00b", "\x7f"):
        assert reason(authenticator, odd) == BAD_TOKEN
        assert reason(authenticator, token, HTTP_X_SERVICE_TOKEN=odd) == BAD_TOKEN
    assert reason(authenticator, None) == NO_TOKEN
    assert reason(authenticator, "") == NO_TOKEN
    assert reason(authenticator, "", HTTP_X_STORAGE_TOKEN=token) == NO_TOKEN
    assert keystone.validations() == asked


def test_a_token_needs_a_project(
    open_authenticator: Open, identity: Identity, user: User, keystone: KeystoneServer
) -> None:
    authenticator = open_authenticator()
    identity.grant(user, "member")
    for token in (identity.unscoped_token(user), identity.system_token(user)):
        assert reason(authenticator, token) == NO_PROJECT
        asked = keystone.validations()
        assert reason(authenticator, token) == NO_PROJECT
        assert keystone.validations() == asked


def test_the_token_of_a_service(
    open_authenticator: Open, identity: Identity, project: Project, keystone: KeystoneServer
) -> None:
    authenticator = open_authenticator()
    user, service = identity.user(member=project), identity.user(service=project)
    token, service_token = identity.token(user, project), identity.token(service, project)
    found = ask(authenticator, token, HTTP_X_SERVICE_TOKEN=service_token)
    assert found["HTTP_X_USER_ID"] == user.id
    assert found["HTTP_X_SERVICE_USER_ID"] == service.id
    assert "service" in found["HTTP_X_SERVICE_ROLES"].split(",")
    asked = keystone.validations()
    ask(authenticator, token, HTTP_X_SERVICE_TOKEN=service_token)
    assert keystone.validations() == asked + 2
    # That of somebody else is none; and what came of it is not remembered of the user.
    assert reason(authenticator, token, HTTP_X_SERVICE_TOKEN=token) == BAD_TOKEN
    assert reason(authenticator, token, HTTP_X_SERVICE_TOKEN="unknown") == BAD_TOKEN
    assert "HTTP_X_SERVICE_USER_ID" not in ask(authenticator, token)


def test_access_rules_are_looked_at_for_each_request(
    open_authenticator: Open, identity: Identity, user: User, project: Project
) -> None:
    service_type = identity.service("http://127.0.0.1:8888")
    authenticator = open_authenticator(keystone_authtoken={"service_type": service_type})
    token = identity.restricted_token(user, project, service_type, {"GET": "/v1/queues"})
    for _ in range(2):
        assert ask(authenticator, token)["HTTP_X_PROJECT_ID"] == project.id
        assert reason(authenticator, token, REQUEST_METHOD="PUT") == BAD_TOKEN
        assert reason(authenticator, token, PATH_INFO="/v1/queues/q") == BAD_TOKEN


def test_access_rules_hold_for_requests_at_the_same_time(
    open_authenticator: Open,
    identity: Identity,
    user: User,
    project: Project,
    keystone: KeystoneServer,
) -> None:
    service_type = identity.service("http://127.0.0.1:8888")
    authenticator = open_authenticator(keystone_authtoken={"service_type": service_type})
    token = identity.restricted_token(user, project, service_type, {"GET": "/v1/queues"})
    keystone.freeze()
    with ThreadPoolExecutor(4) as threads:
        asked = [
            threads.submit(ask, authenticator, token, REQUEST_METHOD=method)
            for method in ("GET", "PUT", "GET", "PUT")
        ]
        keystone.thaw()
        for number, each in enumerate(asked):
            if number % 2:
                assert isinstance(each.exception(), Unauthenticated)
            else:
                assert each.result()["HTTP_X_PROJECT_ID"] == project.id


def test_requests_with_the_same_token_ask_once(
    open_authenticator: Open, keystone: KeystoneServer, token: str, project: Project
) -> None:
    authenticator = open_authenticator()
    reason(authenticator, "unknown")  # now it has logged in itself
    asked = keystone.validations()
    keystone.freeze()
    with ThreadPoolExecutor(20) as threads:
        found = [threads.submit(ask, authenticator, token) for _ in range(20)]
        keystone.thaw()
        assert {each.result()["HTTP_X_PROJECT_ID"] for each in found} == {project.id}
    assert keystone.validations() == asked + 1


def test_keystone_goes_and_comes_back(
    open_authenticator: Open, keystone: KeystoneServer, identity: Identity, token: str
) -> None:
    known, new = token, identity.token(*identity.anybody())
    authenticator = open_authenticator(keystone_authtoken={"http_request_max_retries": 0})
    ask(authenticator, known)
    keystone.stop()
    ask(authenticator, known)
    assert reason(authenticator, None) == NO_TOKEN
    for _ in range(2):
        with pytest.raises(IdentityUnavailable, match=r"Keystone at http.*: Unable to establish"):
            ask(authenticator, new)
    keystone.start()
    ask(authenticator, new)


def test_keystone_hangs(
    open_authenticator: Open, keystone: KeystoneServer, identity: Identity, token: str
) -> None:
    """Also more requests than there are threads, some of which ask about the same token."""
    authenticator = open_authenticator(
        authentication={"timeout": 1}, keystone_authtoken={"http_connect_timeout": 1}
    )
    ask_patiently(authenticator, token)
    keystone.freeze()
    ask(authenticator, token)
    unknown = [f"unknown-{number // 2}" for number in range(2 * VALIDATIONS + 4)]
    with ThreadPoolExecutor(len(unknown)) as threads:
        asked = [threads.submit(ask, authenticator, each) for each in unknown]
        errors = [each.exception() for each in asked]
    assert {type(each) for each in errors} == {IdentityUnavailable}
    assert "no answer within 1 seconds" in str(errors[0])
    keystone.thaw()
    ask_patiently(authenticator, identity.token(*identity.anybody()))


def test_options_without_effect(
    open_authenticator: Open, identity: Identity, user: User, project: Project
) -> None:
    """They would let everybody in, or break access rules."""
    service_type = identity.service("http://127.0.0.1:8888")
    options = {"delay_auth_decision": "true", "include_service_catalog": "false", "cache": "x"}
    authenticator = open_authenticator(keystone_authtoken={**options, "service_type": service_type})
    assert reason(authenticator, "unknown") == BAD_TOKEN
    token = identity.restricted_token(user, project, service_type, {"GET": "/v1/queues"})
    assert ask(authenticator, token)["HTTP_X_PROJECT_ID"] == project.id
    assert reason(authenticator, token, REQUEST_METHOD="PUT") == BAD_TOKEN


def test_other_ways_to_log_in(
    open_authenticator: Open, keystone: KeystoneServer, identity: Identity, token: str
) -> None:
    """By a URL without version, and from a section of its own."""
    plain = keystone.url.removesuffix("/v3")
    ask(open_authenticator(keystone_authtoken={"auth_url": plain}), token)
    user, project = identity.anybody("service")
    login = {
        "auth_type": "v3password",
        "auth_url": keystone.url,
        "user_id": user.id,
        "password": user.password,
        "project_id": project.id,
    }
    authenticator = open_authenticator(
        keystone_authtoken={"auth_section": "login", "auth_url": "", "auth_type": ""}, login=login
    )
    ask(authenticator, token)
    assert user.id in authenticator.describe()[0]
