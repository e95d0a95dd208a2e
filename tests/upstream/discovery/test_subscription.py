"""What announcements do to pools: with a fake clock, fake pools, and answers by the test."""

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from protocol.subscription import Announcement, Command, Sign, encode
from proxy.settings import Address, BackendSettings, DiscoverySettings
from proxy.upstream.discovery.admission import Refused, Sender
from proxy.upstream.discovery.directory import LINGER_S, Directory
from proxy.upstream.discovery.node import Ack, Event, Node, Stage
from proxy.upstream.discovery.signature import KeyRing, Verifier
from proxy.upstream.discovery.subscription import (
    ACCEPTED,
    DOUBT_S,
    FATES,
    REFUSED,
    SOURCE,
    Registry,
)
from tests.upstream.discovery.pools import FakePool
from tests.upstream.discovery.signing import key_directory, signer

LOCAL = Sender(ip_address("127.0.0.1"), 4000)
REMOTE = Sender(ip_address("10.0.0.5"), 4000)
OTHER = Sender(ip_address("10.0.0.6"), 4000)
UNIX = Sender(uid=1000)
A = "127.0.0.1:1"
B = "127.0.0.1:2"


class World:
    """A registry, its time, and the proofs that it has asked for."""

    def __init__(self, verifier: Verifier | None = None, **settings: Any) -> None:
        settings.setdefault("subscribe_allow", ("127.0.0.0/8", "10.0.0.0/8"))
        self.now = 1000.0
        self.unix_now = 1_800_000_000.0
        self.asked: list[Node[FakePool]] = []
        self.pools: list[FakePool] = []
        self.registry = Registry(
            DiscoverySettings(**settings),
            Directory(self.make_pool),
            self.asked.append,
            verifier,
            BackendSettings(Address(), max_conns=99, fail_timeout_s=3.0),
        )

    def make_pool(self, key: str) -> FakePool:
        self.pools.append(FakePool(key))
        return self.pools[-1]

    def say(self, address: str = A, sender: Sender = LOCAL, **said: Any) -> Event:
        """Deliver an announcement; its name is counted."""
        said = {"command": Command.SUBSCRIBE, "key": "a.com", "cores": 6, **said}
        sign: Sign | None = said.pop("sign", None)
        return self.deliver(encode(Announcement(address=address, **said), sign), sender)

    def leave(self, address: str = A, sender: Sender = LOCAL, **said: Any) -> Event:
        return self.say(address, sender, command=Command.UNSUBSCRIBE, **said)

    def deliver(self, datagram: bytes, sender: Sender = LOCAL) -> Event:
        before = dict(self.registry.counters)
        event = self.registry.receive(datagram, sender, self.now, self.unix_now)
        assert self.registry.counters[event.name] == before[event.name] + 1
        return event

    def answer(self, up: bool = True) -> list[str]:
        """Answer all proofs that are asked for; return what came of them."""
        asked = self.asked[:]
        self.asked.clear()
        events = [self.registry.proved(node, up, self.now) for node in asked]
        return [event.name for event in events if event is not None]

    def serve(self, address: str = A, **said: Any) -> None:
        """Announce and prove."""
        assert self.say(address, **said).name == "new"
        assert self.answer() == ["proved"]

    def sweep(self, after_s: float = 0.0) -> list[str]:
        self.now += after_s
        self.unix_now += after_s
        return [event.name for event in self.registry.sweep(self.now)]

    @property
    def pool(self) -> FakePool:
        """The only one."""
        assert len(self.pools) == 1
        return self.pools[0]

    @property
    def node(self) -> Node[FakePool]:
        """The only one."""
        assert len(self.registry.nodes) == 1
        return self.registry.nodes[0]

    def found(self, host: str = "a.com") -> list[str]:
        """Return who serves a host."""
        pool = self.registry.directory.lookup(host)
        return [] if pool is None else pool.serving


@pytest.fixture
def world() -> World:
    return World()


# -- arrival ------------------------------------------------------------------------------------


