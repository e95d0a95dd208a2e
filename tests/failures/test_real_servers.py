"""The same failures by the real causes: uWSGI and gunicorn with an application that misbehaves."""

import hashlib
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy import errors
from proxy.errors import Reason
from tests.differential.client import Client
from tests.failures.app import LONG
from tests.failures.outcome import check_answer, check_end, check_failed
from tests.integration.fixtures import StartFrontend
from tests.integration.frontend import TWO_ENGINES
from tests.integration.messages import post, request
from tests.servers import REPOSITORY, Server, Transport, gunicorn, uwsgi, wait_until

APP = "tests.failures.app:application"
MEGABYTE = b"x" * 1_000_000
HARAKIRI_S = 2
GUNICORN_KINDS = ("sync", "gthread")


@pytest.fixture(scope="module", params=["unix", "tcp"])
def uwsgi_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """uWSGI with its stock limits and a harakiri."""
    transport: Transport = request.param
    directory = tmp_path_factory.mktemp("uwsgi")
    extra = ("--harakiri", str(HARAKIRI_S))
    with uwsgi(
        APP, directory=directory, python_path=REPOSITORY, socket=transport, processes=2, extra=extra
    ) as server:
        yield server


@pytest.fixture(scope="module", params=GUNICORN_KINDS)
def gunicorn_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """gunicorn with --protocol uwsgi."""
    directory: Path = tmp_path_factory.mktemp("gunicorn")
    with gunicorn(
        APP, directory=directory, python_path=REPOSITORY, worker=request.param, threads=2
    ) as server:
        yield server


NO_HEAD: dict[str, tuple[Reason, str]] = {
    "/raise": (errors.EOF_BEFORE_HEADERS, "after "),
    "/exit": (errors.EOF_BEFORE_HEADERS, "after "),
    "/big-head": (errors.REPLY_HEAD_TOO_LARGE, "limit 4096"),
}


@pytest.mark.parametrize("path", NO_HEAD)
def test_uwsgi_says_nothing_of_use(
    frontend: StartFrontend, uwsgi_server: Server, path: str
) -> None:
    reason, seen = NO_HEAD[path]
    front = frontend(uwsgi_server.address)
    with front.client() as client:
        client.send(request(path))
        check_answer(client, 502, "open")
        check_failed(front, reason, seen)


@pytest.mark.parametrize("engine", TWO_ENGINES[:1], ids=str)
def test_harakiri_shows_in_the_time_that_has_passed(
    frontend: StartFrontend, uwsgi_server: Server
) -> None:
    front = frontend(uwsgi_server.address)
    with front.client() as client:
        client.send(request("/hang"))
        check_answer(client, 502, "open")
        detail = check_failed(front, errors.EOF_BEFORE_HEADERS, "after ")
    elapsed = float(detail.split("after ")[1].split(" s")[0])
    # uWSGI counts whole seconds of the clock: with a limit of 1 it may strike after 0.8.
    assert elapsed > HARAKIRI_S - 1


def test_a_packet_over_uwsgi_s_buffer_size(frontend: StartFrontend, uwsgi_server: Server) -> None:
    """Untold of the limit, all that can be said is a reset; told of it, whose fault it is."""
    large = request("/ok", "Cookie: " + "x" * 5000)
    front = frontend(uwsgi_server.address)
    with front.client() as client:
        client.send(large)
        check_answer(client, 502, "open")
        seen = check_failed(front, errors.RESET_BEFORE_HEADERS, "packet of ")
    size = int(seen.split("packet of ")[1].split()[0])
    assert size > 5000
    front = frontend(uwsgi_server.address, options="--backend-buffer-size 4096")
    with front.client() as client:
        client.send(large)
        check_answer(client, 431, "closed")
        check_failed(front, errors.PACKET_OVER_WORKER_LIMIT, "4096")


def test_uwsgi_s_own_limit_is_the_one_that_is_mirrored(
    frontend: StartFrontend, uwsgi_server: Server
) -> None:
    """The largest packet that --backend-buffer-size lets pass is one that uWSGI takes."""
    front = frontend(uwsgi_server.address, options="--backend-buffer-size 4096")
    statuses = {
        size: front.ask(request("/ok", "Cookie: " + "x" * size)).status
        for size in range(3400, 3900, 5)
    }
    assert set(statuses.values()) == {200, 431}


def test_more_variables_than_uwsgi_takes(frontend: StartFrontend, uwsgi_server: Server) -> None:
    many = request("/ok", *(f"X-{number}: a" for number in range(130)))
    front = frontend(uwsgi_server.address)
    with front.client() as client:
        client.send(many)
        check_answer(client, 502, "open")
        check_failed(front, errors.EOF_BEFORE_HEADERS)
    front = frontend(uwsgi_server.address, options="--backend-max-vars 128")
    statuses = [
        front.ask(request("/ok", *(f"X-{number}: a" for number in range(count)))).status
        for count in range(105, 125)
    ]
    assert set(statuses) == {200, 431}


@pytest.mark.parametrize("path", ["/raise-late", "/shorter"])
def test_a_reply_that_uwsgi_does_not_finish(
    frontend: StartFrontend, uwsgi_server: Server, path: str
) -> None:
    front = frontend(uwsgi_server.address)
    with front.client() as client:
        client.send(request(path))
        response = client.response()
        assert response is not None
        assert (response.status, response.complete) == (200, False)
        check_end(client, "closed")
        check_failed(front, errors.EOF_MID_BODY, "990 bytes are missing", status=200)


