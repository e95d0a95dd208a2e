"""Real sockets to real backends: connect by hand, never wait, say why."""

import asyncio
import errno
import os
import resource
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from proxy import errors
from proxy.errors import BackendBusy, ProxyError
from proxy.settings import Address
from proxy.testing import (
    FakeBackend,
    Pause,
    ReadPacket,
    Script,
    Send,
    full_backlog,
    missing,
    refuse,
)
from proxy.testing.faults import Family
from proxy.testing.steps import HalfPacket, Reset, close_before_reply, respond
from proxy.upstream.channel import (
    RECEIVE_BYTES,
    SocketChannel,
    SocketNetwork,
    explain_connect_error,
)
from proxy.upstream.readiness import (
    EpollReadiness,
    LoopReadiness,
    Readiness,
    choose_readiness,
)
from tests.loops import TIMEOUT_S, Happened, both_loops, run

PACKET = b"\x00\x00\x00\x00"
Make = Callable[[asyncio.AbstractEventLoop], Readiness]
families = pytest.mark.parametrize("family", ["unix", "tcp"])


class Bench:
    """A network on the running loop."""

    def __init__(self, make: Make) -> None:
        self.readiness = make(asyncio.get_running_loop())
        self.network = SocketNetwork(self.readiness)
        self.woken = Happened()

    async def connect(self, address: Address) -> SocketChannel:
        channel = self.network.open(address, self.woken)
        try:
            while not channel.connected():
                channel.want(read=False, write=True)
                await self.woken.wait()
        except ProxyError:
            channel.close()
            raise
        return channel

    async def receive(self, channel: SocketChannel) -> bytes:
        """Return the next bytes, when there are some."""
        channel.want(read=True, write=False)
        while True:
            while not channel.readable:
                await self.woken.wait()
            data = channel.receive()
            if data is not None:
                return data


@contextmanager
def bench(make: Make = choose_readiness) -> Iterator[Bench]:
    made = Bench(make)
    try:
        yield made
    finally:
        made.readiness.close()


@contextmanager
def backend(script: Script, family: Family) -> Iterator[FakeBackend]:
    with FakeBackend(script, family) as fake:
        yield fake


@both_loops
@families
def test_a_conversation(loop: str, family: Family) -> None:
    async def main() -> bytes:
        with backend(respond(body=b"hello"), family) as fake, bench() as here:
            channel = await here.connect(fake.address)
            assert channel.send(PACKET) == 4
            got = b""
            while piece := await here.receive(channel):
                got += piece
            assert channel.readable  # an end stays an end
            assert channel.receive() == b""
            channel.close()
            channel.close()
            return got

    assert run(loop, main()).endswith(b"\r\n\r\nhello")


def test_a_unix_socket_is_connected_at_once() -> None:
    async def main() -> None:
        with backend(respond(), "unix") as fake, bench() as here:
            channel = here.network.open(fake.address, here.woken)
            assert channel.connected()
            channel.close()

    run("asyncio", main())


@both_loops
@families
def test_nothing_there_is_not_the_end(loop: str, family: Family) -> None:
    async def main() -> None:
        with backend((ReadPacket(),), family) as fake, bench() as here:
            channel = await here.connect(fake.address)
            assert channel.receive() is None
            assert not channel.readable
            channel.send(PACKET)
            assert await here.receive(channel) == b""
            channel.close()

    run(loop, main())


@both_loops
@families
def test_a_full_read_may_not_be_the_last(loop: str, family: Family) -> None:
    body = b"x" * (3 * RECEIVE_BYTES)

    async def main() -> None:
        with backend((ReadPacket(), Send(body)), family) as fake, bench() as here:
            channel = await here.connect(fake.address)
            channel.send(PACKET)
            got = 0
            while got < len(body):
                data = await here.receive(channel)
                got += len(data)
                assert channel.readable is (len(data) == RECEIVE_BYTES)
            channel.close()

    run(loop, main())