def test_a_node_serves_when_it_was_proved(world: World) -> None:
    event = world.say(weight=0)
    assert (event.name, event.is_refusal, event.ack) == ("new", False, None)
    assert world.registry.directory.lookup("a.com") is None
    assert world.node.stage is Stage.ANNOUNCED
    assert world.answer() == ["proved"]
    assert world.pool.take_calls() == [f"add {A}", f"learn {A} 6", f"enable {A}"]
    assert world.found("A.com:80") == [A]
    (backend,) = world.pool.backends
    assert (backend.weight, backend.max_conns, backend.learned_conns) == (1, 0, 6)
    assert (backend.settings.fail_timeout_s, backend.source) == (3.0, SOURCE)


def test_nobody_is_let_in_before_the_capacity_is_known() -> None:
    downs = []

    class Watching(FakePool):
        def learn(self, backend: Any, conns: int) -> None:
            downs.append(backend.down)
            super().learn(backend, conns)

    registry = Registry(DiscoverySettings(), Directory(Watching), lambda node: None)
    registry.receive(encode(Announcement(Command.SUBSCRIBE, "a", A)), LOCAL, 0.0, 0.0)
    registry.proved(registry.nodes[0], True, 0.0)
    assert downs == [True]
    assert registry.directory.pools["a"].serving == [A]


def test_a_dead_node_is_in_no_pool_however_often_it_is_announced(world: World) -> None:
    world.say()
    for _ in range(5):
        assert world.answer(up=False) == ["not_proved"]
        world.now += 10
        assert world.say().name == "refreshed"
    assert world.pools == []
    assert world.answer() == ["proved"]
    assert world.found() == [A]


def test_one_proof_at_a_time(world: World) -> None:
    world.say()
    world.say()
    world.say()
    assert len(world.asked) == 1
    world.answer()
    world.say()
    assert world.asked == []


def test_a_proof_that_is_answered_at_once() -> None:
    registry: Registry[FakePool]
    directory = Directory(FakePool)

    def prove(node: Node[FakePool]) -> None:
        registry.proved(node, True, 0.0)

    registry = Registry(DiscoverySettings(), directory, prove)
    registry.receive(encode(Announcement(Command.SUBSCRIBE, "a", A)), LOCAL, 0.0, 0.0)
    assert directory.pools["a"].serving == [A]


def test_a_proof_for_somebody_who_has_left(world: World) -> None:
    world.say()
    world.leave()
    assert world.answer() == []
    world.say()
    first = world.asked[0]
    world.leave()
    world.say()
    assert world.registry.proved(first, True, world.now) is None
    assert world.pools == []


@pytest.mark.parametrize("weight", [0, 1, 5])
def test_weights(world: World, weight: int) -> None:
    world.serve(weight=weight)
    assert world.pool.backends[0].weight == max(weight, 1)


def test_a_backup(world: World) -> None:
    world.serve(backup=2)
    assert world.pool.take_calls()[0] == f"add {A} as backup"
    world.say(backup=0)
    world.answer()
    assert world.pool.take_calls() == [
        f"remove {A}",
        f"add {A}",
        f"learn {A} 6",
        f"enable {A}",
    ]


def test_one_node_in_two_pools(world: World) -> None:
    world.serve(key="a.com")
    world.serve(key="B.com:8000")
    assert [pool.name for pool in world.pools] == ["a.com", "b.com:8000"]
    assert world.found("b.com:8000") == world.found("a.com") == [A]
    world.leave(key="b.com:8000")
    assert world.found("b.com:8000") == []
    assert world.found("a.com") == [A]


def test_two_nodes_in_one_pool(world: World) -> None:
    world.serve(A)
    world.serve(B, key="A.COM.")
    assert world.found() == [A, B]


# -- staying ------------------------------------------------------------------------------------


def test_only_changes_are_told(world: World) -> None:
    """What an operator sets at run time stays until the instance says something new."""
    world.serve(weight=2)
    world.pool.take_calls()
    world.say(weight=2)
    assert world.pool.take_calls() == []
    world.say(weight=3, cores=8)
    assert world.pool.take_calls() == [f"learn {A} 8", f"weight {A} 3"]
    world.say(weight=0, cores=8)
    assert world.pool.take_calls() == [f"weight {A} 1"]


