"""The subscription server's socket: real datagrams, UDP and unix, on both event loops."""

import asyncio
import contextlib
import logging
import os
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from protocol.subscription import MAX_DATAGRAM_BYTES, Announcement, Command, encode
from proxy.settings import Address, DiscoverySettings
from proxy.upstream.discovery.directory import Directory
from proxy.upstream.discovery.mailbox import SocketMailbox
from proxy.upstream.discovery.receiver import (
    LOG_LINES,
    LOG_PERIOD_S,
    MAX_PER_TURN,
    Clocks,
    LogPace,
    Receiver,
    SubscriptionConfigError,
    make_verifier,
)
from tests.loops import both_loops, run
from tests.upstream.discovery.pools import FakePool, FakeProver
from tests.upstream.discovery.signing import key_directory, signer
from tests.upstream.discovery.watching import Watch, watching

LOOPBACK = Address("127.0.0.1", 0)
SAID = Announcement(Command.SUBSCRIBE, "a.com", "127.0.0.1:3031", cores=2)


class Server:
    """A receiver, the time that it is told, and the proofs that it asks for."""

    def __init__(self, address: Address = LOOPBACK, keys: Path | None = None) -> None:
        self.now = 1000.0
        self.prover = FakeProver()
        self.directory = Directory(FakePool)
        settings = DiscoverySettings(subscribe_keys_dir=str(keys or ""))
        clocks = Clocks(lambda: self.now, lambda: 1_800_000_000.0)
        mailbox = SocketMailbox(address)
        self.receiver = Receiver(mailbox, settings, self.directory, self.prover, clocks=clocks)
        self.registry = self.receiver.registry

    def count(self, name: str) -> int:
        return self.registry.counters[name]

    def send(self, datagram: bytes) -> None:
        send(self.receiver.address, datagram)


def send(to: Address, datagram: bytes, sock: socket.socket | None = None) -> None:
    family = socket.AF_UNIX if to.is_unix else socket.AF_INET6 if ":" in to.host else socket.AF_INET
    with sock or socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.sendto(datagram, to.path or (to.host, to.port))


@contextlib.contextmanager
def serving(server: Server) -> Iterator[Watch]:
    server.receiver.start(asyncio.get_running_loop())
    try:
        with watching() as watch:
            yield watch
    finally:
        server.receiver.close()


