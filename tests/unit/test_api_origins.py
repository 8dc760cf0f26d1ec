"""Which addresses only this machine reaches."""

import pytest

from marconi_server.api.origins import is_loopback


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.255.0.2", "::1", "::ffff:127.0.0.1", "::1%lo"]
)
def test_of_this_machine(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1%eth0"]
)
def test_of_others_too(address: str) -> None:
    assert not is_loopback(address)
