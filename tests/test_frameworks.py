"""Real frameworks on real servers, through the proxy as a process of its own.

The applications are those of examples/. What a browser or a client would notice has to be the same
on every server: cookies, redirects, uploads, streams, statuses, paths.
"""

import hashlib
import http.client
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers import (
    DEADLINE_S,
    REPOSITORY,
    Proxy,
    Reply,
    Server,
    form_body,
    gunicorn,
    proxy_process,
    uwsgi,
)

Start = Callable[[str, Path, Path], AbstractContextManager[Server]]
LIMITS = ("--buffer-size", "65535")


@dataclass(frozen=True)
class Kind:
    """A way to run an application."""

    start: Start
    path_info: str = "decoded"
    knows_the_client: bool = True
    """Whether REMOTE_ADDR reaches the application; gunicorn takes it from its own connection."""
    is_asgi: bool = False


def _uwsgi(**options: Any) -> Kind:
    def start(app: str, source: Path, directory: Path) -> AbstractContextManager[Server]:
        return uwsgi(app, directory=directory, python_path=source, extra=LIMITS, **options)

    return Kind(start)


def _gunicorn(**options: Any) -> Kind:
    def start(app: str, source: Path, directory: Path) -> AbstractContextManager[Server]:
        return gunicorn(app, directory=directory, python_path=source, **options)

    is_asgi = options["worker"] == "asgi"
    # The others decode the path themselves.
    path_info = "decoded" if is_asgi else "raw"
    return Kind(start, path_info, knows_the_client=False, is_asgi=is_asgi)


WSGI_KINDS = {
    "uwsgi": _uwsgi(processes=2),
    "uwsgi-threads": _uwsgi(processes=1, threads=4),
    "uwsgi-gevent": _uwsgi(gevent=20),
    "uwsgi-tcp": _uwsgi(socket="tcp"),
    "gunicorn-sync": _gunicorn(worker="sync", processes=2),
    "gunicorn-gthread": _gunicorn(worker="gthread", threads=4),
    "gunicorn-tcp": _gunicorn(worker="gthread", threads=4, socket="tcp"),
}
ASGI_KINDS = {"gunicorn-asgi": _gunicorn(worker="asgi")}


