"""What wrk prints is read right, in every unit and with every kind of error."""

import os
from itertools import cycle

import pytest

from proxy.lab.load import wrk
from proxy.lab.load.ask import Wanted
from proxy.lab.load.plan import Plan
from proxy.lab.processes import BenchError, find
from tests.lab.fake import OK, answering

GOOD = """\
Running 3s test @ http://127.0.0.1:8080/hello
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     0.98ms  250.00us   9.10ms   90.00%
    Req/Sec    30.00k     1.20k   33.00k    75.00%
  Latency Distribution
     50%  911.00us
     75%    1.10ms
     90%    1.50ms
     99%    4.57ms
  90210 requests in 3.01s, 14.10MB read
Requests/sec:  30070.00
Transfer/sec:      4.70MB
"""
BAD = GOOD.replace(
    "Requests/sec",
    "  Socket errors: connect 1, read 0, write 3, timeout 4\n"
    "  Non-2xx or 3xx responses: 17\nRequests/sec",
)


def test_counts_and_percentiles() -> None:
    found = wrk.parse(GOOD)
    assert found.requests == 90210
    assert found.seconds == pytest.approx(3.0, abs=1e-4)
    assert found.p50_us == pytest.approx(911.0)
    assert found.p99_us == pytest.approx(4570.0)
    assert (found.p90_us, found.mean_us, found.max_us) == (1500.0, 980.0, 9100.0)
    assert found.errors == {}


def test_only_errors_that_happened() -> None:
    assert wrk.parse(BAD).errors == {"connect": 1, "write": 3, "timeout": 4, "status": 17}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("12.00us", 12.0), ("1.50ms", 1500.0), ("2.25s", 2.25e6), ("1.00m", 60e6)],
)
def test_units(text: str, expected: float) -> None:
    assert wrk.parse(GOOD.replace("4.57ms", text)).p99_us == pytest.approx(expected)


def test_a_server_that_never_answers() -> None:
    text = "  0 requests in 1.00s, 0.00B read\nRequests/sec:      0.00\n"
    found = wrk.parse(text)
    assert (found.requests, found.seconds, found.p99_us) == (0, 0.0, 0.0)


@pytest.mark.parametrize("text", ["", "unable to connect to 127.0.0.1:1 Connection refused\n"])
def test_no_report(text: str) -> None:
    with pytest.raises(BenchError, match="no result"):
        wrk.parse(text)


needs_wrk = pytest.mark.skipif(
    find("wrk") is None and os.environ.get("REQUIRE_NGINX") != "1", reason="wrk is not installed"
)
MIX = (
    Wanted("/a"),
    Wanted("/b", "POST", (("X-Odd", 'quote " and \\'),), "body\n"),
)


@needs_wrk
def test_a_plan_is_sent_as_it_is() -> None:
    seen: list[bytes] = []

    def answer(head: bytes) -> bytes:
        seen.append(head.removeprefix(b"body\n"))
        return OK

    with answering(answer) as port:
        plan = Plan(port, seconds=0.2, clients=1, requests=MIX)
        load = wrk.load(plan)
    assert set(load.outcomes) == {"ok"}
    assert load.sent == load.in_time == load.good > 0
    assert load.cpu_s > 0
    assert 0 < load.latency_us["p50"] <= load.latency_us["max"]
    host = f"127.0.0.1:{plan.port}"
    wanted = {each.encode(host, True).partition(b"\r\n\r\n")[0] for each in MIX}
    assert set(seen) == wanted


@needs_wrk
def test_failures_are_counted_by_kind() -> None:
    busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    with answering(lambda head: busy) as port:
        load = wrk.load(Plan(port, seconds=0.2, clients=1))
    assert set(load.outcomes) == {"status"}
    assert (load.good, load.in_time) == (0, 0)
    assert load.failed == load.sent > 0


@needs_wrk
def test_a_server_that_closes_without_a_word_has_not_failed() -> None:
    """As uWSGI's --http-socket does; wrk counts a failed read for each of its answers."""
    answers = cycle((OK, b""))  # of which the second closes
    with answering(lambda head: next(answers)) as port:
        load = wrk.load(Plan(port, seconds=0.2, clients=1, keep_alive=False))
    assert set(load.outcomes) == {"ok"}
    assert any("failed reads" in each for each in load.warnings)


@needs_wrk
def test_nobody_there() -> None:
    with answering(lambda head: OK) as port:
        pass
    with pytest.raises(BenchError, match="wrk"):
        wrk.load(Plan(port, seconds=0.2, clients=1))
