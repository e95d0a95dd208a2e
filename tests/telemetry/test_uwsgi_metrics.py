"""uWSGI's own numbers: as it says them, gone when they are old, and harmless when they are not."""

import json
from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.settings import Address, BackendSettings, CheckSettings, CheckSpec, UpstreamSettings
from proxy.telemetry.uwsgi_catalogue import ALL
from proxy.telemetry.uwsgi_metrics import MAX_NAME, MAX_SOCKETS, MAX_WORKERS, UwsgiMetrics, uri_of
from proxy.testing.fake_clock import FakeClock
from proxy.testing.memory_network import MemoryBackend, MemoryNetwork
from proxy.upstream.checks.stats import StatsFacts, parse_stats
from proxy.upstream.checks.verdict import Finding, Result, Verdict
from proxy.upstream.group import Tools, Upstream
from proxy.upstream.timing import Timing
from tests.integration.frontend import ALL_ENGINES, Frontend
from tests.servers import uwsgi, wait_until
from tests.telemetry.board import Board
from tests.upstream.checks.stats_text import Tree, text, tree, worker
from tests.wire import GET

APP = Address(path="/run/app.sock")
STATS = Address(path="/run/stats.sock")
HERE = {"backend": "unix:/run/app.sock", "stats_uri": "unix:///run/stats.sock"}


class Instance:
    """A front end in memory that asks a stats server, which is in memory, too."""

    def __init__(self, check: str = "stats") -> None:
        self.clock = FakeClock()
        self.stats = MemoryBackend(STATS)
        network = MemoryNetwork(self.clock, [MemoryBackend(APP), self.stats])
        timing = Timing(self.clock, self.clock.call_soon, self.clock.call_later, Random(1))
        spec = cast(Any, CheckSpec)(check)
        settings = UpstreamSettings(check=CheckSettings(checks=(spec,), jitter_percent=0))
        self.upstream = Upstream(settings, Tools(timing, self.clock.deadlines, network))
        self.upstream.pool.add(BackendSettings(APP, stats=STATS), APP)
        self.upstream.start()
        self.metrics = UwsgiMetrics(lambda: [self.upstream], self.clock)

    def say(self, data: bytes) -> None:
        """Answer the next question."""
        asked = len(self.stats.channels)
        while len(self.stats.channels) == asked:
            self.clock.advance(0.5)
        self.stats.channel.end(data)
        self.clock.settle()

    def board(self) -> Board:
        return Board(list(self.metrics.collect()))


def test_the_numbers_of_an_instance() -> None:
    told: Tree = {"avg_rt": 1500, "running_time": 2_000_000, "tx": 4096, "rss": 7, "vsz": 8}
    told |= {"delta_requests": 9, "signals": 2, "signal_queue": 1, "last_spawn": 1_700_000_000}
    told |= {"apps": [{"id": 0}]}
    instance = Instance()
    instance.say(text(worker(1, told, busy=1), worker(2), listen_queue=3, listen_queue_errors=4))
    board = instance.board()
    assert board.get("uwsgi_up", **HERE) == 1
    assert board.get("uwsgi_workers", **HERE) == 2
    assert board.get("uwsgi_listen_queue_length", **HERE) == 3
    assert board.get("uwsgi_listen_queue_errors", **HERE) == 4
    sockets = board.all("uwsgi_socket_max_queue_length", "name", "proto")
    assert sockets == {("127.0.0.1:3031", "uwsgi"): 100}
    one, two = {**HERE, "worker_id": "1"}, {**HERE, "worker_id": "2"}
    assert (board.get("uwsgi_worker_busy", **one), board.get("uwsgi_worker_idle", **one)) == (1, 0)
    assert (board.get("uwsgi_worker_busy", **two), board.get("uwsgi_worker_idle", **two)) == (0, 1)
    assert board.get("uwsgi_worker_cheap", **two) == 0
    assert board.get("uwsgi_worker_accepting", **one) == 1
    assert board.get("uwsgi_worker_requests_total", **one) == 10
    assert board.get("uwsgi_worker_exceptions_total", **one) == 1
    assert board.get("uwsgi_worker_respawn_count_total", **one) == 1
    assert board.get("uwsgi_worker_transmitted_bytes_total", **one) == 4096
    assert board.get("uwsgi_worker_average_response_time_seconds", **one) == pytest.approx(0.0015)
    assert board.get("uwsgi_worker_running_time_seconds", **one) == pytest.approx(2.0)
    assert board.get("uwsgi_worker_last_spawn_time_seconds", **one) == 1_700_000_000
    assert board.get("uwsgi_worker_rss_bytes", **one) == 7
    assert board.get("uwsgi_worker_cores", **one) == 2
    assert board.get("uwsgi_worker_apps", **one) == 1
    assert {one.name for one in board.samples()} == {entry.shown for entry in ALL}


def test_before_the_first_answer_it_is_down() -> None:
    board = Instance().board()
    assert [(one.name, one.value) for one in board.samples()] == [("uwsgi_up", 0.0)]


@pytest.mark.parametrize("answer", [b"", b"{}", b"nonsense", b'{"workers": [1, 2', b"[]"])
def test_after_a_bad_answer_the_old_numbers_are_gone(answer: bytes) -> None:
    instance = Instance()
    instance.say(text(worker(1)))
    assert instance.board().get("uwsgi_up", **HERE) == 1
    instance.say(answer)
    assert [(one.name, one.value) for one in instance.board().samples()] == [("uwsgi_up", 0.0)]
    instance.say(text(worker(1)))
    assert instance.board().get("uwsgi_up", **HERE) == 1


