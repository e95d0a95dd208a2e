"""From a tree of directives to options, and a reason for everything that is left behind.

One front end has one group of backends, for all paths and hosts. So one location is taken, the one
that most requests go to; others are reported.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from proxy.config.options import OPTIONS
from proxy.migration.directives import (
    ACCESS,
    BY_DIRECTIVE,
    FILES,
    LOADS_CODE,
    NOT_NEEDED,
    REWRITTEN,
    SAME,
    SERVER_BLOCK,
    TO_HTTPS,
    USUAL_PARAMS,
    WHY_NOT,
)
from proxy.migration.places import Place, choose, places, servers
from proxy.migration.pool import Left, Taken, listeners, pool
from proxy.migration.tree import Directive

_BY_FLAG = {option.flag: option for option in OPTIONS}
_UNKNOWN = "there is nothing like it here"
_ONE_SETTING = "settings are the same for all paths here: what is needed most has to do for all"
_OTHER_GROUP = (
    "other backends for some paths: they need a front end of their own, and something before "
    "both that divides the requests"
)


@dataclass(slots=True)
class Translation:
    """Options with their values in order, and what is left, by where it stands."""

    taken: dict[str, list[str]] = field(default_factory=dict)
    left: list[Left] = field(default_factory=list)

    def add(self, result: Taken | Left) -> None:
        """Take a value if its option does; what it says against it is the reason otherwise."""
        if isinstance(result, Left):
            if result.what.partition(" ")[0] not in NOT_NEEDED or result.why:
                self._leave(result)
            return
        option = _BY_FLAG[result.flag]
        texts = [*self.taken.get(option.flag, ()), result.text] if option.many else [result.text]
        try:
            option.parse(texts)
        except ValueError as error:
            self._leave(Left(result.origin.where, result.origin.text, f"{option.flag} {error}"))
        else:
            self.taken[option.flag] = texts

    def _leave(self, left: Left) -> None:
        known = WHY_NOT.get(left.what.partition(" ")[0], _UNKNOWN)
        left = left if left.why else left._replace(why=known)
        if left not in self.left:
            self.left.append(left)


def translate(directives: Iterable[Directive]) -> Translation | None:
    """Return what becomes of a configuration; None if it passes no request on."""
    tree = tuple(directives)
    found = [(server, list(places(server, around))) for server, around in servers(tree)]
    main = choose(place for _, in_server in found for place in in_server)
    if main is None:
        return None
    made = Translation()
    for result in (*listeners(main.server), *pool(main.target, tree), *_settings(main)):
        made.add(result)
    others = [place for _, in_server in found for place in in_server]
    for left in (*_locations(main, others), *_servers(main, (server for server, _ in found))):
        made.add(left)
    return made


def _settings(place: Place) -> Iterator[Taken | Left]:
    for given, lines in place.scope.items():
        # proxy_read_timeout says what uwsgi_read_timeout says, where HTTP was spoken.
        name = given
        if place.target.name == "proxy_pass" and given != "proxy_pass":
            name = given.replace("proxy_", "uwsgi_", 1)
        if name == "uwsgi_param":
            yield from _params(lines)
        elif name in ("uwsgi_set_header", "uwsgi_pass_request_body"):
            yield Left(lines[0].where, lines[0].name, REWRITTEN)
        elif name in SAME:
            yield from _same(name, lines)
        elif name not in NOT_NEEDED:
            for line in lines:
                yield from _special(name, line)


def _same(name: str, lines: Iterable[Directive]) -> Iterator[Taken | Left]:
    for line in lines:
        between = "," if name == "uwsgi_next_upstream" else " "
        # The second time of keepalive_timeout is for a header that nobody reads.
        words = line.args[:1] if name == "keepalive_timeout" else line.args
        yield Taken(BY_DIRECTIVE[name].flag, between.join(words), line)


def _special(name: str, line: Directive) -> Iterator[Taken | Left]:
    if line.args == ("off",) and name not in ("access_log", "http2"):
        return  # to be without something that does not exist needs nothing
    if name == "server_name":
        # The first name, as nginx has it; patterns are no names.
        if line.args and line.args[0][:1] not in ("_", "*", "~", "."):
            yield Taken("--server-name", line.args[0], line)
    elif name == "large_client_header_buffers":
        number, size = line.args[:2]
        yield Taken("--max-header-buffers", number, line)
        yield Taken("--max-request-line-size", size, line)
        yield Taken("--max-header-line-size", size, line)
    elif name == "uwsgi_temp_path":
        yield Taken("--spool-dir", line.args[0], line)
    elif name == "access_log" and line.args == ("off",):
        yield Taken("--access-log", "off", line)
    else:
        yield Left(line.where, line.text, WHY_NOT.get(name, ""))


def _params(lines: Iterable[Directive]) -> Iterator[Taken | Left]:
    for line in lines:
        name, value = line.args[0], line.args[1] if len(line.args) > 1 else ""
        if (name, value) in USUAL_PARAMS:
            continue
        if name.startswith("UWSGI_"):
            yield Left(line.where, line.text, LOADS_CODE)
        elif "$" in value:
            why = "--param takes a fixed text; REMOTE_ADDR, HTTP_HOST, REQUEST_SCHEME are there"
            yield Left(line.where, line.text, why)
        else:
            yield Taken("--param", f"{name}={value}", line)


def _locations(main: Place, others: Iterable[Place]) -> Iterator[Left]:
    """Yield what the other locations of the same server would have done."""
    passing = {place.location.where: place for place in others}
    for location in _all_locations(main.server):
        inside = [one.name for one in location.block or () if one.block is None]
        if location is main.location:
            continue
        if place := passing.get(location.where):
            yield _not_main(place, main)
        elif not inside or {"alias", "root", "try_files", "expires", "autoindex"} & {*inside}:
            yield Left(location.where, location.text, FILES)
        else:
            names = (name for name in inside if name in WHY_NOT and not name.endswith("_log"))
            why = next((WHY_NOT[name] for name in names), _ONE_SETTING)
            yield Left(location.where, location.text, why)


def _not_main(place: Place, main: Place) -> Left:
    """Say what becomes of requests for a location that is not the one that was taken."""
    location = place.location
    own = [one for one in location.block or () if one.block is None and one is not place.target]
    told = [one.text for one in own if one.name not in ("include", "uwsgi_param")]
    what = f"{location.text} {{ {'; '.join(told)} }}" if told else location.text
    why = _ONE_SETTING if place.target.args == main.target.args else _OTHER_GROUP
    if any(WHY_NOT.get(one.name) == ACCESS for one in own):
        why = ACCESS  # whom this kept out is let in
    return Left(location.where, what, why)


def _all_locations(block: Directive) -> Iterator[Directive]:
    for location in block.inner("location"):
        yield location
        yield from _all_locations(location)


def _servers(main: Place, everything: Iterable[Directive]) -> Iterator[Left]:
    for server in everything:
        if server is not main.server:
            names = " ".join(one.text for one in server.inner("server_name"))
            listens = ", ".join(one.text for one in server.inner("listen"))
            what = f"server {{ {names or listens} }}"
            redirects = any(one.name == "return" for one in server.block or ())
            yield Left(server.where, what, TO_HTTPS if redirects else SERVER_BLOCK)
