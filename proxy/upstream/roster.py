"""Who belongs to a pool: what discovery and operators do to its backends.

All of it at run time and without a dropped request: who is removed ends its requests first.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from proxy.settings import Address, BackendSettings, UpstreamSettings
from proxy.share import Share
from proxy.tally import BackendTally, UpstreamTally
from proxy.upstream.backend import Backend
from proxy.upstream.gate import Gate
from proxy.upstream.health import Health
from proxy.upstream.timing import Timing

CONFIGURED = "configured"
"""The source of backends that are not discovered."""


class Roster(ABC):
    """The part of a pool that others change; see `proxy.upstream.pool`."""

    def __init__(
        self, settings: UpstreamSettings, timing: Timing, share: Share | None = None
    ) -> None:
        self.settings = settings
        self.backends: tuple[Backend, ...] = ()
        """All, those that are leaving included; replaced as a whole when one comes or goes."""
        self.tally = UpstreamTally()
        self._timing = timing
        self._share = share
        # To wait for a backend and try it again is a retry because of an error.
        retry = settings.retry
        self._hold_s = retry.try_duration_s if "error" in retry.conditions else 0.0

    @abstractmethod
    def _regroup(self) -> None:
        """Membership, or what backends are meant for, has changed."""

    def add(self, settings: BackendSettings, address: Address, source: str = CONFIGURED) -> Backend:
        """Take in a backend; one with this address that is leaving stays instead.

        It still has requests there: they count towards its limit, and there is one of each name.
        """
        for backend in self.backends:
            if backend.leaving and backend.address == address:
                self._adopt(backend, settings)
                backend.source, backend.draining = source, False
                self._regroup()
                return backend
        backend = Backend(
            address,
            str(address),
            settings,
            Health(settings, self.settings.health, self._hold_s, self._timing.now()),
            Gate(self._timing.random),
            source,
            self._share,
            BackendTally(self.tally),
        )
        self.backends = (*self.backends, backend)
        self._regroup()
        return backend

    def remove(self, backend: Backend) -> None:
        """Give it no more requests; it is gone when those that run have ended."""
        backend.leaving = True
        backend.idle.close()
        if not backend.in_flight:
            self._drop(backend)
        self._regroup()

    def drain(self, backend: Backend) -> None:
        """Give it no more requests, except to clients whose cookie leads there."""
        backend.draining = True
        backend.idle.close()
        self._regroup()

    def enable(self, backend: Backend) -> None:
        """Give it requests again, after `drain` or when it was configured as down."""
        backend.draining = backend.down = False
        self._regroup()

    def set_weight(self, backend: Backend, weight: int) -> None:
        """Change its share.

        Raises:
            ValueError: less than 1; `drain` is the way to have no share.
        """
        if weight < 1:
            raise ValueError("a weight is 1 or more")
        self._forget_turns()
        backend.weight = backend.effective_weight = weight
        self._regroup()

    def set_max_conns(self, backend: Backend, max_conns: int) -> None:
        """Change its limit; 0 for what it says itself. More that run already go on.

        Raises:
            ValueError: negative, or too small to be shared.
        """
        if max_conns < 0:
            raise ValueError("max_conns is 0 or more")
        if self._share is not None and 0 < max_conns < self._share.of:
            raise ValueError(f"max_conns is 0, or one for each of {self._share.of} workers or more")
        backend.max_conns = max_conns
        self._regroup()

    def sync(self, source: str, wanted: Mapping[Address, BackendSettings]) -> None:
        """Make the backends of one source exactly these; others are left alone.

        An address that another source has already is not taken in a second time.
        """
        mine = {one.address: one for one in self.backends if one.source == source}
        taken = {one.address for one in self.backends if one.source != source and not one.leaving}
        wanted = {address: one for address, one in wanted.items() if address not in taken}
        # Who comes is there before the others go, lest those in line despair in between.
        for address, settings in wanted.items():
            known = mine.get(address)
            if known is None:
                self.add(settings, address, source)
            elif known.leaving or known.settings != settings:
                self._adopt(known, settings)
        for address, backend in mine.items():
            if address not in wanted and not backend.leaving:
                self.remove(backend)
        self._regroup()

    def close(self) -> None:
        """Close what is kept open to the backends."""
        for backend in self.backends:
            backend.idle.close()

    def _adopt(self, backend: Backend, settings: BackendSettings) -> None:
        if settings.weight != backend.weight:
            self._forget_turns()
        backend.adopt(settings)

    def _forget_turns(self) -> None:
        """Begin the turns anew: what each is owed is by the old weights.

        Paid back in new ones, a thousand that became one would be hundreds of requests without it.
        """
        for backend in self.backends:
            backend.current_weight = 0.0

    def _drop(self, backend: Backend) -> None:
        backend.idle.close()
        self.backends = tuple(one for one in self.backends if one is not backend)