def test_what_was_said_before_the_proof_counts(world: World) -> None:
    world.say(weight=2, cores=1)
    world.say(weight=9, cores=4)
    world.answer()
    assert world.pool.backends[0].weight == 9
    assert world.pool.backends[0].learned_conns == 4


def test_expiry_is_exact(world: World) -> None:
    world.serve()
    assert world.sweep(17.0) == []
    assert world.found() == [A]
    assert world.sweep(0.001) == ["expired"]
    assert world.found() == []
    assert world.registry.nodes == ()
    assert world.pool.take_calls()[-1] == f"remove {A}"


def test_each_announcement_renews(world: World) -> None:
    world.serve(A)
    world.now += 10
    world.serve(B)
    world.now += 6
    world.say(A)
    assert world.sweep(11.5) == ["expired"]
    assert world.found() == [A]
    assert world.sweep(6) == ["expired"]


def test_a_node_that_was_never_proved_expires_too(world: World) -> None:
    world.say()
    assert world.sweep(18) == ["expired"]
    assert world.answer() == []


# -- leaving ------------------------------------------------------------------------------------


def test_unsubscribing_drains(world: World) -> None:
    world.serve()
    (backend,) = world.pool.backends
    backend.in_flight = 1
    assert world.leave().name == "unsubscribed"
    assert world.found() == []
    assert world.pool.backends == (backend,)
    world.pool.finish(backend)
    assert world.sweep() == []
    assert world.leave().name == "unknown"


def test_clear_is_how_newer_uwsgi_says_goodbye(world: World) -> None:
    world.serve()
    assert world.say(clear=True).name == "unsubscribed"
    assert world.found() == []


def test_announcing_again_brings_back(world: World) -> None:
    world.serve()
    world.leave()
    world.serve()
    assert world.found() == [A]
    assert len(world.pools) == 1


def test_those_who_wait_in_a_pool_meet_the_node_that_comes_back(world: World) -> None:
    world.serve()
    pool = world.registry.directory.lookup("a.com")
    world.leave()
    world.sweep(LINGER_S / 2)
    world.serve()
    assert world.registry.directory.lookup("a.com") is pool
    world.leave()
    world.sweep(LINGER_S)
    assert world.registry.directory.lookup("a.com") is None


@pytest.mark.parametrize(
    ("address", "announced_by", "unsubscribed_by", "may"),
    [
        (":1", REMOTE, REMOTE, True),
        ("10.0.0.6:1", REMOTE, OTHER, True),  # its own address
        ("10.0.0.6:1", REMOTE, REMOTE, True),
        (":1", REMOTE, OTHER, False),
        (":1", REMOTE, LOCAL, False),
        ("/run/a", UNIX, UNIX, True),
        ("/run/a", UNIX, Sender(uid=0), True),
        ("/run/a", UNIX, Sender(uid=1001), False),
        ("/run/a", UNIX, Sender(), False),
        ("/run/a", UNIX, LOCAL, False),
        ("/run/a", LOCAL, UNIX, False),
        ("/run/a", LOCAL, LOCAL, True),
    ],
)
def test_who_may_unsubscribe(
    world: World, address: str, announced_by: Sender, unsubscribed_by: Sender, may: bool
) -> None:
    world.say(address, announced_by)
    world.answer()
    named = "10.0.0.5:1" if address == ":1" else address
    event = world.leave(named, unsubscribed_by)
    if event.name == "foreign":
        assert event.is_refusal
    refused_otherwise = named == "/run/a" and event.name == "address"
    assert event.name == "unsubscribed" if may else event.name == "foreign" or refused_otherwise
    assert len(world.registry.nodes) == (not may)


def test_who_announces_later_does_not_become_its_owner(world: World) -> None:
    world.say("10.0.0.5:1", REMOTE)
    world.say("10.0.0.5:1", OTHER)
    assert world.leave("10.0.0.5:1", OTHER).name == "foreign"


# -- what does not count ------------------------------------------------------------------------


