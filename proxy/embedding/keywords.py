"""Keyword arguments as a source of settings: the command line's options in snake_case.

    Frontend(upstream="unix:/run/app.sock", send_timeout=5, buffering=False)

Values are what one would write in Python, or the text of the command line; both are read by the
table of options, and complained about in its words.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from proxy.config.check import check
from proxy.config.names import nearest_option
from proxy.config.option import Option
from proxy.config.options import OPTIONS
from proxy.config.sources import Source, build
from proxy.settings import Address, Settings

BY_KEYWORD = {option.name.replace("-", "_"): option for option in OPTIONS}

DEFAULTS: dict[str, Any] = {
    "listen": "127.0.0.1:0",
    "access_log": "off",
    "shutdown_timeout": 5.0,
}
"""What differs from the command line: a free port, nothing on somebody else's standard output, and
a stop that does not make a program wait."""


def settings_of(base: Settings | None, options: Mapping[str, Any]) -> Settings:
    """Return a tree with the options put in: into `base` as it is, or into the defaults.

    None stands for an option that is not given.

    Raises:
        TypeError: an option does not exist.
        ValueError: a value is wrong; all that are wrong, one line each.
    """
    source = Source()
    for name, value in (options if base is not None else {**DEFAULTS, **options}).items():
        option = BY_KEYWORD.get(name)
        if option is None:
            raise TypeError(f"unknown option {name!r}: {_suggest(name)}")
        if value is not None:
            _take(source, name, option, value)
    if not source.complaints:
        settings = build({path: item.value for path, item in source.given.items()}, base)
        source.complaints += check(settings)
        if settings.server.workers > 1:
            source.complaints.append(
                f"--workers {settings.server.workers}: a front end inside a program is part of its "
                "one process; for several, run the command"
            )
        if not source.complaints:
            return settings
    raise ValueError("\n".join(source.complaints))


def _suggest(name: str) -> str:
    near = nearest_option(name)
    if near:
        return f"did you mean {near.replace('-', '_')}?"
    return "docs/settings.md has all of them, here written with underscores"


def _take(source: Source, name: str, option: Option, value: Any) -> None:
    try:
        texts = [_text(option, item) for item in _items(option, value)]
    except (AttributeError, TypeError, ValueError):
        source.complaints.append(f"{name}={value!r}: cannot be written like {option.example}")
    else:
        if texts:
            source.take(option, texts, f"{name}=", "keyword")


def _items(option: Option, value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.items()
    several = option.many and isinstance(value, (list, tuple, set))
    return value if several else (value,)


def _text(option: Option, value: Any) -> str:
    """Return a value as it stands on the command line."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) != option.kind.is_switch and isinstance(value, bool):
        if value:
            raise ValueError("on is no value for it")
        return "off"
    address = getattr(value, "address", value)
    if isinstance(address, Address):  # also of what has one: a fake backend, a worker
        plain = type(value).__name__ != "BackendSettings"
        return str(address) if plain else option.kind.show(value)
    return option.kind.show(value)
