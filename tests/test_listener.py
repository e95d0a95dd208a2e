"""Listening sockets and the connections that come in by them, on both event loops."""

import asyncio
import contextlib
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.headers import HeaderDigest
from protocol.http1.libraries import choose_engine
from protocol.http1.reader import RequestReader
from protocol.http1.writer import HeadWriter
from protocol.messages import ConnectionFacts
from proxy.clock import Deadlines
from proxy.connection import Phase, Serve, Terms
from proxy.descriptors import Allowance, DescriptorWatch
from proxy.downstream import Downstream, page_for
from proxy.listener import (
    MAX_AT_ONCE,
    Listener,
    SharedSocket,
    accept_at_once,
    bind,
    bound_address,
    find_facts,
)
from proxy.record import Record
from proxy.settings import Address, ClientSettings, PacketSettings, TlsSettings
from proxy.tls.certificates import Certificates
from proxy.tls.handshakes import Handshakes
from tests.loops import FACTORIES, Happened, both_loops, run
from tests.tls.authority import Authority
from tests.wire import GET

LOCAL = Address(host="127.0.0.1", port=0)


@pytest.fixture
def directory() -> Iterator[Path]:
    """One whose name leaves room for a socket's."""
    with tempfile.TemporaryDirectory(prefix="uf-") as name:
        yield Path(name)


# -- bind -----------------------------------------------------------------------------------------


def test_a_port_of_the_kernel_s_choice() -> None:
    with bind(LOCAL, 5) as sock:
        address = bound_address(sock)
        assert (address.host, address.port > 0) == ("127.0.0.1", True)
        socket.create_connection((address.host, address.port)).close()


def test_a_port_that_was_in_use_a_moment_ago() -> None:
    with bind(LOCAL, 5) as sock:
        address = bound_address(sock)
        with socket.create_connection((address.host, address.port)):
            sock.accept()[0].close()
    bind(address, 5).close()


@pytest.mark.skipif(not os.path.exists("/proc/net/if_inet6"), reason="no IPv6 here")
def test_ipv6_is_only_ipv6() -> None:
    with bind(Address(host="::1", port=0), 5) as sock:
        address = bound_address(sock)
        assert address.host == "::1"
        with bind(Address(host="127.0.0.1", port=address.port), 5):
            pass


def test_an_address_in_use_is_not_taken_over(directory: Path) -> None:
    unix = Address(path=str(directory / "s"))
    for address in (LOCAL, unix):
        before = len(os.listdir("/proc/self/fd"))
        with bind(address, 5) as sock, pytest.raises(OSError, match="Address already in use"):
            bind(bound_address(sock), 5)
        assert len(os.listdir("/proc/self/fd")) == before


def test_a_file_that_a_dead_server_has_left_is_replaced(directory: Path) -> None:
    address = Address(path=str(directory / "s"))
    bind(address, 5).close()
    assert os.path.exists(address.path)
    with bind(address, 5) as sock:
        assert bound_address(sock) == address
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(address.path)


def test_a_file_of_another_kind_stays(directory: Path) -> None:
    (directory / "s").write_text("precious")
    with pytest.raises(OSError, match="Address already in use"):
        bind(Address(path=str(directory / "s")), 5)
    assert (directory / "s").read_text() == "precious"


def test_a_link_to_a_dead_socket_goes_not_the_socket_s_file(directory: Path) -> None:
    bind(Address(path=str(directory / "target")), 5).close()
    (directory / "link").symlink_to(directory / "target")
    with bind(Address(path=str(directory / "link")), 5):
        assert (directory / "target").exists()


def test_a_private_socket_is_nobody_else_s(directory: Path) -> None:
    before = os.umask(0)
    try:
        for private, mode in ((False, 0o777), (True, 0o770)):
            with bind(Address(path=str(directory / str(private))), 5, private=private) as sock:
                assert os.stat(bound_address(sock).path).st_mode & 0o777 == mode
    finally:
        os.umask(before)


def test_an_abstract_socket() -> None:
    address = Address(path=f"\0uwsgi-frontend-test-{os.getpid()}")
    with bind(address, 5) as sock:
        assert bound_address(sock) == address


