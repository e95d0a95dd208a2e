"""Real uWSGI instances announce themselves: they come, stop, die, lie and sign."""

import asyncio
import contextlib
import os
import signal
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random
from typing import Any, Literal

import pytest
from cryptography.hazmat.primitives import hashes

from protocol.subscription import decode
from proxy.settings import Address, DiscoverySettings, UpstreamSettings
from proxy.upstream.backend import Backend
from proxy.upstream.channel import SocketNetwork
from proxy.upstream.discovery.directory import Directory
from proxy.upstream.discovery.mailbox import SocketMailbox
from proxy.upstream.discovery.proof import Proofs
from proxy.upstream.discovery.receiver import Clocks, Receiver
from proxy.upstream.discovery.subscription import DOUBT_S
from proxy.upstream.health import Outcome
from proxy.upstream.pool import Pool
from proxy.upstream.readiness import choose_readiness
from proxy.upstream.timing import Timing
from proxy.upstream.wanted import Wanted
from tests.loops import both_loops, run
from tests.servers import (
    DEADLINE_S,
    Server,
    has_debian_uwsgi,
    parse_reply,
    uwsgi,
    uwsgi_request,
    wait_until,
)
from tests.upstream.discovery.pools import FakePool
from tests.upstream.discovery.signing import key_directory, private_pem
from tests.upstream.discovery.watching import Watch, watching

Binary = Literal["pyuwsgi", "debian"]

