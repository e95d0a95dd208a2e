"""One option: a knob of the settings tree with its name on the command line and elsewhere.

The table of them is `options`; everything that reads or writes settings goes through it.
"""

import operator
import shlex
from dataclasses import dataclass
from typing import Any

from proxy.config.kinds import Kind
from proxy.settings import Settings

ENVIRONMENT_PREFIX = "UWSGI_FRONTEND_"

DEFAULTS = Settings()

MORE_THAN_0 = 0.001
"""The lower bound of times of which zero would fail every request."""


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the table.

    `path` is where the value stands in the tree (`client.header_timeout_s`), `low` and `high` the
    inclusive bounds of a number. `alike` names the same thing in programs that users come from,
    each as `program name`; it documents, and lets an error about their name point here.
    """

    flag: str
    path: str
    kind: Kind
    help: str
    alike: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    many: bool = False
    separator: str = ","
    """Between the values of a `many` option in the environment."""

    @property
    def name(self) -> str:
        """The flag without its hyphens in front: `client-header-timeout`."""
        return self.flag.removeprefix("--")

    @property
    def environment(self) -> str:
        """The name of the environment variable."""
        return ENVIRONMENT_PREFIX + self.name.upper().replace("-", "_")

    @property
    def usage(self) -> str:
        """The flag with its kind of value, as in a manual."""
        return (
            f"{self.flag} [on|off]" if self.kind.is_switch else f"{self.flag} {self.kind.metavar}"
        )

    @property
    def example(self) -> str:
        """The flag with a value that is right."""
        return f"{self.flag} {self.kind.example}"

    @property
    def default(self) -> str:
        """The default value as text; empty when there is none."""
        return ", ".join(self.show(self.read(DEFAULTS)))

    def read(self, settings: Settings) -> Any:
        """Return this option's value in a tree."""
        return operator.attrgetter(self.path)(settings)

    def show(self, value: Any) -> list[str]:
        """Return a value as the texts that would have to be given for it, one for each time."""
        if self.many:
            return [self.kind.show(item) for item in value]
        return [text] if (text := self.kind.show(value)) else []

    def parse(self, texts: list[str]) -> Any:
        """Return the value that `texts` give; of an option that cannot repeat, the last counts.

        Raises:
            ValueError: with the text at fault and one line on what is wrong with it.
        """
        values = [self._parse_one(text) for text in texts]
        return tuple(values) if self.many else values[-1]

    def _parse_one(self, text: str) -> Any:
        try:
            return self.kind.parse(text)
        except ValueError as error:
            raise ValueError(f"{shlex.quote(text)}: {error}") from None


@dataclass(frozen=True, slots=True)
class Group:
    """Options that a reader looks for in one place."""

    title: str
    options: tuple[Option, ...]
