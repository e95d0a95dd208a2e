"""Each way to serve an application really starts, is what it says, and leaves nothing behind."""

import os
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.lab import measure
from proxy.lab.processes import ROOT, BenchError
from proxy.lab.stand import tls, topologies
from proxy.lab.stand.ports import fetch
from proxy.lab.stand.setup import Installed, Setup
from proxy.lab.stand.topologies import TOPOLOGIES, Topology, select, start
from proxy.lab.stand.variants import PLAIN_OR_TLS
from tests.lab.needs import installed, needs_nginx
from tests.servers import wait_until

ALWAYS = {"uwsgi-direct", "nginx-instances", "proxy-persistent", "proxy-builtin"}
"""Started in every run of the tests; the others are variations, for the long run."""


def everybody() -> list[object]:
    found: list[object] = []
    for each in TOPOLOGIES:
        marks = needs_nginx if each.front == "nginx" else []
        marks = marks if each.name in ALWAYS else [*marks, pytest.mark.soak]
        found.append(pytest.param(each, id=each.name, marks=marks))
    return found


def setup_in(place: Path) -> Setup:
    return Setup(place, "proxy.worker.example:application", installed=installed())


@pytest.mark.parametrize("topology", everybody())
def test_it_serves_and_leaves_nothing_behind(topology: Topology, short_dir: Path) -> None:
    before = set(measure.stats())
    with start(topology, setup_in(short_dir)) as stand:
        assert fetch(stand.port, "/.lab/hello") == (200, b"Hello from the lab\n")
        assert fetch(stand.port, "/redirect")[0] == 302  # the user's application
        assert stand.facts["workers"] == "2"
        shown = "\n".join(stand.config)
        assert str(short_dir) not in shown
        assert str(ROOT) not in shown
        assert shown.count("--processes 2") + 2 * (shown.count("--processes 1") == 2) == (
            2 if topology.instances else topology.server == "uwsgi"
        )
        if topology.front != "none":  # a quick start may be too short to be counted
            wait_until(
                lambda: bool(fetch(stand.port, "/.lab/hello") and stand.cpu_s()["front"]),
                "the front end has used the processor",
            )
        used = stand.cpu_s()
        assert used["app"] > 0
        assert (used["front"] > 0) == (topology.front != "none")
        stand.check()
    children = measure.family(os.getpid(), measure.stats())
    assert [pid for pid in children if pid not in before] == []


def varied(only: set[str]) -> list[object]:
    """Return everybody who takes part in scenarios of variants; others than `only` in soak."""
    found: list[object] = []
    for each in select(["uwsgi-direct", "uwsgi-http", "nginx-uwsgi", "proxy-uwsgi-tcp"]):
        marks = needs_nginx if each.front == "nginx" else []
        marks = marks if each.name in only else [*marks, pytest.mark.soak]
        found.append(pytest.param(each, id=each.name, marks=marks))
    return found


@pytest.mark.parametrize("topology", varied({"uwsgi-direct", "proxy-uwsgi-tcp"}))
def test_with_tls_it_speaks_tls_and_nothing_else(topology: Topology, short_dir: Path) -> None:
    setup = PLAIN_OR_TLS[1].change(setup_in(short_dir))
    if topology.front in ("none", "router") and tls.find_uwsgi(installed().uwsgi) is None:
        assert os.environ.get("REQUIRE_NGINX") != "1"
        pytest.skip("no uWSGI with TLS")
    with start(PLAIN_OR_TLS[1].of(topology), setup) as stand:
        found = fetch(stand.port, "/.lab/hello", certificate=stand.certificate)
        assert found == (200, b"Hello from the lab\n")
        with pytest.raises(ssl.SSLError):
            fetch(stand.port, "/.lab/hello", certificate=str(tls.make(short_dir).certificate))
        assert stand.facts["TLS"] == "1.3, ECDSA P-256, no resumption"
        assert str(short_dir) not in "\n".join(stand.config)
        assert "$DIR/tls/cert.pem" in "\n".join(stand.config)


@pytest.mark.parametrize("topology", varied({"nginx-uwsgi"}))
def test_with_other_socket_buffers(topology: Topology, short_dir: Path) -> None:
    setup = replace(setup_in(short_dir), socket_bytes=16384)
    with start(topology, setup) as stand:
        assert fetch(stand.port, "/.lab/bytes/1000000") == (200, bytes(1_000_000))
        shown = "\n".join(stand.config)
        assert "--socket-sndbuf 16384 --socket-rcvbuf 16384" in shown
        assert ("listen 127.0.0.1:PORT backlog" in shown) == ("sndbuf=16384 rcvbuf=16384" in shown)
        assert (topology.front == "proxy") == ("--listen-sndbuf 16384" in shown)


@pytest.mark.soak
def test_a_worker_can_be_killed_and_a_server_reloaded(short_dir: Path) -> None:
    with start(select(["proxy-uwsgi"])[0], replace(setup_in(short_dir), processes=1)) as stand:
        _, before = fetch(stand.port, "/.lab/pid")
        with pytest.raises(BenchError, match="no worker 1"):
            stand.kill_worker(1)
        stand.kill_worker(int(before))
        _, after = fetch(stand.port, "/.lab/pid")
        assert before != after
        stand.reload()
        while fetch(stand.port, "/.lab/pid")[1] == after:
            pass
        stand.check()


def test_what_is_missing_is_said(short_dir: Path) -> None:
    bare = Setup(short_dir, installed=Installed())
    with pytest.raises(BenchError, match="uWSGI is not installed"):
        start(select(["proxy-uwsgi"])[0], bare)
    with pytest.raises(BenchError, match="two workers"):
        start(select(["proxy-persistent"])[0], replace(setup_in(short_dir), processes=1))


def test_an_answer_that_is_not_ours_is_no_start(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topologies, "fetch", lambda *_, **more: (200, b"somebody else"))
    before = set(measure.stats())
    with pytest.raises(BenchError, match="not as our application does"):
        start(select(["proxy-builtin"])[0], setup_in(short_dir))
    children = measure.family(os.getpid(), measure.stats())
    assert [pid for pid in children if pid not in before] == []


def test_a_port_that_was_taken_is_tried_again(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def fail(topology: Topology, setup: Setup, stack: object) -> None:
        tried.append(setup.place.name)
        raise BenchError("bind(): Address already in use")

    monkeypatch.setattr(topologies, "_start", fail)
    with pytest.raises(BenchError, match="in use"):
        start(TOPOLOGIES[0], setup_in(short_dir))
    assert tried == [f"{TOPOLOGIES[0].name}-{at}" for at in range(3)]


def test_names() -> None:
    assert select([]) == list(TOPOLOGIES)
    assert [each.name for each in select(["nginx-uwsgi"])] == ["nginx-uwsgi"]
    with pytest.raises(ValueError, match="there are: uwsgi-direct"):
        select(["nonsense"])
    assert len({each.name for each in TOPOLOGIES}) == len(TOPOLOGIES)
