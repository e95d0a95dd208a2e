"""The kinds of value that an option can have: how each is read, written and described.

A kind's `parse` raises ValueError with one line for the user; its `show` writes text that `parse`
reads back to the same value. `options` combines kinds with names into the table.
"""

import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.config import address, units
from proxy.settings import Address

_WORDS_FOR_ON = ("on", "true", "yes", "1")
_WORDS_FOR_OFF = ("off", "false", "no", "0")
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value; `example` is what an error about a missing value shows."""

    metavar: str
    example: str
    parse: Callable[[str], Any]
    show: Callable[[Any], str] = str
    choices: tuple[str, ...] = ()
    """All values, where there are few."""

    @property
    def is_switch(self) -> bool:
        """Whether the value may be left out on the command line, which then means on."""
        return self.metavar == "on|off"


def parse_switch(text: str) -> bool:
    """Return True for on, False for off; the words that YAML turns them into count as well."""
    word = text.strip().lower()
    if word in _WORDS_FOR_ON:
        return True
    if word in _WORDS_FOR_OFF:
        return False
    raise ValueError("neither on nor off")


def show_switch(value: bool) -> str:
    """Return `on` or `off`."""
    return "on" if value else "off"


def parse_count(text: str) -> int:
    """Return a whole number, not negative."""
    word = text.strip()
    if word.isascii() and word.isdecimal() and len(word) < 19:
        return int(word)
    if re.fullmatch(r"-[0-9]+", word):
        raise ValueError("cannot be negative")
    raise ValueError("not a whole number")


def parse_percent(text: str) -> int:
    """Return a whole number of hundredths, written with or without a per cent sign."""
    word = text.strip()
    if re.fullmatch(r"0?\.[0-9]{1,2}", word):
        raise ValueError(f"not a whole number; in per cent it is {round(float(word) * 100)}%")
    return parse_count(word.removesuffix("%"))


def show_percent(value: int) -> str:
    """Return the number with a per cent sign."""
    return f"{value}%"


def parse_whole_seconds(text: str) -> int:
    """Return a time that is a whole number of seconds."""
    seconds = units.parse_duration(text)
    if not seconds.is_integer():
        raise ValueError("not a whole number of seconds")
    return int(seconds)


def parse_priority(text: str) -> tuple[str, int]:
    """Return the prefix and the class of /PATH=N; classes may be negative."""
    prefix, equals, number = text.strip().rpartition("=")
    if not equals:
        path, _, rank = number.partition(" ")
        raise ValueError(f"no equals sign; write {path or '/path'}={rank.strip() or '-10'}")
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", number):
        raise ValueError(f"{number!r} is not a whole number; write {prefix or '/path'}=-10")
    return prefix, int(number)


def show_priority(pair: tuple[str, int]) -> str:
    """Return /PATH=N."""
    return f"{pair[0]}={pair[1]}"


def parse_networks(text: str) -> tuple[str, ...]:
    """Return the networks of a list with commas or spaces, each in its usual form.

    A host is a network of its own.

    Raises:
        ValueError: with one line on the first that is wrong.
    """
    return tuple(map(_network, text.replace(",", " ").split()))


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        wide = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text} is not a network; write it like 10.0.0.0/8") from None
    host = text.partition("/")[0]
    raise ValueError(f"{text} is an address within a network; write {wide} or {host}")


def parse_param(text: str) -> tuple[str, str]:
    """Return the name and the value of NAME=VALUE; `check` judges the name."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"no equals sign; write {text.strip() or 'NAME'}=VALUE")
    return name.strip(), value


def show_param(pair: tuple[str, str]) -> str:
    """Return NAME=VALUE."""
    return "=".join(pair)


