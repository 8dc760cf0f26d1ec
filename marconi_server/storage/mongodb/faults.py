"""Errors of pymongo: what is a fault of the database becomes `StorageUnavailable`."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    ExecutionTimeout,
    OperationFailure,
    ProtocolError,
    PyMongoError,
    WriteConcernError,
)

from marconi_server.storage.errors import StorageUnavailable
from marconi_server.storage.mongodb.schema import Document, Documents

_FAULTS: Final = (ConnectionFailure, ExecutionTimeout, ProtocolError, WriteConcernError)

_BAD_VALUE: Final = 2
_DUPLICATE_KEY: Final = 11000

_WRONG_COMMANDS: Final = frozenset({_BAD_VALUE, 9, 14, 40, 52, 53, 54, 56, 57, 66, 73})
"""Codes with which a server refuses a command that is wrong in itself: BadValue, FailedToParse,
TypeMismatch, ConflictingUpdateOperators and the like. Those are bugs of ours. What is refused
because of what somebody has made of the database is none: a validator (121), a view (166) or a
capped collection (263) in place of a collection of ours, a right that was taken away (13)."""

_OUR_KEYS: Final = ({"_id": 1}, {"project": 1, "name": 1})
"""The indexes with which two documents can collide, which is dealt with where it can happen."""

_NO_SUCH_INDEX: Final = "hint provided does not correspond to an existing index"

_ADDED: Final = re.compile(r" \(configured timeouts: [^)]*\)|, (Timeout|full error): .*", re.DOTALL)

_COMMAND: Final = re.compile(r"(?<= execute command )\{ (\w+): .*", re.DOTALL)
"""A whole command in the text of an error, of which the name is enough; it may have messages."""

_FIRST_ASSERTION: Final = 15_000
"""From here on codes are of assertions about the command, too."""


class IndexMissing(StorageUnavailable):
    """An index that a query names is not there, or hidden."""


@contextmanager
def faults() -> Iterator[None]:
    """Turn failures of the engine into `StorageUnavailable`; leave bugs as they are."""
    try:
        yield
    except PyMongoError as error:
        if _NO_SUCH_INDEX in str(error):
            raise IndexMissing(reason="MongoDB: an index is missing, or hidden.") from error
        if not is_fault(error):
            raise
        raise StorageUnavailable(reason=summary(error)) from error


def is_fault(error: PyMongoError) -> bool:
    """Tell whether the engine failed, rather than was asked for something wrong."""
    if isinstance(error, _FAULTS) or error.timeout:
        return True
    if isinstance(error, BulkWriteError):
        return all(_is_fault_answer(each) for each in _failures(error))
    return isinstance(error, OperationFailure) and _is_fault_answer(
        {**(error.details or {}), "code": error.code}
    )


def summary(error: PyMongoError) -> str:
    """Return the text of an error in one line, without the settings and states that are added.

    Of several writes it says why the first one failed, without the document, and of a command
    its name alone.
    """
    text = str(error)
    if isinstance(error, BulkWriteError) and (failures := _failures(error)):
        text = str(failures[0].get("errmsg", text))
    return " ".join(_COMMAND.sub(r"\1", _ADDED.sub("", text)).split())


def _failures(error: BulkWriteError) -> Documents:
    return error.details.get("writeErrors") or error.details.get("writeConcernErrors") or []


def _is_fault_answer(answer: Document) -> bool:
    code = answer.get("code")
    if code == _DUPLICATE_KEY:  # it is a fault if the unique index is somebody else's
        return answer.get("keyPattern", _OUR_KEYS[0]) not in _OUR_KEYS
    return code is None or (code not in _WRONG_COMMANDS and code < _FIRST_ASSERTION)
