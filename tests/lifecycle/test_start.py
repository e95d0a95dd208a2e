"""How it starts: where it listens, what it waits for, and what it says when it cannot."""

import os
import socket
from pathlib import Path

import pytest

from proxy.testing import FakeBackend, respond
from tests.integration.fixtures import StartBackend
from tests.integration.messages import request
from tests.lifecycle.command import address_of, ask, check_refused, client_of
from tests.servers import proxy_process

UPSTREAM = ("--upstream", "unix:/nowhere/app.sock")
HERE = ("--listen", "127.0.0.1:0")
HAS_IPV6 = socket.has_ipv6 and Path("/proc/net/if_inet6").exists()
needs_ipv6 = pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6")


# -- what cannot start ----------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--listen", "--admin"])
def test_an_address_in_use(option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        args = (*UPSTREAM, option, address, *(HERE if option == "--admin" else ()))
        check_refused(args, 1, f"cannot listen on {address}", "Address already in use")


def test_an_address_of_another_machine() -> None:
    check_refused((*UPSTREAM, "--listen", "192.0.2.1:0"), 1, "192.0.2.1:0", "Cannot assign")


def test_a_backend_whose_name_nobody_knows() -> None:
    args = (*HERE, "--upstream", "no-such-host.invalid:3031")
    check_refused(args, 1, "host not found in --upstream no-such-host.invalid:3031")


def test_when_one_listener_fails_the_others_are_closed(short_dir: Path) -> None:
    """Their files, too, are removed."""
    path = short_dir / "s"
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        args = (*UPSTREAM, "--listen", f"unix:{path}", "--listen", taken)
        check_refused(args, 1, f"cannot listen on {taken}")
    assert not path.exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), ("--upstream",)),
        ((*UPSTREAM, "--lisen", "x"), ("--lisen", "--listen")),
        (("--upstream", "/run/app.sock"), ("/run/app.sock", "unix:/run/app.sock")),
        ((*UPSTREAM, "--listen", "127.0.0.1:70000"), ("70000",)),
        ((*UPSTREAM, "--connect-timeout", "soon"), ("--connect-timeout", "soon")),
        ((*UPSTREAM, "--spool-dir", "/nowhere"), ("--spool-dir /nowhere",)),
        ((*UPSTREAM, "--access-log", "/nowhere/log"), ("--access-log /nowhere/log",)),
        ((*UPSTREAM, "--app", "a:b"), ("--app", "--upstream")),
        ((*UPSTREAM, "--listen", "unix:/nowhere/s"), ("/nowhere",)),
    ],
    ids=lambda value: " ".join(value[-2:]) if value else "nothing",
)
def test_bad_settings(args: tuple[str, ...], words: tuple[str, ...]) -> None:
    check_refused(args, 2, *words)


# -- where it listens -----------------------------------------------------------------------------


def test_several_listeners_serve_the_same(backend: StartBackend, short_dir: Path) -> None:
    worker = backend(respond(body=b"ok"))
    listen = ("127.0.0.1:0", "127.0.0.1:0", f"unix:{short_dir}/s")
    options = [text for address in listen for text in ("--listen", address)]
    with proxy_process(*options, "--upstream", str(worker.address)) as proxy:
        assert len(set(proxy.urls)) == 3
        for url in proxy.urls:
            assert ask(url).body == b"ok"
        first, second = (address_of(url).port for url in proxy.urls[:2])
        assert 0 not in (first, second)
    ports = [received.value("SERVER_PORT") for received in worker.requests]
    assert ports[:2] == [b"%d" % first, b"%d" % second]


@needs_ipv6
def test_ipv6(backend: StartBackend) -> None:
    worker = backend(respond(body=b"ok"))
    with proxy_process("--listen", "[::1]:0", "--upstream", str(worker.address)) as proxy:
        assert proxy.url.startswith("http://[::1]:")
        assert ask(proxy.url).body == b"ok"
    assert worker.requests[0].value("REMOTE_ADDR") == b"::1"
    assert proxy.access[0].startswith("::1 - - [")


@needs_ipv6
def test_ipv6_and_ipv4_share_a_port(backend: StartBackend) -> None:
    worker = backend(respond(body=b"ok"))
    with proxy_process("--listen", "[::]:0", "--upstream", str(worker.address)) as six:
        port = address_of(six.url).port
        listen = ("--listen", f"127.0.0.1:{port}")
        with proxy_process(*listen, "--upstream", str(worker.address)) as four:
            assert ask(four.url).body == b"ok"


