"""What is wrong with a tree of settings: everything, at once, in the user's words."""

import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.config.check import check
from proxy.config.kinds import DURATION, NUMBERS
from proxy.config.option import DEFAULTS, Option
from proxy.config.options import BY_PATH, OPTIONS
from proxy.config.sources import build
from proxy.settings import Address, BackendSettings, Settings

BACKEND = BackendSettings(Address(path="/nonexistent/app.sock"))
LOOPBACK = Address(host="127.0.0.1", port=8080)
BOUNDED = [option for option in OPTIONS if option.kind in NUMBERS]
not_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


def tree(**values: Any) -> Settings:
    """Return a tree that is right but for `values`; `__` stands for the dot in a path."""
    given = {path.replace("__", "."): value for path, value in values.items()}
    return build({"upstream.backends": (BACKEND,)} | given)


def test_one_backend_is_enough_even_when_its_socket_does_not_exist_yet() -> None:
    assert check(tree()) == []


def test_one_application_is_enough() -> None:
    assert check(build({"worker.app": "app:app", "worker.processes": 4})) == []


def test_nowhere_to_pass_requests_to() -> None:
    assert check(Settings()) == [
        "nowhere to pass requests to; give --upstream unix:/run/app.sock, or --app module:callable"
    ]


def test_two_places_to_pass_requests_to() -> None:
    assert check(tree(worker__app="app:app")) == [
        "--app and --upstream exclude each other; --app brings its own backend"
    ]


@pytest.mark.parametrize(
    "path", ["upstream.discovery.file", "upstream.discovery.subscribe"], ids=["file", "subscribe"]
)
def test_backends_may_come_from_elsewhere(path: str, tmp_path: Path) -> None:
    (tmp_path / "backends").write_text("unix:/a")
    values = {
        "upstream.discovery.file": str(tmp_path / "backends"),
        "upstream.discovery.subscribe": Address(path=str(tmp_path / "s")),
    }
    assert check(build({path: values[path]})) == []
    assert check(build({path: values[path], "worker.app": "app:app"})) == [
        f"--app and {BY_PATH[path].flag} exclude each other; --app brings its own backend"
    ]


def test_an_application_that_is_no_name() -> None:
    assert check(build({"worker.app": "app.py"})) == [
        "--app app.py: a file, not a module; did you mean app:application?"
    ]


@pytest.mark.parametrize("name", ["processes", "threads"])
def test_settings_of_the_embedded_worker_do_not_reach_backends_of_others(name: str) -> None:
    (complaint,) = check(tree(**{f"worker__{name}": 7}))
    assert complaint.startswith(f"--{name} is for the application of --app; ")


@pytest.mark.parametrize("option", BOUNDED, ids=lambda option: option.name)
def test_a_number_out_of_range(option: Option) -> None:
    def complaints(value: float) -> list[str]:
        backends = {"upstream.backends": (BACKEND,)}
        return [
            line
            for line in check(build(backends | {option.path: value}))
            if line.startswith(f"{option.flag} {option.kind.show(value)}: must be ")
        ]

    assert option.low is not None
    kind = type(option.read(DEFAULTS))
    assert complaints(kind(option.low)) == []
    assert len(complaints(kind(-1))) == 1
    if option.low > 0:
        assert len(complaints(kind(0))) == 1
    if option.high is not None:
        assert complaints(kind(option.high)) == []
        assert len(complaints(kind(option.high + 1))) == 1
    if option.kind is DURATION:
        assert len(complaints(float("nan"))) == 1


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("packet__modifier1", 256, "--modifier1 256: must be from 0 to 255"),
        ("packet__modifier2", -1, "--modifier2 -1: must be from 0 to 255"),
        (
            "packet__backend_buffer_bytes",
            65536,
            "--backend-buffer-size 64k: must be from 1 to 65535",
        ),
        ("client__send_timeout_s", 0.0, "--send-timeout 0s: must be 1ms or more"),
        ("client__max_body_bytes", -1, "--client-max-body-size -1: must be 0 or more"),
    ],
)
def test_ranges_are_told_in_the_users_units(path: str, value: Any, complaint: str) -> None:
    assert check(tree(**{path: value})) == [complaint]


