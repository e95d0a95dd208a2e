"""The subscription server at work: datagrams in, acknowledgements out, and a look at the clock.

Owns a mailbox and a timer. It reads a bounded number of datagrams in each turn of
the event loop, hands each to the `Registry`, and logs what came of it, within limits: who can send
datagrams must not be able to fill a disk. It decides nothing.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol

from proxy.settings import Address, BackendSettings, DiscoverySettings
from proxy.upstream.discovery.directory import Directory
from proxy.upstream.discovery.mailbox import Mailbox
from proxy.upstream.discovery.node import Event, Node, P, Verifier
from proxy.upstream.discovery.subscription import Registry

log = logging.getLogger("proxy.subscription")

MAX_PER_TURN = 32
"""Datagrams in one turn of the loop; with a signature each costs some 30 us."""

MAX_BACKLOG = 4096
"""Datagrams that are read before somebody is dropped for his silence."""

SWEEP_S = 1.0
"""Between two looks at who has been silent."""

LOG_LINES = 20
LOG_PERIOD_S = 10.0
"""At most so many lines in such a time."""

REMEMBERED_PER_BACKEND = 4
"""How many times more instances are remembered against replays than may be there at a time."""


class Prover(Protocol):
    """See `proxy.upstream.discovery.proof`."""

    def start(self, address: Address, then: Callable[[bool], None]) -> None:
        """Call `then` with whether connections to `address` are accepted, later or at once."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """Monotonic time, and Unix time for signatures, in seconds."""

    now: Callable[[], float] = time.monotonic
    unix_now: Callable[[], float] = time.time


class SubscriptionConfigError(Exception):
    """The subscription server cannot work as configured."""


def make_verifier(settings: DiscoverySettings) -> Verifier | None:
    """Return what checks signatures; None when no directory of keys is configured.

    Raises:
        SubscriptionConfigError: there is no such directory, or no package to check with.
    """
    directory = settings.subscribe_keys_dir
    if not directory:
        return None
    if not os.path.isdir(directory):
        raise SubscriptionConfigError(f"{directory} is not a directory of public keys")
    try:
        from proxy.upstream.discovery import signature
    except ImportError as error:
        raise SubscriptionConfigError(
            "signed subscriptions need a package: pip install 'uwsgi-frontend[signed]'"
        ) from error
    remembered = REMEMBERED_PER_BACKEND * settings.subscribe_max_backends
    keys = signature.KeyRing(directory)
    return signature.Verifier(keys, settings.subscribe_clock_skew_s, remembered)


class Receiver(Generic[P]):
    """See the module. It listens from `start` to `close`; `registry` knows who is there."""

    def __init__(
        self,
        mailbox: Mailbox,
        settings: DiscoverySettings,
        directory: Directory[P],
        prover: Prover,
        template: BackendSettings | None = None,
        clocks: Clocks | None = None,
    ) -> None:
        """Own `mailbox`; `template` is that of `Registry`.

        Raises:
            SubscriptionConfigError: see `make_verifier`.
            ValueError: an allowed network is none.
        """
        self.registry = Registry(
            settings, directory, self._prove, make_verifier(settings), template
        )
        self._mailbox = mailbox
        self._prover = prover
        self._clocks = clocks or Clocks()
        self._pace = LogPace(self._clocks.now())
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def address(self) -> Address:
        """Where it really listens."""
        return self._mailbox.address

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to listen."""
        self._loop = loop
        loop.add_reader(self._mailbox.fileno(), self._read, MAX_PER_TURN)
        self._timer = loop.call_later(SWEEP_S, self._tick)

    def close(self) -> None:
        """Stop listening. Backends stay in their pools. May be called twice."""
        if self._loop is not None:
            self._loop.remove_reader(self._mailbox.fileno())
            self._loop = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._mailbox.close()

    # -- in -------------------------------------------------------------------------------------

    def _read(self, max_datagrams: int) -> None:
        for _ in range(max_datagrams):
            try:
                datagram, sender = self._mailbox.receive()
            except OSError:  # mostly because there is nothing left
                return
            except EOFError:
                if self._loop is not None:
                    self._loop.remove_reader(self._mailbox.fileno())
                return
            now = self._clocks.now()
            event = self.registry.receive(datagram, sender, now, self._clocks.unix_now())
            self._log(event)
            if event.ack is not None:
                self._mailbox.send(event.ack)

    # -- time and proofs ------------------------------------------------------------------------

    def _tick(self) -> None:
        if self._loop is not None:  # first of all: a bug in this sweep must not be the last
            self._timer = self._loop.call_later(SWEEP_S, self._tick)
        # What has arrived is heard first: after a pause of this process everybody seems silent.
        self._read(MAX_BACKLOG)
        for event in self.registry.sweep(self._clocks.now()):
            self._log(event)

    def _prove(self, node: Node[P]) -> None:
        def then(up: bool) -> None:
            event = self.registry.proved(node, up, self._clocks.now())
            if event is not None:
                self._log(event)

        self._prover.start(node.address, then)

    # -- out ------------------------------------------------------------------------------------

    def _log(self, event: Event) -> None:
        if not event.text:
            return
        skipped = self._pace.admit(self._clocks.now())
        if skipped is None:
            return
        if skipped:
            log.warning("subscription: %d more messages", skipped)
        level = logging.WARNING if event.is_refusal else logging.INFO
        log.log(level, "subscription: %s: %s", event.name, event.text)


class LogPace:
    """Lets `LOG_LINES` lines through in `LOG_PERIOD_S`."""

    def __init__(self, now: float) -> None:
        self._began = now
        self._lines = 0
        self._skipped = 0

    def admit(self, now: float) -> int | None:
        """Return None for a line that is too many, else how many were before it."""
        if now - self._began >= LOG_PERIOD_S:
            self._began, self._lines = now, 0
        if self._lines >= LOG_LINES:
            self._skipped += 1
            return None
        self._lines += 1
        skipped, self._skipped = self._skipped, 0
        return skipped