@needs_ipv6
def test_a_backend_with_ipv6() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        listener.settimeout(10)
        address = f"[::1]:{listener.getsockname()[1]}"
        with proxy_process("--upstream", address) as proxy, client_of(proxy) as client:
            client.send(request())
            connection, _ = listener.accept()
            with connection:
                assert connection.recv(4)[:1] == b"\0"
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                response = client.response()
            assert response is not None
            assert response.body == b"ok"


def test_abstract_sockets_on_both_sides() -> None:
    name = f"uwsgi-frontend-test-{os.getpid()}"
    with FakeBackend(respond(body=b"ok"), path=f"\0{name}-app") as worker:
        options = ("--listen", f"unix:@{name}", "--upstream", f"unix:@{name}-app")
        with proxy_process(*options) as proxy:
            assert proxy.url == f"unix:@{name}"
            assert ask(proxy.url).body == b"ok"
            assert not proxy.log_lines.wait_for("listening on", 1)[0].startswith("WARNING")
        assert worker.accepted == 1


# -- sockets that are files -----------------------------------------------------------------------


def test_its_socket_file_goes_with_it(backend: StartBackend, short_dir: Path) -> None:
    path = short_dir / "s"
    with proxy_process(
        "--listen", f"unix:{path}", "--upstream", str(backend(respond()).address)
    ) as proxy:
        assert path.is_socket()
        assert ask(proxy.url).status == 200
        assert proxy.stop() == 0
    assert not path.exists()


def test_a_file_that_a_dead_server_has_left_is_replaced(
    backend: StartBackend, short_dir: Path
) -> None:
    path = short_dir / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    assert path.is_socket()
    with proxy_process(
        "--listen", f"unix:{path}", "--upstream", str(backend(respond()).address)
    ) as proxy:
        assert ask(proxy.url).status == 200


def test_a_file_that_somebody_serves_is_not_replaced(
    backend: StartBackend, short_dir: Path
) -> None:
    other = backend(respond(body=b"other"))
    check_refused((*UPSTREAM, "--listen", str(other.address)), 1, "Address already in use")
    with proxy_process("--upstream", str(other.address)) as proxy:
        assert ask(proxy.url).body == b"other"


def test_a_file_of_another_kind_is_not_touched(short_dir: Path) -> None:
    path = short_dir / "precious"
    path.write_text("data")
    check_refused((*UPSTREAM, "--listen", f"unix:{path}"), 2, str(path), "not a socket")
    assert path.read_text() == "data"


def test_a_file_that_is_somebody_else_s_by_now_stays(
    backend: StartBackend, short_dir: Path
) -> None:
    """A successor has taken the name; the predecessor must not take it away again."""
    path, worker = short_dir / "s", backend(respond(body=b"ok"))
    options = ("--listen", f"unix:{path}", "--upstream", str(worker.address))
    with proxy_process(*options) as first:
        path.unlink()
        with proxy_process(*options) as second:
            assert first.stop() == 0
            assert ask(second.url).body == b"ok"


# -- the application comes and goes ---------------------------------------------------------------


def test_an_application_that_is_not_there_yet(short_dir: Path) -> None:
    """Who comes before it waits for it."""
    path = short_dir / "app.sock"
    with proxy_process("--upstream", f"unix:{path}", "--try-duration", "20") as proxy:
        (line,) = proxy.log_lines.wait_for("is not there yet")
        assert "WARNING" in line
        assert f"unix:{path}" in line
        with client_of(proxy) as client:
            client.send(request())
            proxy.log_lines.wait_for("is absent")
            with FakeBackend(respond(body=b"here"), path=path):
                response = client.response()
        assert response is not None
        assert response.body == b"here"


def test_who_does_not_want_to_wait_is_told_at_once(short_dir: Path) -> None:
    path = short_dir / "app.sock"
    with proxy_process("--upstream", f"unix:{path}", "--try-duration", "0") as proxy:
        assert ask(proxy.url).status == 502
        with FakeBackend(respond(body=b"here"), path=path):
            assert ask(proxy.url).body == b"here"


def test_an_application_that_starts_anew(short_dir: Path) -> None:
    """Its socket is another file of the same name; the front end goes on as it is."""
    path = short_dir / "app.sock"
    with FakeBackend(respond(body=b"old"), path=path) as old:
        with proxy_process("--upstream", f"unix:{path}") as proxy:
            with client_of(proxy) as client:
                bodies = []
                for script in (b"old", b"new"):
                    if script == b"new":
                        path.unlink()
                        new = FakeBackend(respond(body=b"new"), path=path)
                        new.start()
                    client.send(request())
                    response = client.response()
                    assert response is not None
                    bodies.append(response.body)
                new.stop()
            assert bodies == [b"old", b"new"]
        assert len(old.requests) == 1
