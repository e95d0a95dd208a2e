"""What is missing on the machine."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from proxy.config.backend import parse_backend
from proxy.config.check_machine import complaints
from proxy.config.sources import build
from proxy.settings import Address

not_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")


def missing(**values: Any) -> list[str]:
    """Return what is missing; `__` stands for the dot in a path."""
    return list(complaints(build({path.replace("__", "."): v for path, v in values.items()})))


def nothing_installed(name: str) -> None:
    """Stand in for `importlib.util.find_spec`."""


def everything_installed(name: str) -> object:
    """Stand in for `importlib.util.find_spec`."""
    return object()


def test_the_defaults_need_nothing() -> None:
    assert missing() == []


def test_the_file_of_backends_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "backends"
    for place, why in ((path, "No such file or directory"), (tmp_path, "not a file")):
        assert missing(upstream__discovery__file=str(place)) == [f"--backends-file {place}: {why}"]
    path.write_text("unix:/a weight=5  # the first\napp:1\n")
    assert missing(upstream__discovery__file=str(path)) == []


def test_every_bad_line_of_the_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "backends"
    path.write_text("unix:/a wieght=5\n\nunix:/b weight=0\n")
    assert missing(upstream__discovery__file=str(path)) == [
        f"--backends-file {path}:1: wieght: did you mean weight?",
        f"--backends-file {path}:3: weight=0: must be from 1 to 65535",
    ]


KEPT = "app:1\nunix:/b puwsgi keepalive=2\nunix:/c keepalive=2\n"


@pytest.mark.parametrize(
    ("text", "configured", "close", "is_wrong"),
    [
        (KEPT, (), True, True),
        (KEPT, ("unix:/d", "unix:/e keepalive=1 puwsgi"), True, True),
        (KEPT, ("unix:/d keepalive=1",), True, False),
        (KEPT, (), False, False),
        ("app:1\nunix:/b puwsgi keepalive=2\n", (), True, False),
    ],
)
def test_kept_connections_of_the_file_are_not_asked_to_close(
    tmp_path: Path, text: str, configured: tuple[str, ...], close: bool, is_wrong: bool
) -> None:
    path = tmp_path / "backends"
    path.write_text(text)
    lines = missing(
        upstream__discovery__file=str(path),
        upstream__backends=tuple(map(parse_backend, configured)),
        packet__close_connection=close,
    )
    complaint = (
        f"--backends-file {path}: unix:/c has keepalive, but requests ask it to close; add "
        "--backend-close-connection off"
    )
    assert lines == ([complaint] if is_wrong else [])


def test_the_directory_of_keys_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", everything_installed)
    (tmp_path / "file").touch()
    assert missing(upstream__discovery__subscribe_keys_dir=str(tmp_path)) == []
    for name, why in (("file", "not a directory"), ("no", "does not exist")):
        path = str(tmp_path / name)
        assert missing(upstream__discovery__subscribe_keys_dir=path) == [
            f"--subscribe-keys-dir {path}: {why}"
        ]


@not_root
def test_what_is_read_is_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", everything_installed)
    (tmp_path / "file").touch(mode=0)
    (tmp_path / "keys").mkdir(mode=0)
    lines = missing(
        upstream__discovery__file=str(tmp_path / "file"),
        upstream__discovery__subscribe_keys_dir=str(tmp_path / "keys"),
    )
    assert lines == [
        f"--backends-file {tmp_path}/file: Permission denied",
        f"--subscribe-keys-dir {tmp_path}/keys: cannot be read by user {os.geteuid()}",
    ]


def test_a_unix_socket_for_announcements_has_a_place(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stale:
        stale.bind(str(tmp_path / "stale"))
    for path in ("\0abstract", str(tmp_path / "new"), str(tmp_path / "stale")):
        assert missing(upstream__discovery__subscribe=Address(path=path)) == []
    assert missing(upstream__discovery__subscribe=Address(path=f"{tmp_path}/file")) == [
        f"--subscribe unix:{tmp_path}/file: exists and is not a socket; it is left alone"
    ]


@pytest.mark.parametrize("word", ["resolve", "service"])
def test_following_names_needs_a_package(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"resolve": ("app:1 resolve", "b:1 resolve"), "service": ("app service=uwsgi",)}
    backends = tuple(map(parse_backend, texts[word]))
    monkeypatch.setattr("importlib.util.find_spec", nothing_installed)
    name = backends[0].name
    assert missing(upstream__backends=backends) == [
        f"--upstream {name}: {word} needs the package dnspython"
    ]
    assert missing(upstream__backends=(parse_backend("app:1"),)) == []
    monkeypatch.setattr("importlib.util.find_spec", everything_installed)
    assert missing(upstream__backends=backends) == []


def test_signatures_need_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", nothing_installed)
    assert missing(upstream__discovery__subscribe_keys_dir=str(tmp_path)) == [
        f"--subscribe-keys-dir {tmp_path}: checking signatures needs the package cryptography"
    ]


def test_spans_need_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing(identity__otel=True) == []
    monkeypatch.setattr("importlib.util.find_spec", nothing_installed)
    assert missing() == []
    wrong = "--otel: OpenTelemetry is not installed; install uwsgi-frontend with the extra otel"
    assert missing(identity__otel=True) == [wrong]

    def no_parent(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("importlib.util.find_spec", no_parent)
    assert missing(identity__otel=True) == [wrong]
