"""Active checks of real servers: uWSGI of both kinds, gunicorn with each kind of worker."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import pytest

from protocol.uwsgi import encode_packet, encode_vars
from proxy.clock import TICK_S, Deadlines
from proxy.settings import Address, BackendSettings, CheckSettings, CheckSpec, HealthSettings
from proxy.testing import FakeBackend, full_backlog, missing, refuse
from proxy.testing.faults import Family
from proxy.upstream.backend import Backend
from proxy.upstream.channel import SocketNetwork
from proxy.upstream.checks.agent import StatsCheck
from proxy.upstream.checks.connect import ConnectCheck
from proxy.upstream.checks.http import HttpCheck
from proxy.upstream.checks.ping import PingCheck
from proxy.upstream.checks.probe import Check, probe
from proxy.upstream.checks.runner import CheckMeans, Checks
from proxy.upstream.checks.stats import StatsFacts
from proxy.upstream.checks.subject import Subject
from proxy.upstream.checks.verdict import Finding, Verdict
from proxy.upstream.health import Health
from proxy.upstream.readiness import choose_readiness
from proxy.waiting import Vigil
from tests.loops import Happened, both_loops, run
from tests.servers import (
    connect,
    gunicorn,
    has_debian_uwsgi,
    uwsgi,
    uwsgi_request,
    wait_until,
)

SOON_S = 15.0
"""A timeout that no check that works comes near to."""
BUSY_S = 0.4
"""A timeout for a check that is meant to run into it."""

APP = """
import time

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/warn":
        import uwsgi
        uwsgi.set_warning_message("maintenance soon")
    if path == "/busy":
        time.sleep(60)
    if path == "/raise":
        raise RuntimeError("as asked")
    body = b"x" * 1_000_000 if path == "/large" else b"all is well"
    status = "503 Service Unavailable" if path == "/unready" else "200 OK"
    start_response(status, [("Content-Length", str(len(body))), ("X-Ready", "yes")])
    return [body]

async def asgi(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"all is well"})
"""

Kind = Literal["pyuwsgi", "debian"]
Worker = Literal["sync", "gthread", "asgi"]

KINDS = [
    "pyuwsgi",
    pytest.param(
        "debian", marks=pytest.mark.skipif(not has_debian_uwsgi(), reason="no uwsgi-core here")
    ),
]


@pytest.fixture
def app_dir(tmp_path: Path) -> Path:
    (tmp_path / "checked.py").write_text(APP)
    (tmp_path / "anyhow.ini").write_text("[uwsgi]\nneed-app = false\n")
    return tmp_path


def parse(text: str) -> Address:
    if text.startswith("unix:"):
        return Address(path=text.removeprefix("unix:"))
    host, _, port = text.rpartition(":")
    return Address(host=host, port=int(port))


def subject_of(address: Address, settings: BackendSettings | None = None) -> Subject:
    settings = settings or BackendSettings(address)
    health = Health(settings, HealthSettings(), 10.0)
    return Subject(Backend(address, str(address), settings, health))


class Bench:
    """Real sockets and a real clock on the running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._readiness = choose_readiness(self._loop)
        self.network = SocketNetwork(self._readiness)
        self.deadlines = Deadlines(time.monotonic())
        self._tick()

    def _tick(self) -> None:
        self.deadlines.expire(time.monotonic())
        self._ticking = self._loop.call_later(TICK_S, self._tick)

    def close(self) -> None:
        assert not len(self.deadlines)
        self._ticking.cancel()
        self._readiness.close()


@contextmanager
def bench() -> Iterator[Bench]:
    made = Bench()
    try:
        yield made
    finally:
        made.close()


def ask(check: Check, subject: Subject, timeout_s: float = SOON_S, loop: str = "uvloop") -> Finding:
    """Make one check, from beginning to end."""
    found: list[Finding] = []

    async def main() -> None:
        with bench() as means:
            vigil = Vigil(means.deadlines, time.monotonic)
            ended = Happened()

            async def one() -> None:
                found.append(await probe(check, subject, means.network, vigil, timeout_s))

            vigil.wake.start(one(), ended)
            error = await ended.wait()
            if error is not None:
                raise error

    run(loop, main())
    return found[0]


def fate(
    check: Check, subject: Subject, timeout_s: float = SOON_S, loop: str = "uvloop"
) -> tuple[Verdict, str]:
    finding = ask(check, subject, timeout_s, loop)
    return finding.verdict, finding.word


