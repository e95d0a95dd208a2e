"""What is wrong now, in the order in which it matters, each with what to do: for a tired reader.

Made from the overview and from the last minute. Decides nothing: it says in words what the numbers
say.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from proxy.control.failures import next_step_of
from proxy.errors import ALL

BAD, WARN, NOTE = "bad", "warn", "note"

BAD_SHARE = 0.1
"""Of all answers that are 5xx, within the last minute."""
WARN_SHARE = 0.01
WARN_REQUESTS = 20
"""With fewer requests in a minute a share says little: then it is a warning at most."""
FULL_SHARE = 0.5
"""Of the places in line that are taken."""
LISTEN_SHARE = 0.8
"""Of a listen queue in the kernel."""
MAX_PROBLEMS = 12
"""Shown at most; of each kind the first ones."""

Problem = dict[str, str]

_STATES = {
    "down": "active checks have taken it down",
    "ejected": "it failed much more often than the others, and is left alone for a while",
    "absent": "nobody listens there",
    "paused": "it has failed too often (max_fails)",
}


def find_problems(overview: Mapping[str, Any], window: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong, the worst first."""
    found = [
        *_process(overview),
        *_errors(window),
        *(
            problem
            for upstream in overview["upstreams"]
            for problem in _upstream(upstream, overview["failures"])
        ),
    ]
    return sorted(found, key=lambda one: (BAD, WARN, NOTE).index(one["severity"]))[:MAX_PROBLEMS]


def worst_of(problems: Iterable[Problem]) -> str:
    """Return `ok`, or the severity of the worst; notes are no trouble."""
    severities = {problem["severity"] for problem in problems}
    return BAD if BAD in severities else WARN if WARN in severities else "ok"


def _problem(key: str, severity: str, title: str, text: str = "", next_step: str = "") -> Problem:
    """Return a problem; `key` stays the same as long as it is the same problem."""
    about = {"severity": severity, "title": title, "text": text, "next_step": next_step}
    return {"key": key, **about}


def _process(overview: Mapping[str, Any]) -> Iterator[Problem]:
    if not overview["workers"]:
        yield _problem("workers", BAD, "No worker process answers", "", "see the error log")
    elif overview["draining"]:
        text = f"{overview['requests_in_flight']} requests are left"
        yield _problem("draining", NOTE, "This server is shutting down", text)


def _errors(window: Mapping[str, Any]) -> Iterator[Problem]:
    rate, failed = window["rate"] or 0.0, window["failed"] or 0.0
    if not failed or failed < WARN_SHARE * rate:
        return
    share = min(1.0, failed / rate) if rate else 1.0
    is_bad = share >= BAD_SHARE and window["requests"] >= WARN_REQUESTS
    ours = [(word, n) for word, n in window["errors"].items() if ALL[word].status >= 500]
    reasons = sorted(ours, key=lambda item: -item[1])
    words = ", ".join(f"{word} ({count:.0f})" for word, count in reasons[:3])
    yield _problem(
        "errors",
        BAD if is_bad else WARN,
        f"{share * 100:.1f} % of the answers are server errors",
        f"within the last {window['seconds']:.0f} s: {words or 'answered by the application'}",
        next_step_of(reasons[0][0]) if reasons else "see the application's log",
    )


def _upstream(
    upstream: Mapping[str, Any], failures: Iterable[Mapping[str, Any]]
) -> Iterator[Problem]:
    yield from _line(upstream)
    backends = upstream["backends"]
    wanted = [one for one in backends if one["duty"] == "serving"]
    ill = [one for one in wanted if one["trouble"]]
    name = upstream["name"]
    if not wanted:
        text = "all are drained or down" if backends else "none is known"
        title = f"{name}: there is no backend to send requests to"
        yield _problem(f"{name} none", BAD, title, text, _NO_BACKEND)
    elif len(ill) == len(wanted):
        who = "" if len(wanted) == 1 else f"any of {len(wanted)} backends, such as "
        text = f"{who}{wanted[0]['server']}: {_why(ill[0])}"
        title = f"{name}: no backend can serve"
        yield _problem(f"{name} none", BAD, title, text, _step(ill[0], failures))
    else:
        for one in ill:
            title = f"{name}: {one['server']} does not serve"
            yield _problem(f"{name} {one['server']}", WARN, title, _why(one), _step(one, failures))
        yield from _tried(name, wanted, failures)
    for one in backends:
        yield from _backend(name, one)


def _tried(
    name: str, wanted: Iterable[Mapping[str, Any]], failures: Iterable[Mapping[str, Any]]
) -> Iterator[Problem]:
    """Tell of backends that would be left alone, if there were any that is better."""
    tried = [one for one in wanted if not one["trouble"] and one["state"] in _TRIED]
    if tried:
        who = tried[0]["server"] if len(tried) == 1 else f"{len(tried)} backends"
        title = f"{name}: {who} failed too often, tried all the same"
        text = f"{', '.join(one['server'] for one in tried[:4])}: there is no better one"
        yield _problem(f"{name} tried", WARN, title, text, _step(tried[0], failures))


_TRIED = ("paused", "ejected")
"""States without a trouble when there is no other that would be better."""

_NO_BACKEND = "enable a backend, or add one"


def _line(upstream: Mapping[str, Any]) -> Iterator[Problem]:
    queue = upstream["queue"]
    if queue["size"]:
        is_full = queue["size"] >= FULL_SHARE * queue["max_size"]
        yield _problem(
            f"{upstream['name']} line",
            BAD if is_full else WARN,
            f"{upstream['name']}: {queue['size']} requests wait for a backend",
            f"there are {queue['max_size']} places",
            next_step_of("queue_timeout"),
        )


def _backend(name: str, backend: Mapping[str, Any]) -> Iterator[Problem]:
    listen = backend["listen_queue"]
    if listen and listen["limit"] and listen["pending"] >= LISTEN_SHARE * listen["limit"]:
        yield _problem(
            f"{name} {backend['server']} listen queue",
            WARN,
            f"{name}: the listen queue of {backend['server']} is filling up",
            f"{listen['pending']} of {listen['limit']} connections wait in the kernel",
            next_step_of("backlog_full"),
        )
    if backend["duty"] == "draining":
        yield _problem(
            f"{name} {backend['server']} drained",
            NOTE,
            f"{name}: {backend['server']} is drained",
            f"{backend['active']} requests are left",
            "enable it when it may serve again",
        )


def _why(backend: Mapping[str, Any]) -> str:
    """Return what is known about the trouble of a backend."""
    checks = backend["health_checks"]
    bad = [one for one in (checks or {}).get("last", ()) if one["verdict"] == "bad"]
    if bad:
        about = f"{bad[0]['check']}: {bad[0]['word']}"
        return f"{about} ({bad[0]['detail']})" if bad[0]["detail"] else about
    trouble = str(backend["trouble"])
    why = str(backend["detail"]) or _STATES.get(trouble, trouble)
    if backend["state"] != "up" and backend["state_for_s"] is not None:
        why += f", for {backend['state_for_s']:.0f} s"
    return why


def _step(backend: Mapping[str, Any], failures: Iterable[Mapping[str, Any]]) -> str:
    """Return what to do: by the reason that was found, else by the last failure there."""
    checks = backend["health_checks"]
    words = [backend["trouble"], *(one["word"] for one in (checks or {}).get("last", ()))]
    server = backend["server"]
    here = [one for one in failures if one["backend"] == server and one["blame"] != "client"]
    words += [one["reason"] for one in here[:1]]
    return next((step for step in map(next_step_of, words) if step), "see the backend's own log")