def parse_app(text: str) -> str:
    """Return `package.module:callable`; without a callable it is `application`, as PEP 3333 has it.

    Only the syntax is looked at: nothing is imported.
    """
    module, colon, name = text.strip().partition(":")
    if colon and not name:
        raise ValueError(f"no callable after the colon; write {module}:application")
    name = name or "application"
    if module.endswith(".py") or "/" in module:
        dotted = re.sub(r"/+", ".", module.removesuffix(".py").removeprefix("./").strip("/"))
        raise ValueError(f"a file, not a module; did you mean {dotted}:{name}?")
    if not _MODULE.fullmatch(module):
        raise ValueError(f"{module!r} is not a module name; write package.module:callable")
    if "(" in name:
        raise ValueError("a call; make the application in the module, and give its name")
    if not _MODULE.fullmatch(name):
        raise ValueError(f"{name!r} is not a Python name; write {module}:application")
    return f"{module}:{name}"


def _or_off(parse: Callable[[str], Any], nothing: object) -> Callable[[str], Any]:
    """Return a parser that reads `off` and empty text as `nothing`."""

    def parse_or_off(text: str) -> Any:
        return nothing if text.strip().lower() in ("", "off") else parse(text)

    return parse_or_off


def _show_or_off(value: object) -> str:
    return str(value) if value else "off"


def choice(*names: str, metavar: str = "", elsewhere: Mapping[str, str] | None = None) -> Kind:
    """Return the kind of one word out of `names`; a `metavar` stands for many of them.

    `elsewhere` says what to write for words of other programs.
    """
    hints = elsewhere or {}

    def parse(text: str) -> str:
        word = text.strip().lower()
        if word in names:
            return word
        near = [hints[word]] if word in hints else difflib.get_close_matches(word, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose {_either(names)}"
        raise ValueError(f"not one of the choices; {hint}")

    return Kind(metavar or "|".join(names), names[0], parse, choices=names)


def choice_or_off(*names: str) -> Kind:
    """Return the kind of one word out of `names`, or `off` for empty text."""
    one = choice(*names)
    return Kind(f"{one.metavar}|off", one.example, _or_off(one.parse, ""), _show_or_off)


def _either(names: tuple[str, ...]) -> str:
    return ", ".join(names[:-1]) + " or " + names[-1]


def _same(text: str) -> str:
    return text


ADMIN = Kind("ADDRESS|off", "127.0.0.1:8081", _or_off(address.parse_listen, None), _show_or_off)
APP = Kind("MODULE:CALLABLE", "myproject.wsgi:application", parse_app)
COUNT = Kind("N", "1", parse_count)
DURATION = Kind("TIME", "30s", units.parse_duration, units.format_duration)
ERROR_LOG = Kind("PATH|-|syslog:...", "-", _same)
LISTEN = Kind("ADDRESS", "127.0.0.1:8080", address.parse_public, Address.__str__)
LOG_FILE = Kind("PATH|-|syslog:...|off", "-", _or_off(_same, ""), _show_or_off)
LOG_FORMAT = Kind("main|combined|json|TEXT", "json", _same)
NAME = Kind("NAME", "example", _same)
NETWORKS = Kind("NETWORKS", "10.0.0.0/8,::1/128", parse_networks, ",".join)
PARAM = Kind("NAME=VALUE", "APP_ENV=production", parse_param, show_param)
PATH = Kind("PATH", "/var/tmp", _same)
PERCENT = Kind("PERCENT", "20%", parse_percent, show_percent)
PRIORITY = Kind("/PATH=N", "/health=-10", parse_priority, show_priority)
RESOLVER = Kind("ADDRESS", "127.0.0.1:53", address.parse_resolver, Address.__str__)
SECRET = Kind("TEXT", "0123456789abcdef", _same)
SECONDS = Kind("TIME", "5s", parse_whole_seconds, units.format_duration)
SIZE = Kind("SIZE", "64k", units.parse_size, units.format_size)
STATS = Kind("ADDRESS", "127.0.0.1:1717", address.parse_stats, Address.__str__)
SUBSCRIBE = Kind(
    "ADDRESS|off", "127.0.0.1:2626", _or_off(address.parse_subscribe, None), _show_or_off
)
SWITCH = Kind("on|off", "on", parse_switch, show_switch)
TEXT = Kind("TEXT", "$request_uri", _same)
TEXT_OR_OFF = Kind("TEXT|off", "off", _or_off(_same, ""), _show_or_off)

NUMBERS = (COUNT, DURATION, PERCENT, SECONDS, SIZE)
"""Kinds that have bounds."""