def test_malformed_datagrams_are_counted(world: World) -> None:
    for garbage in (b"", b"\xe0", b"\0" * 300, b"\xe0\x00\x00\x00", b"\xe0\x01\x00\x00x"):
        event = world.deliver(garbage)
        assert event.is_refusal
        assert event.text
    assert world.registry.counters["size"] == 2
    assert world.registry.counters["header"] == 1
    assert world.registry.counters["variables"] == 2
    assert world.registry.nodes == ()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"sender": Sender(ip_address("192.0.2.1"))}, "source"),
        ({"modifier1": 5}, "modifier"),
        ({"modifier2": 1}, "modifier"),
        ({"proto": "http"}, "protocol"),
        ({"key": "a.com/blog"}, "key"),
        ({"address": "app.sock"}, "address"),
        ({"address": "127.0.0.1:0"}, "address"),
        ({"address": "127.0.0.1:6379", "sender": REMOTE}, "address"),
    ],
)
def test_refusals(world: World, said: dict[str, Any], reason: str) -> None:
    event = world.say(**said)
    assert (event.name, event.is_refusal) == (reason, True)
    assert world.registry.nodes == ()
    assert world.asked == []


def test_uwsgi_by_name_is_served(world: World) -> None:
    assert world.say(proto="uwsgi").name == "new"


def test_a_node_that_changes_its_modifiers_expires(world: World) -> None:
    world.serve()
    world.now += 10
    assert world.say(modifier1=5).name == "modifier"
    assert world.sweep(7.5) == ["expired"]


def test_no_more_nodes_than_allowed() -> None:
    world = World(subscribe_max_backends=2)
    world.serve(A)
    world.say(B, key="b.com")
    assert world.say("127.0.0.1:3").name == "full"
    assert world.say(A).name == "refreshed"
    (backend,) = world.pools[0].backends
    backend.in_flight = 1
    world.leave(A)
    assert world.say("127.0.0.1:3").name == "full"  # it still works
    world.pools[0].finish(backend)
    assert world.say("127.0.0.1:3").name == "new"


def test_a_backend_that_comes_back_while_it_leaves_counts_once() -> None:
    class Reviving(FakePool):
        """Like `Pool`: who is leaving comes back."""

        def add(self, settings: BackendSettings, address: Address, source: str) -> Any:
            for backend in self.backends:
                if backend.address == address:
                    backend.leaving = False
                    return backend
            return super().add(settings, address, source)

    def prove(node: Node[Reviving]) -> None:
        registry.proved(node, True, 0.0)

    limits = DiscoverySettings(subscribe_max_backends=2)
    registry: Registry[Reviving] = Registry(limits, Directory(Reviving), prove)

    def say(address: str, command: Command = Command.SUBSCRIBE) -> str:
        return registry.receive(encode(Announcement(command, "a", address)), LOCAL, 0, 0).name

    say(A)
    registry.directory.pools["a"].backends[0].in_flight = 1
    say(A, Command.UNSUBSCRIBE)
    assert [say(A), say(B), say("127.0.0.1:3")] == ["new", "new", "full"]


def test_an_allowed_network_has_to_be_one() -> None:
    with pytest.raises(ValueError, match="localhost"):
        World(subscribe_allow=("localhost",))


def test_the_counters_are_all_there_from_the_start(world: World) -> None:
    assert set(world.registry.counters) == {*ACCEPTED, *REFUSED, *FATES}
    assert not any(world.registry.counters.values())
    assert len({*ACCEPTED, *REFUSED, *FATES}) == len((*ACCEPTED, *REFUSED, *FATES))


# -- acknowledgements ---------------------------------------------------------------------------


def test_new_nodes_are_told_so(world: World) -> None:
    text = b"[subscription ack] A.com => new node: :1"
    event = world.say(":1", REMOTE, key="A.com", notify="10.0.0.5:9000")
    assert event.ack == Ack(text, Address("10.0.0.5", 9000))
    assert world.say(":1", REMOTE, key="A.com", notify="10.0.0.5:9000").ack is None
    assert world.say(B, LOCAL, notify="/run/n").ack is not None
    assert world.say("127.0.0.1:3", LOCAL, notify="10.0.0.5:9000").ack is None
    assert world.say("127.0.0.1:4", LOCAL, notify="nonsense").name == "new"


