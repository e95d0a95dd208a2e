"""The settings in effect, as text for people: what `--print-config` prints.

One line for each value, in the order of the documentation, so that two listings can be compared
with diff. Behind each value that is not a default stands where it came from.
"""

from collections.abc import Iterator

from proxy.config.kinds import SECRET
from proxy.config.option import Group, Option
from proxy.config.options import GROUPS
from proxy.config.sources import Loaded

MASK = "********"
"""What stands in the place of a secret."""


def listing(loaded: Loaded, version: str) -> str:
    """Return the effective settings, grouped and commented, with a line break at the end."""
    lines = [
        f"# uwsgi-frontend {version}: the settings in effect; what is not a default says its origin"
    ]
    texts = [text for group in GROUPS for text, origin in _values(group, loaded) if origin]
    width = min(60, max(map(len, texts), default=0))
    for group in GROUPS:
        lines += ["", f"# {group.title}"]
        for text, origin in _values(group, loaded):
            lines.append(f"{text:<{width}}  # {origin}" if origin else text)
    return "\n".join(lines) + "\n"


def _values(group: Group, loaded: Loaded) -> Iterator[tuple[str, str]]:
    for option in group.options:
        origin = loaded.origins.get(option.path, "")
        for text in _texts(option, loaded):
            yield f"{option.name} = {text}".rstrip(), origin


def _texts(option: Option, loaded: Loaded) -> list[str]:
    texts = option.show(option.read(loaded.settings))
    if option.kind is SECRET:
        texts = [MASK for text in texts if text]
    return [printable(text) for text in texts] or [""]


def printable(text: str) -> str:
    """Return `text` on one line, with what would move a terminal's cursor as escapes."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
