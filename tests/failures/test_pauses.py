"""Backends that fail are left alone for a while, and backends that may not be used are not used."""

import threading
from collections.abc import Sequence

import pytest

from proxy import errors
from proxy.testing import (
    READ,
    Close,
    Pause,
    Received,
    Send,
    Step,
    bad_head,
    close_before_reply,
    respond,
    silence,
    truncate_after,
)
from tests.failures.outcome import check_answer, check_failed
from tests.integration.fixtures import StartBackend, StartFrontend
from tests.integration.frontend import ALL_ENGINES
from tests.integration.messages import post, request

all_engines = pytest.mark.parametrize("engine", ALL_ENGINES, ids=str)


@all_engines
def test_one_failure_is_enough_for_a_pause(frontend: StartFrontend, backend: StartBackend) -> None:
    """nginx rule 6.10."""
    bad, good = backend(close_before_reply()), backend(respond(body=b"good"))
    front = frontend(bad, good)
    assert [front.ask(request()).body for _ in range(10)] == [b"good"] * 10
    assert (bad.accepted, good.accepted) == (1, 10)


def test_more_failures_where_that_is_set(frontend: StartFrontend, backend: StartBackend) -> None:
    bad, good = backend(close_before_reply()), backend(respond(body=b"good"))
    front = frontend(f"{bad.address} max_fails=3", good)
    assert [front.ask(request()).body for _ in range(20)] == [b"good"] * 20
    assert (bad.accepted, good.accepted) == (3, 20)


def test_never_where_that_is_set(frontend: StartFrontend, backend: StartBackend) -> None:
    bad, good = backend(close_before_reply()), backend(respond(body=b"good"))
    front = frontend(f"{bad.address} max_fails=0", good)
    assert [front.ask(request()).body for _ in range(10)] == [b"good"] * 10
    assert (bad.accepted, good.accepted) == (5, 10)