APP = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"hi"]
"""

debian = pytest.mark.skipif(not has_debian_uwsgi(), reason="needs Debian's uWSGI")
both_uwsgis = pytest.mark.parametrize("binary", ["pyuwsgi", pytest.param("debian", marks=debian)])


MakePool = Callable[[str], Any]


class Front:
    """A subscription server; `ahead_s` moves its clocks."""

    def __init__(
        self, mailbox: SocketMailbox, watch: Watch, make_pool: MakePool, **settings: Any
    ) -> None:
        self.ahead_s = 0.0
        self.watch = watch
        self.directory = Directory(make_pool)
        loop = asyncio.get_running_loop()
        self._readiness = choose_readiness(loop)
        self._proofs = Proofs(SocketNetwork(self._readiness), loop.call_later)
        self.receiver = Receiver(
            mailbox,
            DiscoverySettings(**settings),
            self.directory,
            self._proofs,
            clocks=Clocks(
                lambda: time.monotonic() + self.ahead_s, lambda: time.time() + self.ahead_s
            ),
        )
        self.receiver.start(loop)

    def close(self) -> None:
        self.receiver.close()
        self._proofs.close()
        self._readiness.close()

    def count(self, name: str) -> int:
        return self.receiver.registry.counters[name]

    async def happened(self, name: str, times: int = 1) -> None:
        await self.watch.until(lambda: self.count(name) >= times)

    def backends(self, host: str = "a.com") -> tuple[Backend, ...]:
        pool = self.directory.lookup(host)
        return () if pool is None else tuple(pool.backends)

    def serving(self, host: str = "a.com") -> list[str]:
        return [backend.name for backend in self.backends(host) if backend.serves]


@contextlib.asynccontextmanager
async def fronting(
    mailbox: SocketMailbox, make_pool: MakePool = FakePool, **settings: Any
) -> AsyncIterator[Front]:
    with watching() as watch:
        front = Front(mailbox, watch, make_pool, **settings)
        try:
            yield front
        finally:
            front.close()


@pytest.fixture
def mailbox() -> Iterator[SocketMailbox]:
    """Where instances announce themselves, on a port that the kernel chose."""
    with contextlib.closing(SocketMailbox(Address("127.0.0.1", 0))) as mailbox:
        yield mailbox


@pytest.fixture
def where(mailbox: SocketMailbox) -> str:
    """The same for --subscribe-to."""
    return str(mailbox.address)


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="uf-") as path:
        yield Path(path)


def instance(
    directory: Path, *extra: str, binary: Binary = "pyuwsgi", **options: Any
) -> AbstractContextManager[Server]:
    """Run uWSGI with `extra` options about subscriptions."""
    directory.mkdir(exist_ok=True)
    (directory / "app.py").write_text(APP)
    return uwsgi("app:application", directory=directory, binary=binary, extra=extra, **options)


def on_loop(main: Coroutine[Any, Any, None]) -> None:
    run("asyncio", main)


# -- coming and going ---------------------------------------------------------------------------


@both_loops
@both_uwsgis
@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_an_instance_appears_with_its_capacity(
    tmp_path: Path, mailbox: SocketMailbox, where: str, binary: Binary, kind: Any, loop: str
) -> None:
    async def main() -> None:
        async with fronting(mailbox) as front:
            await front.happened("proved")
            (backend,) = front.backends("A.com:80")
            assert backend.name == server.address
            assert (backend.weight, backend.max_conns, backend.learned_conns) == (1, 0, 6)
            assert parse_reply(uwsgi_request(backend.name)).body == b"hi"
            assert front.count("not_proved") == 0

    options = {"binary": binary, "socket": kind, "processes": 2, "threads": 3}
    with instance(tmp_path, "--subscribe-to", f"{where}:a.com", **options) as server:
        run(loop, main())


@both_uwsgis
def test_a_weight(tmp_path: Path, mailbox: SocketMailbox, where: str, binary: Binary) -> None:
    async def main() -> None:
        async with fronting(mailbox) as front:
            await front.happened("proved")
            assert front.backends()[0].weight == 5

    option = f"server={where},key=a.com,weight=5"
    with instance(tmp_path, "--subscribe2", option, binary=binary):
        on_loop(main())


def test_one_instance_for_several_hosts(tmp_path: Path, mailbox: SocketMailbox, where: str) -> None:
    (tmp_path / "keys").write_text("a.com\n# not this one\nB.com:8000\nc.com,5\n.d.com\n")

    async def main() -> None:
        async with fronting(mailbox) as front:
            await front.happened("proved", 3)
            assert front.count("modifier") >= 1
            for host in ("a.com", "b.com:8000", "www.d.com"):
                assert front.serving(host) == [server.address]
            assert front.directory.lookup("c.com") is None

    with instance(tmp_path, "--subscribe-to", f"{where}:@{tmp_path / 'keys'}") as server:
        on_loop(main())


@both_uwsgis
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_instance_is_drained(
    tmp_path: Path, mailbox: SocketMailbox, where: str, binary: Binary, number: int
) -> None:
    async def main() -> None:
        async with fronting(mailbox) as front:
            await front.happened("proved")
            (backend,) = front.backends()
            backend.in_flight = 1
            server.process.send_signal(number)
            await front.happened("unsubscribed")
            assert backend.leaving
            assert front.serving() == []
            assert front.backends() == (backend,)

    with instance(tmp_path, "--subscribe-to", f"{where}:a.com", binary=binary) as server:
        on_loop(main())
        server.process.wait(DEADLINE_S)


def test_an_instance_that_is_started_again_comes_back(
    tmp_path: Path, mailbox: SocketMailbox, where: str, short: Path
) -> None:
    async def main() -> None:
        async with fronting(mailbox) as front:
            for times in (1, 2):
                with instance(tmp_path, "--subscribe-to", f"/same={where}:a.com"):
                    await front.happened("not_proved", times)
                assert front.directory.lookup("a.com") is None
            options = ("--socket", f"{short}/same", "--subscribe-to", f"{short}/same={where}:a.com")
            for times in (1, 2):
                with instance(tmp_path, *options) as server:
                    await front.happened("proved", times)
                    assert front.serving() == [f"unix:{short}/same"]
                    server.process.send_signal(signal.SIGINT)
                    await front.happened("unsubscribed", times)

    on_loop(main())


def test_a_graceful_reload_is_no_goodbye(
    tmp_path: Path, mailbox: SocketMailbox, where: str
) -> None:
    async def main() -> None:
        async with fronting(mailbox) as front:
            await front.happened("proved")
            announced = front.count("refreshed")
            server.process.send_signal(signal.SIGHUP)
            again = announced + 2
            await asyncio.to_thread(wait_until, lambda: front.count("refreshed") >= again, "again")
            assert front.count("unsubscribed") == 0
            assert front.serving() == [server.address]

    with instance(tmp_path, "--subscribe-to", f"{where}:a.com") as server:
        on_loop(main())


def test_an_instance_that_dies_expires(tmp_path: Path, mailbox: SocketMailbox, where: str) -> None:
    async def main() -> None:
        async with fronting(mailbox) as front:
            await front.happened("proved")
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait(DEADLINE_S)
            front.receiver._read(1000)  # what it has announced before
            registry = front.receiver.registry
            (node,) = registry.nodes
            assert registry.sweep(node.seen_at + 16.9) == []
            assert front.serving() == [server.address]
            front.ahead_s = 18.0
            await front.happened("expired")
            assert front.serving() == []
            assert front.count("unsubscribed") == 0

    with instance(tmp_path, "--subscribe-to", f"{where}:a.com") as server:
        on_loop(main())


def test_an_instance_that_nobody_can_reach_is_never_used(
    tmp_path: Path, mailbox: SocketMailbox, where: str
) -> None:
    async def main() -> None:
        async with fronting(mailbox) as front:
            await front.happened("not_proved", 2)
            assert front.directory.lookup("a.com") is None
            assert front.count("proved") == 0

    with socket.socket() as deaf:  # bound, so nobody else gets the port, but not listening
        deaf.bind(("127.0.0.1", 0))
        address = "{}:{}".format(*deaf.getsockname())
        with instance(tmp_path, "--subscribe-to", f"{address}={where}:a.com"):
            on_loop(main())


@pytest.mark.parametrize("address", ["app2.sock", "169.254.169.254:80", "example.com:80", ":0"])
def test_addresses_that_are_refused(
    tmp_path: Path, mailbox: SocketMailbox, where: str, address: str
) -> None:
    async def main() -> None:
        async with fronting(mailbox) as front:
            await front.happened("address")
            assert front.receiver.registry.nodes == ()

    with instance(tmp_path, "--subscribe-to", f"{address}={where}:a.com"):
        on_loop(main())


def test_with_a_real_pool(tmp_path: Path, mailbox: SocketMailbox, where: str) -> None:
    """From the first announcement to the last lease."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        timing = Timing(time.monotonic, loop.call_soon, loop.call_later, Random(1))

        def make_pool(key: str) -> Pool:
            return Pool(UpstreamSettings(name=key), timing)

        async with fronting(mailbox, make_pool) as front:
            await front.happened("proved")
            pool = front.directory.lookup("a.com")
            assert isinstance(pool, Pool)
            leases = [pool.pick(Wanted()) for _ in range(3)]
            assert leases[2] is None  # processes x threads is 2
            first, second = leases[:2]
            assert first is not None
            assert second is not None
            assert first.backend.name == server.address
            server.process.send_signal(signal.SIGINT)
            await front.happened("unsubscribed")
            first.release(Outcome.GOOD)
            assert pool.pick(Wanted()) is None
            assert list(pool.backends) == [second.backend]
            second.release(Outcome.GOOD)
            assert list(pool.backends) == []

    options = ("--subscribe-to", f"{where}:a.com")
    with instance(tmp_path, *options, processes=1, threads=2) as server:
        on_loop(main())


