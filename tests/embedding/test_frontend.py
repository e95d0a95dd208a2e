"""A front end in the test's own event loop."""

import asyncio
import logging
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from proxy import Frontend
from proxy.exits import StartError
from proxy.record import Record
from proxy.settings import BackendSettings, Settings, UpstreamSettings
from proxy.testing import READ, FakeBackend, Pause, respond, silence
from proxy.worker import WorkerError
from tests.embedding.asking import ask, hello, holdings
from tests.loops import both_loops, run
from tests.servers import wait_until

ROUNDS = 50


async def fetch(port: int, path: str = "/x") -> tuple[int, bytes]:
    return await asyncio.to_thread(ask, port, path)


@both_loops
def test_one_line_is_enough(loop: str) -> None:
    async def main() -> None:
        async with Frontend(app=hello) as frontend:
            assert frontend.url == f"http://127.0.0.1:{frontend.port}"
            assert frontend.admin_url == ""
            assert await fetch(frontend.port, "/a") == (200, b"/a")

    run(loop, main())


def test_a_socket_of_somebody_elses() -> None:
    async def main() -> None:
        records: list[Record] = []
        with FakeBackend(respond(body=b"hello")) as backend:
            made = Frontend(upstream=backend, admin="127.0.0.1:0", sinks=[records.append])
            async with made as frontend:
                assert await fetch(frontend.port) == (200, b"hello")
                assert frontend.admin_url.startswith("http://127.0.0.1:")
                assert frontend.metric("http_requests_total", code=200) == 1
                assert frontend.metrics()("sent_bytes_total") > 5
        assert [record.status for record in records] == [200]

    run("uvloop", main())


def test_a_tree_of_settings() -> None:
    with FakeBackend(respond(body=b"hello")) as backend:
        upstream = UpstreamSettings(backends=(BackendSettings(backend.address),))

        async def main() -> None:
            async with Frontend(Settings(upstream=upstream), listen="127.0.0.1:0") as frontend:
                assert await fetch(frontend.port) == (200, b"hello")

        run("asyncio", main())


@both_loops
def test_nothing_is_left_behind(loop: str) -> None:
    """No descriptor, thread, task, signal handler, warning, or word in a log."""

    async def main(backend: FakeBackend) -> None:
        await fetch_once(app=hello)  # the loop's own executor has its threads from here on
        handlers = {number: signal.getsignal(number) for number in signal.Signals}
        before = holdings()
        tasks = asyncio.all_tasks()
        for number in range(ROUNDS):
            await fetch_once(**({"app": hello} if number % 2 else {"upstream": backend}))
        assert asyncio.all_tasks() == tasks
        # The fake backend is in this process, too: it ends its connections when it comes to it.
        what = "no more descriptors than before"
        await asyncio.to_thread(wait_until, lambda: holdings()[0] <= before[0], what)
        assert not [one for one in threading.enumerate() if one.name.startswith("worker-")]
        assert {number: signal.getsignal(number) for number in signal.Signals} == handlers

    async def fetch_once(**options: Any) -> None:
        async with Frontend(**options) as frontend:
            assert (await fetch(frontend.port))[0] == 200

    handlers, level = list(logging.getLogger().handlers), logging.getLogger("proxy").level
    policy = asyncio.get_event_loop_policy()
    with FakeBackend(respond(body=b"x")) as backend, warnings.catch_warnings():
        warnings.simplefilter("error")
        run(loop, main(backend))
    assert logging.getLogger().handlers == handlers
    assert logging.getLogger("proxy").level == level
    assert asyncio.get_event_loop_policy() is policy


def test_several_at_once() -> None:
    async def main() -> None:
        async with (
            Frontend(app=hello) as one,
            Frontend(app=hello) as two,
            Frontend(
                upstream=f"unix:{one.server.settings.upstream.backends[0].address.path}"
            ) as three,
        ):
            assert len({one.port, two.port, three.port}) == 3
            found = await asyncio.gather(*(fetch(f.port) for f in (one, two, three)))
        assert found == [(200, b"/x")] * 3

    run("uvloop", main())


def test_started_and_stopped_again() -> None:
    async def main() -> None:
        frontend = Frontend(app=hello)
        for _ in range(2):
            await frontend.start()
            with pytest.raises(RuntimeError, match="runs already"):
                await frontend.start()
            assert (await fetch(frontend.port))[0] == 200
            assert await frontend.stop() == 0
            assert await frontend.stop() == 0
        with pytest.raises(RuntimeError, match="not running"):
            frontend.url  # noqa: B018

    run("asyncio", main())


@both_loops
def test_an_address_in_use(loop: str) -> None:
    async def main() -> None:
        async with Frontend(app=hello) as frontend:
            before = holdings()
            with pytest.raises(StartError, match=r"cannot listen on 127\.0\.0\.1:.*in use"):
                await Frontend(app=hello, listen=f"127.0.0.1:{frontend.port}").start()
            assert holdings() == before

    run(loop, main())


