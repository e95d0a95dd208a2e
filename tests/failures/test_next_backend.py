"""Which backend gets a request: in turn, past those that fail, and twice only where nginx would."""

import re
import threading

import pytest

from proxy import errors
from proxy.errors import Reason
from proxy.testing import (
    READ,
    Close,
    Pause,
    ReadBody,
    ReadPacket,
    Script,
    Send,
    bad_head,
    close_before_reply,
    missing,
    refuse,
    reset_before_reply,
    respond,
    silence,
    truncate_after,
)
from proxy.testing.faults import Family
from tests.failures.outcome import attempts, check_answer, check_failed
from tests.integration.fixtures import StartBackend, StartFrontend
from tests.integration.frontend import ALL_ENGINES
from tests.integration.messages import chunks, post, request

all_engines = pytest.mark.parametrize("engine", ALL_ENGINES, ids=str)


@all_engines
def test_three_backends_take_turns(
    frontend: StartFrontend, backend: StartBackend, family: Family
) -> None:
    workers = [backend(respond(body=b"%d" % number), family) for number in range(3)]
    front = frontend(*workers)
    with front.client() as client:
        bodies = []
        for _ in range(9):
            client.send(request())
            response = client.response()
            assert response is not None
            bodies.append(response.body)
    assert bodies == [b"0", b"1", b"2"] * 3
    assert [len(worker.requests) for worker in workers] == [3, 3, 3]


