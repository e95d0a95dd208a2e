"""A front end inside an event loop: start, serve, drain, and leave nothing behind."""

import asyncio
import contextlib
import logging
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from proxy import errors
from proxy.exits import StartError
from proxy.listener import bind
from proxy.record import Record
from proxy.server import Server
from proxy.settings import (
    Address,
    BackendSettings,
    LogSettings,
    ServerSettings,
    Settings,
    UpstreamSettings,
)
from proxy.testing import READ, FakeBackend, Pause, Send, missing, respond
from tests.loops import FACTORIES, both_loops, run
from tests.wire import AT_ONCE, GET, OK, Response, read_responses, request

LOCAL = Address(host="127.0.0.1", port=0)


@pytest.fixture(scope="module")
def both_loops_have_run() -> None:
    """Have libuv make the pipe that it keeps for as long as the process lives."""
    for loop in FACTORIES:
        run(loop, asyncio.sleep(0))


@pytest.fixture(autouse=True)
def nothing_is_left(both_loops_have_run: None) -> Iterator[None]:
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.fixture
def directory() -> Iterator[Path]:
    """One whose name leaves room for a socket's."""
    with tempfile.TemporaryDirectory(prefix="uf-") as name:
        yield Path(name)


def make_settings(*backends: Address, log: str = "", **server: object) -> Settings:
    serving = ServerSettings(listen=(LOCAL,), admin=LOCAL)
    return Settings(
        server=replace(serving, **server),  # type: ignore[arg-type]
        upstream=UpstreamSettings(backends=tuple(map(BackendSettings, backends)), retry=AT_ONCE),
        log=LogSettings(access_log=log),
    )


@contextlib.asynccontextmanager
async def serving(settings: Settings, *sinks: object) -> AsyncIterator[Server]:
    server = Server(settings, sinks)  # type: ignore[arg-type]
    await server.start()
    try:
        yield server
    finally:
        await server.stop(0)