# -- signed -------------------------------------------------------------------------------------


@pytest.fixture
def signed(tmp_path: Path) -> World:
    ring = KeyRing(key_directory(tmp_path / "keys", "a.com"))
    return World(Verifier(ring, 60.0, 100))


def signed_announcement(world: World, after_s: int = 0, **said: Any) -> bytes:
    text = {"command": Command.SUBSCRIBE, "key": "a.com", "address": A, "cores": 6, **said}
    unix = int(world.unix_now) + after_s + int(text["command"])
    return encode(Announcement(unix=unix, **text), signer())


def flipped(datagram: bytes) -> bytes:
    """Turn an announcement into an unsubscription: the command is not signed."""
    return datagram[:3] + b"\x01" + datagram[4:]


def serve_signed(world: World) -> None:
    assert world.deliver(signed_announcement(world)).name == "new"
    assert world.answer() == ["proved"]


def test_signed_announcements(signed: World) -> None:
    serve_signed(signed)
    assert signed.found() == [A]
    signed.sweep(10)
    assert signed.deliver(signed_announcement(signed)).name == "refreshed"


def test_unsigned_announcements_do_not_count(signed: World) -> None:
    assert signed.say().name == "unsigned"
    serve_signed(signed)
    assert signed.leave().name == "unsigned"
    assert signed.found() == [A]


def test_the_sender_is_not_signed_so_the_host_has_to_be(signed: World) -> None:
    """Else whoever overhears an announcement could send it from his own address."""
    assert signed.deliver(signed_announcement(signed, address=":1")).name == "address"


def test_the_key_that_counts_is_the_one_that_is_joined(signed: World) -> None:
    assert signed.deliver(signed_announcement(signed, key="A.COM:443")).name == "new"
    assert signed.deliver(signed_announcement(signed, key="b.com")).name == "no_key"


def test_replayed_with_another_command(signed: World) -> None:
    """The attack that removes nodes from uWSGI's own router."""
    datagram = signed_announcement(signed)
    signed.deliver(datagram)
    signed.answer()
    assert signed.deliver(flipped(datagram)).name == "replay"
    assert signed.found() == [A]


def test_replayed_after_the_node_has_gone(signed: World) -> None:
    datagram = signed_announcement(signed)
    signed.deliver(datagram)
    signed.answer()
    assert signed.sweep(18) == ["expired"]
    assert signed.deliver(datagram).name == "replay"
    assert signed.deliver(signed_announcement(signed)).name == "new"


def test_turned_around_on_the_way(signed: World) -> None:
    """It cannot be told from a real one; so the node is asked, and comes back."""
    serve_signed(signed)
    signed.sweep(5)
    assert signed.deliver(flipped(signed_announcement(signed))).name == "doubted"
    assert signed.found() == []
    assert signed.sweep(DOUBT_S - 0.1) == []
    assert signed.asked == []
    signed.sweep(0.1)
    assert signed.answer() == ["returned"]
    assert signed.found() == [A]


def test_an_unsubscription_that_is_true(signed: World) -> None:
    serve_signed(signed)
    goodbye = signed_announcement(signed, command=Command.UNSUBSCRIBE)
    assert signed.deliver(goodbye).name == "doubted"
    assert signed.pool.take_calls()[-1] == f"drain {A}"
    signed.sweep(DOUBT_S)
    assert signed.answer(up=False) == ["unsubscribed"]
    assert signed.pool.take_calls()[-1] == f"remove {A}"
    assert signed.registry.nodes == ()


def test_the_next_announcement_ends_the_doubt(signed: World) -> None:
    serve_signed(signed)
    signed.sweep(5)
    signed.deliver(flipped(signed_announcement(signed)))
    signed.sweep(DOUBT_S)
    assert signed.deliver(signed_announcement(signed)).name == "refreshed"
    assert signed.found() == [A]
    assert signed.answer(up=False) == []  # too late
    assert signed.found() == [A]


