"""Connections to one backend that have served a request and wait for the next.

Whatever comes on such a connection ends its life: its end, or bytes that belong to no request.
The last one that was used is the first to be used again, so that those that are too many grow old
and are closed by the backend.
"""

from collections.abc import Callable

from proxy.upstream.channel import Channel


class IdleChannels:
    """At most `limit` of them; 0 keeps none."""

    __slots__ = ("_channels", "limit", "reused")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.reused = 0
        """How often one was taken, in all."""
        self._channels: list[Channel] = []

    def __len__(self) -> int:
        return len(self._channels)

    def __bool__(self) -> bool:  # or mypyc takes an empty one for true
        return len(self) > 0

    def put(self, channel: Channel) -> bool:
        """Keep a connection, which is at the end of a reply; False when there is no room."""
        if len(self._channels) >= self.limit:
            return False
        # The last read may have filled its buffer: that more came with it was only a guess.
        channel.readable = False
        channel.rest(lambda: self._discard(channel))
        self._channels.append(channel)
        return True

    def take(self, wake: Callable[[], None]) -> Channel | None:
        """Return a connection whose events wake somebody again; None when there is none."""
        if not self._channels:
            return None
        channel = self._channels.pop()
        channel.resume(wake)
        self.reused += 1
        return channel

    def shrink(self, count: int) -> None:
        """Close those that have rested for longest, until no more than `count` are left."""
        while len(self._channels) > count:
            self._channels.pop(0).close()

    def close(self) -> None:
        """Close all of them."""
        while self._channels:
            self._channels.pop().close()

    def _discard(self, channel: Channel) -> None:
        if channel in self._channels:
            self._channels.remove(channel)
            channel.close()
