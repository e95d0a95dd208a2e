"""Asks for a name: what addresses it has, or which machines offer a service, and for how long.

There are three who know:

- DNS servers that are configured (--resolver). They are asked as nginx's `resolver` are: names are
  whole, no search list is tried, and only `localhost` is answered without them (RFC 6761, 6.3).
- The system, when none is configured. A name should mean what it means to every other program, so
  the order is the usual one: /etc/hosts, then the servers and the search list of /etc/resolv.conf,
  then the C library, which may have further sources (mDNS, the name of the machine). DNS is asked
  by ourselves because the library does not tell times to live.
- The C library alone, when dnspython (the extra `dns`) is not installed.

What says no time to live (/etc/hosts, the library) is asked again after `UNKNOWN_TTL_S`: both cost
next to nothing, and to stay with a wrong address for long costs requests.

Refuses to judge: what becomes of the backends is decided in `proxy.upstream.discovery.names`.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from logging import getLogger
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from proxy.settings import Address
from proxy.settings.address import is_ip
from proxy.upstream.discovery.file import Signature, sign

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver as Dnspython
    from dns.resolver import NXDOMAIN
    from dns.resolver import Answer as DnspythonAnswer

log = getLogger(__name__)

TIMEOUT_S = 5.0
"""For one question, with all repetitions."""
UNKNOWN_TTL_S = 30.0
"""Where nothing says how long an answer is good for."""
LOCAL_TTL_S = 3600.0
"""Of `localhost`."""

Kind = Literal["A", "AAAA", "SRV"]

_NOT_INSTALLED = "dnspython is not installed; install uwsgi-frontend[dns]"
_FAMILIES = {"A": socket.AF_INET, "AAAA": socket.AF_INET6}
_LOOPBACK = {"A": "127.0.0.1", "AAAA": "::1"}
_NO_NAME = {getattr(socket, name, None) for name in ("EAI_NONAME", "EAI_NODATA")}
_NO_NAME |= {getattr(socket, "EAI_ADDRFAMILY", None)}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Record:
    """An IP address (A, AAAA); or a machine, by name, that offers a service (SRV, RFC 2782)."""

    host: str
    port: int = 0
    priority: int = 0
    weight: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a name has of one kind: nothing, if there are no records. Good for `ttl_s` seconds.

    Without records, `exists` says whether the name has some of another kind.
    """

    records: tuple[Record, ...]
    ttl_s: float
    exists: bool = True


class UnansweredError(Exception):
    """Nobody could say; the text has the reason. The name may well have addresses."""


class ResolverError(ValueError):
    """What is configured cannot be resolved with what is installed."""


class Resolver(Protocol):
    """Whom to ask."""

    async def ask(self, name: str, kind: Kind) -> Answer:
        """Return what a name has. A dot at the end says that it is whole.

        Raises:
            UnansweredError
        """


def make_resolver(servers: Sequence[Address], *, with_services: bool = False) -> Resolver:
    """Return the resolver for these settings: the system's, when no servers are given.

    `with_services` says that SRV records will be asked for; the C library cannot.

    Raises:
        ResolverError: that takes dnspython, or a server is given by name.
    """
    if find_spec("dns") is None:
        if servers or with_services:
            raise ResolverError(_NOT_INSTALLED)
        return LibraryResolver()
    return DnsResolver(servers) if servers else SystemResolver()


class DnsResolver:
    """Asks these servers, in order."""

    def __init__(self, servers: Sequence[Address], timeout_s: float = TIMEOUT_S) -> None:
        for server in servers:
            if not is_ip(server.host):
                raise ResolverError(f"a resolver needs an IP address: {server}")
        self._servers = servers
        self._timeout_s = timeout_s
        self._dnspython: Dnspython | None = None

    async def ask(self, name: str, kind: Kind) -> Answer:
        if kind != "SRV" and _is_localhost(name):
            return Answer((Record(_LOOPBACK[kind]),), LOCAL_TTL_S)
        if self._dnspython is None:
            self._dnspython = _make_dnspython(self._servers)
        return await _ask_dns(self._dnspython, name, kind, self._timeout_s)


