"""What the reader costs is measured, and a table comes out."""

import pytest

from bench import __main__ as command
from bench import reader
from marconi_server.server.http1 import Reader


@pytest.mark.parametrize("name", reader.REQUESTS)
def test_every_request_is_one(name: str) -> None:
    whole = Reader({}, reader._MAX_BODY)
    for _ in range(2):
        whole.feed(reader.REQUESTS[name])
        assert whole.next() is not None
        assert not whole.started
        assert not whole.truncated


def test_what_does_not_come_out_is_not_measured() -> None:
    with pytest.raises(AssertionError):
        reader.cost(lambda: Reader({}, 10), b"GET / HTTP/1.1\r\n", 1)


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["reader", "--rounds", "1"]) == 0
    head, _, *lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in capsys.readouterr().out.splitlines()
    ]
    assert head == ["request", "bytes", "lowest µs", "median µs"]
    assert [line[0] for line in lines] == list(reader.REQUESTS)
    assert all(float(line[2].replace(",", "")) > 0 for line in lines)
