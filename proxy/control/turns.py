"""Whose turn it is on the admin address: its answers get a small share of the event loop.

A scrape costs milliseconds of the loop that serves clients, and whoever reaches the address can ask
for the next one at once, many at a time, on many connections. So what the answers have cost is
measured, and after each one nobody is served until it has become no more than `SHARE` of the time.
Who comes meanwhile waits in line; who finds the line full is told to come again. Who asks now and
then, like a Prometheus or a person, does not notice. Probes have a line and a share of their own: a
flood of scrapes must not look like a process that hangs.
"""

from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any

from proxy.clock import CallLater
from proxy.connection import Serve
from proxy.control.admin import send
from proxy.control.asked import Refusal
from proxy.control.health import LIVEZ, READYZ
from proxy.control.limits import MAX_CONNECTIONS
from proxy.downstream import Downstream
from proxy.errors import ClientGone
from proxy.waiting import Vigil

SHARE = 0.1
"""Of the event loop's time, for all answers but those to probes; these get as much again."""

MAX_WAITING = MAX_CONNECTIONS // 4
"""In each line. Connections that wait there do not give way to others, so there is room besides."""

_PROBES = ([LIVEZ.encode()], [READYZ.encode()])


class Turns:
    """See the module. `now` is seconds, monotonic; `work` the CPU time of this thread."""

    def __init__(
        self, call_later: CallLater, now: Callable[[], float], work: Callable[[], float]
    ) -> None:
        self._call_later = call_later
        self._now = now
        self._work = work
        self._free_at = now()
        self._line: dict[Vigil, None] = {}
        self._is_planned = False

    async def serve(self, vigil: Vigil, answer: Coroutine[Any, None, None]) -> None:
        """Run `answer`, the rest of a connection's exchange, when it is its turn.

        Raises:
            Refusal: too many wait already.
            ClientGone: the client has not waited.
        """
        try:
            await self._wait(vigil)
            await self._measure(answer)
        finally:
            answer.close()

    async def _wait(self, vigil: Vigil) -> None:
        if not self._line and self._now() >= self._free_at:
            return
        if len(self._line) >= MAX_WAITING:
            raise Refusal(503, "busy", f"{MAX_WAITING} requests wait here already", "ask again")
        vigil.disarm()  # from now on it is we who are slow
        self._line[vigil] = None
        self._plan()
        try:
            while vigil in self._line:
                await vigil.wake
                if vigil.client_gone:
                    raise ClientGone
        finally:
            self._line.pop(vigil, None)

    @coroutine
    def _measure(self, answer: Coroutine[Any, None, None]) -> Generator[None, None, None]:
        """Run a coroutine, and count what it costs from one wait to the next."""
        while True:
            began = self._work()
            try:
                answer.send(None)
            except StopIteration:
                return
            finally:
                pause_s = (self._work() - began) * (1 / SHARE - 1)
                self._free_at = max(self._free_at, self._now()) + pause_s
            yield

    def _plan(self) -> None:
        if self._line and not self._is_planned:
            self._is_planned = True
            self._call_later(max(self._free_at - self._now(), 0.0), self._call_next)

    def _call_next(self) -> None:
        self._is_planned = False
        if self._line:
            vigil = next(iter(self._line))
            del self._line[vigil]
            vigil.wake()
        self._plan()


def in_turns(serve: Serve, new_turns: Callable[[], Turns]) -> Serve:
    """Return what serves the requests of the admin listener in turns."""
    probes, others = new_turns(), new_turns()

    async def serve_in_turn(client: Downstream) -> None:
        is_probe = client.request.target.path.split(b"/")[1:2] in _PROBES
        turns = probes if is_probe else others
        try:
            await turns.serve(client.vigil, serve(client))
        except Refusal as refusal:
            client.keep_alive = False
            send(client, refusal.answered())
        except ClientGone:
            client.keep_alive = False

    return serve_in_turn
