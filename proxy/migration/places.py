"""Where a configuration passes requests on, and what is in force there.

nginx's rule: what a block says replaces what the blocks around it say of the same name.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from proxy.migration.tree import Directive

PASSES = ("uwsgi_pass", "proxy_pass")
"""What leads to an application, the best first."""

Scope = Mapping[str, tuple[Directive, ...]]


@dataclass(frozen=True, slots=True)
class Place:
    """A location that passes requests on; `scope` is all that is in force in it, by name."""

    server: Directive
    location: Directive
    target: Directive
    scope: Scope


def servers(directives: Iterable[Directive]) -> Iterator[tuple[Directive, Scope]]:
    """Yield each `server { }` with what is in force around it."""
    everything = tuple(directives)
    outside = within({}, everything)
    for one in everything:
        if one.name == "server":
            yield one, outside
        elif one.name == "http":
            around = within(outside, one.block or ())
            yield from ((each, around) for each in one.inner("server"))


def places(server: Directive, around: Scope) -> Iterator[Place]:
    """Yield the locations of a server that pass requests on."""
    scope = within(around, server.block or ())
    yield from _places(server, server, scope)


def _places(server: Directive, block: Directive, scope: Scope) -> Iterator[Place]:
    for location in block.inner("location"):
        inside = within(scope, location.block or ())
        for name in PASSES:
            for target in location.inner(name):
                yield Place(server, location, target, inside)
        yield from _places(server, location, inside)


def within(around: Scope, block: Iterable[Directive]) -> Scope:
    """Return what is in force in a block."""
    own: dict[str, tuple[Directive, ...]] = {}
    for one in block:
        if one.block is None:
            own[one.name] = (*own.get(one.name, ()), one)
    return {**around, **own}


def choose(found: Iterable[Place]) -> Place | None:
    """Return the place that most requests go to: what `/` or a named location does comes first."""
    ranked = sorted(found, key=_rank)
    return ranked[0] if ranked else None


def _rank(place: Place) -> tuple[int, int]:
    path = place.location.args[-1] if place.location.args else ""
    main = 0 if path == "/" else 1 if path.startswith("@") else 2
    return PASSES.index(place.target.name), main