def test_numbers_grow_old() -> None:
    """Nobody is asked while the backend is taken out: what it said last must not stay."""
    instance = Instance()
    instance.say(text(worker(1)))
    backend = instance.upstream.pool.backends[0]
    backend.down = True
    instance.clock.advance(10.0)
    assert instance.board().get("uwsgi_up", **HERE) == 1
    instance.clock.advance(20.0)
    assert instance.board().get("uwsgi_up", **HERE) == 0


def test_who_is_not_asked_has_no_metrics() -> None:
    assert Instance("connect").board().text == ""
    assert Board(list(UwsgiMetrics(list, FakeClock()).collect())).text == ""


def test_a_backend_of_several_upstreams_stands_there_once() -> None:
    instance = Instance()
    instance.say(text(worker(1)))
    upstream = instance.upstream
    twice = UwsgiMetrics(lambda: [upstream, upstream], instance.clock)
    assert list(twice.collect()) == list(instance.metrics.collect())


def told(facts: StatsFacts) -> Board:
    """Show facts that have just been found."""
    backend = Instance().upstream.pool.backends[0]
    result = Result("stats", Finding(Verdict.GOOD), 0.0, 0.0)
    checks = SimpleNamespace(results=lambda one: (result,), facts=lambda one: facts)
    settings = CheckSettings(checks=(CheckSpec("stats"),))
    parts: Any = SimpleNamespace(
        checks=checks,
        settings=SimpleNamespace(check=settings),
        pool=SimpleNamespace(backends=[backend]),
    )
    return Board(list(UwsgiMetrics(lambda: [parts], lambda: 1.0).collect()))


def test_no_instance_fills_the_metrics() -> None:
    sockets = [{"name": f"{number:03}" * 999, "proto": "uwsgi"} for number in range(1000)]
    data = text(*(worker(number, cores=0) for number in range(2000)), sockets=sockets)
    board = told(parse_stats(data))
    assert board.get("uwsgi_workers", **HERE) == MAX_WORKERS
    names = [one.labels["name"] for one in board.samples() if one.name == "uwsgi_socket_shared"]
    assert len(names) == MAX_SOCKETS
    assert max(map(len, names)) == MAX_NAME


def test_names_are_escaped_and_numbers_fit() -> None:
    evil = 'x"} 1\nuwsgi_up{a="\\'
    huge = worker(1, {"requests": 10**400, "rss": -5, "vsz": 1.5, "tx": True, "status": evil})
    board = told(parse_stats(text(huge, sockets=[{"name": evil, "proto": evil, "queue": 1}])))
    assert board.all("uwsgi_socket_queue_length", "name", "proto") == {(evil, evil): 1}
    assert board.get("uwsgi_worker_requests_total", **HERE, worker_id="1") == 2**53
    assert board.get("uwsgi_worker_rss_bytes", **HERE, worker_id="1") == 0
    assert board.get("uwsgi_worker_transmitted_bytes_total", **HERE, worker_id="1") == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from([*worker(1), "tx", "rss", "avg_rt", "apps"]), JSON),
    st.dictionaries(st.sampled_from(["name", "proto", "queue", "max_queue", "shared"]), JSON),
)
def test_whatever_it_says_the_text_can_be_read(fields: Any, socket: Any) -> None:
    data = json.dumps(tree(worker(1, fields), sockets=[socket]))
    board = told(parse_stats(data.encode()))
    assert all(one.name.startswith("uwsgi_") for one in board.samples())


def test_addresses_are_written_as_known() -> None:
    assert uri_of(STATS) == "unix:///run/stats.sock"
    assert uri_of(Address(host="127.0.0.1", port=1717)) == "tcp://127.0.0.1:1717"
    assert uri_of(replace(STATS, path="", host="::1", port=1)) == "tcp://[::1]:1"


APP_TEXT = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def test_a_real_uwsgi(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP_TEXT)
    with TemporaryDirectory(prefix="uf-") as name:
        stats = Path(name, "stats")
        extra = ("--stats", str(stats), "--memory-report")
        with uwsgi("app:application", directory=tmp_path, processes=2, extra=extra) as server:
            target = f"{server.address} stats=unix:{stats}"
            options = "--check stats --check-interval 0.2s --check-fast-interval 0.2s"
            with Frontend([target], options, ALL_ENGINES[0], tmp_path / "access.log") as front:
                look_at(front, server.address, stats)


def look_at(front: Frontend, address: str, stats: Path) -> None:
    """Compare what is shown with what was done."""

    def read(name: str) -> dict[tuple[tuple[str, str], ...], float]:
        return {labels: value for (one, labels), value in front.metrics().items() if one == name}

    for _ in range(5):
        assert front.ask(GET).status == 200
    wait_until(lambda: sum(read("uwsgi_worker_requests_total").values()) == 5, "it has counted")
    here = (("backend", address), ("stats_uri", f"unix://{stats}"))
    assert read("uwsgi_up") == {here: 1}
    assert read("uwsgi_workers") == {here: 2}
    assert sum(read("uwsgi_worker_rss_bytes").values()) > 0  # of those that have served
    assert {dict(labels)["worker_id"] for labels in read("uwsgi_worker_idle")} == {"1", "2"}
    ((socket, _),) = read("uwsgi_socket_queue_length").items()
    assert dict(socket)["proto"] == "uwsgi"
    stats.unlink()
    wait_until(lambda: read("uwsgi_up") == {here: 0}, "it answers no more")
    assert read("uwsgi_workers") == {}
