"""A worker and what it says to its supervisor, in one process."""

import asyncio
import logging
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from proxy.fleet.channel import Channel, Message, connect
from proxy.fleet.worker import Orders, Worker, _sign_log, part_of
from proxy.listener import SharedSocket, bind
from proxy.server import Seat
from proxy.settings import (
    Address,
    BackendSettings,
    LogSettings,
    QueueSettings,
    RetrySettings,
    Settings,
    UpstreamSettings,
)
from proxy.share import Share
from proxy.telemetry.exposition import from_plain
from proxy.testing import FakeBackend, respond
from tests.loops import Happened, both_loops, run
from tests.wire import GET

SHARE = Share(1, 2)


class Supervisor:
    """The other end of a worker's channel."""

    def __init__(self, backend: Address) -> None:
        self.said = Happened()
        self.ended = Happened()
        self.channel: Channel
        self._ours, theirs = socket.socketpair()
        sock = bind(Address(host="127.0.0.1", port=0), 5)
        self.port = sock.getsockname()[1]
        shared = SharedSocket(sock.family, sock.type, sock.proto, fileno=sock.detach())
        upstream = UpstreamSettings(backends=(BackendSettings(backend),))
        settings = Settings(upstream=upstream, log=LogSettings(access_log=""))
        self.orders = Orders(settings, Seat((shared,), SHARE), theirs)

    async def start(self) -> "asyncio.Task[int]":
        """Begin to listen, and start the worker."""
        self.channel = await connect(self._ours, self.said, self.ended)
        return asyncio.get_running_loop().create_task(Worker(self.orders).run())

    async def hear(self, key: str) -> Any:
        """Wait for a message of one kind."""
        while not (found := [one for one in self.said.calls if key in one]):
            await self.said.wait()
        message: Message = found[-1]
        return message[key]


@both_loops
def test_it_serves_answers_reports_and_drains(loop: str) -> None:
    async def main(backend: FakeBackend) -> None:
        supervisor = Supervisor(backend.address)
        worker = await supervisor.start()
        await supervisor.hear("serving")
        assert await supervisor.hear("numbers")
        reader, writer = await asyncio.open_connection("127.0.0.1", supervisor.port)
        writer.write(GET)
        assert (await reader.readline()) == b"HTTP/1.1 200 OK\r\n"
        supervisor.channel.send({"question": 7, "value": {"ask": "metrics"}})
        assert await supervisor.hear("answer") == 7
        supervisor.channel.send({"drain": False})
        assert await supervisor.hear("cut") == 0
        await supervisor.ended.wait()
        assert await worker == 0
        assert (await reader.read()).endswith(b"hello")
        numbers = from_plain(supervisor.said.calls[-2]["numbers"])
        (requests,) = (one for one in numbers if one.name == "uwsgi_frontend_http_requests")
        assert sum(sample.value for sample in requests.samples) == 1
        writer.close()

    with FakeBackend(respond(body=b"hello")) as backend:
        run(loop, main(backend))


@both_loops
def test_one_that_cannot_start_says_why(loop: str) -> None:
    async def main() -> None:
        supervisor = Supervisor(Address(host="no-such-host.invalid", port=1))
        worker = await supervisor.start()
        assert "host not found" in await supervisor.hear("failed")
        assert await worker == 1
        for sock in supervisor.orders.seat.sockets:
            sock.close()

    run(loop, main())


def test_what_is_asked_before_it_serves_is_answered_first() -> None:
    """Commands that were given to its predecessor: it must not serve anybody without them."""

    async def main() -> None:
        supervisor = Supervisor(Address(path="/nowhere"))
        worker = await supervisor.start()
        supervisor.channel.send({"question": 1, "value": {"ask": "metrics"}})
        await supervisor.hear("serving")
        keys = [next(iter(one)) for one in supervisor.said.calls]
        assert keys.index("answer") < keys.index("serving")
        supervisor.channel.send({"drain": False})
        assert await worker == 0
        await supervisor.ended.wait()

    run("uvloop", main())


@both_loops
def test_without_its_supervisor_it_ends(loop: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        supervisor = Supervisor(Address(path="/nowhere"))
        worker = await supervisor.start()
        await supervisor.hear("serving")
        supervisor.channel.close()
        assert await worker == 0

    run(loop, main())
    assert "the supervisor has gone: draining" in caplog.text


def test_limits_of_the_whole_are_shared_out() -> None:
    upstream = UpstreamSettings(
        queue=QueueSettings(max_waiting=5), retry=RetrySettings(budget_min=1)
    )
    parts = [part_of(Settings(upstream=upstream), Share(number, 2)).upstream for number in range(2)]
    assert sum(part.queue.max_waiting for part in parts) == 5
    # A retry that is always allowed is allowed in each: one alone does not multiply any load.
    assert [part.retry.budget_min for part in parts] == [1, 1]


@pytest.fixture
def unsigned() -> Iterator[None]:
    before = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(before)


@pytest.mark.usefixtures("unsigned")
def test_its_log_is_signed(caplog: pytest.LogCaptureFixture) -> None:
    _sign_log("worker 2")
    logging.getLogger("proxy.exchange").warning("oh")
    assert [record.name for record in caplog.records] == ["proxy.exchange worker 2"]
