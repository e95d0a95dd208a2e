"""A check's connection: the calls of a `Channel` that never wait, as steps that do.

All waiting is under the one deadline that the probe has set on its `Vigil`. A connection to a unix
socket is written to in the moment it is made: an idle one would pin a uWSGI worker.
"""

from proxy import errors
from proxy.errors import ProxyError, Reason
from proxy.settings import Address
from proxy.upstream.channel import Channel, Network
from proxy.waiting import Vigil


class Talk:
    """One connection at a time. Every failure is a `ProxyError`; `BackendBusy` passes through."""

    __slots__ = ("_channel", "_network", "_vigil")

    def __init__(self, network: Network, vigil: Vigil) -> None:
        self._network = network
        self._vigil = vigil
        self._channel: Channel | None = None

    def now(self) -> float:
        """Return the time in seconds, monotonic."""
        return self._vigil.now()

    async def connect(self, address: Address) -> None:
        """Connect; a connection that was there before is closed.

        Raises:
            BackendBusy: a unix socket's listen queue is full.
            ProxyError: no connection.
        """
        self.close()
        channel = self._channel = self._network.open(address, self._vigil.wake)
        while not channel.connected():
            channel.want(read=False, write=True)
            await self._wait(errors.CONNECT_TIMEOUT)

    async def send(self, data: bytes) -> None:
        """Send all of `data`, unless the backend has closed: there may be a reply all the same.

        Raises:
            ProxyError: `send_timeout`.
        """
        channel = self._open_channel()
        pending = memoryview(data)
        try:
            while True:
                pending = pending[channel.send(pending) :]
                if not pending:
                    return
                channel.want(read=False, write=True)
                await self._wait(errors.SEND_TIMEOUT)
        except OSError:
            return  # `receive` will tell

    async def receive(
        self, late: Reason = errors.READ_TIMEOUT, broken: Reason = errors.RESET_BEFORE_HEADERS
    ) -> bytes:
        """Return the next bytes; empty at the end.

        Raises:
            ProxyError: with the reason `late` or, when the connection was reset, `broken`.
        """
        channel = self._open_channel()
        channel.want(read=True, write=False)
        while True:
            while not channel.readable:
                await self._wait(late)
            try:
                data = channel.receive()
            except OSError as error:
                raise ProxyError(broken, error.strerror or str(error)) from error
            if data is not None:
                return data

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _open_channel(self) -> Channel:
        assert self._channel is not None, "connect first"
        return self._channel

    async def _wait(self, late: Reason) -> None:
        await self._vigil.wake
        self._vigil.check(late)