@pytest.mark.parametrize("flag", ["server-name", "server-header", "document-root", "upstream-name"])
def test_texts_have_no_control_characters(flag: str) -> None:
    (option,) = (option for option in OPTIONS if option.name == flag)
    assert check(tree(**{option.path.replace(".", "__"): "a\r\nb"})) == [
        rf"--{flag} 'a\r\nb': contains a character that cannot be printed"
    ]


def test_a_header_is_ascii() -> None:
    assert check(tree(server__server_header="sérver")) == [
        "--server-header sérver: a header has ASCII characters only"
    ]
    assert check(tree(server__server_header="")) == []
    assert check(tree(packet__server_name="exämple")) == []


def test_there_is_a_listener() -> None:
    assert check(tree(server__listen=())) == [
        "nowhere to accept requests; give --listen 127.0.0.1:8080"
    ]


@pytest.mark.parametrize(
    ("listen", "admin", "complaint"),
    [
        ((LOOPBACK, LOOPBACK), None, "--listen 127.0.0.1:8080: the same address as --listen 127"),
        ((LOOPBACK,), LOOPBACK, "--admin 127.0.0.1:8080: the same address as --listen 127.0.0.1"),
        (
            (LOOPBACK, Address(host="0.0.0.0", port=8080)),
            None,
            "--listen 0.0.0.0:8080: the same port as --listen 127.0.0.1:8080",
        ),
        (
            (Address(host="::", port=8080),),
            Address(host="::1", port=8080),
            "--admin [::1]:8080: the same port as --listen [::]:8080",
        ),
    ],
)
def test_listeners_do_not_take_each_others_place(
    listen: tuple[Address, ...], admin: Address | None, complaint: str
) -> None:
    (line,) = check(tree(server__listen=listen, server__admin=admin))
    assert line.startswith(complaint)


def test_listeners_side_by_side() -> None:
    listen = (LOOPBACK, Address(host="::1", port=8080), Address(host="h", port=0))
    assert check(tree(server__listen=(*listen, listen[-1]), server__admin=listen[-1])) == []


def test_a_backend_that_is_ourselves() -> None:
    admin = Address(host="0.0.0.0", port=8081)
    places = (LOOPBACK, Address(host="localhost", port=8081))
    backends = tuple(map(BackendSettings, places))
    assert check(tree(upstream__backends=backends, server__admin=admin)) == [
        "--upstream 127.0.0.1:8080: leads back to --listen 127.0.0.1:8080, in an endless circle",
        "--upstream localhost:8081: leads back to --admin 0.0.0.0:8081, in an endless circle",
    ]


@pytest.mark.parametrize("name", ["A", "a.b-c/d", "HTTP_X_Y", "uwsgi_x", "UWSGI", "~!$"])
def test_a_name_that_can_be_a_variable(name: str) -> None:
    assert check(tree(packet__params=((name, "any välue = \n"),))) == []


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("", "v", "--param : has no name; write NAME=VALUE"),
        ("A B", "v", "--param A B: ' ' cannot be part of a variable's name"),
        ("A=B", "v", "--param A=B: '=' cannot be part of a variable's name"),
        ("A\0", "v", r"--param A\x00: '\x00' cannot be part of a variable's name"),
        ("A\n", "v", r"--param A\n: '\n' cannot be part of a variable's name"),
        ("Ä", "v", r"--param \xc4: '\xc4' cannot be part of a variable's name"),
        ("A", "a\0b", "--param A: its value contains a NUL byte"),
        (
            "UWSGI_FILE",
            "/x.py",
            "--param UWSGI_FILE: UWSGI_* variables make uWSGI load code; if that is meant, add "
            "--dangerously-allow-uwsgi-params",
        ),
    ],
)
def test_a_parameter_that_cannot_be_sent(name: str, value: str, complaint: str) -> None:
    assert check(tree(packet__params=((name, value),))) == [complaint]