@both_loops
def test_a_start_that_is_cancelled_leaves_nothing_behind(loop: str) -> None:
    """Wherever it has come to: at first it has not begun, in the end it is over."""

    async def main() -> None:
        admin, listen = "127.0.0.1:0", ["127.0.0.1:0", "127.0.0.1:0"]
        kept: list[bool] = []
        with FakeBackend() as backend:
            async with Frontend(upstream=backend):
                pass  # the loop has what it needs from here on
            before = holdings()
            while not any(kept):
                frontend = Frontend(upstream=backend, listen=listen, admin=admin)
                starting = asyncio.ensure_future(frontend.start())
                for _ in kept:
                    await asyncio.sleep(0)
                kept.append(not starting.cancel())
                await asyncio.wait([starting])
                await frontend.stop()
                await asyncio.sleep(0)
                assert holdings() == before
        assert len(kept) > 1

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(loop, main())


def test_a_stop_is_bounded() -> None:
    async def main() -> None:
        with FakeBackend(silence()) as backend:
            frontend = Frontend(upstream=backend, shutdown_timeout=0.1)
            await frontend.start()
            waiting = asyncio.ensure_future(fetch(frontend.port))
            await asyncio.to_thread(backend.wait_for, 1)
            assert await frontend.stop() == 1
            with pytest.raises(ConnectionError):
                await waiting

    run("uvloop", main())


def test_a_cancelled_stop_stops() -> None:
    async def main() -> None:
        never = threading.Event()
        with FakeBackend((*READ, Pause(never))) as backend:
            frontend = Frontend(upstream=backend)
            await frontend.start()
            waiting = asyncio.ensure_future(fetch(frontend.port))
            await asyncio.to_thread(backend.wait_for, 1)
            stopping = asyncio.ensure_future(frontend.stop(60))
            await asyncio.sleep(0)
            stopping.cancel()
            with pytest.raises(asyncio.CancelledError):
                await stopping
            with pytest.raises(ConnectionError):
                await waiting

    run("asyncio", main())


def test_a_request_that_never_ends(caplog: pytest.LogCaptureFixture) -> None:
    """Its thread cannot be ended; the log says where it is."""
    go, entered = threading.Event(), threading.Event()

    def never(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        entered.set()
        go.wait(20)
        return []

    async def main() -> None:
        frontend = Frontend(app=never, threads=1)
        await frontend.start()
        waiting = asyncio.ensure_future(fetch(frontend.port))
        await asyncio.to_thread(entered.wait, 20)
        assert await frontend.stop(0) == 1
        with pytest.raises(ConnectionError):
            await waiting

    run("uvloop", main())
    go.set()
    (line,) = [one.getMessage() for one in caplog.records if one.name == "proxy.worker.host"]
    assert "go.wait(20)" in line


def test_what_an_application_raises_is_told() -> None:
    def fails(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        raise LookupError("of the application")

    async def main() -> list[tuple[str, BaseException]]:
        told: list[tuple[str, BaseException]] = []
        async with Frontend(app=fails, on_app_failure=lambda *it: told.append(it)) as frontend:
            assert (await fetch(frontend.port, "/a"))[0] == 500
        return told

    ((what, error),) = run("uvloop", main())
    assert what == "GET '/a'"
    assert isinstance(error, LookupError)


def test_an_application_may_have_an_event_loop_of_its_own() -> None:
    def loops(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        asyncio.run(asyncio.sleep(0))
        return hello(environ, start)

    async def main() -> None:
        async with Frontend(app=loops) as frontend:
            assert await fetch(frontend.port) == (200, b"/x")

    run("uvloop", main())


@pytest.mark.parametrize("threads", [1, 3])
def test_its_name_runs_it_in_processes(tmp_path: Path, threads: int) -> None:
    (tmp_path / "site_app.py").write_text(
        "import os\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [str(os.getpid()).encode()]\n"
    )

    async def main() -> None:
        frontend = Frontend(app="site_app", python_path=str(tmp_path), threads=threads)
        async with frontend:
            status, body = await fetch(frontend.port)
        assert status == 200
        assert body.decode() not in ("", str(threading.get_native_id()))

    before = holdings()
    run("uvloop", main())
    assert holdings() == before


def test_an_application_that_does_not_load(tmp_path: Path) -> None:
    (tmp_path / "broken_app.py").write_text("def make():\n    return 1 / 0\n\napp = make()\n")

    async def main() -> None:
        await Frontend(app="broken_app:app", python_path=str(tmp_path)).start()

    before = holdings()
    with pytest.raises(WorkerError, match="'broken_app' fails to import: ZeroDivisionError") as it:
        run("asyncio", main())
    (note,) = it.value.__notes__
    assert note.startswith("Traceback")
    assert 'broken_app.py", line 2, in make' in note
    assert holdings() == before


def test_what_is_no_application() -> None:
    async def asgi(scope: object, receive: object, send: object) -> None: ...

    class Asgi:
        async def __call__(self, scope: object) -> None: ...

    for app in (asgi, Asgi()):
        with pytest.raises(TypeError, match="is an ASGI application"):
            Frontend(app=app)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no WSGI callable but 5"):
        Frontend(app=5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a callable runs in threads of this process"):
        Frontend(app=hello, processes=2)
    with pytest.raises(ValueError, match=r"app=site\.py"):
        Frontend(app="site.py")
    assert sys.modules["proxy"].Frontend is Frontend