@both_loops
@families
def test_what_the_kernel_does_not_take_is_waited_for(loop: str, family: Family) -> None:
    async def main() -> None:
        go = threading.Event()
        script = (Pause(go), ReadPacket())
        with backend(script, family) as fake, bench() as here:
            channel = await here.connect(fake.address)
            chunk = memoryview(b"x" * 1_000_000)
            total = 0
            while sent := channel.send(chunk):
                total += sent
            assert total
            assert not channel.writable
            channel.want(read=False, write=True)
            go.set()  # it reads a packet of 0x7878 bytes, then closes
            while not channel.writable:
                await here.woken.wait()
            with pytest.raises(OSError, match=r"Broken pipe|reset"):
                await send_for_ever(here, channel, chunk)
            channel.close()

    async def send_for_ever(here: Bench, channel: SocketChannel, chunk: memoryview) -> None:
        while True:
            if not channel.send(chunk):
                await here.woken.wait()

    run(loop, main())


@both_loops
@families
def test_a_reset(loop: str, family: Family) -> None:
    async def main() -> None:
        with backend((HalfPacket(), Reset()), family) as fake, bench() as here:
            channel = await here.connect(fake.address)
            channel.send(b"\x00\x10\x00\x00" + b"x" * 16)
            fake.wait_for_ending(0)
            with pytest.raises(ConnectionResetError):
                await here.receive(channel)
            channel.close()

    run(loop, main())


@both_loops
@families
def test_a_closed_channel_wakes_nobody(loop: str, family: Family) -> None:
    async def main() -> None:
        with backend(close_before_reply(), family) as fake, bench() as here:
            first = await here.connect(fake.address)
            first.want(read=True, write=False)
            first.close()
            here.woken.calls.clear()
            second = await here.connect(fake.address)
            second.send(PACKET)
            before = len(here.woken.calls)
            assert await here.receive(second) == b""
            assert len(here.woken.calls) == before + 1
            second.close()

    run(loop, main())


# -- connections that fail ------------------------------------------------------------------------


async def why(address: Address) -> ProxyError:
    """Return why a connection fails."""
    with bench() as here:
        with pytest.raises(ProxyError) as caught:
            (await here.connect(address)).close()
        return caught.value


@both_loops
@families
def test_nobody_listens(loop: str, family: Family) -> None:
    with refuse(family) as address:
        error = run(loop, why(address))
    assert (error.reason, error.nothing_sent) == (errors.CONNECT_REFUSED, True)
    assert error.detail == f"{address}: Connection refused"


@both_loops
def test_there_is_no_socket(loop: str) -> None:
    with missing() as address:
        error = run(loop, why(address))
    assert (error.reason, error.nothing_sent) == (errors.SOCKET_MISSING, True)
    assert error.detail == f"{address}: No such file or directory"


@both_loops
def test_a_full_queue_of_a_unix_socket_is_no_failure(loop: str) -> None:
    async def main(address: Address) -> None:
        with bench() as here, pytest.raises(BackendBusy):
            here.network.open(address, here.woken)

    before = len(os.listdir("/proc/self/fd"))
    with full_backlog("unix") as address:
        run(loop, main(address))
    assert len(os.listdir("/proc/self/fd")) == before


@both_loops
def test_a_full_queue_of_a_tcp_socket_leaves_it_undecided(loop: str) -> None:
    async def main(address: Address) -> None:
        with bench() as here:
            channel = here.network.open(address, here.woken)
            assert not channel.connected()
            channel.want(read=False, write=True)
            channel.close()

    with full_backlog("tcp") as address:
        run(loop, main(address))


def test_a_path_that_is_too_long() -> None:
    error = run("asyncio", why(Address(path="/" + "x" * 200)))
    assert (error.reason, error.nothing_sent) == (errors.CONNECT_FAILED, True)
    assert "too long" in error.detail