GOOD = (Verdict.GOOD, "ok")
HEALTHZ = HttpCheck(
    CheckSpec("http", "/healthz", headers=(("X-Ready", "^yes$"),), body="^all is well$")
)


@contextmanager
def uwsgi_with_stats(app_dir: Path, *extra: str, processes: int = 1) -> Iterator[Subject]:
    """Run uWSGI with a stats server; yield what checks need."""
    with short_path("stats") as stats:
        options = ("--stats", stats.path, *extra)
        with uwsgi(
            "checked:application", directory=app_dir, processes=processes, extra=options
        ) as server:
            address = parse(server.address)
            yield subject_of(address, BackendSettings(address, stats=stats))


@contextmanager
def short_path(name: str) -> Iterator[Address]:
    """A path for one more unix socket."""
    with missing() as address:
        yield Address(path=str(Path(address.path).with_name(name)))


@contextmanager
def busy(subject: Subject, requests: int) -> Iterator[None]:
    """Keep this many workers busy."""
    pairs = [(b"REQUEST_METHOD", b"GET"), (b"PATH_INFO", b"/busy"), (b"HTTP_COOKIE", b"a=\xff\x01")]
    connections = []
    try:
        for _ in range(requests):
            connection = connect(str(subject.backend.address))
            connections.append(connection)
            connection.sendall(encode_packet(encode_vars(pairs)))
        wait_until(lambda: facts_of(subject).busy >= requests, "all requests have begun")
        yield
    finally:
        for connection in connections:
            connection.close()


def facts_of(subject: Subject) -> StatsFacts:
    assert ask(StatsCheck(), subject).verdict is Verdict.GOOD
    assert subject.facts is not None
    return subject.facts


# -- uWSGI ----------------------------------------------------------------------------------------


@both_loops
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_a_healthy_uwsgi(app_dir: Path, kind: Kind, transport: Family, loop: str) -> None:
    with uwsgi("checked:application", directory=app_dir, socket=transport, binary=kind) as server:
        subject = subject_of(parse(server.address))
        for check in (ConnectCheck(), PingCheck(), HEALTHZ):
            assert fate(check, subject, loop=loop) == GOOD
        assert subject.answers_ping is True


def test_connect_checks_keep_no_worker(app_dir: Path) -> None:
    """A connection that stayed open would pin the only worker for its socket timeout."""
    long = ("--socket-timeout", str(10 * round(SOON_S)))
    with uwsgi("checked:application", directory=app_dir, extra=long) as server:
        subject = subject_of(parse(server.address))
        for _ in range(20):
            assert fate(ConnectCheck(), subject) == GOOD
        assert fate(PingCheck(), subject) == GOOD


@pytest.mark.parametrize("kind", KINDS)
def test_an_application_can_warn(app_dir: Path, kind: Kind) -> None:
    with uwsgi("checked:application", directory=app_dir, binary=kind) as server:
        uwsgi_request(server.address, {"PATH_INFO": "/warn"})
        finding = ask(PingCheck(), subject_of(parse(server.address)))
        assert finding == Finding(Verdict.GOOD, warning="maintenance soon")


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_import_is_seen_by_a_request_only(app_dir: Path, kind: Kind) -> None:
    options = ("--ini", str(app_dir / "anyhow.ini"))
    with uwsgi("missing:application", directory=app_dir, extra=options, binary=kind) as server:
        subject = subject_of(parse(server.address))
        assert fate(PingCheck(), subject) == GOOD
        finding = ask(HEALTHZ, subject)
        assert finding.verdict is Verdict.BAD
        assert (finding.word, finding.detail[:3]) == ("bad_status", "500")


@pytest.mark.parametrize(
    ("uri", "word"), [("/unready", "bad_status"), ("/raise", "eof_before_headers")]
)
def test_an_application_that_fails(app_dir: Path, uri: str, word: str) -> None:
    with uwsgi("checked:application", directory=app_dir) as server:
        subject = subject_of(parse(server.address))
        assert fate(HttpCheck(CheckSpec("http", uri)), subject) == (Verdict.BAD, word)


def test_a_large_page_is_checked_without_harm(app_dir: Path) -> None:
    with uwsgi("checked:application", directory=app_dir) as server:
        subject = subject_of(parse(server.address))
        check = HttpCheck(CheckSpec("http", "/large", body="^x{1000}"))
        assert fate(check, subject) == GOOD