@pytest.fixture
def directory() -> Iterator[Path]:
    """One whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="uf-") as path:
        yield Path(path)


# -- datagrams ----------------------------------------------------------------------------------


@both_loops
def test_from_datagram_to_pool_and_back(loop: str) -> None:
    async def main() -> None:
        server = Server()
        with serving(server) as watch:
            server.send(encode(SAID))
            await watch.until(lambda: server.count("new") == 1)
            assert server.prover.asked[0][0] == Address("127.0.0.1", 3031)
            server.prover.answer()
            pool = server.directory.lookup("a.com")
            assert pool is not None
            assert pool.serving == ["127.0.0.1:3031"]
            server.send(encode(replace(SAID, command=Command.UNSUBSCRIBE)))
            await watch.until(lambda: server.count("unsubscribed") == 1)
            assert pool.serving == []

    run(loop, main())


@both_loops
def test_the_clock_is_looked_at_by_itself(loop: str) -> None:
    async def main() -> None:
        server = Server()
        with serving(server) as watch:
            server.send(encode(SAID))
            await watch.until(lambda: server.count("new") == 1)
            server.now += 18
            await watch.until(lambda: server.count("expired") == 1)
            server.send(encode(SAID))
            await watch.until(lambda: server.count("new") == 2)
            server.now += 18
            await watch.until(lambda: server.count("expired") == 2)

    run(loop, main())


def test_after_a_pause_of_the_process_datagrams_are_heard_before_anybody_is_dropped() -> None:
    server = Server()
    try:
        server.send(encode(SAID))
        server.receiver._tick()
        server.now += 3600
        for _ in range(3 * MAX_PER_TURN):
            server.send(b"")
        server.send(encode(SAID))
        server.receiver._tick()
        assert server.count("refreshed") == 1
        assert server.count("expired") == 0
    finally:
        server.receiver.close()


def test_one_turn_of_the_loop_takes_a_few() -> None:
    server = Server()
    try:
        for _ in range(2 * MAX_PER_TURN):
            server.send(b"")
        server.receiver._read(MAX_PER_TURN)
        assert server.count("size") == MAX_PER_TURN
        server.receiver._read(MAX_PER_TURN)
        server.receiver._read(MAX_PER_TURN)
        assert server.count("size") == 2 * MAX_PER_TURN
    finally:
        server.receiver.close()


def test_an_instance_with_many_keys_announces_all_at_once() -> None:
    server = Server()
    try:
        for number in range(200):
            server.send(encode(replace(SAID, key=f"{number}.com")))
        server.receiver._tick()
        assert server.count("new") == 200
    finally:
        server.receiver.close()


def test_datagrams_that_are_too_long_are_not_cut_to_fit() -> None:
    server = Server()
    try:
        whole = encode(replace(SAID, extras=((b"x", b"f" * 3000),)))
        filler = MAX_DATAGRAM_BYTES - len(whole)
        fits = encode(replace(SAID, extras=((b"x", b"f" * (3000 + filler)),)))
        server.send(fits)
        server.send(fits + b"\0")
        server.send(b"\xe0" * 60_000)
        server.receiver._tick()
        assert (server.count("new"), server.count("size")) == (1, 2)
    finally:
        server.receiver.close()


def test_the_source_counts() -> None:
    """Nothing outside 127.0.0.1/32 is allowed here: another address of this host is refused."""
    settings = DiscoverySettings(subscribe_allow=("127.0.0.1/32",))
    mailbox = SocketMailbox(LOOPBACK)
    receiver = Receiver(mailbox, settings, Directory(FakePool), FakeProver())
    try:
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.bind(("127.0.0.2", 0))
        send(receiver.address, encode(SAID), sender)
        receiver._tick()
        assert receiver.registry.counters["source"] == 1
        send(receiver.address, encode(SAID))
        receiver._tick()
        assert receiver.registry.counters["new"] == 1
    finally:
        receiver.close()


def test_ipv6() -> None:
    try:
        server = Server(Address("::1", 0))
    except OSError:
        pytest.skip("no IPv6 on this machine")
    try:
        server.send(encode(replace(SAID, address=":3031")))
        server.receiver._tick()
        assert server.registry.nodes[0].address == Address("::1", 3031)
    finally:
        server.receiver.close()


# -- unix sockets -------------------------------------------------------------------------------


def test_a_unix_socket(directory: Path) -> None:
    server = Server(Address(path=str(directory / "s")))
    try:
        server.send(encode(replace(SAID, address="/run/app.sock")))
        server.receiver._tick()
        (node,) = server.registry.nodes
        assert node.address == Address(path="/run/app.sock")
        assert node.sender.ip is None
        assert node.sender.uid == (os.getuid() if hasattr(socket, "SO_PASSCRED") else None)
    finally:
        server.receiver.close()


def test_an_abstract_unix_socket() -> None:
    server = Server(Address(path=f"\0uf-test-{os.getpid()}"))
    try:
        assert str(server.receiver.address).startswith("unix:@uf-test-")
        server.send(encode(SAID))
        server.receiver._tick()
        assert server.count("new") == 1
    finally:
        server.receiver.close()


def test_descriptors_that_somebody_passes_are_not_taken(directory: Path) -> None:
    server = Server(Address(path=str(directory / "s")))
    try:
        before = len(os.listdir("/dev/fd"))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(server.receiver.address.path)
            socket.send_fds(sender, [encode(SAID)], [0, 1])
        server.receiver._tick()
        assert server.count("new") == 1
        assert len(os.listdir("/dev/fd")) == before
    finally:
        server.receiver.close()


def test_a_stale_socket_is_replaced_and_nothing_else(directory: Path) -> None:
    address = Address(path=str(directory / "s"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(address.path)
    server = Server(address)
    with pytest.raises(OSError, match="in use"):
        SocketMailbox(address)
    server.receiver.close()
    assert not os.path.exists(address.path)
    server.receiver.close()
    (directory / "s").write_text("precious")
    with pytest.raises(OSError, match="in use"):
        SocketMailbox(address)
    assert (directory / "s").read_text() == "precious"


def test_the_file_of_a_successor_stays(directory: Path) -> None:
    address = Address(path=str(directory / "s"))
    server = Server(address)
    os.unlink(address.path)
    successor = SocketMailbox(address)
    server.receiver.close()
    assert os.path.exists(address.path)
    successor.close()


def test_an_address_that_cannot_be_used(directory: Path) -> None:
    with pytest.raises(OSError, match="assign"):
        SocketMailbox(Address("192.0.2.1", 1))
    with pytest.raises(OSError, match="No such file"):
        SocketMailbox(Address(path=str(directory / "none" / "s")))


# -- acknowledgements ---------------------------------------------------------------------------

ACK = b"[subscription ack] a.com => new node: 127.0.0.1:3031"


@pytest.mark.parametrize("by_unix", [False, True])
@pytest.mark.parametrize("to_unix", [False, True])
def test_acknowledgements(directory: Path, by_unix: bool, to_unix: bool) -> None:
    server = Server(Address(path=str(directory / "s")) if by_unix else LOOPBACK)
    family = socket.AF_UNIX if to_unix else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as told:
        told.bind(str(directory / "n") if to_unix else ("127.0.0.1", 0))
        told.settimeout(10)
        name = told.getsockname()
        notify = str(name) if to_unix else f"127.0.0.1:{name[1]}"
        try:
            for _ in range(2):
                server.send(encode(replace(SAID, notify=notify)))
            server.receiver._tick()
            assert told.recv(1000) == ACK
            told.setblocking(False)
            with pytest.raises(BlockingIOError):
                told.recv(1000)
        finally:
            server.receiver.close()


def test_acknowledgements_that_nobody_takes(directory: Path) -> None:
    server = Server()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        port = gone.getsockname()[1]
    try:
        notifies = [str(directory / "nobody"), str(directory), f"127.0.0.1:{port}"]
        for number, notify in enumerate(notifies, 1):
            said = replace(SAID, address=f"127.0.0.1:{number}", notify=notify)
            server.send(encode(said))
        server.receiver._tick()  # what the kernel says of the last one comes as an error
        server.receiver._tick()
        assert server.count("new") == 3
        server.send(encode(SAID))
        server.receiver._tick()
        assert server.count("new") == 4
    finally:
        server.receiver.close()


# -- log and settings ---------------------------------------------------------------------------


def test_what_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "proxy.subscription")
    server = Server()
    try:
        for datagram in (encode(SAID), encode(SAID), b"x"):
            server.send(datagram)
        server.receiver._tick()
        server.prover.answer()
        server.now += 18
        server.receiver._tick()
    finally:
        server.receiver.close()
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("INFO", "subscription: new: a.com: 127.0.0.1:3031 announced by 127.0.0.1"),
        ("WARNING", "subscription: size: refused from 127.0.0.1: 1 bytes are no announcement"),
        ("INFO", "subscription: proved: a.com: 127.0.0.1:3031 accepts connections"),
        ("INFO", "subscription: expired: a.com: 127.0.0.1:3031 not announced for 18 s"),
    ]


def test_nobody_can_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    try:
        for _ in range(3 * LOG_LINES):
            server.send(b"x")
        server.receiver._tick()
        assert len(caplog.records) == LOG_LINES
        assert server.count("size") == 3 * LOG_LINES
        server.now += LOG_PERIOD_S
        server.send(b"x")
        server.receiver._tick()
    finally:
        server.receiver.close()
    assert caplog.messages[-2] == f"subscription: {2 * LOG_LINES} more messages"
    assert len(caplog.records) == LOG_LINES + 2


def test_the_pace_of_the_log() -> None:
    pace = LogPace(0.0)
    assert [pace.admit(1.0) for _ in range(LOG_LINES + 2)] == [0] * LOG_LINES + [None, None]
    assert pace.admit(LOG_PERIOD_S - 0.1) is None
    assert pace.admit(LOG_PERIOD_S) == 3
    assert pace.admit(LOG_PERIOD_S) == 0


def test_with_a_directory_of_keys_only_signed_announcements_count(tmp_path: Path) -> None:
    server = Server(keys=key_directory(tmp_path / "keys", "a.com"))
    try:
        server.send(encode(SAID))
        server.send(encode(replace(SAID, unix=1_800_000_000), signer()))
        server.receiver._tick()
        assert (server.count("unsigned"), server.count("new")) == (1, 1)
    finally:
        server.receiver.close()


def test_a_directory_of_keys_has_to_be_there(tmp_path: Path) -> None:
    assert make_verifier(DiscoverySettings()) is None
    settings = DiscoverySettings(subscribe_keys_dir=str(tmp_path / "none"))
    with pytest.raises(SubscriptionConfigError, match="not a directory"):
        make_verifier(settings)


def test_signatures_need_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "proxy.upstream.discovery.signature"
    monkeypatch.setitem(__import__("sys").modules, name, None)
    monkeypatch.delattr("proxy.upstream.discovery.signature", raising=False)
    with pytest.raises(SubscriptionConfigError, match="signed"):
        make_verifier(DiscoverySettings(subscribe_keys_dir=str(tmp_path)))
