"""The page's news: once a second all processes are asked, and whoever listens gets the result.

While nobody listens only the numbers for the curves are asked for, which costs little. News are
computed and encoded once for all listeners. A listener is a connection's coroutine that sleeps
until it is woken; one that does not take what it is sent is left out, and then sent away: nothing
is stored for it.
"""

import json
from collections.abc import Callable
from typing import Any

from protocol.http1.writer import BodyFraming
from protocol.messages import ReplyHead
from proxy.clock import CallLater
from proxy.control.asked import ALWAYS, Refusal
from proxy.control.history import History
from proxy.control.members import Answer, Members
from proxy.control.merge import merge_overviews
from proxy.control.numbers import Numbers, add_up
from proxy.control.problems import find_problems, worst_of
from proxy.downstream import Downstream

PERIOD_S = 1.0
"""Between two pieces of news."""

MAX_LISTENERS = 16
"""At a time; 503 for more."""

MAX_MISSED = 10
"""Pieces of news in a row that a listener has not taken, before it is sent away."""

MAX_BACKENDS = 200
"""Of one upstream that are shown, those in trouble first."""


Overview = dict[str, Any]
"""See `merge_overviews`."""


class Pulse:
    """See the module. `now` is seconds, monotonic; `wall_clock` Unix time."""

    def __init__(
        self,
        members: Members,
        call_later: CallLater,
        now: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self.history = History()
        self._members = members
        self._call_later = call_later
        self._now = now
        self._wall_clock = wall_clock
        self._listeners: set[Downstream] = set()
        self._event = b""
        self._number = 0
        self._is_on = False
        self._is_asking = False

    def start(self) -> None:
        """Ask now, and once a second from then on."""
        self._is_on = True
        self._beat()

    def stop(self) -> None:
        """Ask no more; may be called twice."""
        self._is_on = False

    def _beat(self) -> None:
        if not self._is_on:
            return
        self._call_later(PERIOD_S, self._beat)
        if self._is_asking:
            return  # somebody is slow: the answer counts when it comes
        self._is_asking = True
        if self._listeners:
            self._members.ask({"ask": "overview"}, self._take_overviews)
        else:
            self._members.ask({"ask": "numbers"}, self._take_numbers)

    def _take_numbers(self, answers: list[Answer]) -> None:
        self._is_asking = False
        given = [one["numbers"] for one in answers if isinstance(one, dict) and "numbers" in one]
        self._note(add_up(given))

    def _take_overviews(self, answers: list[Answer]) -> None:
        self._is_asking = False
        overview = merge_overviews(answers)
        self._note(overview["numbers"])
        self._number += 1
        self._event = encode("news", self.describe(overview))
        for client in list(self._listeners):
            client.vigil.wake()

    def _note(self, numbers: Numbers) -> None:
        self.history.add(numbers, self._now())
        self.history.keep(set(numbers["backends"]))

    def describe(self, overview: Overview) -> dict[str, Any]:
        """Return what the page shows of an overview."""
        window = self.history.window()
        problems = find_problems(overview, window)
        rings = self.history.backends
        return {
            "at": round(self._wall_clock(), 3),
            "state": worst_of(problems),
            "problems": problems,
            "window": window,
            "point": self.history.total[-1] if self.history.total else None,
            "points": {name: ring[-1] for name, ring in rings.items() if ring},
            "workers": overview["workers"],
            "draining": overview["draining"],
            "requests_in_flight": overview["requests_in_flight"],
            "connections": overview["connections"],
            "listeners": overview["listeners"],
            "upstreams": [_shorten(upstream) for upstream in overview["upstreams"]],
            "failures": overview["failures"],
        }

    # -- who listens ------------------------------------------------------------------------------

    async def serve(self, client: Downstream, hello: dict[str, Any], now: Overview) -> None:
        """Send news to a client until it leaves, those of now first.

        `hello` is what it is told besides, once.

        Raises:
            Refusal: too many listen already.
        """
        if len(self._listeners) >= MAX_LISTENERS:
            raise Refusal(503, "too_many_listeners", f"{MAX_LISTENERS} pages are open already")
        client.keep_alive = False
        client.start(_HEAD, BodyFraming.CHUNKED if client.request.minor else BodyFraming.CLOSE)
        past = {name: list(ring) for name, ring in self.history.backends.items()}
        told = {**hello, "history": {"total": list(self.history.total), "backends": past}}
        client.write_body(encode("hello", told), last=False)
        client.write_body(encode("news", self.describe(now)), last=False)
        self._listeners.add(client)
        try:
            await self._send_news(client)
        finally:
            self._listeners.discard(client)

    async def _send_news(self, client: Downstream) -> None:
        seen, missed = self._number, 0
        while not client.vigil.client_gone:
            await client.vigil.wake
            if self._number == seen or client.vigil.client_gone:
                continue  # something else has happened
            seen = self._number
            if not client.stream.unsent_bytes:
                missed = 0
                client.write_body(self._event, last=False)
                continue
            missed += 1
            if missed > MAX_MISSED:
                client.stream.reset()
                return


_HEAD = ReplyHead(
    200, b"200 OK", [*ALWAYS, (b"X-Accel-Buffering", b"no")], content_type=b"text/event-stream"
)


def encode(name: str, value: Any) -> bytes:
    """Return a server-sent event; JSON has no line breaks of its own here."""
    return f"event: {name}\ndata: {json.dumps(value, separators=(',', ':'))}\n\n".encode()


def _shorten(upstream: dict[str, Any]) -> dict[str, Any]:
    """Leave out what nobody could read, and say how many that are."""
    backends = upstream["backends"]
    if len(backends) <= MAX_BACKENDS:
        return {**upstream, "hidden": 0}
    shown = sorted(backends, key=lambda one: not one["trouble"])[:MAX_BACKENDS]
    return {**upstream, "backends": shown, "hidden": len(backends) - len(shown)}
