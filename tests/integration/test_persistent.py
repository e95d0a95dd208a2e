"""Kept connections to real servers: uWSGI's puwsgi sockets, gunicorn with threads and with asyncio.

Whatever these servers do to a connection (close it, leave it silent, restart behind it), the client
gets the whole answer, or an honest failure; and connections really are used again.
"""

import hashlib
import itertools
import re
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from proxy.upstream.backend import Backend
from tests.differential.client import Response
from tests.integration.fixtures import StartFrontend
from tests.integration.frontend import Frontend
from tests.integration.messages import post, request
from tests.servers import Server, gunicorn, has_debian_uwsgi, uwsgi, uwsgi_packet, wait_until

APP = """
import hashlib
import time

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raise":
        raise RuntimeError("as asked")
    if path == "/slow":
        time.sleep(1.5)
    length = environ.get("CONTENT_LENGTH") or "0"
    if path == "/unread":
        body = b"not wanted"
    elif path.startswith("/large"):
        body = b"x" * 300_000
    else:
        given = environ["wsgi.input"].read(int(length)) if int(length) else b""
        body = (path + environ["QUERY_STRING"] + hashlib.sha256(given).hexdigest()).encode()
    headers = [("Content-Type", "text/plain")]
    if path == "/stream":
        start_response("200 OK", headers)
        return (b"x" * 1000 for _ in range(100))
    if path == "/nothing":
        start_response("204 No Content", [])
        return [b""]
    if path == "/unchanged":
        start_response("304 Not Modified", [])
        return [b""]
    size = 1000 if path == "/short" else len(body)
    start_response("200 OK", [*headers, ("Content-Length", str(size))])
    return [body]

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("HTTP only")
    given, more = b"", True
    while more:
        message = await receive()
        given += message.get("body", b"")
        more = message.get("more_body", False)
    path = scope["path"]
    if path == "/raise":
        raise RuntimeError("as asked")
    body = (path + scope["query_string"].decode() + hashlib.sha256(given).hexdigest()).encode()
    status, headers = 200, [(b"content-type", b"text/plain")]
    if path == "/unread":
        body = b"not wanted"
    elif path.startswith("/large"):
        body = b"x" * 300_000
    elif path == "/stream":
        body = b"x" * 100_000
    elif path in ("/nothing", "/unchanged"):
        status, body = (204 if path == "/nothing" else 304), b""
    if path != "/stream" and status == 200:
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""

Kind = Literal["pyuwsgi", "debian"]
Worker = Literal["gthread", "asgi"]
KINDS = [
    "pyuwsgi",
    pytest.param(
        "debian", marks=pytest.mark.skipif(not has_debian_uwsgi(), reason="no uwsgi-core here")
    ),
]
every_kind = pytest.mark.parametrize("kind", KINDS)
every_worker = pytest.mark.parametrize("worker", ["gthread", "asgi"])
CLIENTS = 8


@pytest.fixture
def app_dir(tmp_path: Path) -> Path:
    (tmp_path / "kept.py").write_text(APP)
    return tmp_path


@contextmanager
def puwsgi(
    directory: Path, *extra: str, kind: Kind = "pyuwsgi", processes: int = 1, threads: int = 1
) -> Iterator[tuple[Server, str]]:
    """Run uWSGI with a puwsgi socket; yield it and what `--upstream` says."""
    with tempfile.TemporaryDirectory(prefix="uf-") as short:
        path = f"{short}/p.sock"
        options = ("--puwsgi-socket", path, *extra)
        with uwsgi(
            "kept:application",
            directory=directory,
            processes=processes,
            threads=threads,
            extra=options,
            binary=kind,
        ) as server:
            yield server, f"unix:{path} puwsgi keepalive={processes * threads}"


@contextmanager
def keeping_gunicorn(directory: Path, worker: Worker, *extra: str) -> Iterator[tuple[Server, str]]:
    """Run gunicorn; yield it and what `--upstream` says."""
    app = "kept:asgi" if worker == "asgi" else "kept:application"
    with gunicorn(app, directory=directory, worker=worker, threads=4, extra=extra) as server:
        yield server, f"{server.address} keepalive=4 max_conns=4"


def backend_of(front: Frontend, number: int = 0) -> Backend:
    upstreams = front._server.upstreams
    assert upstreams is not None
    return upstreams.default.pool.backends[number]


def opened(front: Frontend) -> int:
    """Return how many connections have been made to the first backend."""
    backend = backend_of(front)
    return backend.attempts - backend.idle.reused


def wait_for_rest(front: Frontend, count: int) -> None:
    """Wait until exactly so many connections rest."""
    wait_until(lambda: len(backend_of(front).idle) == count, f"{count} connections rest")


def workers_that_serve(server: Server) -> set[str]:
    """Return the process ids of uWSGI's newest workers, if they have served a request."""
    log = server.log()
    newest = dict(re.findall(r"spawned uWSGI worker (\d+) \(pid: (\d+)", log))
    return {pid for pid in newest.values() if f"[pid: {pid}|" in log}


