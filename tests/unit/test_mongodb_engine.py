"""What is made of pymongo's errors: faults of the database are 503, and defects of ours are not."""

import pytest
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    CursorNotFound,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidName,
    InvalidOperation,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    ProtocolError,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
    WriteError,
    WTimeoutError,
)

from marconi_server.storage.errors import StorageUnavailable
from marconi_server.storage.mongodb.engine import random_id
from marconi_server.storage.mongodb.faults import IndexMissing, faults, is_fault, summary


def bulk(write_errors: list[int], concern_errors: list[int]) -> BulkWriteError:
    return BulkWriteError(
        {
            "writeErrors": [{"code": code, "errmsg": "no"} for code in write_errors],
            "writeConcernErrors": [{"code": code, "errmsg": "no"} for code in concern_errors],
        }
    )


FAULTS = {
    "no connection": ConnectionFailure("host:27017: no"),
    "lost connection": AutoReconnect("connection closed"),
    "no answer": NetworkTimeout("timed out"),
    "no member": ServerSelectionTimeoutError("No servers found yet"),
    "no free connection": WaitQueueTimeoutError("timed out"),
    "not primary": NotPrimaryError("not primary"),
    "nonsense": ProtocolError("Got opcode 7"),
    "out of time": ExecutionTimeout("operation exceeded time limit", 50),
    "lost cursor": CursorNotFound("cursor id 7 not found", 43),
    "no majority": WriteConcernError("no", 64),
    "no majority in time": WTimeoutError("waiting for replication timed out", 64),
    "lack of rights": OperationFailure("not authorized", 13),
    "out of disk space": OperationFailure("no", 14031),
    "interrupted": OperationFailure("operation was interrupted", 11601),
    "a unique index of somebody": DuplicateKeyError("no", 11000, {"keyPattern": {"client": 1}}),
    "a validator of somebody": bulk([121], []),
    "a view of somebody": OperationFailure("no", 166),
    "a capped collection of somebody": OperationFailure("no", 263),
    "a time series of somebody": WriteError("no", 72),
    "without a code": OperationFailure("no"),
    "write conflict": OperationFailure("WriteConflict", 112),
    "write conflict of a bulk": bulk([112], []),
    "no majority for a bulk": bulk([], [64]),
    "a bulk that failed without a word": bulk([], []),
}

DEFECTS = {
    "wrong value": OperationFailure("no", 2),
    "wrong type": OperationFailure("no", 14),
    "unknown option": OperationFailure("no", 40415),
    "wrong update": WriteError("no", 9),
    "duplicate": DuplicateKeyError("no", 11000),
    "duplicate of ours": DuplicateKeyError("no", 11000, {"keyPattern": {"_id": 1}}),
    "duplicate in a bulk": bulk([11000], []),
    "duplicate in a bulk, without a majority": bulk([11000], [64]),
    "one defect among faults": bulk([112, 9], []),
    "wrong settings": ConfigurationError("no"),
    "wrong use": InvalidOperation("no"),
    "wrong name": InvalidName("no"),
}


@pytest.mark.parametrize("error", FAULTS.values(), ids=FAULTS)
def test_faults_are_unavailable(error: PyMongoError) -> None:
    with pytest.raises(StorageUnavailable) as caught, faults():
        raise error
    assert caught.value.__cause__ is error
    assert caught.value.reason == summary(error)


@pytest.mark.parametrize("error", DEFECTS.values(), ids=DEFECTS)
def test_defects_stay_what_they_are(error: PyMongoError) -> None:
    assert not is_fault(error)
    with pytest.raises(type(error)) as caught, faults():
        raise error
    assert caught.value is error


def test_what_is_no_error_of_pymongo_passes() -> None:
    with pytest.raises(KeyError), faults():
        raise KeyError("a defect")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "host:1: no (configured timeouts: connectTimeoutMS: 9.0ms), Timeout: 3s, Topology ...",
            "host:1: no",
        ),
        ("no, full error: {'ok': 0.0,\n 'code': 13}", "no"),
        ("one\n  and two", "one and two"),
        (
            'not authorized on a to execute command { insert: "b", documents: [ { body: "c" } ] }',
            "not authorized on a to execute command insert",
        ),
    ],
)
def test_the_reason_is_one_line_without_what_pymongo_adds(text: str, line: str) -> None:
    assert summary(AutoReconnect(text)) == line


def test_the_reason_of_an_answer_is_its_message() -> None:
    answer = {"ok": 0, "code": 13, "$clusterTime": "..."}
    assert summary(OperationFailure("not authorized", 13, answer)) == "not authorized"


def test_the_reason_of_a_bulk_is_that_of_its_first_write_without_the_document() -> None:
    failed = {"code": 121, "errmsg": "Document failed validation", "op": {"body": b"secret"}}
    error = BulkWriteError({"writeErrors": [failed, bulk([2], []).details["writeErrors"][0]]})
    assert summary(error) == "Document failed validation"


def test_an_index_that_a_query_names_and_that_is_missing() -> None:
    text = "planner returned error: hint provided does not correspond to an existing index"
    with pytest.raises(IndexMissing) as caught, faults():
        raise OperationFailure(text, 2)
    assert isinstance(caught.value, StorageUnavailable)


def test_random_ids_have_nothing_in_common() -> None:
    """Not the time, the process or a counter, as the ids of pymongo have: nobody can guess them."""
    ids = [random_id().binary for _ in range(64)]
    for place in range(12):
        assert len({each[place] for each in ids}) > 32
