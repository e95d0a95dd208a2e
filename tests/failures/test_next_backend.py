"""Which backend gets a request: in turn, past the ones that cannot be reached, and only once."""

import pytest

from proxy import errors
from proxy.testing import (
    Close,
    FakeBackend,
    ReadPacket,
    close_before_reply,
    missing,
    refuse,
    reset_before_reply,
    respond,
)
from proxy.testing.faults import Family
from tests.failures.outcome import check_answer, check_failed
from tests.integration.fixtures import StartBackend, StartFrontend
from tests.integration.frontend import ALL_ENGINES, PREFIX, Frontend
from tests.integration.messages import post, request

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
    assert f'"{absent}, {stale}, {closed}, {good.address}" -, -, -, 0.0' in logs.access[0]
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


FAILING = {
    "closes": (close_before_reply(), errors.EOF_BEFORE_HEADERS),
    "resets": (reset_before_reply(), errors.RESET_BEFORE_HEADERS),
    "does not read the body": ((ReadPacket(), Close()), None),
}


@all_engines
@pytest.mark.parametrize("name", FAILING)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_may_have_begun_is_not_tried_again(
    frontend: StartFrontend, backend: StartBackend, name: str, method: str
) -> None:
    """Not even GET: an application that died of a request should not be given it twice."""
    script, reason = FAILING[name]
    bad, other = backend(script), backend(respond())
    front = frontend(bad, other)
    with front.client() as client:
        client.send(request() if method == "GET" else post(b"x" * 1000))
        check_answer(client, 502, "open")
    assert bad.wait_for_ending(0)
    assert (bad.accepted, other.accepted) == (1, 0)
    ((word, count),) = front.failures().items()
    assert count == 1
    assert reason is None or word == reason.word


def attempts(front: Frontend, backend: FakeBackend | object) -> dict[str, float]:
    """Return the number of tries at a backend by result."""
    address = backend.address if isinstance(backend, FakeBackend) else backend
    return {
        dict(labels)["result"]: value
        for (name, labels), value in front.metrics().items()
        if name == PREFIX + "upstream_attempts_total" and dict(labels)["backend"] == str(address)
    }
