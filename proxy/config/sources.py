"""From what the sources gave to one frozen tree, and the memory of who gave what.

A source (`argv`, `env`) yields values and complaints; it never stops at the first mistake, so that
a user sees all of them at once. Later sources win over earlier ones, option by option: a list given
on the command line replaces the one from the environment.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from proxy.config.option import Option
from proxy.settings import Settings


@dataclass(frozen=True, slots=True)
class Given:
    """One value and where it came from, in words: `command line`, or a variable's name."""

    value: Any
    origin: str


@dataclass(slots=True)
class Source:
    """What one source gave: values by the option's path, and what was wrong with others."""

    given: dict[str, Given] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def take(self, option: Option, texts: list[str], label: str, origin: str) -> None:
        """Parse the texts given for an option; a text that is wrong becomes a complaint.

        `label` is what the user wrote in front of the value: `--loop ` or `NAME=`.
        """
        try:
            self.given[option.path] = Given(option.parse(texts), origin)
        except ValueError as error:
            self.complaints.append(f"{label}{error}")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The tree with the origin of every value that is not a default."""

    settings: Settings
    origins: dict[str, str]
    complaints: list[str]


def load(sources: Sequence[Source]) -> Loaded:
    """Merge sources, the last one winning.

    The tree is whole even when there are complaints: what they are about has its default.
    """
    given = {path: value for source in sources for path, value in source.given.items()}
    return Loaded(
        settings=build({path: item.value for path, item in given.items()}),
        origins={path: item.origin for path, item in given.items()},
        complaints=[complaint for source in sources for complaint in source.complaints],
    )


def build(values: dict[str, Any], base: Settings | None = None) -> Settings:
    """Return `base`, or the default tree, with `values` by path (`upstream.retry.tries`) put in."""
    tree: dict[str, Any] = {}
    for path, value in values.items():
        *branches, leaf = path.split(".")
        place = tree
        for branch in branches:
            place = place.setdefault(branch, {})
        place[leaf] = value
    settings: Settings = _grafted(base or Settings(), tree)
    return settings


def _grafted(node: Any, values: dict[str, Any]) -> Any:
    """Return a branch with `values` put in; a dict stands for a branch in it, no value is one."""
    changed = {
        name: _grafted(getattr(node, name), value) if isinstance(value, dict) else value
        for name, value in values.items()
    }
    return dataclasses.replace(node, **changed)
