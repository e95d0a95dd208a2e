"""What operators change while it runs: a request's JSON becomes a command, a command a change.

A command is a question of `proxy.control.members` that has `do`. It is made where the request comes
in, and run in each process. It is done as a whole or not at all: everything is looked at before
anything is changed.
"""

from collections.abc import Callable, Iterator
from typing import Any

from proxy.control.asked import Refusal
from proxy.control.members import Answer, Question
from proxy.upstream.backend import Backend
from proxy.upstream.discovery.feeds import ParseBackend
from proxy.upstream.group import Upstream
from proxy.upstream.roster import CONFIGURED

SOURCE = "api"
"""The source of backends that were added here."""

MAX_NUMBER = 65535
"""Of weights and limits, as in the settings."""

_REMOVABLE = (CONFIGURED, SOURCE)

_CHANGES = {"weight": "a whole number from 1 to 65535", "max_conns": "a whole number up to 65535"}
_CHANGES |= {"drain": "true or false"}

ShowBackend = Callable[[Upstream, Backend], dict[str, Any]]


# -- from JSON to a command -----------------------------------------------------------------------


def make_change(upstream: str, backend: str, body: Any) -> Question:
    """Return the command for {"weight": 2, "max_conns": 8, "drain": true}, or some of these.

    Raises:
        Refusal: it says something else.
    """
    if not isinstance(body, dict) or not body:
        raise _bad('the body is no JSON object like {"drain": true}')
    for name, value in body.items():
        if name not in _CHANGES:
            raise _bad(f"{name[:50]!r} cannot be changed; what can: {', '.join(_CHANGES)}")
        if not _is_right(name, value):
            raise _bad(f"{name} is {_CHANGES[name]}")
    return {"do": "change", "upstream": upstream, "backend": backend, **body}


def _is_right(name: str, value: Any) -> bool:
    if name == "drain":
        return isinstance(value, bool)
    low = 1 if name == "weight" else 0
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= MAX_NUMBER


def make_addition(upstream: str, body: Any) -> Question:
    """Return the command for {"server": "unix:/run/b.sock weight=2"}.

    Raises:
        Refusal: it says something else.
    """
    if not isinstance(body, dict) or set(body) != {"server"} or not isinstance(body["server"], str):
        raise _bad('the body is no JSON object like {"server": "unix:/run/b.sock weight=2"}')
    return {"do": "add", "upstream": upstream, "server": body["server"]}


def make_removal(upstream: str, backend: str) -> Question:
    """Return the command to remove a backend."""
    return {"do": "remove", "upstream": upstream, "backend": backend}


def _bad(text: str) -> Refusal:
    return Refusal(400, "bad_body", text)


# -- from a command to a change -------------------------------------------------------------------


def run_command(
    command: Question,
    upstreams: Callable[[], Iterator[Upstream]],
    parse: ParseBackend | None,
    show: ShowBackend,
) -> Answer:
    """Do it in this process; return the backend as it is then, or the error."""
    try:
        upstream = find_upstream(upstreams(), command["upstream"])
        if command["do"] == "add":
            backend = _add(upstream, command["server"], parse)
        else:
            backend = _find_backend(upstream, command["backend"])
            if command["do"] == "remove":
                _remove(upstream, backend)
            else:
                _change(upstream, backend, command)
    except Refusal as refusal:
        return {"error": refusal.error}
    return {"backend": show(upstream, backend)}


def find_upstream(upstreams: Iterator[Upstream], name: str) -> Upstream:
    """Return the upstream of a name.

    Raises:
        Refusal: there is none.
    """
    for upstream in upstreams:
        if upstream.settings.name == name:
            return upstream
    raise Refusal(404, "no_upstream", f"there is no upstream {name[:100]!r}", "see /api/upstreams")


def _find_backend(upstream: Upstream, name: str) -> Backend:
    for backend in upstream.pool.backends:
        if backend.name == name and not backend.leaving:
            return backend
    where = upstream.settings.name
    raise Refusal(
        404,
        "no_backend",
        f"there is no backend {name[:200]!r} in {where}",
        f"see /api/upstreams/{where}",
    )


def _change(upstream: Upstream, backend: Backend, command: Question) -> None:
    pool = upstream.pool
    if "max_conns" in command:
        try:
            pool.set_max_conns(backend, command["max_conns"])
        except ValueError as error:
            raise _bad(str(error)) from error
    if "weight" in command:
        pool.set_weight(backend, command["weight"])
    if "drain" in command:
        (pool.drain if command["drain"] else pool.enable)(backend)


def _add(upstream: Upstream, text: str, parse: ParseBackend | None) -> Backend:
    if parse is None:
        raise Refusal(501, "no_parser", "nobody here can read the text of a backend")
    try:
        settings = parse(text)
    except ValueError as error:
        raise _bad(f"server {text[:200]!r}: {error}") from error
    if not settings.address.is_literal or settings.resolve or settings.service:
        raise _bad(f"server {settings.address}: names are not looked up here; give an IP address")
    for backend in upstream.pool.backends:
        if backend.address == settings.address and not backend.leaving:
            raise Refusal(
                409,
                "backend_exists",
                f"{backend.name} is a backend of {upstream.settings.name} already",
                "change it with PATCH",
            )
    return upstream.pool.add(settings, settings.address, SOURCE)


def _remove(upstream: Upstream, backend: Backend) -> None:
    is_followed = backend.settings.resolve or backend.settings.service
    if is_followed or backend.source not in _REMOVABLE:
        source = "DNS" if is_followed else backend.source
        raise Refusal(
            409,
            "backend_discovered",
            f"{backend.name} comes from {source}, and would come again",
            "remove it there, or drain it",
        )
    upstream.pool.remove(backend)
