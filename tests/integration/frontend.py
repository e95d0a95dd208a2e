"""A front end inside the test's own process, on a thread of its own (see `proxy.embedding`).

It takes the options of the command line, so a test reads like a user's shell, and starts in
milliseconds, so each test can have its own. One default is not the users': it does not wait for
backends that are absent, but answers at once as nginx does, unless its options have a
`--try-duration`. What it logs is collected; what must never be logged (a bug here, an error in the
event loop) fails the test.
"""

import logging
import shlex
import socket
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Self

from prometheus_client.parser import text_string_to_metric_families

import proxy
from proxy.config.argv import read_argv
from proxy.config.check import check
from proxy.config.sources import load
from proxy.server import Server
from proxy.settings import Address, Settings
from proxy.testing import FakeBackend
from proxy.upstream.group import Upstream
from tests.differential.client import Client, Response
from tests.servers import DEADLINE_S, wait_until

PREFIX = "uwsgi_frontend_"
Target = FakeBackend | Address | str


class Engine(NamedTuple):
    """What the front end runs on."""

    loop: Literal["uvloop", "asyncio"]
    parser: Literal["httptools", "h11"]

    def __str__(self) -> str:
        return f"{self.loop}-{self.parser}"


ALL_ENGINES = (
    Engine("uvloop", "httptools"),
    Engine("uvloop", "h11"),
    Engine("asyncio", "httptools"),
    Engine("asyncio", "h11"),
)
TWO_ENGINES = (ALL_ENGINES[0], ALL_ENGINES[3])
"""Each loop and each parser once, for tests that take time."""


class Logs(NamedTuple):
    """What a front end has written."""

    access: list[str]
    errors: list[str]
    """The lines of the error log for exchanges."""


class Frontend:
    """A running front end, used as a context manager."""

    def __init__(
        self,
        upstreams: Sequence[Target],
        options: str,
        engine: Engine,
        log: Path,
        tls: bool = False,
    ) -> None:
        listen = "127.0.0.1:0 tls" if tls else "127.0.0.1:0"
        args = ["--listen", listen, "--admin", "127.0.0.1:0", "--access-log", str(log)]
        args += ["--loop", engine.loop, "--http-parser", engine.parser]
        for upstream in upstreams:
            address = upstream.address if isinstance(upstream, FakeBackend) else upstream
            args += ["--upstream", str(address)]
        # What is said twice counts the second time.
        args += ["--try-duration", "0", *shlex.split(options)]
        self._running = proxy.Frontend(read_settings(args)).in_thread()
        self._log = log
        self._messages = _Messages()
        self._server: Server

    def __enter__(self) -> Self:
        self._messages.attach()
        try:
            self._running.start()
        except BaseException:
            self._messages.detach()
            raise
        self._server = self._running.frontend.server
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def finish(self) -> Logs:
        """Stop, cutting what still runs, and return what was logged. May be called again."""
        self._running.stop(0)
        self._messages.detach()
        assert not self._messages.bugs, self._messages.bugs
        return Logs(self._log.read_text().splitlines(), self._messages.failures)

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self._server.listeners[0].address

    def client(self, receive_buffer: int = 0) -> Client:
        """Return a new connection."""
        return Client(self.address, receive_buffer)

    def ask(self, data: bytes) -> Response:
        """Send one request on a connection of its own and return its response."""
        with self.client() as client:
            client.send(data)
            response = client.response()
        assert response is not None
        return response

    def metrics(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """Return the samples of /metrics: (name, sorted labels) and value."""
        assert self._server.admin is not None
        with urllib.request.urlopen(f"{self._server.admin.url}/metrics", timeout=DEADLINE_S) as got:
            text = got.read().decode()
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def gauge(self, name: str) -> float:
        """Return the sum of all samples of a metric; `name` is without our prefix."""
        values = [value for (found, _), value in self.metrics().items() if found == PREFIX + name]
        assert values, name
        return sum(values)

    def failures(self) -> dict[str, float]:
        """Return the number of failed exchanges by reason; nothing for the reasons without any."""
        return {
            dict(labels)["reason"]: value
            for (name, labels), value in self.metrics().items()
            if name == PREFIX + "errors_total" and value
        }

    @property
    def upstream(self) -> Upstream:
        """The group of its backends, to look at when nothing runs."""
        assert self._server.upstreams is not None
        return self._server.upstreams.default

    @property
    def client_sockets(self) -> list[socket.socket]:
        """The sockets of open connections, as their transports show them."""
        return [
            connection._stream.transport.get_extra_info("socket")
            for connection in self._server.listeners[0].connections
        ]

    def wait_in_flight(self, count: int) -> None:
        """Wait until so many exchanges run."""
        wait_until(lambda: self.gauge("http_requests_in_flight") == count, f"{count} in flight")

    def wait_connections(self, count: int) -> None:
        """Wait until so many client connections are open."""
        wait_until(lambda: self.gauge("client_connections") == count, f"{count} connections")


def read_settings(arguments: Sequence[str]) -> Settings:
    """Return the settings of a command line, which must be right."""
    loaded = load([read_argv(arguments).source])
    complaints = loaded.complaints or check(loaded.settings)
    assert not complaints, complaints
    return loaded.settings


class _Messages(logging.Handler):
    """Collects the lines of the error log, and apart from them what tells of a bug."""

    _NAMES = ("proxy", "asyncio")

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[str] = []
        self.bugs: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.name == "proxy.exchange":
            self.failures.append(message)
        if record.levelno >= logging.ERROR or message.startswith("internal_error"):
            self.bugs.append(f"{message} {record.exc_info or ''}")

    def attach(self) -> None:
        """Begin to listen."""
        for name in self._NAMES:
            logging.getLogger(name).addHandler(self)
            logging.getLogger(name).setLevel(logging.INFO)

    def detach(self) -> None:
        """Stop listening."""
        for name in self._NAMES:
            logging.getLogger(name).removeHandler(self)
            logging.getLogger(name).setLevel(logging.NOTSET)