# -- facts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peername", "sockname", "facts"),
    [
        (("192.0.2.1", 5), ("192.0.2.2", 80), ConnectionFacts(b"192.0.2.1", b"5", b"80")),
        (("::1", 5, 0, 0), ("::1", 80, 0, 0), ConnectionFacts(b"::1", b"5", b"80")),
        ("", "/run/s", ConnectionFacts(b"unix:", b"", b"")),
        (b"", "/run/s", ConnectionFacts(b"unix:", b"", b"")),
        (None, None, ConnectionFacts(b"unix:", b"", b"")),
    ],
)
def test_what_is_known_about_a_client(
    peername: object, sockname: object, facts: ConnectionFacts
) -> None:
    transport = asyncio.Transport({"peername": peername, "sockname": sockname})
    assert find_facts(transport) == facts


# -- Listener -------------------------------------------------------------------------------------


class House:
    """A listener and what it serves."""

    def __init__(
        self,
        place: Address | socket.socket,
        serve: Serve,
        handshakes: Handshakes | None = None,
    ) -> None:
        settings, packet = ClientSettings(), PacketSettings()
        digest = HeaderDigest(settings, packet)
        engine = choose_engine("auto")
        self.records: list[Record] = []
        self.ended = Happened()
        terms = Terms(
            settings,
            lambda: RequestReader(settings, digest, engine),
            HeadWriter("x"),
            serve,
            self.records.append,
        )
        sock = bind(place, 5) if isinstance(place, Address) else place
        now = time.monotonic
        self.listener = Listener(sock, terms, Deadlines(now()), now, self.ended, handshakes)

    async def start(self) -> None:
        await self.listener.start(asyncio.get_running_loop(), 5)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = self.listener.address
        if address.path:
            # by hand: uvloop does not find abstract sockets
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(address.path)
            return await asyncio.open_unix_connection(sock=sock)
        return await asyncio.open_connection(address.host, address.port)


async def refuse(client: Downstream) -> None:
    client.send_page(page_for(503))


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@both_loops
@pytest.mark.parametrize("kind", ["tcp", "unix", "abstract"])
def test_it_serves(loop: str, kind: str, directory: Path) -> None:
    address = {
        "tcp": LOCAL,
        "unix": Address(path=str(directory / "s")),
        "abstract": Address(path=f"\0uwsgi-frontend-test-{os.getpid()}"),
    }[kind]

    async def main() -> None:
        house = House(address, refuse)
        await house.start()
        reader, writer = await house.connect()
        writer.write(GET)
        assert (await reader.readline()) == b"HTTP/1.1 503 Service Temporarily Unavailable\r\n"
        assert len(house.listener.connections) == 1
        await hang_up(writer)
        await house.ended.wait()
        assert not house.listener.connections
        assert [record.status for record in house.records] == [503]
        expected = b"127.0.0.1" if kind == "tcp" else b"unix:"
        assert house.records[0].remote_addr == expected
        house.listener.stop()
        assert not (directory / "s").exists()

    run(loop, main())


def test_urls(directory: Path) -> None:
    async def main() -> None:
        tcp = House(LOCAL, refuse).listener
        unix = House(Address(path=str(directory / "s")), refuse).listener
        for listener in (tcp, unix):
            await listener.start(asyncio.get_running_loop(), 5)
        assert tcp.url == f"http://127.0.0.1:{tcp.address.port}"
        assert unix.url == f"unix:{directory}/s"
        for listener in (tcp, unix):
            listener.stop()

    run("asyncio", main())


@both_loops
def test_stop_refuses_new_clients_and_closes_idle_ones(loop: str) -> None:
    async def main() -> None:
        house = House(LOCAL, refuse)
        await house.start()
        reader, writer = await house.connect()
        writer.write(GET)
        await reader.readuntil(b"</html>\r\n")
        house.listener.stop()
        house.listener.stop()
        assert await reader.read() == b""
        await house.ended.wait()
        await hang_up(writer)
        with pytest.raises(ConnectionRefusedError):
            await house.connect()

    run(loop, main())


