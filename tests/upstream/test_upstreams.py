"""Which upstream serves a request, and how upstreams come and go with announcements."""

import asyncio
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from protocol.messages import HeaderBlock, Request
from protocol.subscription import Announcement, Command, encode
from protocol.uri import Target
from proxy.clock import Deadlines
from proxy.settings import Address, BackendSettings, DiscoverySettings, UpstreamSettings
from proxy.testing import FakeBackend
from proxy.upstream.channel import SocketNetwork
from proxy.upstream.discovery.feeds import FeedError
from proxy.upstream.group import Tools
from proxy.upstream.readiness import choose_readiness
from proxy.upstream.timing import Timing
from proxy.upstream.upstreams import Upstreams
from tests.loops import both_loops, run

LOCAL = Address(host="127.0.0.1", port=0)
CONFIGURED = BackendSettings(Address(path="/run/app.sock"))


def request(host: bytes) -> Request:
    target = Target(b"/", b"/", b"", None)
    return Request(b"GET", b"GET / HTTP/1.1", target, b"HTTP/1.1", 1, HeaderBlock([], host))


class Running:
    """Upstreams on the running loop."""

    def __init__(self, loop: Any, settings: UpstreamSettings) -> None:
        self.loop = loop
        self.readiness = choose_readiness(loop)
        timing = Timing(time.monotonic, loop.call_soon, loop.call_later, Random(1))
        network = SocketNetwork(self.readiness)
        self.upstreams = Upstreams(settings, Tools(timing, Deadlines(time.monotonic()), network))

    def name_for(self, host: bytes) -> str:
        return self.upstreams.choose(request(host)).pool.name

    def close(self) -> None:
        self.upstreams.stop()
        self.upstreams.stop()
        self.readiness.close()

    async def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < end
            await asyncio.sleep(0.01)


def subscribing(address: Address = LOCAL, **more: object) -> UpstreamSettings:
    discovery = DiscoverySettings(subscribe=address, **more)  # type: ignore[arg-type]
    return UpstreamSettings(backends=(CONFIGURED,), discovery=discovery, backlog_interval_s=0.0)


@both_loops
def test_without_announcements_all_go_to_the_configured(loop: str) -> None:
    async def main() -> None:
        running = Running(asyncio.get_running_loop(), UpstreamSettings(backends=(CONFIGURED,)))
        running.upstreams.start(running.loop)
        assert running.name_for(b"a.example") == "default"
        assert [one.settings.name for one in running.upstreams] == ["default"]
        assert running.upstreams.receiver is None
        assert running.upstreams.work() is None
        running.close()

    run(loop, main())


@both_loops
def test_a_host_that_is_announced_has_an_upstream_of_its_own(loop: str) -> None:
    async def main() -> None:
        running = Running(asyncio.get_running_loop(), subscribing())
        running.upstreams.start(running.loop)
        receiver = running.upstreams.receiver
        assert receiver is not None
        with FakeBackend(family="tcp") as far, socket.socket(type=socket.SOCK_DGRAM) as sock:
            said = Announcement(Command.SUBSCRIBE, "a.example", str(far.address), cores=3)
            sock.sendto(encode(said), (receiver.address.host, receiver.address.port))
            await running.until(lambda: running.name_for(b"a.example") == "a.example")
            pool = running.upstreams.choose(request(b"A.example:80")).pool
            await running.until(lambda: any(one.serves for one in pool.backends))
            assert [(one.name, one.cap) for one in pool.backends] == [(str(far.address), 3)]
            assert running.name_for(b"b.example") == "default"
            assert [one.settings.name for one in running.upstreams] == ["default", "a.example"]
            gone = replace(said, command=Command.UNSUBSCRIBE)
            sock.sendto(encode(gone), (receiver.address.host, receiver.address.port))
            await running.until(lambda: not pool.backends)
        running.close()

    run(loop, main())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells listen queues")
@both_loops
def test_one_look_at_the_listen_queues_is_for_all(loop: str) -> None:
    async def main() -> None:
        with FakeBackend() as first, FakeBackend(family="tcp") as second:
            settings = UpstreamSettings(backends=(BackendSettings(first.address),))
            running = Running(asyncio.get_running_loop(), settings)
            upstreams = running.upstreams
            announced = upstreams._open("a.example")
            announced.add(BackendSettings(second.address), second.address)
            upstreams.start(running.loop)
            assert len(upstreams.backends) == 2
            assert all(backend.backlog is not None for backend in upstreams.backends)
            running.close()
            assert all(backend.backlog is None for backend in upstreams.backends)

    run(loop, main())


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        (subscribing(Address(host="192.0.2.1", port=1)), "cannot listen on --subscribe"),
        (subscribing(subscribe_fallback_key="a/b"), "fallback-key"),
        (subscribing(subscribe_allow=("nonsense",)), "nonsense"),
    ],
)
def test_what_cannot_work_is_said_at_the_start(settings: UpstreamSettings, match: str) -> None:
    async def main() -> None:
        running = Running(asyncio.get_running_loop(), settings)
        with pytest.raises(FeedError, match=match):
            running.upstreams.start(running.loop)
        running.close()

    run("asyncio", main())


def test_a_directory_of_keys_has_to_be_there(tmp_path: Path) -> None:
    async def main() -> None:
        settings = subscribing(subscribe_keys_dir=str(tmp_path / "none"))
        running = Running(asyncio.get_running_loop(), settings)
        with pytest.raises(FeedError, match="not a directory"):
            running.upstreams.start(running.loop)
        running.close()

    run("asyncio", main())