def ask(front: Frontend, path: str = "/", method: str = "GET", body: bytes = b"") -> Response:
    with front.client() as client:
        client.send(request(path, method=method, body=body))
        response = client.response(head_only=method == "HEAD")
    assert response is not None
    return response


def expected(path: str, body: bytes = b"") -> bytes:
    return path.replace("?", "").encode() + hashlib.sha256(body).hexdigest().encode()


def visit(front: Frontend, number: int, turns: int, *, bodies: bool) -> None:
    """Be one client: ask again and again, and check each answer."""
    with front.client() as client:
        for turn in range(turns):
            path = f"/{number}?{turn}"
            body = b"%d %d " % (number, turn) * 100 if bodies and turn % 2 else b""
            client.send(post(body, path) if body else request(path))
            response = client.response()
            assert response is not None
            assert (response.status, response.body) == (200, expected(path, body))


def crowd(front: Frontend, turns: int, *, bodies: bool = False) -> None:
    """Be many clients at a time."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        visits = [
            pool.submit(visit, front, number, turns, bodies=bodies) for number in range(CLIENTS)
        ]
        for one in visits:
            one.result()


@contextmanager
def under_load(front: Frontend, *, bodies: bool = False) -> Iterator[Callable[[], int]]:
    """Have clients ask all the time; yield a function that counts what was answered well."""
    stop, served = threading.Event(), itertools.count()
    count = [0]

    def keep_asking(number: int) -> None:
        while not stop.is_set():
            visit(front, number, 10, bodies=bodies)
            count[0] = next(served) + 1

    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(keep_asking, number) for number in range(4)]
        try:
            yield lambda: count[0]
        finally:
            stop.set()
        for client in clients:
            client.result()


# -- uWSGI ----------------------------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize(("processes", "threads"), [(1, 1), (2, 1), (1, 3), (2, 2)])
def test_a_crowd_at_a_puwsgi_socket(
    frontend: StartFrontend, app_dir: Path, kind: Kind, processes: int, threads: int
) -> None:
    with puwsgi(app_dir, kind=kind, processes=processes, threads=threads) as (_, upstream):
        front = frontend(upstream)
        crowd(front, 25)
        assert not front.failures()
        backend = backend_of(front)
        assert backend.attempts == CLIENTS * 25
        assert opened(front) <= processes * threads
        assert len(backend.idle) <= processes * threads
        assert len(front.finish().access) == CLIENTS * 25


@every_kind
def test_workers_of_uwsgi_that_end_after_so_many_requests(
    frontend: StartFrontend, app_dir: Path, kind: Kind
) -> None:
    options = ("--max-requests", "40", "--min-worker-lifetime", "0")
    with puwsgi(app_dir, *options, kind=kind, processes=2) as (server, upstream):
        front = frontend(upstream)
        crowd(front, 15)
        assert not front.failures()
        assert backend_of(front).failures == 0
        assert backend_of(front).idle.reused > 0
        wait_until(lambda: "respawned" in server.log().lower(), "workers have ended")


@every_kind
def test_uwsgi_is_reloaded_under_load(frontend: StartFrontend, app_dir: Path, kind: Kind) -> None:
    with puwsgi(app_dir, kind=kind, processes=2) as (server, upstream):
        front = frontend(upstream)
        with under_load(front) as count:
            for _ in range(3):
                # A worker that has only just been started does not hear SIGHUP.
                wait_until(lambda: len(workers_that_serve(server)) == 2, "both workers serve")
                before, old = count(), workers_that_serve(server)
                server.process.send_signal(signal.SIGHUP)
                wait_until(
                    lambda: not workers_that_serve(server) & old,  # noqa: B023
                    "the workers have been started again",
                )
                wait_until(lambda: count() > before + 3, "requests are answered")  # noqa: B023
        assert not front.failures()
        assert backend_of(front).failures == 0
        assert backend_of(front).idle.reused > 0


def test_idle_longer_than_uwsgi_waits(frontend: StartFrontend, app_dir: Path) -> None:
    with puwsgi(app_dir, "--socket-timeout", "1", processes=2) as (_, upstream):
        front = frontend(upstream)
        for _ in range(2):
            reused = backend_of(front).idle.reused
            crowd(front, 2)
            assert backend_of(front).idle.reused > reused  # so they have rested in between
            assert len(backend_of(front).idle) <= 2
            wait_for_rest(front, 0)
        assert not front.failures()
        assert opened(front) >= 2


@every_kind
def test_an_application_without_an_answer(
    frontend: StartFrontend, app_dir: Path, kind: Kind
) -> None:
    """uWSGI says nothing and leaves the connection open; to the client it is a 502 all the same."""
    with puwsgi(app_dir, kind=kind) as (server, upstream):
        front = frontend(upstream)
        assert ask(front).status == 200
        assert ask(front, "/raise").status == 502
        assert front.failures() == {"eof_before_headers": 1.0}
        assert server.log().count("RuntimeError: as asked") == 2, (
            "once more, as on any connection of one backend"
        )
        for _ in range(3):
            assert ask(front).body == expected("/")
        assert len(backend_of(front).idle) == 1


@every_kind
def test_why_no_request_is_sent_before_the_reply_to_the_last(app_dir: Path, kind: Kind) -> None:
    """Of two requests on a connection uWSGI may answer the second only: one client's is another's.

    If this fails, uWSGI has learned to say so, and decision 11 may be thought over.
    """
    with puwsgi(app_dir, kind=kind) as (_, upstream), socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(30)
        sock.connect(upstream.split()[0].removeprefix("unix:"))
        paths = ("/raise", "/of-another-client")
        sock.sendall(b"".join(uwsgi_packet({"PATH_INFO": path}) for path in paths))
        reply = b""
        while expected("/of-another-client") not in reply:
            received = sock.recv(65536)
            assert received, "the connection has ended"
            reply += received
        assert reply.startswith(b"HTTP/1.1 200")
        assert reply.count(b"HTTP/1.1 ") == 1


@every_kind
@pytest.mark.parametrize(
    ("path", "status", "body"),
    [("/stream", 200, b"x" * 100_000), ("/nothing", 204, b""), ("/unchanged", 304, b"")],
)
def test_what_has_no_length_comes_at_once_and_whole(
    frontend: StartFrontend, app_dir: Path, kind: Kind, path: str, status: int, body: bytes
) -> None:
    with puwsgi(app_dir, kind=kind) as (_, upstream):
        front = frontend(upstream)
        for _ in range(3):
            response = ask(front, path)
            assert (response.status, response.body, response.complete) == (status, body, True)
            assert ask(front).body == expected("/")
        assert opened(front) == 4
        assert not front.failures()


@every_kind
def test_the_body_that_uwsgi_sends_for_head_is_nobody_s(
    frontend: StartFrontend, app_dir: Path, kind: Kind
) -> None:
    with puwsgi(app_dir, kind=kind) as (_, upstream):
        front = frontend(upstream)
        for _ in range(3):
            for path in ("/", "/large"):
                with front.client() as client:
                    client.send(request(path, method="HEAD") + request())
                    head = client.response(head_only=True)
                    assert head is not None
                    assert head.status == 200
                    following = client.response()
                    assert following is not None
                    assert following.body == expected("/")
        assert not front.failures()


@every_kind
def test_a_body_that_stops_short_does_not_take_from_the_next(
    frontend: StartFrontend, app_dir: Path, kind: Kind
) -> None:
    with puwsgi(app_dir, kind=kind) as (_, upstream):
        front = frontend(upstream)
        assert ask(front).status == 200
        assert not ask(front, "/short").complete
        assert front.failures() == {"eof_mid_body": 1.0}
        assert ask(front).body == expected("/")


@every_kind
def test_an_answer_that_takes_its_time(frontend: StartFrontend, app_dir: Path, kind: Kind) -> None:
    with puwsgi(app_dir, kind=kind) as (_, upstream):
        front = frontend(upstream)
        assert ask(front).status == 200
        assert ask(front, "/slow").body == expected("/slow")
        assert ask(front, "/large").body == b"x" * 300_000
        assert not front.failures()


def test_bodies_go_to_the_other_socket(frontend: StartFrontend, app_dir: Path) -> None:
    with (
        puwsgi(app_dir, processes=2) as (_, kept),
        uwsgi("kept:application", directory=app_dir) as plain,
    ):
        front = frontend(kept, plain.address)
        crowd(front, 10, bodies=True)
        assert not front.failures()
        assert backend_of(front).idle.reused > 0
        assert backend_of(front, 1).attempts >= CLIENTS * 5


def test_where_bodies_cannot_go(frontend: StartFrontend, app_dir: Path) -> None:
    with puwsgi(app_dir) as (_, upstream):
        front = frontend(upstream)
        assert ask(front).status == 200
        assert ask(front, method="POST", body=b"hello").status == 502
        assert front.failures() == {"no_backend": 1.0}
        assert ask(front).status == 200


@every_kind
def test_a_fresh_connection_does_not_starve(
    frontend: StartFrontend, app_dir: Path, kind: Kind
) -> None:
    """A POST gets one of its own; those that rest hold all cores for hours, if they may."""
    options = ("--socket-timeout", "3600")
    with puwsgi(app_dir, *options, kind=kind, processes=2) as (_, upstream):
        front = frontend(upstream)
        for _ in range(3):
            crowd(front, 5)
            assert ask(front, method="POST").body == expected("/")
        assert not front.failures()


# -- gunicorn -------------------------------------------------------------------------------------


@every_worker
@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_a_crowd_at_gunicorn(
    frontend: StartFrontend, app_dir: Path, worker: Worker, transport: Literal["unix", "tcp"]
) -> None:
    app = "kept:asgi" if worker == "asgi" else "kept:application"
    with gunicorn(app, directory=app_dir, worker=worker, threads=4, socket=transport) as server:
        front = frontend(f"{server.address} keepalive=4 max_conns=4")
        crowd(front, 20, bodies=True)
        assert not front.failures()
        backend = backend_of(front)
        assert backend.attempts == CLIENTS * 20
        # Each POST has a connection of its own; of the rest, nearly all are used again.
        assert backend.idle.reused >= CLIENTS * 10 * 0.9


@every_worker
def test_gunicorn_closes_what_rests_for_too_long(
    frontend: StartFrontend, app_dir: Path, worker: Worker
) -> None:
    """Its threads do; its asyncio worker forgets to."""
    with keeping_gunicorn(app_dir, worker, "--keep-alive", "1") as (_, upstream):
        front = frontend(upstream)
        for _ in range(2):
            reused = backend_of(front).idle.reused
            crowd(front, 3)
            assert backend_of(front).idle.reused > reused  # so they have rested in between
            if worker == "gthread":
                wait_for_rest(front, 0)
        assert not front.failures()
        assert ask(front).body == expected("/")


@every_worker
def test_workers_of_gunicorn_that_end_after_so_many_requests(
    frontend: StartFrontend, app_dir: Path, worker: Worker
) -> None:
    options = ("--max-requests", "5", "--workers", "2")
    with keeping_gunicorn(app_dir, worker, *options) as (server, upstream):
        front = frontend(upstream)
        crowd(front, 10)
        assert not front.failures()
        assert "after current request" in server.log()
        assert backend_of(front).idle.reused > 0


@every_worker
def test_gunicorn_is_reloaded_under_load(
    frontend: StartFrontend, app_dir: Path, worker: Worker
) -> None:
    options = ("--workers", "2", "--graceful-timeout", "2")
    with keeping_gunicorn(app_dir, worker, *options) as (server, upstream):
        front = frontend(upstream)
        with under_load(front) as count:
            for reload in range(1, 4):
                before = count()
                server.process.send_signal(signal.SIGHUP)
                wait_until(
                    lambda: server.log().count("Worker exiting") >= 2 * reload,  # noqa: B023
                    "the old workers have ended",
                )
                wait_until(lambda: count() > before + 3, "requests are answered")  # noqa: B023
        assert not front.failures()
        assert backend_of(front).idle.reused > 0


@every_worker
def test_an_application_that_raises(frontend: StartFrontend, app_dir: Path, worker: Worker) -> None:
    with keeping_gunicorn(app_dir, worker) as (_, upstream):
        front = frontend(upstream)
        for _ in range(3):
            assert ask(front, "/raise").status == 500
            assert ask(front).body == expected("/")
        assert not front.failures()


@every_worker
@pytest.mark.parametrize(
    ("path", "status", "body"),
    [("/stream", 200, b"x" * 100_000), ("/nothing", 204, b""), ("/unchanged", 304, b"")],
)
def test_what_has_no_length_from_gunicorn(
    frontend: StartFrontend, app_dir: Path, worker: Worker, path: str, status: int, body: bytes
) -> None:
    with keeping_gunicorn(app_dir, worker) as (_, upstream):
        front = frontend(upstream)
        for _ in range(3):
            response = ask(front, path)
            assert (response.status, response.body, response.complete) == (status, body, True)
            assert ask(front).body == expected("/")
        assert not front.failures()


@every_worker
def test_heads_from_gunicorn(frontend: StartFrontend, app_dir: Path, worker: Worker) -> None:
    """It does not send the body that the application gives, so the connection stays."""
    with keeping_gunicorn(app_dir, worker) as (_, upstream):
        front = frontend(upstream)
        for path in ("/", "/large", "/stream", "/nothing") * 3:
            with front.client() as client:
                client.send(request(path, method="HEAD") + request())
                head = client.response(head_only=True)
                assert head is not None
                assert head.status == (204 if path == "/nothing" else 200)
                following = client.response()
                assert following is not None
                assert following.body == expected("/")
        assert not front.failures()


@every_worker
@pytest.mark.parametrize("size", [5, 200_000])
def test_a_body_that_the_application_does_not_read(
    frontend: StartFrontend, app_dir: Path, worker: Worker, size: int
) -> None:
    with keeping_gunicorn(app_dir, worker) as (_, upstream):
        front = frontend(upstream)
        for method in ("PUT", "POST") * 3:
            response = ask(front, "/unread", method, b"x" * size)
            assert response.body == b"not wanted"
            assert ask(front).body == expected("/")
        assert not front.failures()
