"""From nginx's `uwsgi_pass` and `upstream { }` to backends and the way they are chosen."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from proxy.migration.tree import Directive

PROXIED = (
    "proxy_pass speaks HTTP, and this front end speaks uwsgi: start the application server with "
    "a uwsgi socket there (uWSGI --socket, or gunicorn --protocol uwsgi and --path-info raw here)"
)
_BY_VARIABLE = "a backend that a variable names: the front end passes everything to one group"
_URI = "the path behind the address is not put before that of requests: SCRIPT_NAME does it"


class Taken(NamedTuple):
    """An option's flag and the value that a directive has become."""

    flag: str
    text: str
    origin: Directive


class Left(NamedTuple):
    """What was not taken over, and why, or what is to be done about it."""

    where: str
    what: str
    why: str


def pool(target: Directive, directives: Iterable[Directive]) -> Iterator[Taken | Left]:
    """Yield what becomes of `uwsgi_pass NAME` with the upstream of that name, if there is one."""
    place = target.args[0] if target.args else ""
    if "$" in place:
        yield Left(target.where, target.text, _BY_VARIABLE)
        return
    scheme, slashes, rest = place.partition("://")
    name = rest if slashes and scheme != "unix" else place
    name, uri = _without_uri(name)
    if target.name == "proxy_pass":
        yield Left(target.where, target.text, PROXIED)
    if uri.strip("/"):
        yield Left(target.where, target.text, _URI)
    for group in _upstreams(directives):
        if group.args == (name,):
            yield from _members(group)
            return
    yield Taken("--upstream", name, target)


def _without_uri(name: str) -> tuple[str, str]:
    """Split `host:port/uri` and `unix:/socket:/uri`."""
    if name.startswith("unix:"):
        path, _, uri = name.removeprefix("unix:").partition(":")
        return f"unix:{path}", uri
    host, slash, uri = name.partition("/")
    return host, slash + uri


def _upstreams(directives: Iterable[Directive]) -> Iterator[Directive]:
    for one in directives:
        if one.name == "upstream":
            yield one
        elif one.name == "http":
            yield from one.inner("upstream")


def _members(group: Directive) -> Iterator[Taken | Left]:
    for one in group.block or ():
        if one.name == "server":
            yield Taken("--upstream", " ".join(one.args), one)
        elif one.name == "sticky" and one.args[:1] == ("cookie",):
            yield Taken("--sticky-cookie", " ".join(one.args[1:]), one)
        elif one.name == "queue":
            yield Taken("--queue-size", one.args[0], one)
            for word in one.args[1:]:
                yield Taken("--queue-timeout", word.removeprefix("timeout="), one)
        elif one.name in ("least_conn", "ip_hash", "hash", "random", "least_time"):
            yield from _balance(one)
        else:
            yield Left(one.where, one.text, "")


def _balance(one: Directive) -> Iterator[Taken | Left]:
    name, words = one.name.replace("_", "-"), one.args
    if name == "hash":
        yield Taken("--hash-key", words[0], one)
        name = "consistent-hash" if "consistent" in words else "hash"
    elif name == "random" and "two" in words:
        name = "random-two"
    elif name == "least-time" and "last_byte" in words:
        name = "least-time-last-byte"
    yield Taken("--balance", name, one)


def listeners(server: Directive) -> Iterator[Taken | Left]:
    """Yield what becomes of `listen`; without one it is port 80, as in nginx."""
    found = [one for one in server.block or () if one.name == "listen"]
    for one in found or [Directive("listen", ("80",), server.where)]:
        address, *words = one.args
        if not address.startswith("unix:") and not address.rpartition(":")[2].isdecimal():
            address += ":80"
        tls = any(word == "ssl" for word in words)
        yield Taken("--listen", f"{address} tls" if tls else address, one)
        for word in words:
            name, _, value = word.partition("=")
            if name in ("backlog", "sndbuf", "rcvbuf"):
                flag = "--backlog" if name == "backlog" else f"--listen-{name}"
                yield Taken(flag, value, one)
            elif name == "proxy_protocol":
                yield Left(one.where, one.text, "the PROXY protocol is not understood here")
