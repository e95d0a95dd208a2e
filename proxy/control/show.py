"""The settings in effect, for the admin address: the whole tree, without what is secret."""

import re
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from proxy.settings import Address, Settings

MASK = "********"
"""What stands in the place of a secret."""

_SECRET = re.compile(
    r"token(?!_file)|secret|passw|pwd|credential|api.?key|auth|private|session", re.I
)
_HARMLESS = frozenset(("hash_key", "subscribe_fallback_key"))


def show_settings(settings: Settings) -> dict[str, Any]:
    """Return the tree as JSON can carry it. Names that look like those of secrets are masked."""
    shown = _show(settings)
    assert isinstance(shown, dict)
    return shown


def is_secret(name: str) -> bool:
    """Whether the value of a setting or variable of this name is nobody's business."""
    return bool(_SECRET.search(name)) and name not in _HARMLESS


def _show(value: Any) -> Any:
    if isinstance(value, Address):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _show_named(field.name, getattr(value, field.name))
            for field in fields(value)
        }
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_show(item) for item in value]
    return value


def _show_named(name: str, value: Any) -> Any:
    if name in ("params", "headers"):
        # Variables of the application, and what checks look for: some of it is secret.
        return [[key, MASK if is_secret(key) else text] for key, text in value]
    return MASK if is_secret(name) and value else _show(value)