def test_uwsgi_parameters_can_be_allowed() -> None:
    params = (("UWSGI_SCHEME", "https"),)
    values = {"packet__params": params, "packet__dangerously_allow_uwsgi_params": True}
    assert check(tree(**values)) == []


def test_parameters_fit_into_the_packet() -> None:
    params = (("A", "x" * 50), ("B", "x" * 40))
    fits = {"packet__params": params, "packet__backend_buffer_bytes": 100}
    assert check(tree(**fits)) == []
    assert check(tree(**(fits | {"packet__backend_buffer_bytes": 99}))) == [
        "--param: all of them take 100 bytes, more than --backend-buffer-size 99"
    ]


def test_the_spool_directory_exists(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    missing = tmp_path / "missing"
    assert check(tree(buffers__spool_dir=str(tmp_path))) == []
    assert check(tree(buffers__spool_dir=str(missing))) == [
        f"--spool-dir {missing}: directory {missing} does not exist"
    ]
    assert check(tree(buffers__spool_dir=str(tmp_path / "file"))) == [
        f"--spool-dir {tmp_path}/file: {tmp_path}/file is not a directory"
    ]


@not_root
def test_what_is_written_to_is_writable(tmp_path: Path) -> None:
    (tmp_path / "log").touch(mode=0o400)
    tmp_path.chmod(0o500)
    complaints = check(
        tree(
            buffers__spool_dir=str(tmp_path),
            log__access_log=str(tmp_path / "log"),
            server__listen=(Address(path=str(tmp_path / "s")),),
        )
    )
    assert len(complaints) == 3
    assert all(line.endswith(f"be written by user {os.geteuid()}") for line in complaints)


@pytest.mark.parametrize("path", ["", "-", "/dev/null"])
def test_access_logs_that_need_no_directory(path: str) -> None:
    assert check(tree(log__access_log=path)) == []


def test_the_access_log_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert check(tree(log__access_log="access.log")) == []
    assert check(tree(log__access_log=str(tmp_path / "access.log"))) == []
    assert check(tree(log__access_log=str(tmp_path))) == [
        f"--access-log {tmp_path}: a directory; name a file in it"
    ]
    assert check(tree(log__access_log="no/access.log")) == [
        "--access-log no/access.log: directory no does not exist"
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_unix_listener_has_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind("stale")
        for path in ("\0abstract", "new", "stale", str(tmp_path / "new")):
            assert check(tree(server__listen=(Address(path=path),))) == []
    assert check(
        tree(server__listen=(Address(path="file"),), server__admin=Address(path="no/admin"))
    ) == [
        "--listen unix:file: exists and is not a socket; it is left alone",
        "--admin unix:no/admin: directory no does not exist",
    ]


def test_a_parser_and_a_loop_asked_for_by_name_are_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    by_name = tree(server__http_parser="httptools", server__loop="uvloop")
    with monkeypatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda name: None)
        assert check(by_name) == [
            "--http-parser httptools: the package is not installed; take h11, or auto",
            "--loop uvloop: the package is not installed; take asyncio, or auto",
        ]
        assert check(tree(server__loop="asyncio")) == []
    assert check(tree(server__http_parser="h11", server__loop="asyncio")) == []


def test_all_complaints_come_at_once() -> None:
    settings = tree(
        upstream__check__initial="down",
        upstream__discovery__file="/nonexistent/backends",
        upstream__queue__timeout_s=0.0,
        packet__modifier1=999,
        packet__params=(("", ""),),
        buffers__spool_dir="/nonexistent",
        server__listen=(),
        worker__threads=0,
    )
    settings = replace(settings, upstream=replace(settings.upstream, backends=()))
    assert len(check(settings)) == 9
    assert all("\n" not in line for line in check(settings))
