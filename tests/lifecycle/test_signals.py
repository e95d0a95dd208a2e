"""How it ends: by a first signal in order, by a second at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from proxy import errors
from proxy.exits import Exit
from proxy.testing import READ, FakeBackend, Hang, Pause, Send, respond
from tests.differential.client import Client, Response
from tests.integration.fixtures import StartBackend
from tests.integration.messages import post, request
from tests.lifecycle.command import ask, client_of, listens, metric
from tests.servers import DEADLINE_S, Proxy, proxy_process, wait_until

REPLY = Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
DRAIN = (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT, signal.SIGHUP)


@contextmanager
def running(worker: FakeBackend, *options: str) -> Iterator[Proxy]:
    """Run a proxy in front of a backend."""
    with proxy_process("--upstream", str(worker.address), *options) as proxy:
        yield proxy


def begin_to_drain(proxy: Proxy, number: int = signal.SIGTERM) -> None:
    """Send a signal, and wait until it has been obeyed: nobody is let in any more."""
    proxy.process.send_signal(number)
    wait_until(lambda: not listens(proxy.address), "new clients are refused")


def final_response(client: Client) -> Response:
    """Read the last response on a connection."""
    response = client.response()
    assert response is not None
    assert response.complete
    assert response.values(b"connection") == [b"close"]
    assert not client.fill()
    assert client.ended == "closed"
    return response


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("number", DRAIN, ids=lambda number: number.name)
def test_a_signal_drains(backend: StartBackend, number: int, loop: str) -> None:
    """New clients are refused and idle ones closed; what runs is finished; the code is 0."""
    go = threading.Event()
    worker = backend((*READ, Pause(go), REPLY))
    with running(worker, "--loop", loop, "--admin", "127.0.0.1:0") as proxy:
        with client_of(proxy) as fresh, client_of(proxy) as idle, client_of(proxy) as busy:
            go.set()
            idle.send(request("/first"))
            assert idle.response() is not None
            go.clear()
            busy.send(request("/busy"))
            worker.wait_for(2)
            begin_to_drain(proxy, number)
            for client in (fresh, idle):
                assert not client.fill()
                assert client.ended == "closed"
            assert metric(proxy, "http_requests_in_flight") == 1
            assert proxy.process.poll() is None
            go.set()
            assert final_response(busy).body == b"ok"
        assert proxy.process.wait(DEADLINE_S) == 0
    assert [line.split('"')[1] for line in proxy.access] == [
        "GET /first HTTP/1.1",
        "GET /busy HTTP/1.1",
    ]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_drain_delay_lets_clients_in(backend: StartBackend, workers: str) -> None:
    """Each is told to come back elsewhere, and who asks for readiness is, too."""
    go = threading.Event()
    worker = backend((*READ, Pause(go), REPLY))
    options = ("--workers", workers, "--admin", "127.0.0.1:0", "--drain-delay", "1h")
    with running(worker, *options) as proxy:
        with client_of(proxy) as idle, client_of(proxy) as busy:
            go.set()
            idle.send(request("/first"))
            assert idle.response() is not None
            go.clear()
            busy.send(request("/busy"))
            worker.wait_for(2)
            proxy.process.send_signal(signal.SIGTERM)
            proxy.log_lines.wait_for("--drain-delay of 3600 s begins", int(workers))
            assert ask(proxy.admin_url, "/readyz").status == 503
            assert ask(proxy.admin_url, "/livez").status == 200
            with client_of(proxy) as late:
                late.send(request("/late"))
                worker.wait_for(3)
                go.set()
                assert final_response(late).body == b"ok"
            assert final_response(busy).body == b"ok"
            idle.send(request("/idle"))
            assert final_response(idle).body == b"ok"
        assert proxy.stop() == 128 + signal.SIGTERM


def test_after_the_drain_delay_it_drains(backend: StartBackend) -> None:
    with running(backend(), "--drain-delay", "0.1") as proxy, client_of(proxy) as idle:
        proxy.process.send_signal(signal.SIGTERM)
        assert not idle.fill()
        assert idle.ended == "closed"
        assert proxy.process.wait(DEADLINE_S) == 0


def test_a_second_signal_ends_the_drain_delay_at_once(backend: StartBackend) -> None:
    with running(backend(), "--drain-delay", "1h") as proxy:
        proxy.process.send_signal(signal.SIGTERM)
        proxy.log_lines.wait_for("--drain-delay of 3600 s begins")
        assert proxy.stop() == 128 + signal.SIGTERM


def test_with_nothing_to_finish_it_ends_at_once(backend: StartBackend) -> None:
    with running(backend()) as proxy:
        assert proxy.stop() == 0


def test_requests_that_have_begun_are_served(backend: StartBackend) -> None:
    """Half a head, half a body, and a body that the client has yet to be asked for."""
    worker = backend(respond(body=b"ok"))
    head, upload = request("/head"), post(b"x" * 1000, "/upload")
    asking, _, body = post(b"#" * 10, "/asks", "Expect: 100-continue").partition(b"#")
    with running(worker, "--admin", "127.0.0.1:0") as proxy:
        with client_of(proxy) as one, client_of(proxy) as two, client_of(proxy) as three:
            one.send(head[:-10])
            two.send(upload[:-10])
            three.send(asking)
            interim = three.response()
            assert interim is not None
            assert interim.status == 100
            wait_until(lambda: metric(proxy, "http_requests_in_flight") == 2, "two requests")
            wait_until(lambda: metric(proxy, "client_connections") == 3, "three connections")
            begin_to_drain(proxy)
            one.send(head[-10:])
            two.send(upload[-10:])
            three.send(b"#" + body)
            for client in (one, two, three):
                assert final_response(client).body == b"ok"
        assert proxy.process.wait(DEADLINE_S) == 0
    assert len(worker.requests) == 3


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_who_is_in_line_is_served(backend: StartBackend, loop: str) -> None:
    go = threading.Event()
    worker = backend((*READ, Pause(go), REPLY))
    options = ("--loop", loop, "--admin", "127.0.0.1:0")
    with proxy_process("--upstream", f"{worker.address} max_conns=1", *options) as proxy:
        with client_of(proxy) as first, client_of(proxy) as second, client_of(proxy) as third:
            for number, client in enumerate((first, second, third), 1):
                client.send(request(f"/{number}"))
                wait_until(
                    lambda count=number: metric(proxy, "http_requests_in_flight") == count,  # type: ignore[misc]
                    "a request",
                )
            begin_to_drain(proxy)
            assert worker.accepted == 1
            go.set()
            for client in (first, second, third):
                assert final_response(client).body == b"ok"
        assert proxy.process.wait(DEADLINE_S) == 0
    assert [one.value("PATH_INFO") for one in worker.requests] == [b"/1", b"/2", b"/3"]


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_who_is_in_line_too_long_is_cut_and_never_executed(
    backend: StartBackend, loop: str
) -> None:
    worker = backend((*READ, Hang()))
    options = ("--loop", loop, "--admin", "127.0.0.1:0", "--shutdown-timeout", "0.3")
    with (
        proxy_process("--upstream", f"{worker.address} max_conns=1", *options) as proxy,
        client_of(proxy) as first,
        client_of(proxy) as second,
    ):
        first.send(request("/1"))
        worker.wait_for(1)
        second.send(request("/2"))
        wait_until(lambda: metric(proxy, "http_requests_in_flight") == 2, "two requests")
        assert proxy.stop() == Exit.CUT
        for client in (first, second):
            assert client.response() is None
    assert worker.accepted == 1
    assert [line.split()[-1] for line in proxy.access] == [errors.SHUTDOWN_CUT.word] * 2


def test_a_long_download_is_finished(backend: StartBackend) -> None:
    """The client takes its time; the worker has long been done."""
    body = bytes(10_000_000)
    worker = backend(respond(body=body))
    with running(worker) as proxy:
        with client_of(proxy) as client:
            client.send(request())
            assert worker.wait_for_ending(0) == "closed"
            begin_to_drain(proxy)
            response = client.response()
            assert response is not None
            assert response.body == body
            assert not client.fill()
        assert proxy.process.wait(DEADLINE_S) == 0


def test_pipelined_requests_behind_the_running_one_are_not_served(backend: StartBackend) -> None:
    """The response says close, so that the client knows to ask again elsewhere."""
    go = threading.Event()
    worker = backend((*READ, Pause(go), REPLY))
    with running(worker) as proxy:
        with client_of(proxy) as client:
            client.send(request("/1") + request("/2"))
            worker.wait_for(1)
            begin_to_drain(proxy)
            go.set()
            final_response(client)
        assert proxy.process.wait(DEADLINE_S) == 0
    assert len(worker.requests) == 1


@pytest.mark.parametrize("number", DRAIN, ids=lambda number: number.name)
def test_a_second_signal_ends_it_at_once(backend: StartBackend, number: int) -> None:
    worker = backend((*READ, Hang()))
    with running(worker) as proxy:
        with client_of(proxy) as client:
            client.send(request())
            worker.wait_for(1)
            begin_to_drain(proxy)
            proxy.process.send_signal(number)
            assert proxy.process.wait(DEADLINE_S) == 128 + number
            assert client.response() is None
        assert worker.wait_for_ending(0) in ("eof", "reset")


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("timeout", ["0", "0.3"])
def test_the_time_to_drain_has_an_end(backend: StartBackend, timeout: str, loop: str) -> None:
    """Then what still runs is cut, and every log says so."""
    worker = backend((*READ, Hang()))
    options = ("--loop", loop, "--shutdown-timeout", timeout)
    with running(worker, *options) as proxy, client_of(proxy) as client:
        client.send(request("/stuck"))
        worker.wait_for(1)
        assert proxy.stop() == 3
        assert client.response() is None
    (line,) = [line for line in proxy.log if errors.SHUTDOWN_CUT.word in line]
    assert '"GET /stuck HTTP/1.1"' in line
    assert line.endswith(f"; next: {errors.SHUTDOWN_CUT.next_step}")
    assert any("--shutdown-timeout has passed: 1 running exchange" in text for text in proxy.log)
    (access,) = proxy.access
    assert '"GET /stuck HTTP/1.1" 000 0 ' in access  # the client has got nothing, nor did it leave
    assert access.endswith(f" {errors.SHUTDOWN_CUT.word}")


def test_a_cut_download_does_not_look_complete(backend: StartBackend) -> None:
    """Also one whose length only the end of the connection would tell."""
    worker = backend((*READ, Send(b"HTTP/1.1 200 OK\r\n\r\nhello"), Hang()))
    with (
        running(worker, "--shutdown-timeout", "0") as proxy,
        client_of(proxy) as modern,
        client_of(proxy) as old,
    ):
        modern.send(request())
        old.send(request(version="1.0"))
        for client in (modern, old):
            while b"hello" not in client.buffer:
                assert client.fill()
        assert proxy.stop() == 3
        response = modern.response()
        assert response is not None
        assert not response.complete
        assert old.response() is not None
        assert old.ended == "reset"


def test_a_stopped_one_makes_room_for_the_next(backend: StartBackend) -> None:
    """At once, on the same port, although old connections linger in the kernel."""
    worker = backend(respond(body=b"ok"))
    with running(worker) as first:
        ask(first.url)
        assert first.stop() == 0
        with running(worker, "--listen", f"127.0.0.1:{first.port}") as second:
            assert ask(second.url).body == b"ok"