def test_doubt_does_not_renew(signed: World) -> None:
    serve_signed(signed)
    signed.sweep(10)
    signed.deliver(flipped(signed_announcement(signed)))
    assert signed.sweep(7.5) == ["expired"]
    assert signed.found() == []


def test_an_operators_drain_outlives_the_doubt(signed: World) -> None:
    serve_signed(signed)
    signed.pool.drain(signed.pool.backends[0])
    signed.sweep(5)
    signed.deliver(flipped(signed_announcement(signed)))
    signed.sweep(DOUBT_S)
    signed.deliver(signed_announcement(signed))
    assert signed.pool.backends[0].draining


def test_leaving_before_it_was_proved(signed: World) -> None:
    signed.deliver(signed_announcement(signed))
    goodbye = signed_announcement(signed, 1, command=Command.UNSUBSCRIBE)
    assert signed.deliver(goodbye).name == "unsubscribed"
    assert signed.deliver(signed_announcement(signed, 5, command=Command.UNSUBSCRIBE)).name == (
        "unknown"
    )


# -- whatever happens ---------------------------------------------------------------------------

MAX_NODES = 4
PORTS = st.integers(1, 7)
KEYS = st.sampled_from(["a.com", "A.com:80", "b.com", ".c.com"])


class OnceVerifier:
    """Stands in for signatures: what is not signed with `ok` or not newer is refused."""

    def __init__(self) -> None:
        self.last: dict[tuple[str, Address], int] = {}

    def verify(self, key: str, address: Address, said: Announcement, unix_now: float) -> None:
        if said.sign != b"ok":
            raise Refused("unsigned", "")
        if said.unix <= self.last.get((key, address), -1):
            raise Refused("replay", "")
        self.last[key, address] = said.unix


