"""A front end in a thread of its own, beside whatever the test does."""

import asyncio
import signal
import threading
from pathlib import Path

import pytest

from proxy import Frontend
from proxy.exits import StartError
from proxy.record import Record
from proxy.testing import FakeBackend, Site, respond, silence
from tests.embedding.asking import ask, hello, holdings
from tests.servers import wait_until

LOOPS = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


@LOOPS
def test_one_line_is_enough(loop: str) -> None:
    with Frontend(app=hello, loop=loop, admin="127.0.0.1:0").in_thread() as frontend:
        assert ask(frontend.port, "/a") == (200, b"/a")
        assert frontend.url == frontend.urls[0] == f"http://{frontend.address}"
        assert frontend.admin_url.startswith("http://")


@LOOPS
def test_nothing_is_left_behind(loop: str) -> None:
    handlers = {number: signal.getsignal(number) for number in signal.Signals}
    with FakeBackend(respond(body=b"x")) as backend:
        with Frontend(upstream=backend, loop=loop).in_thread() as frontend:
            ask(frontend.port)
        # The fake backend is in this process, too: it ends its connections when it comes to it.
        wait_until(lambda: len(backend.endings) == 1, "the backend has settled")
        before = holdings()
        for number in range(50):
            made = (
                Frontend(app=hello, loop=loop)
                if number % 2
                else Frontend(upstream=backend, loop=loop)
            )
            with made.in_thread() as frontend:
                assert ask(frontend.port)[0] == 200
        wait_until(lambda: holdings() <= before, "no more than before")
    assert {number: signal.getsignal(number) for number in signal.Signals} == handlers


def test_its_metrics_can_be_asked_for_from_any_thread() -> None:
    seen: list[float] = []

    def sink(record: Record) -> None:  # runs in the loop itself
        seen.append(thread.metric("http_requests_in_flight"))

    thread = Frontend(app=hello, sinks=[sink]).in_thread()
    with pytest.raises(RuntimeError, match="not running"):
        thread.metric("http_requests_total")
    with thread:
        ask(thread.port)
        assert thread.metric("http_requests_total", code=200) == 1
        assert thread.metrics()("errors_total") == 0
        with pytest.raises(LookupError, match="no metric"):
            thread.metric("nonsense")
    assert len(seen) == 1


def test_metrics_do_not_wait_for_requests_that_go_on() -> None:
    with (
        FakeBackend(silence()) as backend,
        Frontend(upstream=backend).in_thread() as frontend,
        Site(frontend.url).connect() as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        backend.wait_for(1)
        assert frontend.metric("http_requests_in_flight") == 1
        frontend.stop(0)


def test_several_beside_a_loop_of_ones_own() -> None:
    async def main() -> list[tuple[int, bytes]]:
        with Frontend(app=hello).in_thread() as one, Frontend(app=hello).in_thread() as two:
            async with Frontend(app=hello) as three:
                ports = (one.port, two.port, three.port)
                return await asyncio.gather(*(asyncio.to_thread(ask, port) for port in ports))

    assert asyncio.run(main()) == [(200, b"/x")] * 3


def test_the_error_of_the_thread_is_raised_here(tmp_path: Path) -> None:
    before = holdings()
    with Frontend(app=hello, listen=f"unix:{tmp_path}/s").in_thread() as frontend:
        assert (frontend.url, frontend.port) == (f"unix:{tmp_path}/s", 0)
        with (
            pytest.raises(StartError, match="in use"),
            Frontend(app=hello, listen=f"unix:{tmp_path}/s").in_thread(),
        ):
            pass
    with pytest.raises(Exception, match="no module named 'nowhere'"):
        Frontend(app="nowhere:app").in_thread().start()
    assert holdings() == before


def test_started_and_stopped_again() -> None:
    frontend = Frontend(app=hello).in_thread()
    assert frontend.stop() == 0
    for _ in range(2):
        frontend.start()
        with pytest.raises(RuntimeError, match="runs already"):
            frontend.start()
        assert ask(frontend.port)[0] == 200
        assert frontend.stop() == 0
        assert frontend.stop() == 0


def test_a_stop_is_bounded() -> None:
    def visit() -> None:
        with pytest.raises(ConnectionError):
            ask(frontend.port)

    with FakeBackend(silence()) as backend:
        frontend = Frontend(upstream=backend).in_thread()
        frontend.start()
        visitor = threading.Thread(target=visit)
        visitor.start()
        backend.wait_for(1)
        assert frontend.stop(0.1) == 1
        visitor.join()


def test_a_stop_from_its_own_thread_only_begins() -> None:
    stopped: list[int] = []
    frontend = Frontend(app=hello, sinks=[lambda record: stopped.append(running.stop())])
    running = frontend.in_thread()
    with running:
        assert ask(running.port)[0] == 200
        wait_until(lambda: stopped == [0], "the sink has been called")
    assert running.stop() == 0


def test_a_loop_that_is_blocked_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a sink that does what no sink may do."""
    monkeypatch.setattr("proxy.embedding.thread.GRACE_S", 0.2)
    go, blocked = threading.Event(), threading.Event()

    def sink(record: Record) -> None:
        blocked.set()
        go.wait(20)

    frontend = Frontend(app=hello, sinks=[sink]).in_thread()
    frontend.start()
    port = frontend.port
    ask(port)
    assert blocked.wait(20)
    with pytest.raises(RuntimeError, match=r"did not end in 0\.2 s"):
        frontend.stop(0)
    monkeypatch.setattr("proxy.embedding.thread.GRACE_S", 60.0)
    go.set()
    assert frontend.stop(0) == 0