def test_an_address_that_cannot_be_reached() -> None:
    error = run("asyncio", why(Address(host="255.255.255.255", port=1)))
    assert error.reason in (errors.CONNECT_FAILED, errors.PERMISSION_DENIED)


def test_no_descriptor_is_left(tmp_path: Path) -> None:
    async def main() -> ProxyError:
        with bench() as here:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            used = max(map(int, os.listdir("/proc/self/fd")))
            blockers = [os.open(os.devnull, os.O_RDONLY)]
            while blockers[-1] < used:
                blockers.append(os.open(os.devnull, os.O_RDONLY))
            resource.setrlimit(resource.RLIMIT_NOFILE, (used + 1, hard))
            try:
                with pytest.raises(ProxyError) as caught:
                    here.network.open(Address(path=str(tmp_path / "s")), here.woken)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                for fd in blockers:
                    os.close(fd)
            return caught.value

    error = run("asyncio", main())
    assert (error.reason, error.nothing_sent) == (errors.OUT_OF_DESCRIPTORS, True)
    assert "Too many open files" in error.detail


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.ENOENT, errors.SOCKET_MISSING),
        (errno.ENOTDIR, errors.SOCKET_MISSING),
        (errno.EACCES, errors.PERMISSION_DENIED),
        (errno.EPERM, errors.PERMISSION_DENIED),
        (errno.ECONNREFUSED, errors.CONNECT_REFUSED),
        (errno.ETIMEDOUT, errors.CONNECT_TIMEOUT),
        (errno.ENETUNREACH, errors.CONNECT_FAILED),
        (errno.EPROTOTYPE, errors.CONNECT_FAILED),
    ],
)
def test_each_error_has_its_reason(code: int, reason: errors.Reason) -> None:
    address = Address(path="/nowhere/s")
    error = explain_connect_error(OSError(code, os.strerror(code)), address)
    assert (error.reason, error.nothing_sent) == (reason, True)
    assert error.detail.startswith(f"unix:/nowhere/s: {os.strerror(code)}")


def test_a_refused_permission_says_who_we_are() -> None:
    error = explain_connect_error(PermissionError(errno.EACCES, "denied"), Address(path="/"))
    assert f"this process is uid {os.geteuid()} gid {os.getegid()}" in error.detail


@both_loops
def test_ipv6(loop: str) -> None:
    if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("no IPv6 here")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        address = Address(host="::1", port=listener.getsockname()[1])

        async def main() -> None:
            with bench() as here:
                (await here.connect(address)).close()

        run(loop, main())


# -- connections that are kept --------------------------------------------------------------------

KINDS: dict[str, Make] = {"epoll": EpollReadiness, "loop": LoopReadiness}
both_kinds = pytest.mark.parametrize("kind", KINDS)


@contextmanager
def end_of(family: Family) -> Iterator[tuple[Address, socket.socket]]:
    """Yield an address, and what listens there."""
    with ExitStack() as stack:
        if family == "tcp":
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            address = Address(host="127.0.0.1", port=listener.getsockname()[1])
        else:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="uf-"))
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            address = Address(path=f"{directory}/s")
            listener.bind(address.path)
            listener.listen()
        yield address, listener


@both_loops
@both_kinds
@families
def test_half_a_connection_is_enough_to_be_answered(loop: str, kind: str, family: Family) -> None:
    """The backend sees the end of what is sent, and can still reply and close."""

    async def main() -> None:
        with end_of(family) as (address, listener), bench(KINDS[kind]) as here:
            channel = await here.connect(address)
            theirs, _ = listener.accept()
            with theirs:
                theirs.settimeout(TIMEOUT_S)
                channel.send(PACKET)
                channel.half_close()
                channel.half_close()
                assert theirs.recv(100) == PACKET
                assert theirs.recv(100) == b""
                with pytest.raises(BrokenPipeError):
                    channel.send(PACKET)
                assert channel.receive() is None
                theirs.sendall(b"late")
                assert await here.receive(channel) == b"late"
            assert await here.receive(channel) == b""
            channel.close()

    run(loop, main())