class Announcing(RuleBasedStateMachine):
    """Instances come, go, die and return, and somebody replays all that they have sent."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(subscribe_max_backends=MAX_NODES)
        self.seen: dict[tuple[str, int], float] = {}
        """When each node that must be known was announced last."""

    @rule(port=PORTS, key=KEYS, weight=st.integers(0, 3), cores=st.integers(0, 3))
    def announce(self, port: int, key: str, weight: int, cores: int) -> None:
        name = key.lower().removesuffix(":80")
        event = self.world.say(f"127.0.0.1:{port}", key=key, weight=weight, cores=cores)
        if event.name == "full":
            assert (name, port) not in self.seen
        else:
            assert event.name == ("refreshed" if (name, port) in self.seen else "new")
            self.seen[name, port] = self.world.now

    @rule(port=PORTS, key=KEYS)
    def unsubscribe(self, port: int, key: str) -> None:
        name = key.lower().removesuffix(":80")
        event = self.world.leave(f"127.0.0.1:{port}", key=key)
        known = self.seen.pop((name, port), None) is not None
        assert event.name == ("unsubscribed" if known else "unknown")

    @rule(port=PORTS)
    def meddle(self, port: int) -> None:
        assert self.world.say(f"127.0.0.1:{port}", OTHER).name == "address"
        assert self.world.leave(f"127.0.0.1:{port}", UNIX).name in ("foreign", "unknown")

    @rule(up=st.booleans())
    def prove(self, up: bool) -> None:
        self.world.answer(up)

    @rule(index=st.integers(0, 20))
    def begin_a_request(self, index: int) -> None:
        backends = [b for pool in self.world.pools for b in pool.backends if b.serves]
        if backends:
            backends[index % len(backends)].in_flight += 1

    @rule()
    def end_all_requests(self) -> None:
        for pool in self.world.pools:
            for backend in pool.backends:
                backend.in_flight = 0
                if backend.leaving:
                    pool.finish(backend)

    @rule(seconds=st.sampled_from([0.5, 7.0, 16.999, 17.0, 17.001, 70.0]))
    def wait(self, seconds: float) -> None:
        expired = self.world.sweep(seconds)
        gone = [node for node, at in self.seen.items() if self.world.now - at > 17.0]
        assert len(expired) == len(gone)
        for node in gone:
            del self.seen[node]

    @invariant()
    def the_same_are_known(self) -> None:
        known = {(node.key, node.address.port) for node in self.world.registry.nodes}
        assert known == set(self.seen)

    @invariant()
    def the_limit_holds(self) -> None:
        directory = self.world.registry.directory
        assert sum(len(pool.backends) for pool in self.world.pools) <= MAX_NODES
        assert len(self.world.registry.nodes) <= MAX_NODES
        assert sum(bool(pool.serving) for pool in directory.pools.values()) <= MAX_NODES

    @invariant()
    def who_serves_is_known_and_proved(self) -> None:
        served = {
            (key, int(name.rpartition(":")[2]))
            for key, pool in self.world.registry.directory.pools.items()
            for name in pool.serving
        }
        proved = {
            (node.key, node.address.port)
            for node in self.world.registry.nodes
            if node.stage is Stage.SERVING
        }
        assert served == proved
        for pool in self.world.pools:
            if pool not in self.world.registry.directory.pools.values():
                assert not pool.serving


class SignedAnnouncing(RuleBasedStateMachine):
    """Everything that was ever sent is sent again, turned around or not, at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(OnceVerifier())  # type: ignore[arg-type]
        self.sent: list[bytes] = []
        self.genuine: set[int] = set()

    def _send(self, port: int, command: Command) -> Event:
        self.world.unix_now += 1
        unix = int(self.world.unix_now)
        said = Announcement(command, "a.com", f"127.0.0.1:{port}", unix=unix, sign=b"ok")
        self.sent.append(encode(said))
        return self.world.deliver(self.sent[-1])

    @rule(port=PORTS)
    def announce(self, port: int) -> None:
        known = port in self.genuine
        assert self._send(port, Command.SUBSCRIBE).name == ("refreshed" if known else "new")
        self.genuine.add(port)

    @rule(port=PORTS)
    def unsubscribe(self, port: int) -> None:
        event = self._send(port, Command.UNSUBSCRIBE)
        if event.name != "doubted":
            assert event.name == ("unsubscribed" if port in self.genuine else "unknown")
            self.genuine.discard(port)

    @rule(data=st.data(), turn=st.booleans())
    def replay(self, data: st.DataObject, turn: bool) -> None:
        if self.sent:
            datagram = data.draw(st.sampled_from(self.sent))
            before = self._state()
            assert self.world.deliver(flipped(datagram) if turn else datagram).name == "replay"
            assert self._state() == before

    @rule(port=PORTS, command=st.sampled_from(Command))
    def forge(self, port: int, command: Command) -> None:
        before = self._state()
        unix = int(self.world.unix_now) + 5
        said = Announcement(command, "a.com", f"127.0.0.1:{port}", unix=unix, sign=b"no")
        assert self.world.deliver(encode(said)).name == "unsigned"
        assert self.world.deliver(encode(replace(said, sign=b""))).name == "unsigned"
        assert self._state() == before

    @rule(up=st.booleans())
    def prove(self, up: bool) -> None:
        self.world.answer(up)
        self.genuine = {node.address.port for node in self.world.registry.nodes}

    @rule(seconds=st.sampled_from([0.5, 2.0, 7.0, 18.0]))
    def wait(self, seconds: float) -> None:
        self.world.sweep(seconds)
        self.genuine = {node.address.port for node in self.world.registry.nodes}

    def _state(self) -> list[tuple[Address, Stage, float]]:
        return [(node.address, node.stage, node.seen_at) for node in self.world.registry.nodes]

    @invariant()
    def doubted_nodes_are_drained_and_no_others(self) -> None:
        for node in self.world.registry.nodes:
            if node.home is not None:
                assert node.home[1].draining == (node.stage is Stage.DOUBTED)


_model = hypothesis_settings(deadline=None, max_examples=60, stateful_step_count=40)
TestAnnouncing = Announcing.TestCase
TestAnnouncing.settings = _model
TestSignedAnnouncing = SignedAnnouncing.TestCase
TestSignedAnnouncing.settings = _model
