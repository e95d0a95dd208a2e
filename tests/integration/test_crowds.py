"""Many clients at once: nobody gets another's answer, and each exchange is counted once."""

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from proxy.testing import Received, Send, Step
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
