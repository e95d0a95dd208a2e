"""After `101 Switching Protocols`: bytes both ways, until either side ends (nginx rule 4.28)."""

from proxy import errors
from proxy.downstream import Downstream
from proxy.errors import ProxyError
from proxy.upstream.attempt import Attempt

MAX_PENDING_BYTES = 256 * 1024
"""Towards the backend, not yet taken by it; then the client is not read any more."""


async def run_tunnel(attempt: Attempt, client: Downstream, idle_s: float) -> None:
    """Move bytes both ways. `idle_s` is the limit for silence from the backend, in seconds.

    Raises:
        ProxyError: `read_timeout_mid_body` after that silence.
    """
    tunnel = _Tunnel(attempt, client)
    client.vigil.may_leave = True  # a client's end is the tunnel's ordinary end
    client.vigil.arm(idle_s)
    while tunnel.turn():
        if tunnel.heard:
            client.vigil.arm(idle_s)
        await client.vigil.wake
        client.vigil.check(errors.READ_TIMEOUT_MID_BODY)
    client.stream.close()


class _Tunnel:
    """The state between two waits."""

    def __init__(self, attempt: Attempt, client: Downstream) -> None:
        self._channel = attempt.channel
        self._record = attempt.record
        self._client = client
        self._to_backend = client.reader.take_rest()
        self._to_client = attempt.take_rest()
        self.heard = False

    def turn(self) -> bool:
        """Move what can be moved; return whether the tunnel goes on."""
        self._from_client()
        try:
            open_down = self._from_backend()
        except OSError as error:
            raise ProxyError(errors.RESET_MID_BODY, str(error)) from error
        self._channel.want(read=self._client.stream.writable, write=bool(self._to_backend))
        return open_down and not self._client.vigil.client_gone

    def _from_client(self) -> None:
        stream = self._client.stream
        try:
            while self._to_backend or stream.has_data:
                if len(self._to_backend) < MAX_PENDING_BYTES:
                    self._to_backend += stream.take()
                sent = self._channel.send(memoryview(self._to_backend))
                if not sent:
                    break
                self._to_backend = self._to_backend[sent:]
        except OSError:
            # It may have spoken before it stopped listening: reading will tell how this ends.
            self._to_backend = b""

    def _from_backend(self) -> bool:
        client = self._client
        self.heard = False
        if self._to_client:
            data, self._to_client = self._to_client, b""
            client.write_body(data, last=False)
        while client.stream.writable and self._channel.readable:
            received = self._channel.receive()
            if received is None:
                break
            if not received:
                return False
            self.heard = True
            self._record.bytes_received += len(received)
            client.write_body(received, last=False)
        return True
