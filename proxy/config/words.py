"""Values made of words, as in nginx's `server unix:/run/app.sock weight=5 backup`.

Words are separated by spaces. A value with spaces in it stands in single or double quotes;
backslashes mean themselves, since regular expressions are full of them. A word without a value
means on. What is shown is read back to the same value.
"""

import difflib
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

from proxy.config.kinds import Kind

_SEPARATORS = frozenset(" \t\r\n\"'")
"""What cannot stand in a word without quotes."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One word with a value: `weight=5`; `low` and `high` are the inclusive bounds of a number."""

    name: str
    field: str
    kind: Kind
    help: str
    low: float | None = None
    high: float | None = None
    many: bool = False
    """Whether it may stand several times; its field is then a tuple."""

    @property
    def usage(self) -> str:
        """The word as in a manual: `weight=N`, `backup`."""
        return self.name if self.kind.is_switch else f"{self.name}={self.kind.metavar}"


def split_words(text: str) -> list[str]:
    """Return the words of a text, without their quotes.

    Raises:
        ValueError: when a quote is not closed.
    """
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split = True
    lexer.commenters = lexer.escape = ""
    try:
        return list(lexer)
    except ValueError:
        raise ValueError("a quote is not closed") from None


def quote_word(word: str) -> str:
    """Return a word with quotes where it needs them."""
    if word and not _SEPARATORS & set(word):
        return word
    for quote in ('"', "'"):
        if quote not in word:
            return f"{quote}{word}{quote}"
    return "'\"'".join(f'"{part}"' if part else "" for part in word.split('"'))


def read_words(
    words: Iterable[str], parameters: Sequence[Parameter], elsewhere: Mapping[str, str]
) -> dict[str, Any]:
    """Return the values of words by the name of their field; a `many` one's as a tuple.

    `elsewhere` says what to write for words that other programs have: `maxconn` is `max_conns`.

    Raises:
        ValueError: with one line on the first word that is wrong.
    """
    known = {parameter.name: parameter for parameter in parameters}
    values: dict[str, Any] = {}
    for word, after in pairwise((*words, "")):
        name, equals, text = word.partition("=")
        parameter = known.get(name)
        if parameter is None:
            raise ValueError(f"{name or word}: {explain_unknown(name, list(known), elsewhere)}")
        if not equals and not parameter.kind.is_switch:
            example = parameter.kind.example if after.partition("=")[0] in {"", *known} else after
            raise ValueError(f"{name} has no value; write it like {name}={example}")
        value = _read_value(parameter, text) if equals else True
        if parameter.many:
            value = (*values.get(parameter.field, ()), value)
        elif parameter.field in values:
            raise ValueError(f"{name} is given twice")
        values[parameter.field] = value
    return values


def _read_value(parameter: Parameter, text: str) -> Any:
    try:
        return parameter.kind.parse(text)
    except ValueError as error:
        raise ValueError(f"{parameter.name}={text}: {error}") from None


def explain_unknown(name: str, known: list[str], elsewhere: Mapping[str, str]) -> str:
    """Say what was meant by a name that does not exist."""
    word = name.lower().replace("-", "_")
    if right := elsewhere.get(word):
        return right if " " in right else f"did you mean {right}?"
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}?" if near else f"unknown; there are {', '.join(known)}"


def show_words(value: Any, parameters: Sequence[Parameter]) -> Iterator[str]:
    """Yield the words for those fields of a dataclass that do not have their default."""
    defaults = {field.name: field.default for field in fields(value)}
    for parameter in parameters:
        now = getattr(value, parameter.field)
        if now == defaults[parameter.field]:
            continue
        for item in now if parameter.many else (now,):
            text = f"={quote_word(parameter.kind.show(item))}"
            yield parameter.name if item is True else parameter.name + text


def ranges(value: Any, parameters: Sequence[Parameter]) -> Iterator[str]:
    """Yield a complaint for each field of a dataclass that is out of its bounds."""
    for parameter in parameters:
        now = getattr(value, parameter.field)
        if why := why_out_of_range(now, parameter.low, parameter.high, parameter.kind):
            yield f"{parameter.name}={parameter.kind.show(now)}: {why}"


def why_out_of_range(value: Any, low: float | None, high: float | None, kind: Kind) -> str:
    """Say what a number must be; empty when it is so. NaN is out of every range."""
    if (low is None or value >= low) and (high is None or value <= high):
        return ""
    if low is None or high is None:
        return f"must be {kind.show(low)} or more"
    return f"must be from {kind.show(low)} to {kind.show(high)}"