@all_engines
def test_a_backend_that_is_not_there_is_passed_over(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    """The client does not notice, and nothing is sent twice. Only the metrics know."""
    good = backend(respond(body=b"good"))
    with missing() as absent, refuse("unix") as stale, refuse("tcp") as closed:
        front = frontend(absent, stale, closed, good)
        with front.client() as client:
            for number in range(8):
                client.send(request(f"/{number}"))
                response = client.response()
                assert response is not None
                assert response.body == b"good"
        paths = [received.value("PATH_INFO") for received in good.requests]
        assert paths == [b"/%d" % number for number in range(8)]
        assert not front.failures()
        assert attempts(front, good) == {"ok": 8}
        assert set(attempts(front, absent)) == {"socket_missing"}
        assert set(attempts(front, stale)) == {"connect_refused"}
        assert set(attempts(front, closed)) == {"connect_refused"}
        logs = front.finish()
    assert not logs.errors
    tries = re.escape(f'"{absent}, {stale}, {closed}, {good.address}" -, -, -, ')
    assert re.search(tries + SECONDS, logs.access[0])
    assert all(line.endswith(" -") for line in logs.access)


@all_engines
def test_an_upload_reaches_the_next_backend_whole(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    good, body = backend(), b"x" * 200_000
    with missing() as absent:
        front = frontend(absent, good)
        assert [front.ask(post(body)).status for _ in range(2)] == [200, 200]
    assert [received.body for received in good.requests] == [body, body]


def test_a_streamed_upload_reaches_the_next_backend_whole(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    good, body = backend(), b"x" * 200_000
    with missing() as absent:
        front = frontend(absent, good, options="--request-buffering off")
        assert [front.ask(post(body)).status for _ in range(2)] == [200, 200]
    assert [received.body for received in good.requests] == [body, body]


def test_with_no_backend_left_the_last_reason_stands(frontend: StartFrontend) -> None:
    with missing() as absent, refuse() as stale:
        front = frontend(absent, stale)
        with front.client() as client:
            client.send(request())
            check_answer(client, 502, "open")
            check_failed(front, errors.CONNECT_REFUSED, str(stale))


SENT_IN_VAIN: dict[str, tuple[Script, Reason]] = {
    "closes": (close_before_reply(), errors.EOF_BEFORE_HEADERS),
    "resets": (reset_before_reply(), errors.RESET_BEFORE_HEADERS),
    "stops in its head": (bad_head(b"HTTP/1.1 200 OK\r\nContent-"), errors.EOF_MID_HEADERS),
    "is silent": (silence(), errors.READ_TIMEOUT),
}
"""What nginx calls `error` and `timeout` (6.2), after the request has been sent."""

in_vain = pytest.mark.parametrize("name", SENT_IN_VAIN)


def patience(name: str) -> str:
    """Return options: only where somebody is silent, a time that is soon over."""
    return "--backend-read-timeout 0.5" if name == "is silent" else ""


SECONDS = r"\d+\.\d{3}"


@in_vain
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "BREW"])
def test_what_may_be_done_twice_goes_to_the_next_backend(
    frontend: StartFrontend, backend: StartBackend, name: str, method: str
) -> None:
    """nginx rule 6.3: with its body; the client does not notice."""
    body = b"x" * 1000 if method == "PUT" else b""
    bad, other = backend(SENT_IN_VAIN[name][0]), backend(respond(body=b"other"))
    front = frontend(bad, other, options=patience(name))
    with front.client() as client:
        client.send(request("/1", method=method, body=body))
        response = client.response()
        assert response is not None
        assert (response.status, response.body) == (200, b"other")
    assert (bad.accepted, other.accepted) == (1, 1)
    assert [received.body for received in other.requests] == [body]
    assert attempts(front, bad) == {SENT_IN_VAIN[name][1].word: 1}
    assert not front.failures()
    logs = front.finish()
    assert not logs.errors
    assert re.search(re.escape(f'"{bad.address}, {other.address}" ') + SECONDS, logs.access[0])
    assert logs.access[0].endswith(" -")


@in_vain
@pytest.mark.parametrize("method", ["POST", "LOCK", "PATCH"])
def test_what_may_not_be_done_twice_is_not(
    frontend: StartFrontend, backend: StartBackend, name: str, method: str
) -> None:
    """nginx rule 6.3: its application may have begun."""
    script, reason = SENT_IN_VAIN[name]
    bad, other = backend(script), backend(respond())
    front = frontend(bad, other, options=patience(name))
    with front.client() as client:
        client.send(request(method=method, body=b"x" * 1000))
        check_answer(client, reason.status, "open")
    assert bad.wait_for_ending(0)
    assert (bad.accepted, other.accepted) == (1, 0)
    check_failed(front, reason)


def test_unless_the_operator_says_that_it_may(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    bad, other = backend(close_before_reply()), backend(respond(body=b"other"))
    front = frontend(bad, other, options="--next-upstream error,non_idempotent")
    assert front.ask(post(b"x" * 1000)).body == b"other"
    assert [received.body for received in other.requests] == [b"x" * 1000]


@all_engines
def test_a_backend_that_does_not_read_the_body(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    """A large body is sent again from its first byte, out of memory and out of a file."""
    bad, other = backend((ReadPacket(), Close())), backend()
    front = frontend(bad, other, options="--client-body-buffer-size 100k")
    body = bytes(range(256)) * 4000
    assert front.ask(request(method="PUT", body=body)).status == 200
    assert [received.body for received in other.requests] == [body]
    assert (bad.accepted, other.accepted) == (1, 1)


def test_a_chunked_upload_is_sent_again_too(frontend: StartFrontend, backend: StartBackend) -> None:
    """It was decoded before a backend was asked for: both get its length."""
    bad, other = backend((*READ, Close())), backend()
    front = frontend(bad, other)
    data = request(method="PUT").removesuffix(b"\r\n") + b"Transfer-Encoding: chunked\r\n\r\n"
    assert front.ask(data + chunks([b"x" * 1000] * 5)).status == 200
    assert [one.body for one in (*bad.requests, *other.requests)] == [b"x" * 5000] * 2
    assert [one.value("CONTENT_LENGTH") for one in other.requests] == [b"5000"]


def test_a_streamed_upload_cannot_be_sent_again(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    """nginx rule 6.4."""
    bad, other = backend((ReadPacket(), ReadBody(10), Close())), backend(respond())
    front = frontend(bad, other, options="--request-buffering off")
    with front.client() as client:
        client.send(request(method="PUT", body=b"x" * 1000))
        response = client.response()
        assert response is not None
        assert response.status == 502
    assert (bad.accepted, other.accepted) == (1, 0)


def test_a_reply_that_has_begun_is_never_begun_again(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    """nginx rule 6.5."""
    bad, other = backend(truncate_after(100)), backend(respond())
    front = frontend(bad, other)
    with front.client() as client:
        client.send(request())
        response = client.response()
        assert response is not None
        assert (response.status, response.complete) == (200, False)
    check_failed(front, errors.EOF_MID_BODY, status=200)
    assert other.accepted == 0


def test_an_interim_response_is_its_beginning(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    """Something of this backend's has been passed on: its client is not led to another."""
    hints = Send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
    ok = Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    bad, other = backend((*READ, hints, Close())), backend((*READ, hints, ok))
    front = frontend(bad, other)
    with front.client() as client:
        client.send(request())
        got = [client.response() for _ in range(2)]
    assert [response and response.status for response in got] == [103, 502]
    assert (bad.accepted, other.accepted) == (1, 0)
    check_failed(front, errors.EOF_BEFORE_HEADERS)


@all_engines
def test_a_status_that_is_a_reason(frontend: StartFrontend, backend: StartBackend) -> None:
    """nginx rule 6.7: as long as there is another backend; else the application's own answer."""
    sorry = respond(b"HTTP/1.1 503 Mine", b"sorry")
    first, second, good = backend(sorry), backend(sorry), backend(respond(body=b"good"))
    front = frontend(first, second, good, options="--next-upstream error,http_503")
    assert front.ask(request()).body == b"good"
    assert (first.accepted, second.accepted, good.accepted) == (1, 1, 1)
    front = frontend(first, second, options="--next-upstream error,http_503")
    response = front.ask(request())
    assert (response.status_line, response.body) == (b"HTTP/1.1 503 Mine", b"sorry")
    assert (first.accepted, second.accepted) == (2, 2)
    assert response.values(b"retry-after") == []
    assert not front.failures()
    front = frontend(first, good, options="--next-upstream error,http_503")
    assert front.ask(post(b"x")).status == 503  # 6.3


def test_no_more_tries_than_allowed(frontend: StartFrontend, backend: StartBackend) -> None:
    """nginx rule 6.6."""
    workers = [backend(close_before_reply()) for _ in range(4)]
    front = frontend(*workers, options="--next-upstream-tries 2")
    assert front.ask(request()).status == 502
    assert [worker.accepted for worker in workers] == [1, 1, 0, 0]


def test_no_longer_than_allowed(frontend: StartFrontend, backend: StartBackend) -> None:
    slow, other = backend(silence()), backend(respond())
    front = frontend(slow, other, options="--next-upstream-timeout 0.1 --backend-read-timeout 0.3")
    assert front.ask(request()).status == 504
    assert other.accepted == 0


@all_engines
def test_not_more_retries_at_a_time_than_the_budget_has(
    frontend: StartFrontend, backend: StartBackend
) -> None:
    """When everything fails, retries do not multiply the load."""
    go = threading.Event()
    bad = backend((*READ, Send(b"HTTP/1.1 200 OK\r\nA\x01: b\r\n\r\n"), Close()))
    good = backend((*READ, Pause(go), Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")))
    front = frontend(
        f"{bad.address} max_fails=0",
        good,
        options="--balance first --retry-budget 0 --retry-budget-min 1 "
        "--next-upstream error,invalid_header",
    )
    with front.client() as first, front.client() as second:
        first.send(request("/1"))
        good.wait_for(1)
        second.send(request("/2"))
        check_answer(second, 502, "open")
        go.set()
        response = first.response()
        assert response is not None
        assert response.body == b"ok"
        second.send(request("/3"))  # the place in the budget is free again
        response = second.response()
        assert response is not None
        assert response.body == b"ok"
    assert (bad.accepted, good.accepted) == (3, 2)
    check_failed(front, errors.BAD_REPLY_HEAD, served=2)


@all_engines
def test_what_dies_together_needs_no_budget(frontend: StartFrontend, backend: StartBackend) -> None:
    """A worker takes its requests along once: all of them get another try."""
    go = threading.Event()
    bad, good = backend((*READ, Pause(go), Close())), backend(respond(body=b"ok"))
    front = frontend(
        f"{bad.address} max_fails=0",
        good,
        options="--balance first --retry-budget 0 --retry-budget-min 0",
    )
    clients = [front.client() for _ in range(10)]
    for client in clients:
        client.send(request())
    bad.wait_for(10)
    go.set()
    for client in clients:
        with client:
            response = client.response()
        assert response is not None
        assert response.body == b"ok"
    assert (bad.accepted, good.accepted) == (10, 10)
