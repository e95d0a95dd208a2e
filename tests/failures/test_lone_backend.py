"""One backend only: a request whose worker died may be given to another of its workers, once."""

import itertools
from collections.abc import Sequence

import pytest

from proxy import errors
from proxy.testing import Close, Received, Send, Step, close_before_reply
from proxy.testing.faults import Family
from tests.failures.outcome import attempts, check_answer, check_failed
from tests.integration.fixtures import StartBackend, StartFrontend
from tests.integration.frontend import ALL_ENGINES
from tests.integration.messages import request

all_engines = pytest.mark.parametrize("engine", ALL_ENGINES, ids=str)


class Mortal:
    """A script for a backend whose worker dies of some requests: those with these numbers."""

    def __init__(self, *deaths: int) -> None:
        self._deaths = deaths
        self._count = itertools.count()

    def __call__(self, received: Received) -> Sequence[Step]:
        """Die or reply."""
        if next(self._count) in self._deaths:
            return (Close(),)
        return (Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),)


@all_engines
def test_another_worker_of_a_lone_backend_may_do_better(
    frontend: StartFrontend, backend: StartBackend, family: Family
) -> None:
    """Once, if it has ever replied: nginx does not try that (6.14)."""
    worker = backend(Mortal(1), family)
    front = frontend(worker)
    assert [front.ask(request(f"/{number}")).body for number in range(3)] == [b"ok"] * 3
    asked = [received.value("PATH_INFO") for received in worker.requests]
    assert asked == [b"/0", b"/1", b"/1", b"/2"]
    assert attempts(front, worker) == {"ok": 3, "eof_before_headers": 1}
    assert not front.failures()


@pytest.mark.parametrize(
    ("deaths", "method", "options"),
    [
        ((1,), "POST", ""),
        ((1,), "GET", "--next-upstream off"),
        ((1,), "GET", "--next-upstream-tries 1"),
    ],
)
def test_it_is_asked_once_where_more_might_do_harm(
    frontend: StartFrontend,
    backend: StartBackend,
    deaths: tuple[int, ...],
    method: str,
    options: str,
) -> None:
    worker = backend(Mortal(*deaths))
    front = frontend(worker, options=options)
    assert front.ask(request()).status == 200
    with front.client() as client:
        client.send(request(method=method, body=b"x" * 10 if method == "POST" else b""))
        check_answer(client, 502, "open")
    assert worker.accepted == 2
    check_failed(front, errors.EOF_BEFORE_HEADERS, served=1)


def test_a_request_that_kills_workers_kills_two(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    worker = backend(Mortal(1, 2))
    front = frontend(worker)
    statuses = [front.ask(request()).status for _ in range(3)]
    assert statuses == [200, 502, 200]
    assert worker.accepted == 4


def test_a_backend_that_never_replied_is_asked_once(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    """Perhaps it does not speak uwsgi: that another worker would help is not likely."""
    worker = backend(close_before_reply())
    front = frontend(worker)
    assert front.ask(request()).status == 502
    # A second connection may be the question whether it speaks HTTP; that is no second try.
    assert attempts(front, worker) == {"eof_before_headers": 1}
    assert sum(bool(received.variables) for received in worker.requests) == 1
