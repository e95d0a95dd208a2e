"""What can be read under /api: each part of the overview, in nginx Plus's shape where it fits."""

from collections.abc import Callable, Mapping
from typing import Any

from proxy.control.asked import Refusal
from proxy.control.events import Pulse
from proxy.errors import ALL

Overview = Mapping[str, Any]
Show = Callable[[Overview, list[str], Pulse], Any]
"""Gets the overview, and what follows in the path."""


def show_upstream(overview: Overview, rest: list[str]) -> Any:
    """Return all upstreams, one, its backends, or one of those.

    Raises:
        Refusal: there is no such thing.
    """
    upstreams = {one["name"]: one for one in overview["upstreams"]}
    if not rest:
        return upstreams
    name, *more = rest
    if name not in upstreams:
        raise Refusal(
            404, "no_upstream", f"there is no upstream {name[:100]!r}", "see /api/upstreams"
        )
    upstream = upstreams[name]
    if not more:
        return upstream
    if more[0] != "backends":
        raise _nothing(more)
    if len(more) == 1:
        return upstream["backends"]
    for backend in upstream["backends"]:
        if backend["server"] == more[1]:
            return backend
    text = f"there is no backend {more[1][:200]!r} in {name}"
    raise Refusal(404, "no_backend", text, f"see /api/upstreams/{name}/backends")


def _upstreams(overview: Overview, rest: list[str], pulse: Pulse) -> Any:
    return show_upstream(overview, rest)


def _index(overview: Overview, rest: list[str], pulse: Pulse) -> Any:
    return [name for name in API if name] + ["settings", "events"]


def _overview(overview: Overview, rest: list[str], pulse: Pulse) -> Any:
    return pulse.describe(dict(overview))


def _problems(overview: Overview, rest: list[str], pulse: Pulse) -> Any:
    described = pulse.describe(dict(overview))
    return {"state": described["state"], "problems": described["problems"]}


def _part(name: str) -> Show:
    """Return what shows one part as it is."""
    return lambda overview, rest, pulse: overview[name]


def _connections(overview: Overview, rest: list[str], pulse: Pulse) -> Any:
    return {**overview["connections"], "requests_in_flight": overview["requests_in_flight"]}


def _history(overview: Overview, rest: list[str], pulse: Pulse) -> Any:
    history = pulse.history
    backends = {name: list(ring) for name, ring in history.backends.items()}
    return {"window": history.window(), "total": list(history.total), "backends": backends}


def _version(overview: Overview, rest: list[str], pulse: Pulse) -> Any:
    workers = overview["workers"]
    return {
        "versions": sorted({one["version"] for one in workers}),
        "python": sorted({one["python"] for one in workers}),
    }


def _reasons(overview: Overview, rest: list[str], pulse: Pulse) -> Any:
    return {
        word: {"blame": one.blame.value, "status": one.status, "next_step": one.next_step}
        for word, one in ALL.items()
    }


def _leaf(show: Show) -> Show:
    """Return the same for a part that has no parts of its own."""

    def show_leaf(overview: Overview, rest: list[str], pulse: Pulse) -> Any:
        if rest:
            raise _nothing(rest)
        return show(overview, rest, pulse)

    return show_leaf


def _nothing(rest: list[str]) -> Refusal:
    return Refusal(404, "not_found", f"there is no {'/'.join(rest)[:100]!r} here", "see /api")


API: dict[str, Show] = {
    "": _leaf(_index),
    "overview": _leaf(_overview),
    "problems": _leaf(_problems),
    "upstreams": _upstreams,
    "failures": _leaf(_part("failures")),
    "connections": _leaf(_connections),
    "listeners": _leaf(_part("listeners")),
    "workers": _leaf(_part("workers")),
    "history": _leaf(_history),
    "numbers": _leaf(_part("numbers")),
    "version": _leaf(_version),
    "reasons": _leaf(_reasons),
}
"""What can be read, by its place under /api. Settings and events are served apart."""