def test_all_workers_busy(app_dir: Path) -> None:
    """Only the master still answers; that is what a stats server is for."""
    with uwsgi_with_stats(app_dir, processes=2) as subject, busy(subject, 2):
        facts = facts_of(subject)
        assert (facts.busy, facts.capacity, facts.accepting) == (2, 2, 2)
        assert fate(PingCheck(), subject, BUSY_S) == (Verdict.BUSY, "read_timeout")
        subject.backend.in_flight = 2
        assert fate(HEALTHZ, subject, BUSY_S) == (Verdict.BUSY, "read_timeout")
        subject.backend.in_flight = 1
        assert fate(HEALTHZ, subject, BUSY_S) == (Verdict.BAD, "read_timeout")


def test_a_stopped_worker(app_dir: Path) -> None:
    with uwsgi_with_stats(app_dir) as subject:
        (pid,) = facts_of(subject).worker_pids
        os.kill(pid, signal.SIGSTOP)
        assert fate(StatsCheck(), subject) == GOOD
        assert fate(ConnectCheck(), subject) == GOOD
        assert fate(PingCheck(), subject, BUSY_S) == (Verdict.BUSY, "read_timeout")
        assert fate(HEALTHZ, subject, BUSY_S) == (Verdict.BAD, "read_timeout")
        os.kill(pid, signal.SIGCONT)
        assert fate(HEALTHZ, subject) == GOOD


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("extra", [(), ("--stats-http",), ("--stats-min",)])
def test_the_stats_server_s_facts(app_dir: Path, kind: Kind, extra: tuple[str, ...]) -> None:
    with short_path("stats") as stats:
        options = ("--stats", stats.path, *extra)
        with uwsgi(
            "checked:application",
            directory=app_dir,
            processes=2,
            threads=3,
            extra=options,
            binary=kind,
        ) as server:
            address = parse(server.address)
            subject = subject_of(address, BackendSettings(address, stats=stats))
            wait_until(lambda: facts_of(subject).accepting == 2, "both workers serve")
            before = facts_of(subject)
            assert before.capacity == 6
            assert subject.stats_in_http is ("--stats-http" in extra)
            assert before.workers == before.accepting == len(before.worker_pids) == 2
            assert before.version.startswith("2.")
            assert (before.respawns, before.asleep) == (0, 0)
            uwsgi_request(server.address, {"PATH_INFO": "/raise"})
            os.kill(before.worker_pids[0], signal.SIGKILL)
            wait_until(lambda: facts_of(subject).respawns == 1, "it was started again")
            wait_until(lambda: facts_of(subject).accepting == 2, "both workers serve")
            after = facts_of(subject)
            assert after.pid == before.pid
            assert after.exceptions == before.exceptions + 1
            assert len(set(after.worker_pids) & set(before.worker_pids)) == 1


def test_workers_that_sleep(app_dir: Path) -> None:
    with uwsgi_with_stats(app_dir, "--cheaper", "1", "--workers", "3") as subject:
        facts = facts_of(subject)
        assert (facts.workers, facts.asleep, facts.capacity) == (1, 2, 1)


def test_a_stats_server_that_is_away_proves_nothing(app_dir: Path) -> None:
    with uwsgi("checked:application", directory=app_dir) as server, missing() as nowhere:
        address = parse(server.address)
        subject = subject_of(address, BackendSettings(address, stats=nowhere))
        assert fate(StatsCheck(), subject) == (Verdict.UNKNOWN, "socket_missing")
        here = replace(subject.backend.settings, stats=address)
        assert fate(StatsCheck(), subject_of(address, here), BUSY_S)[0] is Verdict.UNKNOWN


def test_a_puwsgi_socket(app_dir: Path) -> None:
    with short_path("p") as address:
        options = ("--puwsgi-socket", address.path)
        with uwsgi("checked:application", directory=app_dir, extra=options):
            subject = subject_of(address, BackendSettings(address, puwsgi=True))
            for check in (ConnectCheck(), PingCheck(), HEALTHZ, PingCheck()):
                assert fate(check, subject) == GOOD


# -- gunicorn -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("worker", "app"), [("sync", "application"), ("gthread", "application"), ("asgi", "asgi")]
)
@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_gunicorn_knows_no_ping(app_dir: Path, worker: Worker, app: str, transport: Family) -> None:
    """Nor is a check held open by keep-alive: with this much of it, it would take too long."""
    patient = ("--keep-alive", "60")
    with gunicorn(
        f"checked:{app}", directory=app_dir, worker=worker, socket=transport, extra=patient
    ) as server:
        subject = subject_of(parse(server.address))
        check = PingCheck()
        finding = ask(check, subject)
        assert (finding.verdict, finding.word) == GOOD
        assert finding.detail == "no ping here, asked in HTTP instead: 200 OK"
        assert subject.answers_ping is False
        complaints = server.log().count("nvalid")
        assert fate(check, subject) == GOOD
        assert server.log().count("nvalid") == complaints, "not asked by ping again"
        assert fate(HttpCheck(CheckSpec("http", body="^all is well$")), subject) == GOOD


