"""The grammar of HTTP/1.1 (RFC 9110, 9112), as far as a server of requests needs it.

APPSEC: all repetitions are possessive (`*+`, `++`), so nothing that was matched is ever tried again
in another way, and no input takes longer than in proportion to its length. Text is bytes as
latin-1: what is above 0x7F passes through.
"""

import re
from typing import Final

_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"  # RFC 9110 5.6.2
_NAME: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}+"  # no longer one means anything
_VALUE: Final = r"[\t\x20-\x7E\x80-\xFF]*+"  # RFC 9110 5.5
_QUERY: Final = r"[\x21\x22\x24-\x7E\x80-\xFF]"  # no fragment, which stays with a client
_PATH: Final = r"[\x21\x22\x24-\x3E\x40-\x7E\x80-\xFF]"  # and no question mark
_HOST: Final = r"[\x21\x22\x24-\x2E\x30-\x3E\x40-\x7E\x80-\xFF]"  # and no slash

REQUEST_LINE: Final = re.compile(
    rf"({_TOKEN})[ ]"
    rf"((?:(?=/)|(?<=\AOPTIONS[ ])(?=\*[ ])|(?i:https?)://({_HOST}++))"
    rf"({_PATH}*+)(?:\?({_QUERY}*+))?)[ ]"
    r"(HTTP/1\.[01])(?=\r\n|\Z)"
)
"""Groups: method, target, its host and port, path and query, protocol (RFC 9112 3)."""

FIELD: Final = re.compile(rf"\r\n({_NAME}):[ \t]*+({_VALUE})(?=\r\n|\Z)")
"""A header field behind a line break: neither folded nor with a blank before the colon. Groups:
name, value with the blanks behind it (RFC 9112 5)."""

AUTHORITY: Final = re.compile(
    r"(?:[A-Za-z0-9\-._~%!$&'()*+,;=]++|\[[0-9A-Fa-f:.]++(?:%[A-Za-z0-9\-._~%]++)?\])(?::[0-9]{0,5})?"
)
"""A host that is not empty, and a port if any (RFC 9110 7.2). Clients send zones of IPv6, too."""

CHUNK_SIZE: Final = re.compile(rf"([0-9A-Fa-f]{{1,16}})(?:;{_VALUE})?\r\n".encode())
"""The line before a chunk; its extensions mean nothing to us (RFC 9112 7.1)."""

TRAILER: Final = re.compile(rf"({_NAME}):{_VALUE}\r\n".encode())
"""A field behind the last chunk (RFC 9112 7.1.2)."""