@both_loops
def test_to_part_is_to_accept_and_to_say_close(loop: str) -> None:
    async def main() -> None:
        house = House(LOCAL, refuse)
        await house.start()
        idle = await house.connect()
        idle[1].write(GET)
        assert b"keep-alive" in await idle[0].readuntil(b"</html>\r\n")
        house.listener.part()
        late = await house.connect()
        for reader, writer in (late, idle):
            writer.write(GET)
            assert b"Connection: close" in await reader.read()
            await hang_up(writer)
        house.listener.stop()

    run(loop, main())


@both_loops
def test_clients_in_a_handshake_count_and_end_with_it(loop: str, tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue()
    certificates = Certificates(TlsSettings((pair.certificate,), (pair.key,)))
    handshakes = Handshakes(certificates, 60.0, lambda failure: None)

    async def main() -> None:
        house = House(LOCAL, refuse, handshakes)
        house.listener.max_connections = 1
        await house.start()
        assert house.listener.url == f"https://127.0.0.1:{house.listener.address.port}"
        shaking, shaking_writer = await house.connect()
        while not house.listener.shaking:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert (house.listener.open, house.listener.connections) == (1, set())
        other, other_writer = await house.connect()
        with contextlib.suppress(ConnectionError):
            assert await other.read() == b""
        assert house.listener.turned_away == 1
        house.listener.stop()
        with contextlib.suppress(ConnectionError):
            assert await shaking.read() == b""
        await house.ended.wait()
        assert house.listener.open == 0
        for writer in (shaking_writer, other_writer):
            await hang_up(writer)

    run(loop, main())


@both_loops
def test_who_idles_gives_way_when_descriptors_are_scarce(loop: str) -> None:
    async def main() -> None:
        watch = DescriptorWatch()
        house = House(LOCAL, refuse)
        house.listener.watch = watch
        await house.start()
        idle, new = await house.connect(), await house.connect()
        idle[1].write(GET)
        await idle[0].readuntil(b"</html>\r\n")
        house.listener.allowance = Allowance(1)
        late = await house.connect()
        late[1].write(GET[:10])
        assert await idle[0].read() == b""
        refused = await house.connect()  # whoever has begun a request, or may, does not give way
        with contextlib.suppress(ConnectionError):
            assert await refused[0].read() == b""
        assert (watch.gave_way, watch.turned_away) == (1, 1)
        assert house.listener.turned_away == 1
        house.listener.allowance = None
        last = await house.connect()
        last[1].write(GET)
        assert await last[0].readuntil(b"</html>\r\n")
        house.listener.stop()
        house.listener.cut()
        for _, writer in (idle, new, late, refused, last):
            await hang_up(writer)

    run(loop, main())


@both_loops
def test_who_lingers_over_its_last_answer_gives_way(loop: str) -> None:
    async def main() -> None:
        house = House(LOCAL, refuse)
        house.listener.max_connections = 1
        await house.start()
        lingering = await house.connect()
        lingering[1].write(b"nonsense\r\n")
        await lingering[0].readuntil(b"</html>\r\n")
        assert [one.phase for one in house.listener.connections] == [Phase.CLOSING]
        late = await house.connect()
        late[1].write(GET)
        assert await late[0].readuntil(b"</html>\r\n")
        assert house.listener.turned_away == 0
        house.listener.stop()
        house.listener.cut()
        for _, writer in (lingering, late):
            await hang_up(writer)

    run(loop, main())


@both_loops
def test_who_has_no_request_gives_way_and_who_has_one_does_not(loop: str) -> None:
    async def main() -> None:
        async def hang_or_refuse(client: Downstream) -> None:
            while client.request.method == b"POST" and not client.vigil.client_gone:
                await client.vigil.wake
            await refuse(client)

        house = House(LOCAL, refuse)
        house.listener.terms.serve = hang_or_refuse
        house.listener.max_connections = 3
        await house.start()
        connections = house.listener.connections
        slow, new = await house.connect(), await house.connect()
        slow[1].write(GET[:10])
        idle = await house.connect()
        idle[1].write(GET)
        await idle[0].readuntil(b"</html>\r\n")
        busy = [await house.connect() for _ in range(3)]
        for reader, _ in (idle, slow, new):
            assert await reader.read() == b""  # in this order, one for each
        assert len(connections) == 3
        for _, end in busy:
            end.write(b"POST" + GET[3:])
        while [c.phase for c in connections] != [Phase.EXCHANGE] * 3:  # noqa: ASYNC110
            await asyncio.sleep(0)
        late = await house.connect()  # nobody gives way
        with contextlib.suppress(ConnectionError):
            assert await late[0].read() == b""
        assert house.listener.turned_away == 1
        house.listener.stop()
        assert house.listener.cut() == 3
        for _, writer in (slow, new, idle, late, *busy):
            await hang_up(writer)

    run(loop, main())


@both_loops
def test_cut_ends_who_is_busy_and_counts_them(loop: str) -> None:
    async def main() -> None:
        serving = Happened()

        async def hang(client: Downstream) -> None:
            serving()
            while not client.vigil.client_gone:
                await client.vigil.wake

        house = House(LOCAL, refuse)
        house.listener.terms.serve = hang
        await house.start()
        idle, busy = await house.connect(), await house.connect()
        busy[1].write(GET)
        await serving.wait()
        assert len(house.listener.connections) == 2
        house.listener.stop()
        assert house.listener.cut() == 1
        with pytest.raises(ConnectionResetError):
            await busy[0].read()
        assert await idle[0].read() == b""
        while house.listener.connections:
            await house.ended.wait()
        for _, writer in (busy, idle):
            await hang_up(writer)

    run(loop, main())


@both_loops
def test_a_socket_file_that_is_somebody_else_s_by_now_stays(loop: str, directory: Path) -> None:
    address = Address(path=str(directory / "s"))

    async def main() -> None:
        house = House(address, refuse)
        await house.start()
        os.unlink(address.path)
        with bind(address, 5):
            house.listener.stop()

    run(loop, main())
    assert (directory / "s").exists()


@both_loops
def test_a_bug_that_ends_a_connection_is_logged(
    loop: str, caplog: pytest.LogCaptureFixture
) -> None:
    def publish(record: Record) -> None:
        raise LookupError("a sink that breaks its promise")

    async def main() -> None:
        house = House(LOCAL, refuse)
        house.listener.terms.publish = publish
        await house.start()
        reader, writer = await house.connect()
        writer.write(GET)
        await reader.read()
        await house.ended.wait()
        assert not house.listener.connections
        await hang_up(writer)
        house.listener.stop()

    run(loop, main())
    (entry,) = caplog.records
    assert entry.getMessage() == "internal_error: a connection ended in a bug"
    assert entry.exc_info is not None
    assert isinstance(entry.exc_info[1], LookupError)


@both_loops
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_socket_of_several(loop: str, kind: str, directory: Path) -> None:
    """Who stops leaves the file and the others alone; each takes one connection at a time."""
    address = LOCAL if kind == "tcp" else Address(path=str(directory / "s"))

    async def main() -> None:
        with bind(address, 5) as sock:
            houses = [House(share(sock), refuse) for _ in range(2)]
            for house in houses:
                await house.start()
            houses[0].listener.stop()
            assert bound_address(sock) == houses[1].listener.address
            assert (directory / "s").exists() is (kind == "unix")
            for _ in range(3):
                reader, writer = await houses[1].connect()
                writer.write(GET)
                assert (await reader.readline()).startswith(b"HTTP/1.1 503 ")
                await hang_up(writer)
            houses[1].listener.stop()
            assert not houses[0].records

    run(loop, main())


def share(sock: socket.socket) -> SharedSocket:
    return SharedSocket(sock.family, sock.type, sock.proto, fileno=os.dup(sock.fileno()))


def test_how_many_are_accepted_in_one_go() -> None:
    with bind(LOCAL, 5) as sock, share(sock) as shared:
        for name, own, parted in (("asyncio", MAX_AT_ONCE, 1), ("uvloop", 7, 7)):
            loop = FACTORIES[name]()
            assert accept_at_once(sock, loop, 7) == own
            assert accept_at_once(shared, loop, 7) == parted
            loop.close()
