"""The reasons to try another backend as text, with the words of nginx's `uwsgi_next_upstream`."""

import difflib
from typing import get_args

from proxy.config.kinds import Kind
from proxy.settings import Condition

CONDITIONS: tuple[Condition, ...] = get_args(Condition)

_NOT_HERE = {
    "http_502": "a uwsgi backend does not give it; the 502 of a proxy are error and invalid_header",
    "http_504": "a uwsgi backend does not give it; the 504 of a proxy are timeout",
    "updating": "it is about nginx's cache, and there is none here",
    "conn-failure": "did you mean error?",
    "response-timeout": "did you mean timeout?",
    "all-retryable-errors": "did you mean error,timeout,invalid_header?",
}
"""Words that people know from nginx's `proxy_next_upstream` and from HAProxy's `retry-on`."""


def parse_conditions(text: str) -> tuple[Condition, ...]:
    """Return the conditions of a list with commas or, as nginx has it, spaces; none for `off`.

    Raises:
        ValueError: with one line on the first word that is wrong.
    """
    words = text.lower().removesuffix(";").replace(",", " ").split()
    if words == ["off"]:
        return ()
    if "off" in words:
        raise ValueError("off stands alone")
    return tuple(dict.fromkeys(map(_condition, words)))


def _condition(word: str) -> Condition:
    for condition in CONDITIONS:
        if word == condition:
            return condition
    if why := _NOT_HERE.get(word):
        raise ValueError(f"{word}: {why}")
    near = difflib.get_close_matches(word, CONDITIONS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(CONDITIONS)}, or off"
    raise ValueError(f"{word}: {hint}")


def show_conditions(conditions: tuple[Condition, ...]) -> str:
    """Return the list with commas, or `off`."""
    return ",".join(conditions) or "off"


CONDITION_LIST = Kind("CONDITIONS|off", "error,timeout", parse_conditions, show_conditions)
