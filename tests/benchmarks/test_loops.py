"""Both loops: what is sent when, that all of it is counted, and that they end by themselves."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks import loops
from benchmarks.loops import Closed, Crowd, Open
from benchmarks.tally import GOOD
from proxy.lab.load.ask import Ask
from proxy.lab.processes import ROOT
from tests.benchmarks.serving import serving

CROWD = Crowd(rate=200.0, seconds=0.5, seed=1, quick_ms=1, slow_ms=100, slow_percent=5)


class Handler(BaseHTTPRequestHandler):
    """Sleeps as the path says; `/busy` is answered with 503. A POST must bring 7 zero bytes."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one segment

    def do_GET(self) -> None:
        if self.path == "/busy":
            self.send_response(503)
        else:
            time.sleep(int(self.path[1:]) / 1000)
            self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if body == bytes(7) else 400)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 200
    daemon_threads = False


@pytest.fixture
def port() -> Iterator[int]:
    with serving(Server(("127.0.0.1", 0), Handler)) as port:
        yield port


def test_closed_clients_have_one_request_each_at_a_time(port: int) -> None:
    load = Closed(port, clients=4, path="/50", timeout_s=30.0)
    assert load.run(1.0) == 1.0
    found = load.tally
    assert set(found.outcomes) == {GOOD}
    # What was sent last, one request of each client, ends after the time and is counted, too.
    assert found.outcomes[GOOD] - found.in_time == 4
    assert 4 <= found.in_time <= 4 * 20
    assert min(found.latencies_s) >= 0.05


def test_a_client_that_is_refused_asks_again_at_once(port: int) -> None:
    load = Closed(port, clients=2, path="/busy", timeout_s=30.0)
    load.run(0.3)
    assert set(load.tally.outcomes) == {"503"}
    assert load.tally.outcomes["503"] > 2
    assert load.tally.in_time == 0
    assert not load.tally.latencies_s


def test_closed_clients_may_send_bodies(port: int) -> None:
    load = Closed(port, clients=2, path="/0", timeout_s=30.0, body_bytes=7)
    load.run(0.1)
    assert set(load.tally.outcomes) == {GOOD}


def test_closed_ends_with_the_most_requests(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "MOST_REQUESTS", 10)
    load = Closed(port, clients=3, path="/0", timeout_s=30.0)
    load.run(60.0)
    assert load.tally.outcomes[GOOD] == 10


def test_arrivals_are_the_same_for_the_same_seed() -> None:
    first = list(CROWD.arrivals())
    assert first == list(CROWD.arrivals())
    other = Crowd(200.0, 0.5, 2, 1, 100, 5)
    assert first != list(other.arrivals())


def test_arrivals_have_the_rate_and_the_share() -> None:
    crowd = Crowd(rate=100.0, seconds=100.0, seed=3, quick_ms=5, slow_ms=400, slow_percent=5)
    arrivals = list(crowd.arrivals())
    assert 9_500 <= len(arrivals) <= 10_500  # 5 standard deviations
    moments = [at_s for at_s, _ in arrivals]
    assert moments == sorted(moments)
    assert moments[0] > 0
    assert moments[-1] < 100.0
    for begin in range(0, len(arrivals) - 20, 20):
        assert [ms for _, ms in arrivals[begin : begin + 20]].count(400) == 1
    assert len({at % 20 for at, (_, ms) in enumerate(arrivals) if ms == 400}) == 20


def test_open_sends_everything_and_separates_the_quick(port: int) -> None:
    load = Open(port, CROWD, timeout_s=30.0)
    load.run(CROWD.seconds)
    wanted = list(CROWD.arrivals())
    found = load.tally
    assert found.outcomes == {GOOD: len(wanted)}
    assert len(found.late_s) == len(wanted)
    quick = sum(sleep_ms == 1 for _, sleep_ms in wanted)
    assert (len(found.quick_latencies_s), len(found.latencies_s)) == (quick, len(wanted))
    assert sum(latency >= 0.1 for latency in found.latencies_s) >= len(wanted) - quick


def test_open_counts_from_the_intended_moment(port: int) -> None:
    class Sluggish(Open):
        def _dispatch(self, ask: Ask) -> None:
            time.sleep(0.02)
            super()._dispatch(ask)

    crowd = Crowd(rate=400.0, seconds=0.1, seed=1, quick_ms=0, slow_ms=0, slow_percent=5)
    load = Sluggish(port, crowd, timeout_s=30.0)
    load.run(crowd.seconds)
    number = load.tally.outcomes[GOOD]
    assert number == len(list(crowd.arrivals())) > 20
    late_s = number * 0.02 - crowd.seconds
    assert max(load.tally.latencies_s) >= late_s
    assert max(load.tally.late_s) >= late_s


def test_open_waits_for_a_connection(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "MOST_CONNECTIONS", 1)
    monkeypatch.setattr(Open, "FIRST_CONNECTIONS", 1)
    crowd = Crowd(rate=400.0, seconds=0.1, seed=1, quick_ms=20, slow_ms=20, slow_percent=5)
    load = Open(port, crowd, timeout_s=30.0)
    load.run(crowd.seconds)
    number = load.tally.outcomes[GOOD]
    assert number == len(list(crowd.arrivals()))
    # One connection, so the last one waits for all the others, and its latency says so.
    assert max(load.tally.latencies_s) >= number * 0.02 - crowd.seconds


def test_command_line(port: int) -> None:
    argv = [sys.executable, "-m", "benchmarks.loops"]
    for more in (["closed", str(port), "--path", "/1"], ["open", str(port), "--slow-ms", "6"]):
        done = subprocess.run(
            [*argv, *more, "--seconds", "1"],
            cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        found = json.loads(done.stdout)
        assert found["seconds"] == 1
        assert found["outcomes"][GOOD] >= found["in_time"] > 0
        assert 0 < found["latency_us"]["p50"] <= found["latency_us"]["max"]


def test_nobody_there(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = str(listener.getsockname()[1])
    assert loops.main(["closed", gone]) == 1
    assert "ConnectionRefusedError" in capsys.readouterr().err