# -- nobody, or somebody else ---------------------------------------------------------------------

CHECKS: dict[str, Check] = {"connect": ConnectCheck(), "ping": PingCheck(), "http": HEALTHZ}
every_check = pytest.mark.parametrize("name", CHECKS)


@every_check
def test_nobody_listens(name: str) -> None:
    with refuse("unix") as nobody, refuse("tcp") as nobody_tcp, missing() as nothing:
        for address in (nobody, nobody_tcp):
            assert fate(CHECKS[name], subject_of(address)) == (Verdict.BAD, "connect_refused")
        assert fate(CHECKS[name], subject_of(nothing)) == (Verdict.BAD, "socket_missing")


@every_check
@both_loops
def test_a_full_listen_queue(name: str, loop: str) -> None:
    with full_backlog("unix") as address:
        subject = subject_of(address)
        assert fate(CHECKS[name], subject, loop=loop) == (Verdict.BUSY, "backlog_full")
    with full_backlog("tcp") as address:
        subject = subject_of(address)
        assert fate(CHECKS[name], subject, BUSY_S, loop) == (Verdict.BAD, "connect_timeout")
        subject.backend.max_conns = subject.backend.in_flight = 1
        assert fate(CHECKS[name], subject, BUSY_S, loop) == (Verdict.BUSY, "connect_timeout")


def test_a_check_by_real_bytes() -> None:
    """The request, as an independent reader of uwsgi packets sees it."""
    with FakeBackend() as backend:
        assert fate(HttpCheck(CheckSpec("http", "/a?b=c")), subject_of(backend.address)) == GOOD
        (received,) = backend.requests
        assert received.ended == "complete"
        assert received.value("REQUEST_URI") == b"/a?b=c"


# -- all together ---------------------------------------------------------------------------------


class RecordingPool:
    """What the checks tell."""

    def __init__(self, backend: Backend) -> None:
        self.backends = (backend,)
        self.told: list[bool] = []
        self.changed = Happened()

    def checked(self, backend: Backend, up: bool) -> None:
        self.told.append(up)
        self.changed(up)

    def learn(self, backend: Backend, conns: int) -> None:
        backend.learned_conns = conns

    async def wait_for(self, up: bool) -> None:
        while self.told[-1:] != [up]:
            await self.changed.wait()


FAST = CheckSettings(
    (CheckSpec("ping"), CheckSpec("http", "/healthz"), CheckSpec("stats")),
    interval_s=0.3,
    fast_interval_s=0.1,
    down_interval_s=0.2,
    timeout_s=1.0,
    rise=2,
    fall=2,
    initial="down",
)


@both_loops
def test_a_hung_uwsgi_is_taken_out_and_comes_back(app_dir: Path, loop: str) -> None:
    with short_path("stats") as stats:
        options = ("--stats", stats.path)
        with uwsgi("checked:application", directory=app_dir, processes=2, extra=options) as server:
            address = parse(server.address)
            subject = subject_of(address, BackendSettings(address, stats=stats))
            run(loop, _hang_and_go_on(subject.backend, partial(os.killpg, server.process.pid)))


async def _hang_and_go_on(backend: Backend, send: Callable[[int], object]) -> None:
    pool = RecordingPool(backend)
    with bench() as real:
        means = CheckMeans(
            real.network,
            real.deadlines,
            time.monotonic,
            asyncio.get_running_loop().call_later,
            random.Random(1),
        )
        checks = Checks(FAST, pool, means)
        checks.start()
        try:
            assert pool.told == [False], "down until the first good check"
            await pool.wait_for(True)
            assert backend.learned_conns == 2
            send(signal.SIGSTOP)
            await pool.wait_for(False)
            send(signal.SIGCONT)
            await pool.wait_for(True)
            assert pool.told == [False, True, False, True]
            assert [result.check for result in checks.results(backend)] == [
                "ping",
                "http /healthz",
                "stats",
            ]
        finally:
            send(signal.SIGCONT)
            checks.stop()
        assert checks.running == 0
