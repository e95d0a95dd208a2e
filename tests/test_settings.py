"""The settings tree itself: addresses as text, and the shape that sources rely on."""

import dataclasses

import pytest

from proxy.settings import GIB, KIB, MIB, Address, Settings


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


def test_sizes_count_by_1024() -> None:
    assert (KIB, MIB, GIB) == (1 << 10, 1 << 20, 1 << 30)


def test_trees_are_values() -> None:
    assert Settings() == Settings()
    assert hash(Settings()) == hash(Settings())
    assert Settings() != dataclasses.replace(Settings(), client=Settings().client.__class__(1.0))


def test_a_tree_has_two_levels_and_only_defaults() -> None:
    for branch in dataclasses.fields(Settings):
        assert dataclasses.is_dataclass(getattr(Settings(), branch.name))
        for leaf in dataclasses.fields(getattr(Settings(), branch.name)):
            assert leaf.default is not dataclasses.MISSING
