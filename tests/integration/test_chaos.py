"""Backends that fail in every way, and clients that leave whenever they like: nothing is left."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest

from proxy.settings import Address
from proxy.testing import Close, Delay, FakeBackend, Received, Reset, Send, Step, full_backlog
from tests.integration.fixtures import StartFrontend
from tests.integration.frontend import ALL_ENGINES, PREFIX, Frontend
from tests.integration.messages import post, request
from tests.servers import wait_until

CLIENTS = 12
REQUESTS = 30
STATUSES = {200, 502, 503}
OPTIONS = (
    "--queue-size 8 --queue-timeout 0.5 --try-duration 0.3 --backend-read-timeout 20"
    " --next-upstream error,timeout,invalid_header,http_503 --retry-budget-min 2"
)

OK = Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
FATES: tuple[tuple[Step, ...], ...] = (
    (OK,),
    (OK,),
    (OK,),
    (Delay(0.005), OK),
    (Delay(0.02), OK),
    (Close(),),
    (Reset(),),
    (Send(b"HTTP/1.1 200 O"), Close()),
    (Send(b"hello world\r\n\r\n"), Close()),
    (Send(b"HTTP/1.1 503 Mine\r\nContent-Length: 0\r\n\r\n"),),
    (Send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"), Close()),
)


class Erratic:
    """A script that goes through all fates in a random order."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def __call__(self, received: Received) -> tuple[Step, ...]:
        """Choose one."""
        return self._random.choice(FATES)


def visit(front: Frontend, number: int) -> None:
    """Ask for this and that, and do not always wait for the answer."""
    random = Random(number)
    for turn in range(REQUESTS):
        path = f"/{number}/{turn}"
        data = post(b"x" * random.choice((1, 20_000)), path) if turn % 3 == 0 else request(path)
        with front.client() as client:
            client.send(data)
            if random.random() < 0.2:
                continue
            response = client.response()
            assert response is not None
            assert response.status in STATUSES
            assert response.complete or response.body == b"ok"


def ended(front: Frontend) -> float:
    """Return the number of exchanges that are over."""
    name = PREFIX + "http_requests_total"
    return sum(value for (known, _), value in front.metrics().items() if known == name)


@pytest.fixture
def flapping(tmp_path: Path) -> Iterator[Address]:
    """Return the path of a socket that comes and goes."""
    path, over = tmp_path / "s", threading.Event()

    def flap() -> None:
        seed = 0
        while not over.wait(0.05):
            seed += 1
            with FakeBackend(Erratic(seed), path=path):
                over.wait(0.1)

    thread = threading.Thread(target=flap)
    thread.start()
    yield Address(path=str(path))
    over.set()
    thread.join()


@pytest.mark.soak
@pytest.mark.parametrize("engine", ALL_ENGINES, ids=str)
@pytest.mark.parametrize("algorithm", ["round-robin", "least-conn"])
def test_nothing_is_left(frontend: StartFrontend, flapping: Address, algorithm: str) -> None:
    """Every lease comes back, every place in the line and in the retry budget, and every worker."""
    with ExitStack() as stack:
        workers = [stack.enter_context(FakeBackend(Erratic(seed))) for seed in range(2)]
        busy = stack.enter_context(full_backlog("unix"))
        front = frontend(
            f"{workers[0].address} max_conns=1 fail_timeout=50ms",
            f"{workers[1].address} max_conns=2 max_fails=3 fail_timeout=50ms",
            f"{flapping} max_conns=3",
            busy,
            options=f"{OPTIONS} --balance {algorithm}",
        )
        with ThreadPoolExecutor(CLIENTS) as pool:
            for result in [pool.submit(visit, front, number) for number in range(CLIENTS)]:
                result.result()
        wait_until(lambda: ended(front) == CLIENTS * REQUESTS, "the last one")
        means = front.upstream.means
        assert [backend.in_flight for backend in means.pool.backends] == [0] * 4
        assert len(means.pool.line) == 0
        assert means.budget.running == 0
        wait_until(lambda: front.ask(request()).body == b"ok", "a good answer")
        for worker in workers:
            wait_until(lambda one=worker: len(one.endings) == one.accepted, "the ends")  # type: ignore[misc]
        lines = front.finish().access
    assert len([line for line in lines if '"GET / ' not in line]) == CLIENTS * REQUESTS
