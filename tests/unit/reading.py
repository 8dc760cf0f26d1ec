"""Feeds bytes to a reader of requests, as a connection does, and notes what comes out."""

from dataclasses import dataclass, field
from itertools import pairwise

from marconi_server.server.answers import Refusal
from marconi_server.server.http1 import Reader, Refused

MAX_BODY = 64


@dataclass
class Request:
    method: str
    path: str
    query: str
    body: bytes
    keep_alive: bool = True
    truncated: bool = False


@dataclass
class Outcome:
    """What became of the bytes: requests, then why it ended, or what is incomplete."""

    requests: list[Request] = field(default_factory=list)
    refusal: Refusal | None = None
    started: bool = False
    in_body: bool = False


def read(*pieces: bytes) -> Outcome:
    """Feed the pieces to a reader, as a connection does, and note what comes out."""
    reader = Reader({"SERVER_NAME": "q"}, MAX_BODY)
    outcome = Outcome()
    for piece in pieces:
        reader.feed(piece)
        try:
            while (environ := reader.next()) is not None:
                outcome.requests.append(
                    Request(
                        environ["REQUEST_METHOD"],
                        environ["PATH_INFO"],
                        environ["QUERY_STRING"],
                        environ["wsgi.input"].read(),
                        reader.keep_alive,
                        reader.truncated,
                    )
                )
                if reader.truncated or not reader.keep_alive:
                    return outcome
        except Refused as refused:
            outcome.refusal = refused.refusal
            return outcome
    outcome.started, outcome.in_body = reader.started, reader.environ is not None
    return outcome


def read_bytewise(data: bytes) -> Outcome:
    return read(*(data[index : index + 1] for index in range(len(data))))


def get(*headers: bytes, line: bytes = b"GET /v1 HTTP/1.1") -> bytes:
    return b"\r\n".join((line, b"Host: q", *headers)) + b"\r\n\r\n"


def post(body: bytes, *headers: bytes) -> bytes:
    return get(*headers, line=b"POST /v1 HTTP/1.1") + body


def chunked(*lines: bytes) -> bytes:
    return post(b"".join(line + b"\r\n" for line in lines), b"Transfer-Encoding: chunked")


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(bounds) if start < end]


def environ_of(data: bytes) -> dict[str, object]:
    reader = Reader({"SERVER_NAME": "q", "REMOTE_ADDR": "192.0.2.1"}, MAX_BODY)
    reader.feed(data)
    environ = reader.next()
    assert environ is not None
    return environ
