"""Moves the body of a reply to the client: at the worker's speed in, at the client's speed out.

    backend ──receive──► [ spool: memory, then file ] ──write──► client

A worker is pinned until its last byte is read, so by default the spool takes what the client does
not, up to its bounds; then the worker has to wait. Unbuffered, the spool has no room at all: the
worker goes at the client's speed, and the head leaves at once.
"""

from collections.abc import Callable

from proxy import errors
from proxy.downstream import Downstream
from proxy.errors import ProxyError
from proxy.pace import Pace
from proxy.spool import Spool
from proxy.upstream.attempt import Attempt

MAX_READS = 16
"""From one backend in a row, before the other connections have their turn."""


class Relay:
    """The body of one reply on its way.

    Args:
        new_spool: makes the spool; most replies do without one.
        buffered: whether the spool may take what the client does not.
        timeouts_s: between two reads from the backend; without progress towards the client.
        pace: how fast the application wants its reply to go out, if it says so.
    """

    def __init__(
        self,
        attempt: Attempt,
        client: Downstream,
        new_spool: Callable[[], Spool],
        *,
        buffered: bool,
        timeouts_s: tuple[float, float],
        pace: Pace | None = None,
    ) -> None:
        self._attempt = attempt
        self._client = client
        self._buffered = buffered
        self._read_timeout_s, self._send_timeout_s = timeouts_s
        self._spool: Spool | None = None
        self._new_spool = new_spool
        self._pace = pace
        self._stuck_at: int | None = None  # unsent bytes when the client was last seen to move
        self._renew = True  # the time that the backend has, with the next wait for it

    async def run(self) -> None:
        """Relay until the client has been given everything; the attempt is closed before that.

        Raises:
            ProxyError: either side failed; the response has begun.
            ClientGone
        """
        if not self._buffered:
            self._client.flush()
        try:
            while True:
                self._give()
                self._take()
                if self._done:
                    return
                await self._wait()
        finally:
            if self._spool is not None:
                self._spool.close()

    def _complete(self) -> bool:
        return self._attempt.body.complete

    @property
    def _done(self) -> bool:
        return self._complete() and not self._spool

    def _give(self) -> None:
        """Write what rests in the spool, as far as the client takes it."""
        spool, client = self._spool, self._client
        while spool and client.stream.writable:
            most = None if self._pace is None else self._pace.room
            if most == 0:
                return
            data = spool.take(most)
            client.write_body(data, last=self._complete() and not spool)
            self._stuck_at = None
            if self._pace is not None:
                self._pace.wrote(len(data))

    def _take(self) -> None:
        """Read what the backend has: to the client if it can take it, else into the spool."""
        attempt = self._attempt
        for _ in range(MAX_READS):
            if not self._wants_more:
                return
            data = attempt.receive_body()
            if self._complete():
                attempt.close()
            elif data is None:
                return
            self._renew = True
            self._pass_on(data or b"")

    def _pass_on(self, data: bytes) -> None:
        # the end alone is a few bytes: it may go out although the client is behind
        free = self._client.stream.writable and self._pace is None
        if not self._spool and (free or not data):
            self._client.write_body(data, last=self._complete())
            self._stuck_at = None
            return
        if self._spool is None:
            self._spool = self._new_spool()
        if data:
            self._spool.put(data)

    @property
    def _wants_more(self) -> bool:
        """Whether there is a place for what the backend may have."""
        if self._complete():
            return False
        spool = self._spool
        if not spool and self._client.stream.writable:
            return True
        return self._buffered and (spool is None or spool.has_room)

    async def _wait(self) -> None:
        """Wait for whichever side can go on; each has its own limit."""
        vigil, writable = self._client.vigil, self._client.stream.writable
        if self._pace is not None and self._spool:
            self._pace.wake_when_due()
        from_backend = self._wants_more
        if not self._complete():
            self._attempt.channel.want(read=from_backend, write=False)
        if not writable:
            await self._wait_for_client()
            return
        self._stuck_at = None
        if not from_backend:  # nobody is late: it is the pace that holds us
            vigil.disarm()
            self._renew = True
        elif self._renew:
            vigil.arm(self._attempt.patience_s or self._read_timeout_s)
            self._renew = False
        await vigil.wake
        if vigil.expired and self._attempt.ask_for_the_end():
            vigil.arm(self._read_timeout_s)
        vigil.check(errors.READ_TIMEOUT_MID_BODY)

    async def _wait_for_client(self) -> None:
        """Wait for a client that is behind. Only its own progress renews its time."""
        vigil, stream = self._client.vigil, self._client.stream
        self._renew = True
        unsent = stream.unsent_bytes
        if self._stuck_at is None or unsent < self._stuck_at:
            self._stuck_at = unsent
            vigil.arm(self._send_timeout_s)
        await vigil.wake
        try:
            vigil.check(errors.CLIENT_SEND_TIMEOUT)
        except ProxyError as error:
            if error.reason is not errors.CLIENT_SEND_TIMEOUT or stream.unsent_bytes >= unsent:
                raise
            # slow, but it moves