class SystemResolver:
    """Asks as the system is configured; see the module. Changed files count from the next time."""

    def __init__(
        self,
        hosts: str = "/etc/hosts",
        resolv_conf: str = "/etc/resolv.conf",
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._hosts = _Hosts(hosts)
        self._resolv_conf = resolv_conf
        self._timeout_s = timeout_s
        self._signature: Signature | None = None
        self._dnspython: Dnspython | None = None
        self._library = LibraryResolver(timeout_s)

    async def ask(self, name: str, kind: Kind) -> Answer:
        if kind != "SRV":
            known = self._hosts.find(name, kind)
            if known is not None:
                return Answer(known, UNKNOWN_TTL_S)
        dnspython = self._configured()
        if dnspython is not None:
            answer = await _ask_dns(dnspython, name, kind, self._timeout_s)
            if answer.exists or kind == "SRV":
                return answer
        return await self._library.ask(name, kind)

    def _configured(self) -> "Dnspython | None":
        """Return what asks the servers of /etc/resolv.conf; None when it names none."""
        signature = sign(self._resolv_conf)
        if signature is None or signature != self._signature:
            self._signature = signature
            self._dnspython = _read_resolv_conf(self._resolv_conf)
        return self._dnspython


class LibraryResolver:
    """Asks the C library, which may take its time: in a thread that nobody has to wait for."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s

    async def ask(self, name: str, kind: Kind) -> Answer:
        if kind == "SRV":
            raise UnansweredError(_NOT_INSTALLED)
        family = _FAMILIES[kind]
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await _in_thread(
                    lambda: socket.getaddrinfo(name, None, family, socket.SOCK_STREAM)
                )
        except TimeoutError:
            raise UnansweredError(f"no answer within {self._timeout_s:g} s") from None
        except socket.gaierror as error:
            if error.errno in _NO_NAME:
                return Answer((), UNKNOWN_TTL_S, exists=False)
            raise UnansweredError(error.strerror) from None
        except (OSError, ValueError) as error:  # ValueError: no name at all
            raise UnansweredError(str(error)) from None
        hosts = dict.fromkeys(str(entry[4][0]) for entry in found)
        return Answer(tuple(Record(host) for host in hosts), UNKNOWN_TTL_S)


class _Hosts:
    """/etc/hosts, see hosts(5); read again whenever it has changed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._signature: Signature | None = None
        self._names: dict[str, list[str]] = {}

    def find(self, name: str, kind: Kind) -> tuple[Record, ...] | None:
        """Return what a name has of this kind; None for a name that is not in the file at all."""
        signature = sign(self._path)
        if signature is None or signature != self._signature:
            self._signature = signature
            self._names = _read_hosts(self._path)
        hosts = self._names.get(name.lower().removesuffix("."))
        if hosts is None:
            return None
        return tuple(Record(host) for host in hosts if (":" in host) == (kind == "AAAA"))


def _read_hosts(path: str) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return names
    for line in lines:
        host, *aliases = line.partition("#")[0].split() or [""]
        if not is_ip(host):
            continue
        for alias in aliases:
            names.setdefault(alias.lower().removesuffix("."), []).append(host)
    return names


def _is_localhost(name: str) -> bool:
    return ("." + name.lower().removesuffix(".")).endswith(".localhost")


def _make_dnspython(servers: Sequence[Address]) -> "Dnspython":
    from dns.asyncresolver import Resolver as Dnspython
    from dns.nameserver import Do53Nameserver

    made = Dnspython(configure=False)
    made.nameservers = [Do53Nameserver(server.host, server.port) for server in servers]
    return made


def _read_resolv_conf(path: str) -> "Dnspython | None":
    from dns.asyncresolver import Resolver as Dnspython
    from dns.resolver import NoResolverConfiguration

    try:
        made = Dnspython(path)
    except (NoResolverConfiguration, OSError, ValueError):
        return None
    made.use_search_by_default = True
    return made


async def _ask_dns(dnspython: "Dnspython", name: str, kind: Kind, timeout_s: float) -> Answer:
    from dns.resolver import NXDOMAIN, LifetimeTimeout

    try:
        found = await dnspython.resolve(name, kind, raise_on_no_answer=False, lifetime=timeout_s)
    except NXDOMAIN as error:
        return Answer((), _negative_ttl_s(error), exists=False)
    except LifetimeTimeout:
        raise UnansweredError(f"no answer within {timeout_s:g} s") from None
    except Exception as error:  # whatever a library makes of what strangers send
        raise UnansweredError(str(error) or type(error).__name__) from None
    return Answer(_records(found, kind), float(found.chaining_result.minimum_ttl))


def _records(found: "DnspythonAnswer", kind: Kind) -> tuple[Record, ...]:
    if found.rrset is None:
        return ()
    if kind != "SRV":
        return tuple(Record(data.address) for data in found.rrset)
    offers: list[Any] = [data for data in found.rrset if data.port and str(data.target) != "."]
    return tuple(Record(str(x.target), x.port, x.priority, x.weight) for x in offers)


def _negative_ttl_s(error: "NXDOMAIN") -> float:
    """Return for how long a name does not exist: the server says so in its SOA record."""
    responses = error.responses()  # type: ignore[no-untyped-call]
    chains = [response.resolve_chaining() for response in responses.values()]
    return float(min((chain.minimum_ttl for chain in chains), default=UNKNOWN_TTL_S))


async def _in_thread(work: Callable[[], T]) -> T:
    """Run `work` in a thread that ends with the process, whatever it does.

    The event loop's own executor would be waited for at its end, for as long as the work takes.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except Exception as caught:
            error = caught
        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="resolver", daemon=True).start()
    return await future
