"""Remembers what was made of some bytes, once they have come twice in a row.

Clients that poll repeat whole request heads, others their header lines; most connections make one
request and then idle. So the first time only a hash is kept, which costs next to no memory, and the
second time the bytes and the value.
"""

from typing import Generic, TypeVar

T = TypeVar("T")


class Repeats(Generic[T]):
    """One remembered value. `key == data` asks whether it is that of `data`."""

    __slots__ = ("_hash", "key", "value")

    def __init__(self) -> None:
        self.key: bytes | None = None
        self.value: T | None = None
        self._hash = 0

    def put(self, key: bytes, value: T) -> None:
        """Take note of what was made of `key`; remember it if the last one was the same."""
        seen, self._hash = self._hash, hash(key)
        if seen == self._hash:
            self.key, self.value = key, value
        else:
            self.key = self.value = None

    def forget(self) -> None:
        """Keep nothing."""
        self.key = self.value = None
        self._hash = 0
