"""Addresses as text."""

import pytest

from proxy.settings import Address


@pytest.mark.parametrize(
    ("address", "text", "is_unix"),
    [
        (Address(path="/run/app.sock"), "unix:/run/app.sock", True),
        (Address(path="\0app"), "unix:@app", True),
        (Address(path="\0a\0b"), "unix:@a\0b", True),
        (Address(host="127.0.0.1", port=80), "127.0.0.1:80", False),
        (Address(host="localhost"), "localhost:0", False),
        (Address(host="::1", port=80), "[::1]:80", False),
    ],
)
def test_an_address_as_text(address: Address, text: str, is_unix: bool) -> None:
    assert str(address) == text
    assert address.is_unix is is_unix
