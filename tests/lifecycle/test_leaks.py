"""A thousand exchanges of every kind, and not one descriptor more than before."""

import os
import resource
from contextlib import ExitStack

import pytest

from proxy import errors
from proxy.testing import (
    Received,
    Step,
    bad_head,
    close_before_reply,
    missing,
    respond,
    silence,
    truncate_after,
)
from proxy.testing.steps import READ
from tests.integration.fixtures import StartBackend
from tests.integration.messages import chunked_head, chunks, post, request
from tests.lifecycle.command import client_of, metric
from tests.servers import Proxy, proxy_process, wait_until

ROUNDS = 80
OPTIONS = (
    *("--client-body-buffer-size", "1k", "--reply-buffer-size", "1k", "--admin", "127.0.0.1:0"),
    *("--try-duration", "0"),
)


def reply(received: Received) -> list[Step]:
    """Do what the path says."""
    steps = {
        b"/ok": respond(body=b"ok"),
        b"/large": respond(body=bytes(600_000)),
        b"/bad": bad_head(b"?\r\n\r\n"),
        b"/closes": close_before_reply(),
        b"/short": truncate_after(1000),
        b"/silent": silence(),
    }[received.value("PATH_INFO")]
    return list(steps[len(READ) :])


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_descriptors_are_given_back(backend: StartBackend, loop: str) -> None:
    worker = backend(reply)
    with missing() as absent:
        options = ("--upstream", str(worker.address), "--upstream", str(absent), "--loop", loop)
        with proxy_process(*options, *OPTIONS) as proxy:
            one_round(proxy)
            settle(proxy)
            before = descriptors(proxy)
            for _ in range(ROUNDS):
                one_round(proxy)
            settle(proxy)
            wait_until(lambda: descriptors(proxy) <= before, "as few descriptors as before")


def one_round(proxy: Proxy) -> None:
    """Have a dozen exchanges, some of them behind the client's back."""
    requests = (
        request("/ok"),
        post(b"x" * 5000, "/ok"),
        chunked_head("/ok") + chunks([b"x" * 5000]),
        request("/bad"),
        request("/closes"),
        request("/ok") + request("/ok"),
    )
    with client_of(proxy) as client:
        for data in requests:
            client.send(data)
            assert client.response() is not None
        assert client.response() is not None
    for data in (request("/short"), b"nonsense\r\n\r\n"):
        with client_of(proxy) as client:
            client.send(data)
            assert client.response() is not None
    for data in (request("/silent"), request("/large"), post(b"x" * 5000, "/ok")[:-1]):
        with client_of(proxy) as client:
            client.send(data)


def settle(proxy: Proxy) -> None:
    """Wait until the proxy has seen the last of its clients."""
    wait_until(lambda: metric(proxy, "client_connections") == 0, "no connection is open")
    wait_until(lambda: metric(proxy, "http_requests_in_flight") == 0, "nothing runs")


def descriptors(proxy: Proxy) -> int:
    """Return how many descriptors the process has open."""
    return len(os.listdir(f"/proc/{proxy.process.pid}/fd"))


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_without_a_descriptor_left_it_goes_on(backend: StartBackend, loop: str) -> None:
    """Clients hold all there are: the log says so, and as soon as some leave all is well."""
    worker = backend(respond(body=b"ok"))
    with (
        proxy_process("--upstream", str(worker.address), "--loop", loop) as proxy,
        ExitStack() as visitors,
        client_of(proxy) as client,
    ):
        limit = descriptors(proxy) + 5
        resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        for _ in range(10):
            visitors.enter_context(client_of(proxy))
        wait_until(lambda: descriptors(proxy) == limit, "no descriptor is left")
        client.send(request())
        response = client.response()
        assert response is not None
        assert response.status == 503
        line = proxy.log_lines.wait_for(errors.OUT_OF_DESCRIPTORS.word + " 503")[0]
        assert "Too many open files" in line
        visitors.close()
        # For a moment there may still be none: uvloop then closes what it accepts.
        wait_until(lambda: is_served(proxy), "new clients are served")
        client.send(request())
        response = client.response()
        assert response is not None
        assert response.body == b"ok"


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_crowd_of_clients_leaves_descriptors_to_the_others(
    backend: StartBackend, loop: str
) -> None:
    """The longest idle give way to the next; backends and the admin address are always reached."""
    worker = backend(respond(body=b"ok"))
    with (
        proxy_process(
            *("--upstream", str(worker.address), "--loop", loop, "--admin", "127.0.0.1:0"),
            under=("prlimit", "--nofile=64:64"),
        ) as proxy,
        ExitStack() as visitors,
    ):
        for number in range(100):
            client = visitors.enter_context(client_of(proxy))
            client.send(request())
            response = client.response()
            assert response is not None
            assert response.body == b"ok", f"client {number}"
        assert metric(proxy, "client_connections_shed_total") >= 100 - 48
        assert descriptors(proxy) < 64
        assert proxy.log_lines.wait_for("0 new ones were turned away, ")


def is_served(proxy: Proxy) -> bool:
    """Whether a new client gets what it asks for."""
    with client_of(proxy) as client:
        client.send(request())
        response = client.response()
    return response is not None and response.body == b"ok"
