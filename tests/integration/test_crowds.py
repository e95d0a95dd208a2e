"""Many clients at once: nobody gets another's answer, and each exchange is counted once."""

import hashlib
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy.testing import Delay, Line, Received, Send, Step
from tests.integration.fixtures import StartBackend, StartFrontend
from tests.integration.frontend import ALL_ENGINES, PREFIX
from tests.integration.messages import chunked_head, chunks, post, request
from tests.servers import REPOSITORY, uwsgi

CLIENTS = 20
REQUESTS = 15


def echo(received: Received) -> list[Step]:
    """Reply with the path and a digest of the body."""
    body = received.value("REQUEST_URI") + hashlib.sha256(received.body).hexdigest().encode()
    return [Send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)]


def in_parallel(work: Callable[[int], None], clients: Iterable[int]) -> None:
    """Run `work` for each client on a thread of its own; raise what it raises."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        for result in [pool.submit(work, client) for client in clients]:
            result.result()


@pytest.mark.parametrize("engine", ALL_ENGINES, ids=str)
def test_each_gets_its_own_answer(frontend: StartFrontend, backend: StartBackend) -> None:
    workers = [backend(echo, family) for family in ("unix", "tcp")]
    front = frontend(*workers, options="--client-body-buffer-size 1k")

    def visit(number: int) -> None:
        with front.client() as client:
            for turn in range(REQUESTS):
                path, body = f"/{number}/{turn}", f"{number} {turn} ".encode() * (turn * 100)
                data = (
                    chunked_head(path) + chunks([body]) if turn % 2 and body else post(body, path)
                )
                client.send(data)
                response = client.response()
                assert response is not None
                assert response.body == path.encode() + hashlib.sha256(body).hexdigest().encode()

    in_parallel(visit, range(CLIENTS))
    count = CLIENTS * REQUESTS
    assert (
        front.metrics()[PREFIX + "http_requests_total", (("code", "200"), ("method", "POST"))]
        == count
    )
    assert front.gauge("http_requests_in_flight") == 0
    assert not front.failures()
    lines = front.finish().access
    paths = {line.split('"')[1].split()[1] for line in lines}
    assert len(lines) == len(paths) == count
    assert sum(len(worker.requests) for worker in workers) == count


class Workers:
    """A script that counts how many of its requests run at a time."""

    def __init__(self) -> None:
        self.most = 0
        self._running = 0
        self._changed = threading.Lock()

    def __call__(self, received: Received) -> list[Step]:
        """Reply with the path, a little later."""
        body = received.value("PATH_INFO")
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        # Counted down before the last byte: with that one the place is given back.
        return [self, Delay(0.001), _Ended(self), Send(head + body)]

    def run(self, line: Line) -> None:
        """Count one more."""
        self.count(1)

    def count(self, change: int) -> None:
        """Count a beginning or an end."""
        with self._changed:
            self._running += change
            self.most = max(self.most, self._running)


@dataclass(frozen=True)
class _Ended:
    workers: Workers

    def run(self, line: Line) -> None:
        """Count one less."""
        self.workers.count(-1)


@pytest.mark.parametrize("engine", ALL_ENGINES, ids=str)
def test_a_line_before_few_workers(frontend: StartFrontend, backend: StartBackend) -> None:
    """Everybody is served once, and never do more run at a time than there are places."""
    places = (1, 3)
    scripts = [Workers() for _ in places]
    workers = [backend(script) for script in scripts]
    front = frontend(*(f"{w.address} max_conns={n}" for w, n in zip(workers, places, strict=True)))

    def visit(number: int) -> None:
        with front.client() as client:
            for turn in range(REQUESTS):
                client.send(request(f"/{number}/{turn}"))
                response = client.response()
                assert response is not None
                assert response.body == f"/{number}/{turn}".encode()

    in_parallel(visit, range(CLIENTS))
    asked = [r.value("PATH_INFO") for worker in workers for r in worker.requests]
    assert len(asked) == len(set(asked)) == CLIENTS * REQUESTS
    assert [script.most for script in scripts] == list(places)
    assert not front.failures()


def test_a_line_that_some_leave(frontend: StartFrontend, backend: StartBackend) -> None:
    """No place is lost, and none is given twice, whenever they leave."""
    script = Workers()
    worker = backend(script)
    front = frontend(f"{worker.address} max_conns=2")

    def visit(number: int) -> None:
        for turn in range(REQUESTS):
            with front.client() as client:
                client.send(request(f"/{number}/{turn}"))
                if (number + turn) % 3:
                    response = client.response()
                    assert response is not None
                    assert response.body == f"/{number}/{turn}".encode()

    in_parallel(visit, range(CLIENTS))
    front.wait_in_flight(0)
    asked = [received.value("PATH_INFO") for received in worker.requests]
    assert len(asked) == len(set(asked))
    assert set(front.failures()) <= {"client_gone"}
    assert front.ask(request("/last")).body == b"/last"


def test_as_many_at_a_time_as_uwsgi_has_workers(frontend: StartFrontend, tmp_path: Path) -> None:
    """So nobody is ever in its listen queue, however short that is."""
    app = "tests.failures.app:application"
    options = ("--listen", "1")
    with uwsgi(
        app, directory=tmp_path, python_path=REPOSITORY, processes=2, extra=options
    ) as server:
        front = frontend(f"{server.address} max_conns=2")

        def visit(_: int) -> None:
            with front.client() as client:
                for _ in range(5):
                    client.send(request("/brief"))
                    response = client.response()
                    assert response is not None
                    assert response.body == b"ok"

        in_parallel(visit, range(CLIENTS))
        assert not front.failures()


def test_a_queue_shorter_than_the_crowd(frontend: StartFrontend, tmp_path: Path) -> None:
    """One uWSGI worker that lets two wait: everybody is served, as nobody is sent away."""
    app = "tests.failures.app:application"
    with uwsgi(app, directory=tmp_path, python_path=REPOSITORY, extra=("--listen", "2")) as server:
        front = frontend(server.address)

        def visit(_: int) -> None:
            with front.client() as client:
                for _ in range(5):
                    client.send(request("/brief"))
                    response = client.response()
                    assert response is not None
                    assert response.body == b"ok"

        in_parallel(visit, range(CLIENTS))
        assert not front.failures()
        assert len(front.finish().access) == CLIENTS * 5
