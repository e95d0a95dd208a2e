"""Keeps pools in step with names: each line of a list of backends becomes its addresses.

A list has a source (`dns` for what is configured, `file` for a watched file), and what it comes to
is told to the pool as a whole: `pool.sync(source, members)`. Rules, where nginx has one its own
(nginx-behaviour 6.34):

- A name is asked for again when its time to live is over, but not more often than `min_ttl_s` and
  at least every `max_ttl_s`. Both families are members. An IP address or a unix socket is itself.
- With `service`, SRV records tell machines and ports. Those of the lowest priority that have an
  address are primaries, all others are backups. Their weight counts unless the line has one.
- A name that does not exist, or has no address, has no members: the list shrinks, even to nothing.
- An error never takes a member away. What a question that fails was answered last time stays, for
  as long as it fails; the question is repeated, at first after a second, then less and less often.
- A name that cannot be resolved at the start is tried again, like any other: nothing refuses.
- A list that replaces another waits until each name in it has been asked for: the old members are
  not sent away before the new ones are known. The first list of a source does not wait.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from logging import getLogger
from typing import Protocol, TypeVar

from proxy.clock import CallLater
from proxy.settings import Address, BackendSettings, DiscoverySettings
from proxy.upstream.discovery.dns import Answer, Kind, Record, Resolver, UnansweredError

log = getLogger(__name__)

RETRY_S = 1.0
"""After a first failure; twice as long after each further one."""
RETRY_MAX_S = 30.0
"""At most, and also after an answer that leaves a name without a member (nginx: the same time)."""
MAX_ASKING = 16
"""Questions at a time."""
MAX_TOLD = 8
"""Addresses in a line of the log; of others only the number."""

Members = dict[Address, BackendSettings]
T = TypeVar("T")


class Group(Protocol):
    """The part of a pool that matters here."""

    def sync(self, source: str, wanted: Mapping[Address, BackendSettings]) -> None:
        """Make the members of this source exactly these."""


@dataclass(slots=True, eq=False)
class _Name:
    """One line with a name. `found` is None as long as nobody could say what it has.

    `due` is when it is to be asked for; `known` is what its questions were answered last time.
    """

    settings: BackendSettings
    due: float = -math.inf
    failures: int = 0
    found: tuple[Record, ...] | None = None
    known: dict[tuple[str, Kind], Answer] = field(default_factory=dict)

    @property
    def is_new(self) -> bool:
        return self.found is None and not self.failures

    @property
    def text(self) -> str:
        """What is asked for."""
        service, host = self.settings.service, self.settings.address.host
        return f"{service}.{host}" if service else host

    def members(self) -> Members:
        """Return the backends that the line stands for."""
        members: Members = {}
        found = self.found or ()
        lowest = min((record.priority for record in found), default=0)
        for record in found:
            settings = self.settings
            if settings.service:
                weight = settings.weight if settings.weight != 1 else max(1, record.weight)
                backup = settings.backup or record.priority > lowest
                settings = replace(settings, weight=weight, backup=backup)
            members.setdefault(Address(host=record.host, port=record.port), settings)
        return members


class Names:
    """See the module. `follow` may be called at any time, also while `run` runs."""

    def __init__(
        self,
        pool: Group,
        resolver: Resolver,
        settings: DiscoverySettings,
        clock: Callable[[], float],
        call_later: CallLater,
    ) -> None:
        self._pool = pool
        self._resolver = resolver
        self._settings = settings
        self._clock = clock
        self._call_later = call_later
        self._lists: dict[str, list[_Name | BackendSettings]] = {}
        self._new: set[str] = set()
        self._told: dict[str, Members] = {}
        self._wake = asyncio.Event()
        self._naps = 0
        self._asking = asyncio.Semaphore(MAX_ASKING)

    def follow(self, source: str, backends: Sequence[BackendSettings]) -> None:
        """Let a source have these backends, instead of those it had.

        Without new names among them the pool knows at once, else as soon as they have been asked
        for; of a first list it knows at once what needs no asking.
        """
        before = self._lists.get(source, [])
        old = {_key(entry.settings): entry for entry in before if isinstance(entry, _Name)}
        entries: list[_Name | BackendSettings] = []
        for backend in backends:
            if backend.address.is_literal:
                entries.append(backend)
            else:
                name = old.get(_key(backend)) or _Name(backend)
                name.settings = backend
                entries.append(name)
        self._lists[source] = entries
        self._new.add(source)
        self._tell(source)
        self._wake.set()

    async def run(self) -> None:
        """Ask whenever it is time, until cancelled."""
        while True:
            self._wake.clear()
            await self._pause(await self.refresh())

    async def refresh(self) -> float:
        """Ask for what is due and tell the pool; return the seconds until something is due.

        Once before the server takes requests, this gives it its first backends.
        """
        now = self._clock()
        await asyncio.gather(*(self._ask(name) for name in self._names() if name.due <= now))
        for source in self._lists:
            self._tell(source)
        due = min((name.due for name in self._names()), default=math.inf)
        return max(0.0, due - self._clock())

    async def _pause(self, seconds: float) -> None:
        self._naps += 1
        nap = self._naps

        def end() -> None:
            if nap == self._naps:  # else a list has come and ended that pause before its time
                self._wake.set()

        if seconds < math.inf:
            self._call_later(seconds, end)
        await self._wake.wait()

    def _names(self) -> list[_Name]:
        every = (entry for entries in self._lists.values() for entry in entries)
        return [entry for entry in every if isinstance(entry, _Name)]

    async def _ask(self, name: _Name) -> None:
        query = _Query(self._resolver, self._asking, name.known)
        try:
            found = await query.run(name)
        except UnansweredError as error:
            self._note_failure(name, str(error))
            return
        except Exception as error:  # no thread left, or a bug: it must not be the last question
            if not name.failures:
                log.exception("internal_error: %s could not be asked for", name.text)
            self._note_failure(name, str(error) or type(error).__name__)
            return
        name.known = query.fresh
        self._note_answer(name, found, query.ttl_s)

    def _note_failure(self, name: _Name, why: str) -> None:
        if not name.failures:
            what = f"its {len(name.found)} addresses stay" if name.found else "it is tried again"
            log.warning("%s cannot be resolved: %s; %s", name.text, why, what)
        wait_s = min(RETRY_S * 2.0 ** min(name.failures, 16), RETRY_MAX_S)
        name.failures += 1
        name.due = self._clock() + max(wait_s, self._settings.min_ttl_s)

    def _note_answer(self, name: _Name, found: tuple[Record, ...], ttl_s: float) -> None:
        if found != name.found:
            if found:
                log.info("%s is %s", name.text, _list(found))
            else:
                log.warning("%s has no address", name.text)
        elif name.failures:
            log.info("%s can be resolved again", name.text)
        name.found, name.failures = found, 0
        at_most = self._settings.max_ttl_s if found else min(self._settings.max_ttl_s, RETRY_MAX_S)
        name.due = self._clock() + max(min(ttl_s, at_most), self._settings.min_ttl_s)

    def _tell(self, source: str) -> None:
        """Let the pool know, if there is something new and it may know."""
        entries = self._lists[source]
        names = [entry for entry in entries if isinstance(entry, _Name)]
        if source in self._told and any(name.is_new for name in names):
            return
        members: Members = {}
        for entry in entries:
            own = entry.members() if isinstance(entry, _Name) else {entry.address: entry}
            for address, settings in own.items():
                members.setdefault(address, settings)
        if not members and source in self._new and any(name.found is None for name in names):
            return  # what the list before had is better than what an error has left of this one
        self._new.discard(source)
        if members != self._told.get(source):
            self._told[source] = members
            self._pool.sync(source, members)


class _Query:
    """All questions about one name, at one time.

    `known` has the answers of the last time, `fresh` gets those of this; `ttl_s` is how long all of
    it is good for.
    """

    def __init__(
        self,
        resolver: Resolver,
        asking: asyncio.Semaphore,
        known: Mapping[tuple[str, Kind], Answer],
    ) -> None:
        self.fresh: dict[tuple[str, Kind], Answer] = {}
        self.ttl_s = math.inf
        self._resolver = resolver
        self._asking = asking
        self._known = known
        self._errors: list[str] = []
        self._is_answered = False

    async def run(self, name: _Name) -> tuple[Record, ...]:
        """Return IP addresses and ports, in an order that does not depend on the servers.

        Raises:
            UnansweredError: nothing was answered, or too little to say that there is nothing.
        """
        found = await (self._services(name) if name.settings.service else self._addresses(name))
        if self._errors and not (found and self._is_answered):
            raise UnansweredError(self._errors[0])
        self.ttl_s = self._find_ttl_s()
        return tuple(sorted(dict.fromkeys(found), key=_order))

    async def _services(self, name: _Name) -> list[Record]:
        offers = (await self._question(name.text, "SRV")).records
        hosts = list(dict.fromkeys(offer.host for offer in offers))
        found = dict(zip(hosts, await _all(self._hosts(host) for host in hosts), strict=True))
        return [replace(offer, host=ip) for offer in offers for ip in found[offer.host]]

    async def _addresses(self, name: _Name) -> list[Record]:
        address = name.settings.address
        return [Record(ip, address.port) for ip in await self._hosts(address.host)]

    async def _hosts(self, host: str) -> list[str]:
        """Return the IP addresses of a machine; also that of an SRV record which has just one."""
        kinds: tuple[Kind, ...] = ("A", "AAAA")
        answers = await _all(self._question(host, kind) for kind in kinds)
        return [record.host for answer in answers for record in answer.records]

    async def _question(self, host: str, kind: Kind) -> Answer:
        """Return an answer; without one, that of the last time; without that, nothing."""
        try:
            async with self._asking:
                answer = await self._resolver.ask(host, kind)
        except UnansweredError as error:
            self._errors.append(str(error))
            answer = self._known.get((host, kind), Answer((), math.inf))
        else:
            self._is_answered = True
        self.fresh[host, kind] = answer
        return answer

    def _find_ttl_s(self) -> float:
        """The shortest of those with records; a missing IPv6 address has no say in it."""
        full = [answer.ttl_s for answer in self.fresh.values() if answer.records]
        ttl_s = min(full or [answer.ttl_s for answer in self.fresh.values()])
        return min(ttl_s, RETRY_MAX_S) if self._errors else ttl_s


async def _all(questions: Iterable[Awaitable[T]]) -> list[T]:
    return list(await asyncio.gather(*questions))


def _order(record: Record) -> tuple[int, int, int, int]:
    ip = ip_address(record.host)
    return (record.priority, ip.version, int(ip), record.port)


def _key(backend: BackendSettings) -> tuple[Address, str]:
    return (backend.address, backend.service)


def _list(found: Sequence[Record]) -> str:
    told = [str(Address(record.host, record.port)) for record in found[:MAX_TOLD]]
    more = len(found) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")
