"""An nginx.conf as a tree of directives. crossplane reads it, with all that it includes."""

import importlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INSTALL = "pip install 'uwsgi-frontend[nginx]', or pip install crossplane"

_OFTEN_ELSEWHERE = ("uwsgi_params", "fastcgi_params", "proxy_params", "mime.types")
"""Files of nginx's own, beside its main file: what is in them is known, so they may be missing."""


_LEAST_ARGS = {
    "listen": 1,
    "hash": 1,
    "queue": 1,
    "uwsgi_param": 1,
    "uwsgi_temp_path": 1,
    "large_client_header_buffers": 2,
}
"""How many words must stand behind what is looked into, here as in nginx. The rest is not checked:
crossplane knows the nginx of its day, and would refuse what came later."""


class Unreadable(Exception):
    """The file is no configuration; the text is one line for the user."""


@dataclass(frozen=True, slots=True)
class Directive:
    """`name args;` or `name args { block }`, and where it stands."""

    name: str
    args: tuple[str, ...] = ()
    where: str = ""
    block: "tuple[Directive, ...] | None" = None

    @property
    def text(self) -> str:
        """The directive as one would quote it."""
        return " ".join((self.name, *self.args))

    def inner(self, name: str) -> "Iterator[Directive]":
        """Yield the directives of that name in its block."""
        return (each for each in self.block or () if each.name == name)


def read(path: Path) -> tuple[Directive, ...]:
    """Return what is in a file and in those that it includes.

    Raises:
        Unreadable: the file, or one that it includes, is missing or is no configuration.
    """
    try:
        crossplane = importlib.import_module("crossplane")
    except ImportError:
        raise Unreadable(f"to read it needs the package crossplane: {INSTALL}") from None
    try:
        path.read_bytes()
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
    # A file of sites-enabled has no http { } around it, so contexts are not checked.
    found = crossplane.parse(str(path), combine=True, check_ctx=False, check_args=False)
    for wrong in found["errors"]:
        if not any(f"/{name}'" in wrong["error"] for name in _OFTEN_ELSEWHERE):
            why = wrong["error"].partition(" in ")[0]
            if "No such file" in why:
                why += "; nginx looks for it beside nginx.conf, so give that file instead"
            raise Unreadable(f"{wrong['file']}:{wrong['line'] or 1}: {why}")
    return tuple(_directives(found["config"][0]["parsed"]))


def _directives(parsed: Iterable[Mapping[str, Any]]) -> Iterator[Directive]:
    for one in parsed:
        block = tuple(_directives(one["block"])) if "block" in one else None
        where = f"{Path(one['file']).name}:{one['line']}"
        if len(one["args"]) < _LEAST_ARGS.get(one["directive"], 0):
            raise Unreadable(f"{where}: too few words behind {one['directive']}")
        yield Directive(one["directive"], tuple(one["args"]), where, block)