def test_uwsgi_replies_without_reading(frontend: StartFrontend, uwsgi_server: Server) -> None:
    check_unread(frontend, uwsgi_server)


def test_gunicorn_replies_without_reading(frontend: StartFrontend, gunicorn_server: Server) -> None:
    check_unread(frontend, gunicorn_server)


def check_unread(frontend: StartFrontend, server: Server) -> None:
    """Upload what nobody reads, a few times: whether the kernel takes all of it is a race."""
    front = frontend(server.address)
    with front.client() as client:
        for _ in range(5):
            client.send(post(MEGABYTE, "/unread"))
            response = client.response()
            assert response is not None
            assert response.status == 200
            assert response.body == b"y" * LONG
    assert not front.failures()


def test_gunicorn_answers_for_its_application(
    frontend: StartFrontend, gunicorn_server: Server
) -> None:
    """That is the application's own 500, not a failure of ours."""
    front = frontend(gunicorn_server.address)
    response = front.ask(request("/raise"))
    assert response.status == 500
    assert b"Internal Server Error" in response.body
    assert not front.failures()


@pytest.mark.parametrize("path", ["/raise-late", "/shorter"])
def test_a_reply_that_gunicorn_does_not_finish(
    frontend: StartFrontend, gunicorn_server: Server, path: str
) -> None:
    front = frontend(gunicorn_server.address)
    with front.client() as client:
        client.send(request(path))
        response = client.response()
        assert response is not None
        assert (response.status, response.complete) == (200, False)
        check_end(client, "closed")
        check_failed(front, errors.EOF_MID_BODY, "bytes are missing", status=200)


def test_gunicorn_worker_that_dies(frontend: StartFrontend, gunicorn_server: Server) -> None:
    front = frontend(gunicorn_server.address)
    with front.client() as client:
        client.send(request("/exit"))
        check_answer(client, 502, "open")
        check_failed(front, errors.EOF_BEFORE_HEADERS)


def test_a_worker_of_uwsgi_dies_and_another_takes_over(
    frontend: StartFrontend, uwsgi_server: Server, tmp_path: Path
) -> None:
    check_death(frontend, uwsgi_server, tmp_path)


def test_a_worker_of_gunicorn_dies_and_another_takes_over(
    frontend: StartFrontend, gunicorn_server: Server, tmp_path: Path
) -> None:
    check_death(frontend, gunicorn_server, tmp_path)


def check_death(frontend: StartFrontend, server: Server, directory: Path) -> None:
    """A lone backend: GET is tried again, POST never (nginx rule 6.3)."""
    front = frontend(server.address)
    assert front.ask(request("/ok")).status == 200
    assert front.ask(request("/exit-once", f"X-Flag: {directory / 'get'}")).body == b"ok"
    assert not front.failures()
    with front.client() as client:
        client.send(request("/exit-once", f"X-Flag: {directory / 'post'}", method="POST"))
        check_answer(client, 502, "open")
        check_failed(front, errors.EOF_BEFORE_HEADERS, served=2)


@pytest.mark.parametrize("engine", TWO_ENGINES[:1], ids=str)
def test_what_was_refused_here_has_never_run(frontend: StartFrontend, tmp_path: Path) -> None:
    """The worker is held until whoever waits meanwhile has been told."""
    options = "--queue-size 1 --queue-timeout 0.3"
    with uwsgi(APP, directory=tmp_path, python_path=REPOSITORY) as server:
        front = frontend(f"{server.address} max_conns=1", options=options)
        with front.client() as first, front.client() as second:
            first.send(request("/hold", f"X-Flag: {tmp_path / 'go'}"))
            front.wait_in_flight(1)
            second.send(request("/ok?late"))
            wait_until(lambda: front.gauge("http_requests_in_flight") == 2 or told(second), "both")
            assert front.ask(request("/ok?one-too-many")).status == 503
            check_answer(second, 503, "open")
            (tmp_path / "go").touch()
            assert first.response() is not None
            second.send(request("/ok?again"))
            response = second.response()
            assert response is not None
            assert response.body == b"ok"
        wait_until(lambda: "/ok?again" in server.log(), "the log")
        assert "/ok?late" not in server.log()
        assert "/ok?one-too-many" not in server.log()


def told(client: Client) -> bool:
    """Whether an answer is there, to be read."""
    return bool(select.select([client.sock], [], [], 0)[0])


def test_an_upload_to_uwsgi_arrives_unchanged(
    frontend: StartFrontend, uwsgi_server: Server
) -> None:
    check_upload(frontend, uwsgi_server)


def test_an_upload_to_gunicorn_arrives_unchanged(
    frontend: StartFrontend, gunicorn_server: Server
) -> None:
    check_upload(frontend, gunicorn_server)


def check_upload(frontend: StartFrontend, server: Server) -> None:
    """Upload every byte there is."""
    body = bytes(range(256)) * 3000
    digest = hashlib.sha256(body).hexdigest().encode()
    assert frontend(server.address).ask(post(body, "/digest")).body == digest
