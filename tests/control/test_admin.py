"""The admin listener, as its clients see it: paths, methods, and everything that is said no to."""

import json

import pytest

from proxy.control import admin
from proxy.control.admin import Admin, Desk
from proxy.control.guard import Guard
from proxy.control.members import Done, Question
from tests.control.scene import BEARER, JSON, LOCAL_HOST, TCP, UNIX, Scene, a
from tests.wire import read_responses, request

BACKEND = b"/api/upstreams/default/backends/unix:%2Frun%2F0.sock"


def test_metrics_in_both_formats() -> None:
    scene = Scene()
    scene.happen()
    text = scene.ask(b"GET /metrics?name[]=x")
    assert text.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b'uwsgi_frontend_http_requests_total{code="200",method="GET"} 1.0' in text.body
    other = scene.ask(b"GET /metrics", b"Accept: application/openmetrics-text; version=1.0.0")
    assert other.headers["content-type"].startswith("application/openmetrics-text")
    assert other.body.endswith(b"# EOF\n")


def test_a_connection_is_used_again() -> None:
    scene = Scene()
    client = scene.client()
    for _ in range(3):
        client.send(request(b"GET /api/version HTTP/1.1", LOCAL_HOST, host=False))
        (response,) = read_responses(client.received())
        assert (response.status, response.headers["connection"]) == (200, "keep-alive")


@pytest.mark.parametrize(
    "path", [b"/", b"/metrics", b"/livez", b"/api", b"/api/upstreams", b"/api/events", BACKEND]
)
def test_head(path: bytes) -> None:
    scene = Scene()
    client = scene.client()
    client.send(request(b"HEAD " + path + b" HTTP/1.1", LOCAL_HOST, host=False))
    got = client.received()
    (response,) = read_responses(got, ["HEAD"])
    assert response.status == 200
    assert got.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "path",
    [
        b"/nothing",
        b"/metrics/",
        b"/metrics/more",
        b"/api/nothing",
        b"/api/settings/more",
        b"/api/events/more",
        b"/api/version/more",
        b"/api/upstreams/other",
        b"/api/upstreams/other/backends",
        b"/api/upstreams/default/nothing",
        b"/api/upstreams/default/backends/unix:/run/7.sock",
    ],
)
def test_what_there_is_not(path: bytes) -> None:
    if path == b"/metrics/":  # a slash at the end makes no difference
        assert Scene().ask(b"GET " + path).status == 200
        return
    response = Scene().ask(b"GET " + path)
    error = json.loads(response.body)["error"]
    assert (response.status, error["status"]) == (404, 404)
    assert error["text"]
    assert error["next_step"]


@pytest.mark.parametrize(
    ("line", "allowed"),
    [
        (b"POST /metrics", "GET, HEAD"),
        (b"DELETE /", "GET, HEAD"),
        (b"PUT /api", "GET, HEAD"),
        (b"DELETE /api/upstreams/default/backends", "GET, HEAD, POST"),
        (b"POST " + BACKEND, "GET, HEAD, PATCH, DELETE"),
        (b"PUT " + BACKEND, "GET, HEAD, PATCH, DELETE"),
    ],
)
def test_a_method_that_a_path_does_not_take(line: bytes, allowed: str) -> None:
    response = Scene().ask(line, BEARER, JSON, body=b"{}")
    assert (response.status, response.headers["allow"]) == (405, allowed)