def test_a_failure_counts_although_it_is_no_reason_for_another_try(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    """nginx rule 6.11."""
    bad, good = backend(close_before_reply()), backend(respond(body=b"good"))
    front = frontend(bad, good, options="--next-upstream off")
    statuses = [front.ask(request()).status for _ in range(5)]
    assert statuses == [502, 200, 200, 200, 200]
    assert bad.accepted == 1


def test_after_a_pause_one_request_looks_whether_it_is_over(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    """nginx rule 6.13: while that one is under way, others keep away; if it is good, none does."""
    is_well, go = threading.Event(), threading.Event()

    def play(_: Received) -> Sequence[Step]:
        ok = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell"
        return (Pause(go), Send(ok)) if is_well.is_set() else (Close(),)

    sick, other = backend(play), backend(respond(body=b"other"))
    front = frontend(f"{sick.address} fail_timeout=2s", other, options="--balance first")
    assert front.ask(request()).body == b"other"
    assert sick.accepted == 1
    is_well.set()

    def ask_until_it_is_well() -> None:
        while front.ask(request()).body != b"well":
            pass

    prober = threading.Thread(target=ask_until_it_is_well)
    prober.start()
    sick.wait_for(2)
    assert [front.ask(request()).body for _ in range(5)] == [b"other"] * 5
    assert sick.accepted == 2
    go.set()
    prober.join()
    assert [front.ask(request()).body for _ in range(3)] == [b"well"] * 3
    assert not front.failures()


@all_engines
def test_when_all_are_paused_none_is(frontend: StartFrontend, backend: StartBackend) -> None:
    """nginx answers 502 for 10 s then (6.15): here whoever asks is given the chance."""
    workers = [backend(close_before_reply()) for _ in range(2)]
    front = frontend(*workers)
    for tries in (1, 2, 3):
        with front.client() as client:
            client.send(request())
            check_answer(client, 502, "open")
        assert [sum(bool(r.variables) for r in worker.requests) for worker in workers] == [
            tries
        ] * 2
    assert set(front.failures()) == {"eof_before_headers"}


@all_engines
def test_unless_that_is_not_wanted(frontend: StartFrontend, backend: StartBackend) -> None:
    """As in nginx (6.15): nobody is asked."""
    workers = [backend(close_before_reply()) for _ in range(2)]
    front = frontend(*workers, options="--panic-threshold 0")
    assert front.ask(request()).status == 502
    accepted = [worker.accepted for worker in workers]
    with front.client() as client:
        client.send(request())
        check_answer(client, 502, "open")
    assert [worker.accepted for worker in workers] == accepted
    assert front.failures() == {"eof_before_headers": 1, "no_backend": 1}
    failures = front.finish().errors
    assert failures[1].startswith('no_backend 502 "GET / HTTP/1.1" from ')


def test_a_lone_backend_is_never_paused(frontend: StartFrontend, backend: StartBackend) -> None:
    """nginx rule 6.14."""
    worker = backend(bad_head(b"hello world\r\n\r\n"))
    front = frontend(worker, options="--panic-threshold 0")
    assert [front.ask(request()).status for _ in range(3)] == [502] * 3
    assert worker.accepted == 3


@all_engines
def test_all_are_down(frontend: StartFrontend, backend: StartBackend) -> None:
    """nginx rule 6.19: a lone one, too."""
    worker = backend()
    front = frontend(f"{worker.address} down")
    with front.client() as client:
        client.send(post(b"x" * 100))
        check_answer(client, 502, "open")
        check_failed(front, errors.NO_BACKEND, "default")
    assert worker.accepted == 0


def test_one_that_is_down_gets_nothing(frontend: StartFrontend, backend: StartBackend) -> None:
    """Not even the requests that have failed elsewhere."""
    idle, bad = backend(), backend(close_before_reply())
    front = frontend(f"{idle.address} down", bad)
    assert [front.ask(request()).status for _ in range(3)] == [502] * 3
    assert idle.accepted == 0


@all_engines
def test_a_backup_serves_while_the_others_fail(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    """nginx rule 6.18: within the same request, and then alone."""
    bad, backup = backend(close_before_reply()), backend(respond(body=b"backup"))
    front = frontend(f"{backup.address} backup", bad)
    assert [front.ask(request()).body for _ in range(5)] == [b"backup"] * 5
    assert (bad.accepted, backup.accepted) == (1, 5)


def test_a_backup_serves_nobody_else(frontend: StartFrontend, backend: StartBackend) -> None:
    good, backup = backend(respond(body=b"good")), backend()
    front = frontend(f"{backup.address} backup", good)
    assert [front.ask(request()).body for _ in range(5)] == [b"good"] * 5
    assert backup.accepted == 0


def test_a_backup_takes_what_the_others_have_no_room_for(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    go = threading.Event()
    busy = backend((*READ, Pause(go), Send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")))
    backup = backend(respond(body=b"backup"))
    front = frontend(f"{busy.address} max_conns=1", f"{backup.address} backup")
    with front.client() as client:
        client.send(request())
        busy.wait_for(1)
        assert front.ask(request()).body == b"backup"
        go.set()
        assert client.response() is not None
    assert (busy.accepted, backup.accepted) == (1, 1)


def test_clients_that_leave_pause_nobody(frontend: StartFrontend, backend: StartBackend) -> None:
    """nginx rule 6.11: nor do replies that break off in the middle."""
    flaky, other = backend(truncate_after(10)), backend(respond(body=b"other"))
    front = frontend(flaky, other, options="--balance first")
    for _ in range(3):
        assert not front.ask(request()).complete
    assert (flaky.accepted, other.accepted) == (3, 0)
    silent = backend(silence())
    front = frontend(silent, other, options="--balance first")
    for count in (1, 2, 3):
        with front.client() as client:
            client.send(request())
            silent.wait_for(count)
        front.wait_in_flight(0)
    assert (silent.accepted, other.accepted) == (3, 0)
    assert front.failures() == {"client_gone": 3}