@both_loops
@both_kinds
@families
def test_to_half_close_what_was_reset_does_no_harm(loop: str, kind: str, family: Family) -> None:
    async def main() -> None:
        with backend((HalfPacket(), Reset()), family) as fake, bench(KINDS[kind]) as here:
            channel = await here.connect(fake.address)
            channel.send(b"\x00\x10\x00\x00" + b"x" * 16)
            fake.wait_for_ending(0)
            channel.half_close()
            with pytest.raises(ConnectionResetError):
                await here.receive(channel)
            channel.half_close()
            channel.close()

    run(loop, main())


@both_loops
@both_kinds
@families
@pytest.mark.parametrize("news", [b"", b"stray"], ids=["end", "bytes"])
def test_one_that_rests_tells_what_comes(loop: str, kind: str, family: Family, news: bytes) -> None:
    async def main() -> None:
        go = threading.Event()
        script = (ReadPacket(), Send(b"first"), Pause(go), Send(news))
        with backend(script, family) as fake, bench(KINDS[kind]) as here:
            channel = await here.connect(fake.address)
            channel.send(PACKET)
            assert await here.receive(channel) == b"first"
            told = Happened()
            here.woken.calls.clear()
            channel.rest(told)
            go.set()
            await told.wait()
            assert channel.readable
            while (got := channel.receive()) is None:
                await told.wait()  # the event loop has told once more of what was read before
            assert got == news
            channel.close()
            assert not here.woken.calls, "who used it before hears nothing"

    run(loop, main())


@both_loops
@both_kinds
@families
def test_one_that_was_waited_for_to_write_rests_too(loop: str, kind: str, family: Family) -> None:
    async def main() -> None:
        go = threading.Event()
        with backend((Pause(go),), family) as fake, bench(KINDS[kind]) as here:
            channel = await here.connect(fake.address)
            told = Happened()
            channel.want(read=False, write=True)
            await here.woken.wait()
            channel.want(read=False, write=False)
            channel.rest(told)
            here.woken.calls.clear()
            go.set()
            await told.wait()
            assert channel.receive() == b""
            channel.close()
            assert not here.woken.calls

    run(loop, main())


@both_loops
@both_kinds
@families
def test_one_that_has_rested_serves_its_next_user(loop: str, kind: str, family: Family) -> None:
    script = (ReadPacket(), Send(b"first"), ReadPacket(), Send(b"second"))

    async def main() -> None:
        with backend(script, family) as fake, bench(KINDS[kind]) as here:
            channel = await here.connect(fake.address)
            channel.send(PACKET)
            assert await here.receive(channel) == b"first"
            first, told = here.woken, Happened()
            channel.rest(told)
            here.woken = Happened()
            first.calls.clear()
            channel.resume(here.woken)
            assert channel.send(PACKET) == 4
            assert await here.receive(channel) == b"second"
            assert await here.receive(channel) == b""
            channel.close()
            assert not first.calls
            assert not told.calls, "it was not at rest for long enough to hear anything"

    run(loop, main())


@both_loops
@both_kinds
def test_many_rest_and_each_tells_its_own(loop: str, kind: str) -> None:
    async def main() -> None:
        with (
            end_of("unix") as (address, listener),
            bench(KINDS[kind]) as here,
            ExitStack() as stack,
        ):
            channels, ends, told = [], [], []
            for _ in range(5):
                channels.append(await here.connect(address))
                ends.append(stack.enter_context(listener.accept()[0]))
                told.append(Happened())
                channels[-1].rest(told[-1])
            for number in (2, 0, 4):
                ends[number].close()
                await told[number].wait()
                assert channels[number].receive() == b""
                channels[number].close()
            assert [len(one.calls) > 0 for one in told] == [True, False, True, False, True]
            for number in (1, 3):
                assert channels[number].receive() is None
                channels[number].close()

    run(loop, main())