def test_every_answer_is_for_now_and_for_us_only() -> None:
    scene = Scene()
    for path in (b"/", b"/metrics", b"/livez", b"/api", b"/nothing"):
        headers = scene.ask(b"GET " + path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"


def test_what_cannot_be_parsed() -> None:
    client = Scene().client()
    client.send(b"nonsense\r\n")
    (response,) = read_responses(client.received())
    assert response.status == 400


def test_a_body_that_nobody_reads_ends_the_connection() -> None:
    client = Scene().client()
    client.send(request(b"GET /metrics HTTP/1.1", body=b"x"))
    (response,) = read_responses(client.received())
    assert (response.status, response.headers["connection"]) == (200, "close")
    assert client.at_end


# -- changes --------------------------------------------------------------------------------------


def test_drain_and_enable() -> None:
    scene = Scene()
    status, backend = scene.change(b"PATCH " + BACKEND, {"drain": True})
    assert (status, backend["server"], backend["duty"]) == (200, a(0), "draining")
    assert scene.backends[0].draining
    status, backend = scene.change(b"PATCH " + BACKEND, {"drain": False, "weight": 3})
    assert (status, backend["duty"], backend["weight"]) == (200, "serving", 3)
    assert scene.backends[0].weight == 3


def test_the_log_says_who_has_changed_what(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "proxy")
    scene = Scene()
    scene.change(b"PATCH " + BACKEND, {"drain": True, "weight": 3})
    scene.change(b"PATCH " + BACKEND + b"x", {"drain": True})  # there is none
    scene.change(b"POST /api/upstreams/default/backends", {"server": "unix:/run/9.sock weight=2"})
    scene.change(b"DELETE /api/upstreams/default/backends/unix:/run/9.sock", None)
    told = [record.getMessage() for record in caplog.records]
    assert [line for line in told if line.startswith("admin: ")] == [
        f"admin: change {a(0)} of default: drain True, weight 3, by 192.0.2.1",
        "admin: add unix:/run/9.sock of default: server unix:/run/9.sock weight=2, by 192.0.2.1",
        "admin: remove unix:/run/9.sock of default, by 192.0.2.1",
    ]


def test_an_address_may_have_its_slashes_as_they_are() -> None:
    scene = Scene()
    line = b"PATCH /api/upstreams/default/backends/unix:/run/1.sock"
    assert scene.change(line, {"max_conns": 4})[0] == 200
    assert scene.backends[1].max_conns == 4
    assert scene.read(f"/api/upstreams/default/backends/{a(1)}")["max_conns"] == 4


def test_add_and_remove() -> None:
    scene = Scene()
    body = json.dumps({"server": "unix:/run/5.sock weight=2"}).encode()
    line = b"POST /api/upstreams/default/backends"
    response = scene.ask(line, BEARER, JSON, body=body)
    assert response.status == 201
    where = response.headers["location"]
    assert where == "/api/upstreams/default/backends/unix%3A%2Frun%2F5.sock"
    assert scene.read(where)["source"] == "api"
    assert scene.ask(b"DELETE " + where.encode(), BEARER).status == 200
    assert [one.name for one in scene.backends] == [a(0), a(1)]
    assert scene.read(where, 404)["error"]["code"] == "no_backend"


def test_what_is_not_known_is_not_changed() -> None:
    scene = Scene()
    status, answer = scene.change(b"PATCH " + BACKEND + b"x", {"drain": True})
    assert (status, answer["error"]["code"]) == (404, "no_backend")
    status, answer = scene.change(b"POST /api/upstreams/other/backends", {"server": "unix:/x"})
    assert (status, answer["error"]["code"]) == (404, "no_upstream")


def test_over_a_unix_socket_no_token_is_needed() -> None:
    scene = Scene(guard=Guard(UNIX))
    response = scene.ask(b"PATCH " + BACKEND, JSON, body=b'{"drain": true}')
    assert response.status == 200
    assert scene.backends[0].draining


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ((JSON,), 401, "token_missing"),
        ((JSON, b"Authorization: Basic 0123456789abcdef"), 401, "token_missing"),
        ((JSON, b"Authorization: Bearer 0123456789abcdeX"), 403, "token_wrong"),
        ((JSON, BEARER, b"Origin: http://evil.example"), 403, "cross_origin"),
        ((JSON, BEARER, b"Origin: null"), 403, "cross_origin"),
        ((JSON, BEARER, b"Sec-Fetch-Site: cross-site"), 403, "cross_origin"),
        ((JSON, BEARER, b"Sec-Fetch-Site: same-site"), 403, "cross_origin"),
        ((BEARER,), 415, "not_json"),
        ((BEARER, b"Content-Type: text/plain"), 415, "not_json"),
    ],
)
def test_who_may_not_change_anything(headers: tuple[bytes, ...], status: int, code: str) -> None:
    scene = Scene()
    response = scene.ask(b"PATCH " + BACKEND, *headers, body=b'{"drain": true}')
    assert (response.status, json.loads(response.body)["error"]["code"]) == (status, code)
    assert not scene.backends[0].draining


def test_a_page_of_ours_may() -> None:
    scene = Scene()
    ours = (b"Origin: http://localhost:9090", b"Sec-Fetch-Site: same-origin")
    assert scene.change(b"PATCH " + BACKEND, {"drain": True}, *ours)[0] == 200


def test_nothing_can_be_changed_without_being_allowed() -> None:
    scene = Scene(guard=Guard(TCP))
    status, answer = scene.change(b"PATCH " + BACKEND, {"drain": True})
    assert (status, answer["error"]["code"]) == (403, "writing_off")
    assert "--admin-token-file" in answer["error"]["next_step"]


def test_a_name_of_elsewhere_reads_nothing_but_what_machines_ask_for() -> None:
    scene = Scene()
    rebound = b"Host: evil.example"
    for path in (b"/", b"/api", b"/api/events", b"/api/upstreams"):
        response = scene.ask(b"GET " + path, rebound)
        assert (response.status, json.loads(response.body)["error"]["code"]) == (
            403,
            "unknown_host",
        )
    for path in (b"/metrics", b"/livez", b"/readyz"):
        assert scene.ask(b"GET " + path, rebound).status != 403


# -- processes that do not answer -----------------------------------------------------------------


class Silent:
    """Processes that never answer."""

    def ask(self, question: Question, done: Done) -> None:
        pass


def test_processes_that_are_too_slow() -> None:
    scene = Scene()
    scene.admin = Admin(Desk(Silent(), scene.guard, scene.pulse, lambda answers, accept: (b"", "")))
    client = scene.client()
    client.send(request(b"GET /api/upstreams HTTP/1.1", LOCAL_HOST, host=False))
    assert not client.received()
    scene.clock.advance(admin.ANSWER_S + 1)
    (response,) = read_responses(client.received())
    assert (response.status, json.loads(response.body)["error"]["code"]) == (504, "too_slow")


def test_a_client_that_leaves_meanwhile() -> None:
    scene = Scene()
    scene.admin = Admin(Desk(Silent(), scene.guard, scene.pulse, lambda answers, accept: (b"", "")))
    client = scene.client()
    client.send(request(b"GET /api/upstreams HTTP/1.1", LOCAL_HOST, host=False))
    client.reset()
    assert not scene.wire.connections
    assert not scene.wire.escaped
