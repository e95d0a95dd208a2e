"""The subscription server's decisions: what each announcement means for the pools.

    announced ──proved──► serving ──unsubscribed, or silent for too long──► gone
        │                    │  ▲
        │ not proved:        │  │ announced again, or proved
        ▼ next announcement  ▼  │
      tried again         doubted (unsubscribed with a signature): drained, then proved or gone

Owns the instances that announce themselves (`Node`s) and their backends' coming and going. Pure:
datagrams, times and verdicts come in as arguments, pools are told what to do, and whoever sent the
datagram gets the returned acknowledgement from the caller.

- An instance gets no request before it was proved to accept connections: `prove` is asked for that
  and answers with `proved`. uWSGI's routers take it at its word, and so an instance that cannot be
  reached comes back with each announcement and costs a request each time. A node that is not proved
  is in no pool: balancing, hashes and metrics do not know it.
- Unsubscribing drains: running requests finish. uWSGI sends it at the begin of its shutdown.
- The command is outside of the signature, so somebody in between can turn an announcement into an
  unsubscription. With signatures it is therefore taken as a rumour: the node is drained and asked.
- Without signatures only whoever announced a node, or its own address, can unsubscribe it.
- Requests carry modifiers 0 0, and are in uwsgi: instances that want others are refused.
- What an operator has set at run time (weight, cap) stays until the instance announces a change.

One instance that announces several keys is a backend in several pools, each with its own cap.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Generic

from protocol import subscription as codec
from protocol.subscription import Announcement, Command, SubscriptionError
from proxy.settings import Address, BackendSettings, DiscoverySettings
from proxy.upstream.backend import Backend
from proxy.upstream.discovery.admission import Networks, Refused, Sender
from proxy.upstream.discovery.directory import Directory, normalise
from proxy.upstream.discovery.node import Ack, Event, Node, P, Stage, Verifier

SOURCE = "subscription"
"""The source of these backends, for pools."""

DOUBT_S = 2.0
"""Between an unsubscription with a signature and the question whether the node is still there:
uWSGI accepts for about a second after it, and resets what it has accepted."""

ACCEPTED = ("new", "refreshed", "unsubscribed", "doubted", "unknown")
"""What an announcement can do; `unknown` is the unsubscription of a node that is not known."""

REFUSED = (
    *codec.REASONS,
    *("source", "key", "address", "modifier", "protocol", "foreign", "full"),
    *("unsigned", "no_key", "signature", "digest", "clock", "replay"),
)
"""Why one does not count: those of the codec, of `admission` and `directory`, and of `signature`;
`modifier` and `protocol` are not served here, `foreign` is an unsubscription by somebody else,
`full` says that there are as many nodes as allowed."""

FATES = ("proved", "not_proved", "returned", "expired")
"""What else happens to a node; `returned` is one that was doubted."""


class Registry(Generic[P]):
    """See the module."""

    def __init__(
        self,
        settings: DiscoverySettings,
        directory: Directory[P],
        prove: Callable[[Node[P]], None],
        verifier: Verifier | None = None,
        template: BackendSettings | None = None,
    ) -> None:
        """Begin without nodes; `template` has the settings that announcements say nothing of.

        `prove(node)` has to find out whether a connection to `node.address` is accepted, and then
        to call `proved`, later or at once. With a `verifier` only signed announcements count.

        Raises:
            ValueError: an allowed network is none.
        """
        self.counters = dict.fromkeys((*ACCEPTED, *REFUSED, *FATES), 0)
        """How often each of these has happened."""
        self.directory = directory
        self._networks = Networks(settings.subscribe_allow)
        self._tolerance_s = settings.subscribe_tolerance_s
        self._max_nodes = settings.subscribe_max_backends
        self._prove = prove
        self._verifier = verifier
        self._template = template or BackendSettings(Address())
        self._nodes: dict[tuple[str, Address], Node[P]] = {}
        """Those that were seen last stand at the end."""
        self._leaving: list[tuple[P, Backend]] = []

    @property
    def nodes(self) -> Sequence[Node[P]]:
        """All nodes, for those who show them."""
        return tuple(self._nodes.values())

    # -- announcements --------------------------------------------------------------------------

    def receive(self, datagram: bytes, sender: Sender, now: float, unix_now: float) -> Event:
        """Do what a datagram says, if it may. `now` is monotonic, `unix_now` Unix time."""
        try:
            self._networks.check_sender(sender)
            said = codec.decode(datagram)
            event = self._announce(said, sender, now, unix_now)
        except (SubscriptionError, Refused) as error:
            event = Event(error.reason, f"refused from {sender}: {error}", is_refusal=True)
        return self._count(event)

    def _announce(self, said: Announcement, sender: Sender, now: float, unix_now: float) -> Event:
        _check_served(said)
        key = normalise(said.key)
        is_signed = self._verifier is not None
        address = self._networks.find_address(said.address, sender, needs_host=is_signed)
        if self._verifier is not None:
            self._verifier.verify(key, address, said, unix_now)
        node = self._nodes.get((key, address))
        if said.command is Command.UNSUBSCRIBE or said.clear:
            return self._unsubscribe(node, said, sender, now)
        if node is not None and node.said.backup != said.backup:
            self._drop(node, now)  # a backend is born as a backup, or not
            node = None
        if node is not None:
            return self._refresh(node, said, now)
        self._check_room()
        node = Node(key, address, said, sender, now)
        self._nodes[key, address] = node
        self._ask(node)
        return Event("new", f"{node} announced by {sender}", ack=self._ack(node))

    def _refresh(self, node: Node[P], said: Announcement, now: float) -> Event:
        before, node.said, node.seen_at = node.said, said, now
        self._nodes[node.key, node.address] = self._nodes.pop((node.key, node.address))
        if node.stage is Stage.ANNOUNCED:
            self._ask(node)
        elif node.home is not None:
            pool, backend = node.home
            if said.cores != before.cores:
                pool.learn(backend, said.cores)
            if said.weight != before.weight:
                pool.set_weight(backend, node.weight)
            if node.stage is Stage.DOUBTED:
                self._believe(node)
        return Event("refreshed")

    def _unsubscribe(
        self, node: Node[P] | None, said: Announcement, sender: Sender, now: float
    ) -> Event:
        if node is None:
            return Event("unknown")
        if self._verifier is None:
            if not _may_unsubscribe(node, sender):
                raise Refused("foreign", f"only {node.sender} may unsubscribe {node}")
            self._drop(node, now)
            return Event("unsubscribed", f"{node} unsubscribed")
        if node.home is None:
            self._drop(node, now)
            return Event("unsubscribed", f"{node} unsubscribed")
        pool, backend = node.home
        if node.stage is Stage.SERVING and not backend.draining:
            pool.drain(backend)
            node.stage, node.doubt_until = Stage.DOUBTED, now + DOUBT_S
        return Event("doubted", f"{node} unsubscribed, and is asked whether it did")

    # -- proofs and time ------------------------------------------------------------------------

    def proved(self, node: Node[P], up: bool, now: float) -> Event | None:
        """Take the answer to `prove`: whether a connection was accepted.

        A listen queue that is full counts as accepted. None for a node that is gone by now.
        """
        node.proving = False
        if self._nodes.get((node.key, node.address)) is not node or node.stage is Stage.SERVING:
            return None
        if node.stage is Stage.DOUBTED:
            if up:
                self._believe(node)
                return self._count(Event("returned", f"{node} is still there"))
            self._drop(node, now)
            return self._count(Event("unsubscribed", f"{node} is gone"))
        if not up:
            return self._count(Event("not_proved", f"{node} accepts no connection"))
        self._admit(node)
        return self._count(Event("proved", f"{node} accepts connections"))

    def sweep(self, now: float) -> list[Event]:
        """Drop who has been silent for too long, and ask the doubted. To be called each second."""
        events = []
        for node in list(self._nodes.values()):
            if now - node.seen_at <= self._tolerance_s:
                break
            self._drop(node, now)
            silent_s = now - node.seen_at
            text = f"{node} not announced for {silent_s:.0f} s"
            events.append(self._count(Event("expired", text)))
        for node in list(self._nodes.values()):
            if node.stage is Stage.DOUBTED and now >= node.doubt_until:
                self._ask(node)
        self._forget_gone()
        self.directory.sweep(now)
        return events

    # -- steps ----------------------------------------------------------------------------------

    def _ask(self, node: Node[P]) -> None:
        """Have it proved, once at a time."""
        if not node.proving:
            node.proving = True
            self._prove(node)

    def _admit(self, node: Node[P]) -> None:
        """Let it serve. It is born down: whoever waits is let in when its capacity is known."""
        settings = replace(
            self._template,
            address=node.address,
            weight=node.weight,
            max_conns=0,
            backup=bool(node.said.backup),
            down=True,
        )
        pool = self.directory.join(node.key)
        backend = pool.add(settings, node.address, SOURCE)
        pool.learn(backend, node.said.cores)
        pool.enable(backend)
        self._leaving = [home for home in self._leaving if home[1] is not backend]
        node.home, node.stage = (pool, backend), Stage.SERVING

    def _believe(self, node: Node[P]) -> None:
        """End the doubt."""
        assert node.home is not None
        pool, backend = node.home
        pool.enable(backend)
        node.stage = Stage.SERVING

    def _drop(self, node: Node[P], now: float) -> None:
        del self._nodes[node.key, node.address]
        if node.home is not None:
            pool, backend = node.home
            pool.remove(backend)
            self._leaving.append(node.home)
            self.directory.leave(node.key, now)

    def _check_room(self) -> None:
        """Count those that still finish requests, too: they hold connections."""
        if len(self._nodes) + len(self._leaving) >= self._max_nodes:
            self._forget_gone()
        if len(self._nodes) + len(self._leaving) >= self._max_nodes:
            raise Refused("full", f"there are {self._max_nodes} backends already")

    def _forget_gone(self) -> None:
        self._leaving = [home for home in self._leaving if home[1] in home[0].backends]

    def _ack(self, node: Node[P]) -> Ack | None:
        to = self._networks.find_notified(node.said.notify, node.sender)
        return Ack(codec.encode_ack(node.said.key, node.said.address), to) if to else None

    def _count(self, event: Event) -> Event:
        self.counters[event.name] += 1
        return event


def _check_served(said: Announcement) -> None:
    """Refuse what requests from here would not fit: they have modifiers 0 0, in uwsgi.

    Raises:
        Refused
    """
    if said.modifier1 or said.modifier2:
        raise Refused("modifier", f"modifiers {said.modifier1} {said.modifier2} are not served")
    if said.proto[:1] not in ("", "u"):
        raise Refused("protocol", f"protocol {said.proto!r} is not spoken to backends")


def _may_unsubscribe(node: Node[P], sender: Sender) -> bool:
    """Whether this is who announced it, or comes from its own address."""
    if sender.ip is not None:
        return sender.ip == node.sender.ip or str(sender.ip) == node.address.host
    return node.sender.ip is None and sender.uid in (0, node.sender.uid)
