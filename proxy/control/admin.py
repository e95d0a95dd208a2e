"""The admin listener: what is asked there, by whom, and who answers.

    guard ──► route ──► may it change something? ──► ask all processes ──► one response

Everything shown is made of the answers of all processes (`proxy.control.members`). Nothing here
reads a pool. Whatever goes wrong is a short JSON object with a status, a word and what to do.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from protocol.http1.writer import BodyFraming, status_text
from protocol.messages import ReplyHead
from proxy import errors
from proxy.control.api import API, show_upstream
from proxy.control.asked import ALWAYS, Answered, Asked, Refusal, as_json, read_request
from proxy.control.body import read_json
from proxy.control.commands import make_addition, make_change, make_removal
from proxy.control.events import Pulse
from proxy.control.guard import Guard
from proxy.control.health import LIVEZ, READYZ, checks_of, show_health
from proxy.control.members import Answer, Members, Question, answers_to
from proxy.control.merge import merge_changes, merge_overviews
from proxy.control.page import PAGE
from proxy.downstream import Downstream
from proxy.errors import ClientGone, ProxyError
from proxy.record import Record

ANSWER_S = 5.0
"""For the answers of all processes, before the client is told that they are too slow."""

READING = ("GET", "HEAD")

log = logging.getLogger("proxy")

RenderMetrics = Callable[[list[Answer], str], tuple[bytes, str]]
"""Makes one exposition of the metric families of all processes, by what Accept says."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What the admin listener works with."""

    members: Members
    guard: Guard
    pulse: Pulse
    render_metrics: RenderMetrics