class Client:
    """A connection to a listener."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def to(cls, address: Address) -> "Client":
        return cls(*await asyncio.open_connection(address.host, address.port))

    async def ask(self, data: bytes = GET) -> bytes:
        """Send a request with `Connection: close` and return all that comes."""
        self.writer.write(data)
        return await self.end()

    async def end(self) -> bytes:
        """Return what comes until the end, and close."""
        try:
            return await self.reader.read()
        finally:
            await self.close()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


CLOSING = request(b"GET / HTTP/1.1", b"Connection: close")


async def get(server: Server) -> bytes:
    client = await Client.to(server.listeners[0].address)
    return await client.ask(CLOSING)


async def ask_admin(server: Server, path: bytes) -> Response:
    assert server.admin is not None
    return await ask_at(server.admin.address, path)


async def ask_at(address: Address, path: bytes) -> Response:
    client = await Client.to(address)
    line = b"GET %s HTTP/1.1" % path
    got = await client.ask(request(line, b"Host: localhost", b"Connection: close", host=False))
    (response,) = read_responses(got, ended=True)
    return response


async def metrics(server: Server) -> str:
    return (await ask_admin(server, b"/metrics")).body.decode()


@both_loops
@pytest.mark.parametrize("parser", ["httptools", "h11"])
def test_it_serves_and_counts(loop: str, parser: str) -> None:
    records: list[Record] = []

    async def main() -> None:
        with FakeBackend(respond(body=b"hello")) as backend:
            settings = make_settings(backend.address, http_parser=parser)
            async with serving(settings, records.append) as server:
                for _ in range(3):
                    assert (await get(server)).endswith(b"\r\n\r\nhello")
                text = await metrics(server)
        assert 'uwsgi_frontend_http_requests_total{code="200",method="GET"} 3.0' in text
        assert "uwsgi_frontend_http_requests_in_flight 0.0" in text

    run(loop, main())
    assert [record.status for record in records] == [200, 200, 200]


@both_loops
def test_responses_carry_the_date(loop: str) -> None:
    async def main() -> None:
        with FakeBackend(respond()) as backend:
            async with serving(make_settings(backend.address)) as server:
                (response,) = read_responses(await get(server), ended=True)
        assert response.headers["server"] == "uwsgi-frontend"
        assert response.headers["date"].endswith(" GMT")

    run(loop, main())


@both_loops
def test_stop_lets_a_running_exchange_finish(loop: str) -> None:
    async def main() -> None:
        go = Event()
        with FakeBackend((*READ, Pause(go), Send(OK))) as backend:
            async with serving(make_settings(backend.address)) as server:
                client = await Client.to(server.listeners[0].address)
                idle = await Client.to(server.listeners[0].address)
                client.writer.write(GET)
                await asyncio.to_thread(backend.wait_for, 1)
                assert (server.in_flight, server.open_connections) == (1, 2)
                stopping = asyncio.get_running_loop().create_task(server.stop(20.0))
                assert await idle.end() == b""
                assert not stopping.done()
                go.set()
                assert (await client.end()).endswith(b"ok")
                assert await stopping == 0
                assert (server.in_flight, server.open_connections) == (0, 0)

    run(loop, main())


@both_loops
def test_stop_cuts_what_does_not_finish_in_time(loop: str) -> None:
    records: list[Record] = []

    async def main() -> None:
        go = Event()
        with FakeBackend((*READ, Pause(go))) as backend:
            async with serving(make_settings(backend.address), records.append) as server:
                clients = [await Client.to(server.listeners[0].address) for _ in range(3)]
                for client in clients:
                    client.writer.write(GET)
                await asyncio.to_thread(backend.wait_for, 3)
                assert await server.stop(0.0) == 3
                for client in clients:
                    with pytest.raises(ConnectionResetError):
                        await client.end()
                assert server.open_connections == 0

    run(loop, main())
    assert [record.reason for record in records] == [errors.SHUTDOWN_CUT] * 3


@both_loops
def test_the_drain_delay_serves_on_though_not_ready(loop: str) -> None:
    async def main() -> None:
        with FakeBackend(respond(body=b"hello")) as backend:
            settings = make_settings(backend.address, drain_delay_s=3600.0)
            async with serving(settings) as server:
                idle = await Client.to(server.listeners[0].address)
                draining = asyncio.get_running_loop().create_task(server.drain())
                await asyncio.sleep(0)
                assert server.draining
                for client in (idle, await Client.to(server.listeners[0].address)):
                    assert b"Connection: close" in await client.ask(GET)
                assert not draining.done()
                draining.cancel()

    run(loop, main())


@both_loops
def test_a_drain_stops_after_its_delay(loop: str) -> None:
    async def main() -> None:
        async with serving(make_settings(drain_delay_s=0.05)) as server:
            address = server.listeners[0].address
            now = asyncio.get_running_loop().time
            before = now()
            assert await server.drain() == 0
            assert now() - before >= 0.04  # the clock of uvloop counts in milliseconds
            with pytest.raises(ConnectionRefusedError):
                await Client.to(address)

    run(loop, main())


@both_loops
def test_stop_without_clients_is_over_at_once(loop: str) -> None:
    async def main() -> None:
        async with serving(make_settings()) as server:
            before = asyncio.get_running_loop().time()
            assert await server.stop(20.0) == 0
            assert asyncio.get_running_loop().time() - before < 10

    run(loop, main())


@both_loops
def test_a_second_stop_does_nothing(loop: str) -> None:
    async def main() -> None:
        async with serving(make_settings()) as server:
            assert await server.stop(20.0) == 0
            assert await server.stop(20.0) == 0

    run(loop, main())


@both_loops
def test_what_cannot_start_leaves_nothing_behind(loop: str, directory: Path) -> None:
    file = str(directory / "s")

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            taken = Address(host="127.0.0.1", port=other.getsockname()[1])
            for settings in (
                make_settings(listen=(LOCAL, Address(path=file), taken)),
                make_settings(admin=taken),
            ):
                with pytest.raises(StartError, match=f"cannot listen on {taken}: Address already"):
                    await Server(settings).start()

    run(loop, main())
    assert os.listdir(directory) == []


@both_loops
def test_a_backend_of_an_unknown_name(loop: str) -> None:
    async def main() -> None:
        settings = make_settings(Address(host="no-such-host.invalid", port=1))
        with pytest.raises(
            StartError, match=r"host not found in --upstream no-such-host\.invalid:1"
        ):
            await Server(settings).start()

    run(loop, main())


def test_an_access_log_that_cannot_be_written(directory: Path) -> None:
    async def main() -> None:
        settings = make_settings(log=str(directory / "missing" / "log"))
        with pytest.raises(StartError, match=r"cannot write --access-log .*: No such file"):
            await Server(settings).start()

    run("asyncio", main())


@both_loops
def test_the_access_log_is_a_file_that_is_complete_at_the_end(loop: str, directory: Path) -> None:
    log = directory / "log"
    log.write_text("earlier\n")

    async def main() -> None:
        with FakeBackend(respond(body=b"ok")) as backend:
            async with serving(make_settings(backend.address, log=str(log))) as server:
                for _ in range(5):
                    await get(server)

    run(loop, main())
    first, *lines = log.read_text().splitlines()
    assert first == "earlier"
    assert len(lines) == 5
    assert all('"GET / HTTP/1.1" 200 2 ' in line for line in lines)


def test_the_access_log_may_be_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    async def main() -> None:
        with FakeBackend(respond(body=b"ok")) as backend:
            async with serving(make_settings(backend.address, log="-")) as server:
                await get(server)

    run("asyncio", main())
    assert not sys.stdout.closed
    assert capfdbinary.readouterr().out.count(b'"GET / HTTP/1.1" 200 2 ') == 1


def test_a_missing_socket_is_a_warning_and_used_as_soon_as_it_is_there(
    caplog: pytest.LogCaptureFixture, directory: Path
) -> None:
    path = directory / "s"

    async def main() -> None:
        async with serving(make_settings(Address(path=str(path)))) as server:
            assert (await get(server)).startswith(b"HTTP/1.1 502 ")
            with FakeBackend(respond(body=b"ok"), path=path):
                assert (await get(server)).endswith(b"ok")

    run("asyncio", main())
    warning = f"unix:{path} is not there yet; it is used as soon as it is"
    assert warning in [entry.getMessage() for entry in caplog.records]


def test_failures_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        with missing() as address:
            async with serving(make_settings(address)) as server:
                caplog.clear()
                await get(server)

    with caplog.at_level(logging.INFO):
        run("asyncio", main())
    lines = [entry.getMessage() for entry in caplog.records if entry.name == "proxy.exchange"]
    assert len(lines) == 1
    assert lines[0].startswith('socket_missing 502 "GET / HTTP/1.1" from 127.0.0.1: ')


def test_a_sink_that_fails_takes_nothing_along(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the client's connection nor the word to the other sinks."""

    def fail(record: Record) -> None:
        raise LookupError("in a sink")

    async def main() -> None:
        with FakeBackend(respond(body=b"hello")) as backend:
            async with serving(make_settings(backend.address), fail) as server:
                client = await Client.to(server.listeners[0].address)
                client.writer.write(GET * 2)
                for _ in range(2):
                    assert (await client.reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200 OK")
                await client.close()
                text = await metrics(server)
        assert 'uwsgi_frontend_http_requests_total{code="200",method="GET"} 2.0' in text

    run("asyncio", main())
    lines = [entry.getMessage() for entry in caplog.records if entry.name == "proxy"]
    assert [line[:35] for line in lines] == ["internal_error: a sink has failed: "] * 2


@both_loops
def test_two_servers_in_one_loop(loop: str) -> None:
    async def main() -> None:
        with FakeBackend(respond(body=b"a")) as a, FakeBackend(respond(body=b"b")) as b:
            async with (
                serving(make_settings(a.address)) as first,
                serving(make_settings(b.address)) as second,
            ):
                assert (await get(first)).endswith(b"\r\n\r\na")
                assert (await get(second)).endswith(b"\r\n\r\nb")

    run(loop, main())


@both_loops
def test_a_slow_client_is_noticed_by_the_ticks(loop: str) -> None:
    async def main() -> None:
        settings = make_settings()
        quick = replace(settings, client=replace(settings.client, header_timeout_s=0.05))
        async with serving(quick) as server:
            client = await Client.to(server.listeners[0].address)
            assert await client.end() == b""

    run(loop, main())


# -- the admin listener ---------------------------------------------------------------------------


@both_loops
def test_readiness_follows_a_backend_that_comes(loop: str, directory: Path) -> None:
    """Nobody has to send a request first."""

    async def main() -> None:
        address = Address(path=str(directory / "s"))
        async with serving(make_settings(address)) as server:
            before = await ask_admin(server, b"/readyz")
            assert (before.status, b"1 socket_missing" in before.body) == (503, True)
            with bind(address, 5):
                while (await ask_admin(server, b"/readyz")).status != 200:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            assert (await ask_admin(server, b"/livez")).body == b"ok\n"
            assert (await ask_admin(server, b"/")).headers["content-type"].startswith("text/html")

    run(loop, main())


@both_loops
def test_the_admin_listener_outlives_the_drain(loop: str) -> None:
    async def main() -> None:
        answer = Event()
        with FakeBackend((*READ, Pause(answer), Send(OK))) as backend:
            async with serving(make_settings(backend.address)) as server:
                request_runs = asyncio.create_task(get(server))
                await asyncio.to_thread(backend.wait_for, 1)
                stopping = asyncio.create_task(server.stop(10))
                await asyncio.sleep(0)
                response = await ask_admin(server, b"/readyz")
                assert response.status == 503
                assert b"[-]draining failed" in response.body
                shown = (await ask_admin(server, b"/api/workers")).body
                assert b'"draining": true' in shown
                assert b'"requests_in_flight": 1' in shown
                answer.set()
                assert (await request_runs).endswith(b"ok")
                assert await stopping == 0

    run(loop, main())


def test_health_on_the_public_listeners_only_if_asked_for() -> None:
    async def main() -> None:
        with FakeBackend(respond(body=b"application")) as backend:
            for exposed, body in ((False, b"application"), (True, b"ok\n")):
                settings = make_settings(backend.address, expose_health=exposed, admin=None)
                async with serving(settings) as server:
                    public = server.listeners[0].address
                    assert (await ask_at(public, b"/readyz")).body == body
                    assert (await ask_at(public, b"/api")).body == b"application"

    run("asyncio", main())


def test_a_unix_socket_may_change_things(directory: Path) -> None:
    async def main() -> None:
        with FakeBackend(respond(body=b"hello")) as backend:
            admin = Address(path=str(directory / "admin"))
            async with serving(make_settings(backend.address, admin=admin)) as server:
                assert os.stat(admin.path).st_mode & 0o007 == 0
                client = Client(*await asyncio.open_unix_connection(admin.path))
                where = b"PATCH /api/upstreams/default/backends/%s" % str(backend.address).encode()
                head = (b"Content-Type: application/json", b"Connection: close")
                got = await client.ask(request(where + b" HTTP/1.1", *head, body=b'{"drain":true}'))
                (response,) = read_responses(got, ["PATCH"], ended=True)
                assert response.status == 200, response.body
                assert server.upstreams is not None
                assert server.upstreams.backends[0].draining

    run("uvloop", main())
