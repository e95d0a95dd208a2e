"""The process around a server: exit codes, signals, what it says. More is in tests/lifecycle."""

import contextlib
import signal
from collections.abc import Iterator
from threading import Event

import pytest

from proxy.exits import Exit
from proxy.testing import READ, FakeBackend, Pause, respond
from tests.servers import Proxy, connect, parse_reply, proxy_process, raw_request

CLOSING = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
LOOPS = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


@contextlib.contextmanager
def busy(*options: str) -> Iterator[Proxy]:
    """Yield a proxy that waits for a worker which will not answer."""
    never = Event()
    with (
        FakeBackend((*READ, Pause(never))) as backend,
        proxy_process("--upstream", str(backend.address), *options) as proxy,
        connect(proxy.address) as client,
    ):
        client.sendall(CLOSING)
        backend.wait_for(1)
        yield proxy


@LOOPS
def test_it_serves_until_it_is_told_to_stop(loop: str) -> None:
    with (
        FakeBackend(respond(body=b"hello")) as backend,
        proxy_process(
            *("--upstream", str(backend.address), "--loop", loop, "--admin", "127.0.0.1:0")
        ) as proxy,
    ):
        assert parse_reply(raw_request(proxy.address, CLOSING)).body == b"hello"
        assert proxy.stop(signal.SIGTERM) == Exit.STOPPED
        assert '"GET / HTTP/1.1" 200 5 ' in proxy.access[0]
        assert any("SIGTERM: draining" in line for line in proxy.log)


@LOOPS
def test_what_does_not_finish_in_time_is_cut(loop: str) -> None:
    with busy("--shutdown-timeout", "50ms", "--loop", loop) as proxy:
        assert proxy.stop(signal.SIGQUIT) == Exit.CUT
        assert "1 running exchanges were cut" in proxy.log[-1]


def test_a_second_signal_ends_it_at_once() -> None:
    with busy() as proxy:
        proxy.process.send_signal(signal.SIGTERM)
        proxy.log_lines.wait_for("draining")
        assert proxy.stop(signal.SIGINT) == 128 + signal.SIGINT
