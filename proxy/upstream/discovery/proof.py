"""Finds out whether somebody accepts connections at an address, before requests are sent there.

Connects and closes again, nothing more: it takes no worker, and a full listen queue is an answer,
too. A few at a time; no task, each proof is a channel with a time limit.
"""

from collections import deque
from collections.abc import Callable

from proxy.clock import CallLater
from proxy.errors import BackendBusy, ProxyError
from proxy.settings import Address
from proxy.upstream.channel import Channel, Network

TIMEOUT_S = 2.0
"""For a connection to be accepted."""

MAX_RUNNING = 8
"""At a time."""

MAX_WAITING = 1000
"""For more than that the answer is no, without trying: they will be announced again."""

Then = Callable[[bool], None]


class Proofs:
    """See the module."""

    def __init__(self, network: Network, call_later: CallLater) -> None:
        self._network = network
        self._call_later = call_later
        self._running: set[_Proof] = set()
        self._waiting: deque[_Proof] = deque()
        self._is_beginning = False

    def start(self, address: Address, then: Then) -> None:
        """Call `then` once with whether a connection to `address` is accepted, perhaps at once."""
        if len(self._waiting) >= MAX_WAITING:
            then(False)
            return
        self._waiting.append(_Proof(address, then, self._end))
        self._run()

    def close(self) -> None:
        """Give up all of them without an answer."""
        self._waiting.clear()
        for proof in list(self._running):
            proof.close()
        self._running.clear()

    def _run(self) -> None:
        if self._is_beginning:
            return  # a proof that ended at once: the loop below goes on with the next
        self._is_beginning = True
        while self._waiting and len(self._running) < MAX_RUNNING:
            proof = self._waiting.popleft()
            self._running.add(proof)
            self._call_later(TIMEOUT_S, proof.give_up)
            proof.begin(self._network)
        self._is_beginning = False

    def _end(self, proof: "_Proof") -> None:
        self._running.discard(proof)
        self._run()


class _Proof:
    """One connection attempt."""

    def __init__(self, address: Address, then: Then, on_end: Callable[["_Proof"], None]) -> None:
        self._address = address
        self._then = then
        self._on_end = on_end
        self._channel: Channel | None = None
        self._is_over = False

    def begin(self, network: Network) -> None:
        try:
            self._channel = network.open(self._address, self._look)
        except BackendBusy:
            self._finish(True)
        except ProxyError:
            self._finish(False)
        else:
            self._look()

    def give_up(self) -> None:
        self._finish(False)

    def close(self) -> None:
        self._is_over = True
        if self._channel is not None:
            self._channel.close()

    def _look(self) -> None:
        assert self._channel is not None
        try:
            connected = self._channel.connected()
        except ProxyError:
            self._finish(False)
            return
        if connected:
            self._finish(True)
        else:
            self._channel.want(read=False, write=True)

    def _finish(self, up: bool) -> None:
        if not self._is_over:
            self.close()
            self._then(up)
            self._on_end(self)
