"""One backend as text: nginx's `server` line.

    unix:/run/app.sock weight=5 max_conns=2 backup
    app.example.com:3031 resolve

A line copied from nginx may keep its `server` in front and its semicolon. Nothing is resolved or
opened here; whether the values fit together is judged by `check_backend`.
"""

import re
from itertools import chain

from proxy.config.address import parse_connect, parse_service_host
from proxy.config.kinds import COUNT, DURATION, NAME, STATS, SWITCH, Kind
from proxy.config.words import Parameter, quote_word, read_words, show_words, split_words
from proxy.settings import BackendSettings


def parse_service(text: str) -> str:
    """Return the name of a service in DNS: `uwsgi` is `_uwsgi._tcp`, as nginx has it."""
    word = text.strip()
    return f"_{word}._tcp" if word and "." not in word else word


SERVICE = Kind("NAME", "_uwsgi._tcp", parse_service)

# fmt: off
PARAMETERS = (
    Parameter("weight", "weight", COUNT,
        "Share of the requests, relative to the others.", 1, 65535),
    Parameter("max_conns", "max_conns", COUNT,
        "Requests at a time. 0: what the backend says itself (stats server, subscription), else "
        "no limit. For uWSGI: processes x threads.", 0, 65535),
    Parameter("max_fails", "max_fails", COUNT,
        "Failures that pause it; 0 for never.", 0, 65535),
    Parameter("fail_timeout", "fail_timeout_s", DURATION,
        "How long it is paused, and how long a failure counts.", 0.001),
    Parameter("slow_start", "slow_start_s", DURATION,
        "After a recovery, the time over which its share grows to the whole; 0 for at once.", 0),
    Parameter("backup", "backup", SWITCH,
        "Use it only while no other is usable."),
    Parameter("down", "down", SWITCH,
        "Do not use it; it keeps its place in the hashes."),
    Parameter("route", "route", NAME,
        "Value of the sticky cookie; unset, it is made from the address."),
    Parameter("keepalive", "keepalive", COUNT,
        "Idle connections kept open to it; 0 opens one for each request.", 0, 65535),
    Parameter("puwsgi", "puwsgi", SWITCH,
        "It is a --puwsgi-socket of uWSGI, where requests with a body cannot go. Each connection "
        "holds a core, so without max_conns no more than keepalive are opened."),
    Parameter("stats", "stats", STATS,
        "Where its uWSGI stats server is, for --check stats; names are not looked up."),
    Parameter("resolve", "resolve", SWITCH,
        "Follow the name in DNS by its time to live, instead of resolving it once."),
    Parameter("service", "service", SERVICE,
        "Look for SRV records of this service, which bring the ports: the address has none."),
)
"""What may stand behind an address."""
# fmt: on

_NAMES = frozenset(parameter.name for parameter in PARAMETERS)
_END = re.compile("[,;]")

ELSEWHERE = {
    # HAProxy
    "maxconn": "max_conns",
    "slowstart": "slow_start",
    "disabled": "down",
    "cookie": "route",
    "pool_max_conn": "keepalive",
    "resolvers": "resolve",
    "maxqueue": "the waiting line is common to all backends; see --queue-size",
    "check": "active checks are for all backends; see --check",
    "inter": "checks are the same for all backends; see --check-interval",
    "fastinter": "checks are the same for all backends; see --check-fast-interval",
    "downinter": "checks are the same for all backends; see --check-down-interval",
    "rise": "checks are the same for all backends; see --check-rise",
    "fall": "checks are the same for all backends; see --check-fall",
    "addr": "checks go to the backend's own address",
    "observe": "see --outlier-failures",
    # nginx
    "drain": "a backend is drained while running; write down to leave it out",
    # uWSGI
    "cores": "max_conns",
}
"""Words of other programs, and what to write instead."""


def parse_backend(text: str) -> BackendSettings:
    """Return the backend that a text describes.

    Raises:
        ValueError: with one line that says what is wrong and what would be right.
    """
    words = split_words(text.strip().removesuffix(";"))
    if len(words) > 1 and words[0] == "server":
        del words[0]
    address, *rest = words or [""]
    if why := _why_not_one(address, rest):
        raise ValueError(why)
    values = read_words(rest, PARAMETERS, ELSEWHERE)
    parse = parse_service_host if values.get("service") else parse_connect
    return BackendSettings(parse(address), **values)


def _why_not_one(address: str, rest: list[str]) -> str:
    """Say what is wrong with a text that is not one address with its words behind it."""
    if any(piece.partition("=")[0] in _NAMES for piece in address.split()[1:]):
        return "the quotes are a part of the value, so that it is one word; leave them away"
    if rest and _is_address(rest[0]) and not _is_address(address):
        return f"{address} is no address; give the backend no name, and begin with {rest[0]}"
    pieces = (_END.split(word) for word in (address, *rest))
    others = chain(chain.from_iterable(piece[1:] for piece in pieces), rest)
    for other in others:
        if other == "server" or _is_address(other):
            return (
                f"{other}: a second backend; give it an --upstream of its own (in a variable a "
                "comma in front, in a file a line)"
            )
    if rest and _END.search(address[-1:]):
        return f"ends with {address[-1]} before its words; write {address[:-1]} {rest[0]}"
    return ""


def _is_address(word: str) -> bool:
    try:
        parse_connect(word)
    except ValueError:
        return False
    return True


def show_backend(backend: BackendSettings) -> str:
    """Return the text for a backend, without what is default."""
    return " ".join([quote_word(_show_address(backend)), *show_words(backend, PARAMETERS)])


def _show_address(backend: BackendSettings) -> str:
    without_port = backend.service and not backend.address.is_unix and not backend.address.port
    return str(backend.address).removesuffix(":0") if without_port else str(backend.address)


BACKEND = Kind("BACKEND", "unix:/run/app.sock", parse_backend, show_backend)
