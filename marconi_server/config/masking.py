"""What people get to see in place of secrets.

Whoever prints or logs a value that may hold a secret shows it by `uri_without_secrets`, which
knows the form of what it shows and masks everything else. `text_without_secrets` is the net under
that: for text of others, such as the errors of libraries, in which a URI may stand.
"""

import re
from typing import Final

MASK: Final = "***"
"""What is shown in place of a secret."""

# APPSEC: a URI that is not of this form may have its password anywhere, and nothing of it is shown.
# In user and password, whatever could end them is percent-encoded.
_HOST: Final = r"(?:[\w.%-]+|\[[0-9a-f:.]+(?:%[\w.%-]+)?\])(?::\d{1,5})?"
_URI: Final = re.compile(
    rf"""
    (?P<scheme> [a-z][a-z0-9+.-]*) ://
    (?: (?P<user> [^:/?\#\[\]@\s]*) (?P<password> :[^/?\#\[\]@]*)? @ )?
    (?P<place> {_HOST}(?:,{_HOST})* (?:/[\w.~$-]*)*)
    (?: \? (?P<query> [^\#@]*) )?
    """,
    re.VERBOSE | re.IGNORECASE,
)

_HARMLESS: Final = frozenset(
    [
        "authmechanism",
        "authsource",
        "directconnection",
        "journal",
        "loadbalanced",
        "readconcernlevel",
        "readpreference",
        "replicaset",
        "retryreads",
        "retrywrites",
        "ssl",
        "tls",
        "tlscafile",
        "tlscertificatekeyfile",
        "w",
    ]
)
"""Options of a URI whose values are no secrets."""

_PLAIN: Final = re.compile(r"[\w./$-]*")

# Not what `uri_without_secrets` has made.
_IN_TEXT: Final = re.compile(r"(?<=://)(?![^\s'\"@/:]*:\*\*\*@)[^\s'\"]*@")


def uri_without_secrets(uri: str) -> str:
    """Return as much of a URI as can hold no secret; of what is no URI, nothing."""
    parts = _URI.fullmatch(uri)
    if parts is None:
        return MASK if uri else ""
    shown = f"{parts['scheme']}://"
    if parts["password"] is not None:
        shown += f"{parts['user']}:{MASK}@"
    elif parts["user"] is not None:
        shown += f"{MASK}@"  # perhaps a password that was put in the wrong place
    shown += parts["place"]
    if parts["query"] is not None:
        # MongoDB's own tools separate options by semicolons as well.
        separated = re.split("([&;])", parts["query"])
        shown += "?" + "".join(map(_shown_option, separated))
    return shown


def secrets_of(uri: str) -> list[str] | None:
    """Return the parts that `uri_without_secrets` masks; `None` if it masks all of it."""
    parts = _URI.fullmatch(uri)
    if parts is None:
        return None
    found = [parts["user"] if parts["password"] is None else parts["password"][1:]]
    options = re.split("[&;]", parts["query"] or "")
    found += [each.partition("=")[2] or each for each in options if _shown_option(each) != each]
    return [each for each in found if each]


def uri_without_user(uri: str) -> str:
    """Return a URI as others may use it, who have a name of their own."""
    return _IN_TEXT.sub("", uri)


def text_without_secrets(text: str) -> str:
    """Return a text without the users and passwords of the URIs in it."""
    return _IN_TEXT.sub(f"{MASK}@", text) if "://" in text else text


def _shown_option(text: str) -> str:
    """Return an option of a URI as it is shown; what separates two of them as it is."""
    name, equals, value = text.partition("=")
    if not _PLAIN.fullmatch(name):
        return text if text in ("&", ";") else MASK
    if not equals:
        return MASK if name else ""
    if name.lower() in _HARMLESS and _PLAIN.fullmatch(value):
        return text
    return f"{name}={MASK}"
