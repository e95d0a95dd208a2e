"""One upstream: its pool, and everything that keeps the pool up to date.

requests ──► means ──► pool ◄── checks, discovery
"""

from dataclasses import dataclass

from protocol.reply import ReplyParser
from proxy.clock import Deadlines
from proxy.settings import UpstreamSettings
from proxy.share import Share
from proxy.upstream.channel import Network
from proxy.upstream.checks.runner import CheckMeans, Checks
from proxy.upstream.connector import UpstreamMeans
from proxy.upstream.discovery.mailbox import Mailbox
from proxy.upstream.pool import Pool
from proxy.upstream.timing import Timing

TICK_S = 1.0
"""Between two looks at what time has changed."""


@dataclass(slots=True)
class Tools:
    """What the loop and the network do for upstreams; `deadlines` and `timing` share their time."""

    timing: Timing
    deadlines: Deadlines
    network: Network
    modifiers: tuple[int, int] = (0, 0)
    """Of the packets of the traffic, for checks."""
    allow_control: bool = False
    """Whether control characters in reply heads are passed on."""
    share: Share | None = None
    """This process's part of the backends' limits; None for all."""
    mailbox: Mailbox | None = None
    """Where announcements arrive; None for a socket of its own."""


class Upstream:
    """See the module. Backends come from whoever calls the pool's methods."""

    def __init__(self, settings: UpstreamSettings, tools: Tools) -> None:
        self.settings = settings
        self.pool = Pool(settings, tools.timing, tools.share)
        self.means = UpstreamMeans(
            settings, self.pool, tools.network, ReplyParser(settings, tools.allow_control)
        )
        self.checks: Checks | None = None
        self._call_later = tools.timing.call_later
        self._is_running = False
        if settings.check.checks:
            means = CheckMeans(
                tools.network,
                tools.deadlines,
                tools.timing.now,
                tools.timing.call_later,
                tools.timing.random,
                tools.modifiers,
            )
            self.checks = Checks(settings.check, self.pool, means)
            self.pool.on_trouble = self.checks.hasten

    def start(self) -> None:
        """Begin to look after the pool."""
        self._is_running = True
        if self.checks is not None:
            self.checks.start()
        self._call_later(TICK_S, self._tick)

    def stop(self) -> None:
        """Look no more; requests may go on. May be called twice."""
        self._is_running = False
        if self.checks is not None:
            self.checks.stop()
        self.pool.close()

    def _tick(self) -> None:
        if self._is_running:
            self._call_later(TICK_S, self._tick)  # first: a bug in this one must not be the last
            self.pool.tick()
