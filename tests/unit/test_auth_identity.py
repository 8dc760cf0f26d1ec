"""The variables in which an identity stands, and how forged ones go."""

from keystonemiddleware.auth_token import _request

from marconi_server.auth import identity


def test_everything_that_the_filter_sets_is_known() -> None:
    """Whatever a new version of the filter adds has to be removed here as well."""
    request = _request._AuthTokenRequest.blank("/")
    headers = {name.upper().replace("-", "_") for name in request._all_auth_headers()}
    headers |= {request._SYSTEM_SCOPE_HEADER.upper().replace("-", "_")}
    assert {f"HTTP_{name}" for name in headers} == identity.VARIABLES


def test_forged_ones_go_and_others_stay() -> None:
    environ = dict.fromkeys(identity.VARIABLES, "forged")
    others = {"HTTP_X_AUTH_TOKEN": "token", "HTTP_CLIENT_ID": "me", "PATH_INFO": "/v1"}
    environ.update(others)
    identity.remove(environ)
    assert environ == others
    identity.remove(environ)
    assert environ == others


def test_what_the_token_does_not_have_is_left_out() -> None:
    made = {
        "HTTP_X_PROJECT_ID": "project",
        "HTTP_X_DOMAIN_ID": None,
        "HTTP_X_SERVICE_CATALOG": "[]",
        "HTTP_CLIENT_ID": "me",
    }
    assert identity.extract(made) == {"HTTP_X_PROJECT_ID": "project"}