# -- unix sockets, acknowledgements -------------------------------------------------------------


@both_uwsgis
def test_over_a_unix_socket(tmp_path: Path, short: Path, binary: Binary) -> None:
    path = str(short / "subscribe")

    async def main() -> None:
        async with fronting(unix) as front:
            await front.happened("proved")
            assert front.serving() == [server.address]
            assert front.receiver.registry.nodes[0].sender.uid == os.getuid()
            server.process.send_signal(signal.SIGINT)
            await front.happened("unsubscribed")

    with (
        contextlib.closing(SocketMailbox(Address(path=path))) as unix,
        instance(tmp_path, "--subscribe-to", f"{path}:a.com", binary=binary) as server,
    ):
        on_loop(main())


@both_uwsgis
def test_an_acknowledgement(
    tmp_path: Path, mailbox: SocketMailbox, where: str, short: Path, binary: Binary
) -> None:
    async def main() -> None:
        async with fronting(mailbox) as front:
            await front.happened("new")

    options = ("--subscribe-to", f"{where}:a.com", "--subscription-notify-socket", f"{short}/n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(f"{short}/n")
        told.settimeout(DEADLINE_S)
        with instance(tmp_path, *options, binary=binary) as server:
            on_loop(main())
            address = server.address.removeprefix("unix:").encode()
            assert told.recv(1000) == b"[subscription ack] a.com => new node: " + address


# -- signed -------------------------------------------------------------------------------------


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A directory with the public key for `a.com`; the private one is beside it."""
    (tmp_path / "private.pem").write_bytes(private_pem())
    return key_directory(tmp_path / "keys", "a.com")


@debian
def test_signed_announcements(
    tmp_path: Path, mailbox: SocketMailbox, where: str, keys: Path
) -> None:
    async def main() -> None:
        async with fronting(mailbox, subscribe_keys_dir=str(keys)) as front:
            await front.happened("proved")
            assert front.serving() == [server.address]
            server.process.send_signal(signal.SIGINT)
            await front.happened("doubted")
            assert front.serving() == []
            server.process.wait(DEADLINE_S)
            front.ahead_s += DOUBT_S
            await front.happened("unsubscribed")
            assert front.backends() == ()

    option = f"{where}:a.com,0,SHA256:{tmp_path}/private.pem"
    with instance(tmp_path, "--subscribe-to", option, binary="debian") as server:
        on_loop(main())


@debian
@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("digest", "key", "reason"),
    [
        ("SHA512", "A.COM:80", "proved"),
        ("SHA1", "a.com", "digest"),
        ("SHA256", "b.com", "no_key"),
        ("SHA256", "c.com", "signature"),
        (None, "a.com", "unsigned"),
    ],
)
def test_which_signatures_count(
    tmp_path: Path,
    mailbox: SocketMailbox,
    where: str,
    digest: str | None,
    key: str,
    reason: str,
) -> None:
    keys = key_directory(tmp_path / "keys", "c.com", owner="theirs")

    async def main() -> None:
        async with fronting(mailbox, subscribe_keys_dir=str(keys)) as front:
            await front.happened(reason)
            assert bool(front.receiver.registry.nodes) == (reason == "proved")

    option = f"{where}:{key}" + (f",0,{digest}:{tmp_path}/private.pem" if digest else "")
    with instance(tmp_path, "--subscribe-to", option, binary="debian"):
        on_loop(main())


@debian
def test_sha1_where_it_is_asked_for(
    tmp_path: Path, mailbox: SocketMailbox, where: str, keys: Path
) -> None:
    key_directory(keys, "b.com.sha1")

    async def main() -> None:
        async with fronting(mailbox, subscribe_keys_dir=str(keys)) as front:
            await front.happened("proved")

    option = f"{where}:b.com,0,{hashes.SHA1().name}:{tmp_path}/private.pem"
    with instance(tmp_path, "--subscribe-to", option, binary="debian"):
        on_loop(main())


@debian
def test_an_announcement_that_is_turned_around(
    tmp_path: Path, mailbox: SocketMailbox, keys: Path
) -> None:
    """Somebody in the middle hears all, and sends it again as an unsubscription."""

    async def main(middle: socket.socket) -> None:
        async with fronting(mailbox, subscribe_keys_dir=str(keys)) as front:
            loop = asyncio.get_running_loop()

            async def overhear() -> bytes:
                datagram: bytes = await loop.sock_recv(middle, 5000)
                assert decode(datagram).sign
                return datagram

            def send(datagram: bytes, command: int = 0) -> None:
                to = (mailbox.address.host, mailbox.address.port)
                middle.sendto(datagram[:3] + bytes([command]) + datagram[4:], to)

            first = await overhear()
            send(first)
            await front.happened("proved")
            send(first, command=1)
            await front.happened("replay")
            assert front.serving() == [server.address]
            send(await overhear(), command=1)  # one that nobody else has got
            await front.happened("doubted")
            front.ahead_s += DOUBT_S
            await front.happened("returned")
            assert front.serving() == [server.address]

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as middle:
        middle.bind(("127.0.0.1", 0))
        middle.setblocking(False)
        heard = "{}:{}".format(*middle.getsockname())
        option = f"{heard}:a.com,0,SHA256:{tmp_path}/private.pem"
        with instance(tmp_path, "--subscribe-to", option, binary="debian") as server:
            on_loop(main(middle))