class Admin:
    """Serves the requests of the admin listener."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def serve(self, client: Downstream) -> None:
        """Answer one request."""
        try:
            answered = await self._answer(client)
        except Refusal as refusal:
            answered = refusal.answered()
        except ClientGone:
            client.keep_alive = False
            return
        except ProxyError as error:
            answered = _explain(error)
        if answered is not None:
            send(client, answered)

    async def _answer(self, client: Downstream) -> Answered | None:
        """Return the response; None when it has been given already.

        Raises:
            Refusal: the request is not served.
            ProxyError: its body does not come, or the processes do not answer.
        """
        asked = read_request(client.request)
        if asked.segments[:1] not in _FOR_MACHINES:
            self._desk.guard.check(asked)
        methods, handle = self._route(asked)
        if asked.method not in methods:
            raise _wrong_method(methods)
        if asked.changes:
            self._desk.guard.check_change(asked)
            if asked.method != "DELETE":
                asked = await read_json(client, asked)
        return await handle(client, asked)

    def _route(self, asked: Asked) -> "tuple[tuple[str, ...], Handle]":
        """Return the methods that a path takes, and who answers.

        Raises:
            Refusal: there is nothing at this path.
        """
        first, *rest = asked.segments or ("",)
        if first in _TOP and (not rest or first in (LIVEZ, READYZ)):
            return READING, getattr(self, _TOP[first])
        if first == "api":
            if rest == ["events"]:
                return READING, self._events
            if len(rest) >= 3 and rest[0] == "upstreams" and rest[2] == "backends":
                return self._route_backends(rest)
            if not rest or rest[0] in API or rest == ["settings"]:
                return READING, self._read
        raise not_found(asked)

    def _route_backends(self, rest: list[str]) -> "tuple[tuple[str, ...], Handle]":
        if len(rest) == 3:
            return (*READING, "POST"), self._backends
        return (*READING, "PATCH", "DELETE"), self._backend

    # -- for people and machines ------------------------------------------------------------------

    async def _page(self, client: Downstream, asked: Asked) -> Answered:
        return PAGE

    async def _metrics(self, client: Downstream, asked: Asked) -> Answered:
        answers = await self._ask(client, {"ask": "metrics"})
        body, content_type = self._desk.render_metrics(answers, asked.header(b"accept"))
        return Answered(200, body, content_type.encode())

    async def _health(self, client: Downstream, asked: Asked) -> Answered:
        return await answer_health(client, asked, self._desk.members)

    async def _events(self, client: Downstream, asked: Asked) -> None:
        if asked.method == "HEAD":
            send(client, Answered(200, b"", b"text/event-stream"))
        else:
            overview = merge_overviews(await self._ask(client, {"ask": "overview"}))
            writing = self._desk.guard.writing
            await self._desk.pulse.serve(client, {"writing": writing}, overview)

    # -- JSON -------------------------------------------------------------------------------------

    async def _read(self, client: Downstream, asked: Asked) -> Answered:
        """Answer for everything that is only read."""
        name, *rest = asked.segments[1:] or ("",)
        answers = await self._ask(client, {"ask": "settings" if name == "settings" else "overview"})
        if name == "settings":
            return as_json(answers[0] if answers else {})
        overview = merge_overviews(answers)
        return as_json(API[name](overview, rest, self._desk.pulse))

    async def _backends(self, client: Downstream, asked: Asked) -> Answered:
        """Answer for the backends of an upstream."""
        name = asked.segments[2]
        if asked.method != "POST":
            overview = merge_overviews(await self._ask(client, {"ask": "overview"}))
            return as_json(show_upstream(overview, [name, "backends"]))
        backend = await self._change(client, make_addition(name, asked.body))
        where = (
            f"/api/upstreams/{quote(name, safe='')}/backends/{quote(backend['server'], safe='')}"
        )
        return as_json(backend, 201, (b"Location", where.encode()))

    async def _backend(self, client: Downstream, asked: Asked) -> Answered:
        """Answer for one backend. Its address may have slashes, escaped or not."""
        name, address = asked.segments[2], "/".join(asked.segments[4:])
        if asked.method == "PATCH":
            return as_json(await self._change(client, make_change(name, address, asked.body)))
        if asked.method == "DELETE":
            return as_json(await self._change(client, make_removal(name, address)))
        overview = merge_overviews(await self._ask(client, {"ask": "overview"}))
        return as_json(show_upstream(overview, [name, "backends", address]))

    async def _change(self, client: Downstream, command: Question) -> dict[str, Any]:
        """Have a command run by all processes; return the backend that it was about.

        Raises:
            Refusal: it was not done.
        """
        result = merge_changes(await self._ask(client, command))
        if "error" in result:
            error = result["error"]
            step = error.get("next_step", "")
            raise Refusal(error["status"], error["code"], error["text"], step)
        changed: dict[str, Any] = result["backend"]
        log.info("%s", _tell_change(client, command, changed["server"]))
        return changed

    async def _ask(self, client: Downstream, question: Question) -> list[Answer]:
        return await ask_for(client, question, self._desk.members)


def _tell_change(client: Downstream, command: Question, server: str) -> str:
    """Say for the log who has changed what: at night somebody asks who drained this."""
    who = client.facts.remote_addr.decode()
    about = ("do", "upstream", "backend")
    what = ", ".join(f"{key} {value}" for key, value in command.items() if key not in about)
    text = f"admin: {command['do']} {server} of {command['upstream']}"
    return f"{text}{': ' if what else ''}{what}, by {who}"


Handle = Callable[[Downstream, Asked], Awaitable[Answered | None]]

_TOP: Mapping[str, str] = {
    "": "_page",
    "metrics": "_metrics",
    LIVEZ: "_health",
    READYZ: "_health",
}

_FOR_MACHINES = (("metrics",), (LIVEZ,), (READYZ,))
"""Asked for under whatever name a probe or a scraper has been given."""


async def ask_for(client: Downstream, question: Question, members: Members) -> list[Answer]:
    """Put a question of this client to all processes.

    Raises:
        ProxyError: they are too slow, or the client has left.
    """
    return await answers_to(question, members, client.vigil, ANSWER_S, errors.INTERNAL_ERROR)


async def answer_health(
    client: Downstream, asked: Asked, members: Members, tells_why: bool = True
) -> Answered:
    """Answer /livez or /readyz, whichever listener it came to.

    Raises:
        Refusal: there is no such check.
        ProxyError: the processes do not answer, or the client has left.
    """
    page = asked.segments[0]
    is_ready = page == READYZ
    answers = await ask_for(client, {"ask": "readiness"}, members) if is_ready else []
    return show_health(asked, checks_of(page, answers), tells_why)


def send(client: Downstream, answered: Answered) -> None:
    """Give a response in one piece. A body that nobody has read ends the connection."""
    if client.body_left:
        client.keep_alive = False
    head_only = client.request.method == b"HEAD"
    reply = ReplyHead(
        answered.status,
        status_text(answered.status),
        [*ALWAYS, *answered.fields],
        content_type=answered.content_type,
        content_length=len(answered.body),
    )
    framing = BodyFraming.NONE if head_only else BodyFraming.LENGTH
    client.respond(reply, framing, b"" if head_only else answered.body)


def not_found(asked: Asked) -> Refusal:
    """Say that there is nothing at a path."""
    path = "/" + "/".join(asked.segments)
    return Refusal(404, "not_found", f"there is nothing at {path[:100]!r}", "see /api")


def _wrong_method(methods: tuple[str, ...]) -> Refusal:
    allowed = ", ".join(methods)
    refusal = Refusal(405, "wrong_method", f"only {allowed} can be used here")
    return refusal.with_header(b"Allow", allowed.encode())


def _explain(error: ProxyError) -> Answered:
    """Answer for what went wrong with a body, or with asking."""
    if error.reason is errors.INTERNAL_ERROR:
        slow = Refusal(504, "too_slow", "the worker processes do not answer", "see the error log")
        return slow.answered()
    word, status = error.reason.word, error.reason.status
    return Refusal(status, word, error.detail or word, error.reason.next_step).answered()


def publish_nowhere(record: Record) -> None:
    """What becomes of the records of requests to the admin listener."""
