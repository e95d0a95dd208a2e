"""What listeners share: they tick together, and answer with the time of day."""

import asyncio
import errno
import socket

import pytest

from proxy import reception
from proxy.downstream import Downstream, page_for
from proxy.exits import StartError
from proxy.reception import Reception, open_listener, open_public
from proxy.record import Record
from proxy.settings import Address, ServerSettings, Settings
from tests.loops import Happened, both_loops, run
from tests.wire import GET

LOCAL = Address(host="127.0.0.1", port=0)


async def refuse(client: Downstream) -> None:
    client.send_page(page_for(404))


@both_loops
def test_listeners_of_one_reception(loop: str) -> None:
    """Each has its own requests and records; time, limits and the end of connections are shared."""

    async def main() -> None:
        ended, ticked = Happened(), Happened()
        settings = Settings()
        reception = Reception(settings, settings.packet, asyncio.get_running_loop(), ended, ticked)
        reception.start()
        await ticked.wait()
        records: list[list[Record]] = [[], []]
        for mine in records:
            listener = await reception.listen(open_listener(LOCAL, 5), refuse, mine.append)
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.address.port)
            writer.write(GET)
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"\r\nDate: " in head
            writer.close()
            await ended.wait()
            listener.stop()
            assert [record.status for record in mine] == [404]
        await ticked.wait()
        reception.stop()
        reception.stop()

    run(loop, main())


@both_loops
def test_time_goes_on_after_a_bug(loop: str) -> None:
    """Else no deadline would ever end again."""

    async def main() -> None:
        ticked, told = Happened(), Happened()

        def fail_once() -> None:
            ticked()
            if not told.calls:
                raise RuntimeError

        here = asyncio.get_running_loop()
        here.set_exception_handler(lambda loop, context: told())
        settings = Settings()
        reception = Reception(settings, settings.packet, here, Happened(), fail_once)
        here.call_soon(reception.start)
        await told.wait()
        await ticked.wait()
        await ticked.wait()
        reception.stop()

    run(loop, main())


def test_buffers_of_the_kernel_are_those_asked_for() -> None:
    """A connection inherits them from its listener; the kernel doubles them (socket(7))."""
    asked = ServerSettings(send_buffer_bytes=20_000, receive_buffer_bytes=30_000)
    found = []
    for server in (ServerSettings(), asked):
        with (
            open_public(LOCAL, server) as listener,
            socket.create_connection(listener.getsockname()),
            listener.accept()[0] as sock,
        ):
            names = (socket.SO_SNDBUF, socket.SO_RCVBUF)
            found.append([sock.getsockopt(socket.SOL_SOCKET, name) for name in names])
    assert found[1] == [40_000, 60_000]
    assert found[0] != found[1]


def test_an_address_that_cannot_be_had_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = Address(host="127.0.0.1", port=other.getsockname()[1])
        with pytest.raises(StartError, match=f"cannot listen on {taken}: Address already in use; "):
            open_listener(taken, 5)
    with pytest.raises(StartError, match="; no interface of this machine has this address"):
        open_listener(Address(host="192.0.2.1", port=8080), 5)


def test_an_address_that_is_not_for_everybody_says_what_would_help(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Root may do everything, so the kernel's refusal is made up."""

    def forbid(*_: object, **__: object) -> socket.socket:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(reception, "bind", forbid)
    with pytest.raises(StartError, match=r"Permission denied; .* CAP_NET_BIND_SERVICE"):
        open_listener(Address(host="127.0.0.1", port=80), 5)
    with pytest.raises(StartError, match="Permission denied; its directory"):
        open_listener(Address(path="/run/s"), 5)