@dataclass(frozen=True)
class Site:
    """An application behind the proxy."""

    proxy: Proxy
    kind: Kind

    def get(
        self,
        path: str,
        method: str = "GET",
        body: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Make one request on a connection of its own; an iterator is sent in chunks."""
        connection = self.connect()
        try:
            chunked = body is not None and not isinstance(body, bytes)
            more = {"Transfer-Encoding": "chunked"} if chunked else {}
            connection.request(
                method, path, body, {**more, **(headers or {})}, encode_chunked=chunked
            )
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection to the proxy."""
        return http.client.HTTPConnection(self.proxy.host, self.proxy.port, timeout=DEADLINE_S)


@contextmanager
def serving(kind: Kind, app: str, source: str, directory: Path) -> Iterator[Site]:
    """Start a server and the proxy before it."""
    content = "wsgi" if kind.is_asgi else "nginx"
    options = [*("--client-max-body-size", "10m"), *("--path-info", kind.path_info)]
    options += ["--content-variables", content]
    with (
        kind.start(app, REPOSITORY / "examples" / source, directory) as server,
        proxy_process("--upstream", server.address, *options) as proxy,
    ):
        yield Site(proxy, kind)


@pytest.fixture(scope="module", params=WSGI_KINDS)
def flask(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """The Flask example."""
    with serving(
        WSGI_KINDS[request.param], "app:app", "flask_app", tmp_path_factory.mktemp("flask")
    ) as site:
        yield site


@pytest.fixture(scope="module", params=[*WSGI_KINDS, *ASGI_KINDS])
def django(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """The Django example, under WSGI and ASGI."""
    is_asgi = request.param in ASGI_KINDS
    kind = (ASGI_KINDS if is_asgi else WSGI_KINDS)[request.param]
    app = f"demo.{'asgi' if is_asgi else 'wsgi'}:application"
    with serving(kind, app, "django_app", tmp_path_factory.mktemp("django")) as site:
        yield site


CONTENT = bytes(range(256)) * (5 * 1024 * 1024 // 256)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def chunks(content: bytes = CONTENT) -> Iterator[bytes]:
    """Yield the content in uneven pieces."""
    for start in range(0, len(content), 100_003):
        yield content[start : start + 100_003]


def content_for(site: Site) -> bytes:
    """Return what may be uploaded there.

    gunicorn 27's asgi worker stops reading once 256 KB wait for the application, and never starts
    again: a larger upload hangs there when the application does anything in between.
    """
    return CONTENT[:200_000] if site.kind.is_asgi else CONTENT


def event_times(site: Site, path: str) -> list[float]:
    """Return when the first two server-sent events arrived, then hang up."""
    connection = site.connect()
    times: list[float] = []
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        assert response.headers.get_content_type() == "text/event-stream"
        while len(times) < 2 and (line := response.readline()):
            if line.startswith(b"data: "):
                times.append(time.monotonic())
    finally:
        connection.close()
    return times


def check_streamed(site: Site, path: str) -> None:
    """Check that two events come apart. Once is enough: together they come whenever buffered."""
    tries = (event_times(site, path) for _ in range(3))
    apart = any(second - first > 0.4 for first, second in tries)
    assert apart, "they came together: the stream was buffered"


# --- Flask


def test_flask_session(flask: Site) -> None:
    first = flask.get("/")
    assert b"been here 1 times" in first.body
    if flask.kind.knows_the_client:
        assert b"You are 127.0.0.1," in first.body
    again = flask.get("/", headers={"Cookie": first.cookies()})
    assert b"been here 2 times" in again.body


def test_flask_redirect_with_cookie(flask: Site) -> None:
    assert flask.get("/whoami").status == 401
    reply = flask.get("/login/alice")
    assert reply.status == 302
    assert reply.headers["Location"] == "/whoami"
    assert flask.get("/whoami", headers={"Cookie": reply.cookies()}).body == b"alice\n"


def test_flask_upload_of_5_mb(flask: Site) -> None:
    kind, body = form_body("file", "ü.bin", CONTENT)
    reply = flask.get("/upload", "POST", body, {"Content-Type": kind})
    assert json.loads(reply.body) == {"name": "ü.bin", "bytes": len(CONTENT), "sha256": DIGEST}


def test_flask_chunked_upload_of_5_mb(flask: Site) -> None:
    reply = flask.get("/raw", "PUT", chunks())
    assert json.loads(reply.body) == {"bytes": len(CONTENT), "sha256": DIGEST}


def test_an_upload_over_the_limit(flask: Site) -> None:
    connection = flask.connect()
    try:
        connection.putrequest("PUT", "/raw")
        connection.putheader("Content-Length", str(11 * 1024 * 1024))
        connection.endheaders()
        assert connection.getresponse().status == 413
    finally:
        connection.close()


def test_flask_streams_as_it_happens(flask: Site) -> None:
    check_streamed(flask, "/stream?count=2&pause=1")


def test_flask_head_has_the_headers_of_get(flask: Site) -> None:
    whole, head = flask.get("/json"), flask.get("/json", "HEAD")
    assert head.status == 200
    assert head.body == b""
    assert head.headers["Content-Type"] == whole.headers["Content-Type"]


@pytest.mark.parametrize(
    ("path", "status"), [("/nowhere", 404), ("/upload", 405), ("/error", 500), ("/empty", 204)]
)
def test_flask_statuses(flask: Site, path: str, status: int) -> None:
    reply = flask.get(path)
    assert reply.status == status
    assert (reply.body == b"") is (status == 204)


def test_flask_conditional_request(flask: Site) -> None:
    assert flask.get("/cached").body == b"the same as ever\n"
    reply = flask.get("/cached", headers={"If-None-Match": '"v1"'})
    assert (reply.status, reply.body) == (304, b"")
    assert reply.headers["ETag"] == '"v1"'


PATHS = [
    ("%2565", "%65"),
    ("%65", "e"),
    ("a%20b+c", "a b+c"),
    ("%C3%BC", "ü"),
    ("a%3Fb", "a?b"),
    ("a%25", "a%"),
    ("a;b=c", "a;b=c"),
]


@pytest.mark.parametrize(("sent", "seen"), PATHS)
def test_flask_sees_the_path_decoded_once(flask: Site, sent: str, seen: str) -> None:
    assert flask.get(f"/path/{sent}").body.decode() == seen


def test_flask_sees_the_query_as_it_came(flask: Site) -> None:
    seen = json.loads(flask.get("/json?a=1&a=%2B2&b=%26").body)
    assert seen["query"] == {"a": ["1", "+2"], "b": ["&"]}


def test_flask_sees_the_headers(flask: Site) -> None:
    reply = flask.get("/json", headers={"X-One": "1, 2", "Host": "example.com:81"})
    seen = json.loads(reply.body)
    assert seen["headers"]["X-One"] == "1, 2"
    assert seen["host"] == "example.com:81"
    assert seen["scheme"] == "http"


def test_one_connection_serves_many_requests(flask: Site) -> None:
    connection = flask.connect()
    try:
        sockets = set()
        for path in ("/json", "/nowhere", "/empty", "/stream?count=2&pause=0", "/json"):
            connection.request("GET", path)
            sockets.add(connection.sock)
            connection.getresponse().read()
        assert len(sockets) == 1
        assert None not in sockets
    finally:
        connection.close()


# --- Django


def token_of(page: bytes) -> str:
    """Return the CSRF token of a form."""
    found = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found, page
    return found[1].decode()


def test_django_session(django: Site) -> None:
    first = django.get("/")
    assert b"been here 1 times" in first.body
    assert f"http://{django.proxy.host}:{django.proxy.port}/".encode() in first.body
    assert b"been here 2 times" in django.get("/", headers={"Cookie": first.cookies()}).body


def test_django_form_with_csrf_and_message(django: Site) -> None:
    page = django.get("/notes/")
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": page.cookies()}
    assert django.get("/notes/", "POST", b"note=x", headers).status == 403
    form = f"note=gr%C3%BCn&csrfmiddlewaretoken={token_of(page.body)}".encode()
    saved = django.get("/notes/", "POST", form, headers)
    assert saved.status == 302
    cookies = saved.headers.get_all("Set-Cookie") or []
    assert len(cookies) >= 2, "the session and the message come in lines of their own"
    after = django.get("/notes/", headers={"Cookie": f"{page.cookies()}; {saved.cookies()}"})
    assert '<p class="message">Saved: grün</p>'.encode() in after.body


def test_django_upload(django: Site) -> None:
    page = django.get("/upload/")
    content = content_for(django)
    kind, body = form_body("file", "a.bin", content, csrfmiddlewaretoken=token_of(page.body))
    headers = {"Content-Type": kind, "Cookie": page.cookies()}
    reply = django.get("/upload/", "POST", body, headers)
    digest = hashlib.sha256(content).hexdigest()
    assert json.loads(reply.body) == {"name": "a.bin", "bytes": len(content), "sha256": digest}


def test_django_chunked_upload(django: Site) -> None:
    content = content_for(django)
    reply = django.get("/raw/", "PUT", chunks(content))
    digest = hashlib.sha256(content).hexdigest()
    assert json.loads(reply.body) == {"bytes": len(content), "sha256": digest}


def test_django_streams_as_it_happens(django: Site) -> None:
    check_streamed(django, "/stream/?count=2&pause=1")


def test_django_head(django: Site) -> None:
    head = django.get("/notes/", "HEAD")
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize(
    ("path", "status", "location"),
    [
        ("/old/", 301, "/"),
        ("/notes", 301, "/notes/"),
        ("/nowhere/", 404, None),
        ("/error/", 500, None),
    ],
)
def test_django_statuses(django: Site, path: str, status: int, location: str | None) -> None:
    reply = django.get(path)
    assert (reply.status, reply.headers["Location"]) == (status, location)


@pytest.mark.parametrize(("sent", "seen"), PATHS)
def test_django_sees_the_path_decoded_once(django: Site, sent: str, seen: str) -> None:
    if django.kind.is_asgi:
        seen = seen.encode().decode("latin-1")  # gunicorn 27 takes PATH_INFO for Latin-1 there
    assert django.get(f"/path/{sent}").body.decode() == seen


# --- the embedded worker


@pytest.mark.parametrize(
    ("app", "source"), [("app:app", "flask_app"), ("demo.wsgi:application", "django_app")]
)
def test_app_runs_an_example_without_more(app: str, source: str) -> None:
    options = ("--app", app, "--processes", "2", "--threads", "2")
    with proxy_process(*options, cwd=REPOSITORY / "examples" / source) as proxy:
        site = Site(proxy, Kind(WSGI_KINDS["uwsgi"].start))
        first = site.get("/")
        assert b"been here 1 times" in first.body
        assert b"been here 2 times" in site.get("/", headers={"Cookie": first.cookies()}).body
        assert proxy.stop() == 0


def test_app_runs_the_built_in_example() -> None:
    with proxy_process("--app", "proxy.worker.example:application") as proxy:
        site = Site(proxy, Kind(WSGI_KINDS["uwsgi"].start))
        assert b"<h1>It works</h1>" in site.get("/").body
        digest = json.loads(site.get("/upload", "PUT", b"abc").body)["sha256"]
        assert digest == hashlib.sha256(b"abc").hexdigest()
        assert len(site.get("/large?mb=3").body) == 3 * 1024 * 1024
        assert len(event_times(site, "/stream")) == 2
