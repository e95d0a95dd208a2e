"""The metrics: exact counts for exchanges of known fates, read by Prometheus's own parser."""

from collections.abc import Callable, Iterator

import pytest

from proxy import errors
from proxy.record import Record
from proxy.settings import (
    BackendSettings,
    QueueSettings,
    RetrySettings,
    UpstreamSettings,
)
from proxy.telemetry.catalogue import OWN, PREFIX
from proxy.telemetry.exposition import render
from proxy.telemetry.metrics import CLASSES, CODES, METHODS, PHASES, Metrics
from proxy.testing.fake_clock import LATE_S
from proxy.testing.harness import Harness
from proxy.testing.memory import MemoryClient
from proxy.testing.memory_network import MemoryChannel
from tests.records import a_record
from tests.telemetry.board import Board
from tests.wire import GET, OK, harness, reply, request

ZERO, ONE = "unix:/run/0.sock", "unix:/run/1.sock"


def of(*records: Record) -> Board:
    metrics = Metrics()
    for record in records:
        metrics(record)
    return Board(metrics.families())


def test_what_stands_there_from_the_start() -> None:
    board = of()
    assert board.get("received_bytes_total") == 0
    assert board.get("sent_bytes_total") == 0
    samples = list(board.samples())
    reasons = {
        one.labels["reason"]: (one.labels["blame"], one.value)
        for one in samples
        if one.name == PREFIX + "errors_total"
    }
    assert reasons == {word: (one.blame.value, 0.0) for word, one in errors.ALL.items()}
    requests = {
        (one.labels["method"], one.labels["code"])
        for one in samples
        if one.name == PREFIX + "http_requests_total"
    }
    methods = (*METHODS, "other")
    assert requests == {(method, str(code)) for method in methods for code in CODES}
    counts = {
        (one.labels["method"], one.labels["code_class"])
        for one in samples
        if one.name == PREFIX + "http_request_duration_seconds_count"
    }
    assert counts == {(method, one) for method in methods for one in CLASSES}
    phases = {one.labels["phase"] for one in samples if one.name == PREFIX + "client_aborts_total"}
    assert phases == set(PHASES)
    assert all(one.value == 0 for one in samples)


def known_fates() -> tuple[Harness, int]:
    """Have exchanges of known fates; return how many bytes went to the clients, too."""
    retry = RetrySettings(conditions=("error",), try_duration_s=0.0)
    wire = harness(UpstreamSettings(read_timeout_s=5.0, retry=retry), backends=2, max_fails=0)
    clients = [wire.client() for _ in range(7)]
    first, second = wire.backends

    def play(number: int, asked: bytes) -> None:
        clients[number].send(asked)

    for _ in range(3):  # three good ones on one connection, at backends 0, 1, 0
        play(0, GET)
        wire.clock.advance(0.02)
        for backend in wire.backends:
            for channel in backend.channels:
                if not channel.closed:
                    channel.reply(OK)
    play(1, request(b"POST / HTTP/1.1", body=b"x" * 1000))  # at 1
    second.channel.reply(reply(b"no", b"404 Not Found"))
    play(2, request(b"LOCK / HTTP/1.1"))  # at 0
    first.channel.end()
    second.outcome = errors.CONNECT_REFUSED  # at 1, then 0
    play(3, GET)
    first.channel.reply(OK)
    play(4, GET)  # at 0: the turns of the last round are not made up for
    clients[4].reset()
    play(5, b"nonsense\r\n")
    second.outcome = "accept"
    play(6, GET)  # at 1
    wire.clock.advance(5.0 + LATE_S)
    return wire, sum(len(client.everything) for client in clients)


def test_exchanges_of_known_fates() -> None:
    wire, sent = known_fates()
    board = Board.of(wire)
    assert board.all("http_requests_total", "method", "code") == {
        ("GET", "200"): 4,
        ("POST", "404"): 1,
        ("other", "502"): 1,
        ("GET", "499"): 1,
        ("other", "400"): 1,
        ("GET", "504"): 1,
    }
    assert board.all("errors_total", "reason", "blame") == {
        ("eof_before_headers", "backend"): 1,
        ("client_gone", "client"): 1,
        ("bad_request_line", "client"): 1,
        ("read_timeout", "backend"): 1,
    }
    assert board.all("client_aborts_total", "phase") == {("backend",): 1}
    assert board.all("upstream_attempts_total", "upstream", "backend", "result") == {
        ("default", ZERO, "ok"): 3,
        ("default", ZERO, "eof_before_headers"): 1,
        ("default", ZERO, "client_gone"): 1,
        ("default", ONE, "ok"): 2,
        ("default", ONE, "connect_refused"): 1,
        ("default", ONE, "read_timeout"): 1,
    }
    assert board.all("upstream_retries_total", "reason") == {("connect_refused",): 1}
    assert board.get("sent_bytes_total") == sent
    heads = 6 * len(GET) + len(request(b"LOCK / HTTP/1.1"))
    post = request(b"POST / HTTP/1.1", body=b"x" * 1000)
    assert board.get("received_bytes_total") == heads + len(post)
    assert board.get("upstream_first_byte_seconds_count", upstream="default", backend=ZERO) == 3
    assert board.get("upstream_first_byte_seconds_count", upstream="default", backend=ONE) == 2
    assert board.get("upstream_connect_duration_seconds_count", upstream="default") == 8
    assert board.get("upstream_queue_wait_seconds_count", upstream="default") == 0


def test_durations_and_sizes() -> None:
    wire, _ = known_fates()
    board = Board.of(wire)
    name = "http_request_duration_seconds"
    ok = {"method": "GET", "code_class": "2xx"}
    assert board.get(name + "_count", **ok) == 4
    assert board.get(name + "_count", method="GET", code_class="4xx") == 1
    assert board.get(name + "_count", method="GET", code_class="5xx") == 1
    total = sum(r.seconds for r in wire.records if r.status == 200)
    assert board.get(name + "_sum", **ok) == pytest.approx(total)
    assert board.get(name + "_bucket", **ok, le="0.01") == 1
    assert board.get(name + "_bucket", **ok, le="0.025") == 4
    assert board.get(name + "_bucket", method="GET", code_class="5xx", le="5.0") == 0
    assert board.get(name + "_bucket", method="GET", code_class="5xx", le="10.0") == 1
    assert board.get(name + "_bucket", method="GET", code_class="5xx", le="+Inf") == 1
    assert board.get(name + "_count", method="POST", code_class="4xx") == 1
    assert board.get(name + "_count", method="other", code_class="5xx") == 1
    assert board.get("http_request_size_bytes_count") == 9
    assert board.get("http_request_size_bytes_bucket", le="256.0") == 8
    assert board.get("http_request_size_bytes_bucket", le="4096.0") == 9
    assert board.get("http_response_size_bytes_sum") == board.get("sent_bytes_total")


def test_retries_of_every_kind() -> None:
    retry = RetrySettings(conditions=("error", "http_503"), try_duration_s=0.0)
    wire = harness(UpstreamSettings(retry=retry), backends=2, max_fails=0)
    first, second = wire.backends
    client = wire.client()
    client.send(GET)  # at 0, then 1
    first.channel.end()
    second.channel.reply(OK)
    client.send(GET)  # at 1, then 0
    second.channel.reply(reply(b"", b"503 Busy"))
    first.channel.reply(OK)
    first.outcome = second.outcome = errors.CONNECT_REFUSED
    client.send(GET)  # at both in vain: that is one retry
    board = Board.of(wire)
    assert board.all("upstream_retries_total", "reason") == {
        ("eof_before_headers",): 1,
        ("http_503",): 1,
        ("connect_refused",): 1,
    }
    assert board.all("upstream_attempts_total", "backend", "result") == {
        (ZERO, "eof_before_headers"): 1,
        (ONE, "ok"): 2,
        (ZERO, "ok"): 1,
        (ZERO, "connect_refused"): 1,
        (ONE, "connect_refused"): 1,
    }


def crowded(**queue: float) -> Harness:
    """Return a front end whose one backend is busy with one request, and takes no other."""
    wire = harness(UpstreamSettings(queue=QueueSettings(**queue)))  # type: ignore[arg-type]
    wire.pool.set_max_conns(wire.pool.backends[0], 1)
    wire.client().send(GET)
    return wire


def test_waiting_in_line() -> None:
    wire = crowded(max_waiting=2, timeout_s=5.0)
    served, late, refused = wire.client(), wire.client(), wire.client()
    served.send(GET)
    late.send(GET)
    refused.send(GET)
    wire.clock.advance(2.0)
    busy = wire.backend.channels[0]
    busy.reply(OK)
    wire.clock.advance(5.0 + LATE_S)
    board = Board.of(wire)
    assert board.all("errors_total", "reason") == {("queue_full",): 1, ("queue_timeout",): 1}
    assert board.get("upstream_queue_wait_seconds_count", upstream="default") == 1
    assert board.get("upstream_queue_refused_total", upstream="default") == 1
    wire.backend.channel.reply(OK)
    board = Board.of(wire)
    assert board.get("upstream_queue_wait_seconds_count", upstream="default") == 2
    waited = sum(record.waited_s for record in wire.records)
    total = board.get("upstream_queue_wait_seconds_sum", upstream="default")
    assert total == pytest.approx(waited)
    assert 7.0 <= total < 7.5


def test_where_clients_left() -> None:
    wire = crowded(max_waiting=2, timeout_s=5.0)
    uploading, queueing, reading = wire.client(), wire.client(), wire.client()
    uploading.send(request(b"POST / HTTP/1.1", b"Content-Length: 100") + b"some")
    uploading.reset()
    queueing.send(GET)
    queueing.reset()
    wire.backend.channels[0].reply(OK)
    reading.send(GET)
    wire.backend.channel.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\npart")
    reading.reset()
    reading = wire.client()
    reading.send(GET)
    reading.reset()
    wire.clock.settle()
    board = Board.of(wire)
    assert board.all("client_aborts_total", "phase") == {
        ("request",): 1,
        ("queue",): 1,
        ("response",): 1,
        ("backend",): 1,
    }


def test_a_client_cannot_make_labels() -> None:
    wire = harness()
    client = wire.client()
    for number in range(50):
        client.send(request(b"M-%s / HTTP/1.1" % (b"X" * number)))
        wire.backend.channel.reply(OK)
    client.send(request(b"OTHER / HTTP/1.1"))
    wire.backend.channel.reply(OK)
    board = Board.of(wire)
    assert board.all("http_requests_total", "method", "code") == {("other", "200"): 51}
    assert len(list(board.samples())) == len(list(Board.of(harness()).samples()))


def test_unusual_statuses_appear_and_unknown_ones_share_a_place() -> None:
    board = of(*(a_record(b"", 0.0, status=code) for code in (299, 299, 600, 999, 0)))
    assert board.all("http_requests_total", "method", "code") == {
        ("other", "000"): 1,
        ("other", "299"): 2,
        ("other", "other"): 2,
    }
    counts = board.all("http_request_duration_seconds_count", "code_class")
    assert (counts["2xx",], counts["other",]) == (2, 3)


def test_names_from_outside_cannot_break_the_text() -> None:
    """Backends are named by discovery: quotes, line ends and backslashes stay within a label."""
    wire = harness()
    wire.client().send(GET)
    wire.backend.channel.reply(OK)
    evil = 'a"} 1\nevil_metric{x="\\'
    wire.pool.backends[0].name = evil
    board = Board.of(wire)
    assert board.all("upstream_attempts_total", "backend", "result") == {(evil, "ok"): 1}
    assert {sample.name.startswith(PREFIX) for sample in board.samples()} == {True}


def test_a_backend_that_is_gone_takes_its_series_along() -> None:
    wire = harness(backends=2)
    before = len(list(Board.of(wire).samples()))
    for number in range(10):
        address = wire.backends[1].address
        one = wire.pool.add(BackendSettings(address), address, f"source {number}")
        wire.pool.remove(one)
    assert len(list(Board.of(wire).samples())) == before


def test_everything_is_what_prometheus_expects() -> None:
    wire, _ = known_fates()
    text = Board.of(wire).text
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")]
    assert len(names) == len(set(names))
    assert set(names) <= {entry.shown for entry in OWN}
    described = [line.split()[2] for line in text.splitlines() if line.startswith("# HELP ")]
    assert described == names


def test_families_are_what_is_rendered() -> None:
    metrics = Metrics()
    assert render(metrics.families()) == metrics.render()
    assert metrics.render("application/openmetrics-text")[0].endswith(b"# EOF\n")


def test_the_few_numbers_that_pages_show() -> None:
    reason = errors.READ_TIMEOUT
    metrics = Metrics()
    for status, failed, seconds in ((200, None, 0.02), (200, None, 0.2), (504, reason, 61.0)):
        record = a_record(b"", 1.0, status=status, reason=failed, ended=1.0 + seconds)
        record.request_bytes, record.sent_bytes = 100, 50
        metrics(record)
    numbers = metrics.numbers()
    durations = numbers.pop("duration")
    assert numbers == {
        "requests": 3,
        "codes": {"200": 2, "504": 1},
        "errors": {"read_timeout": 1},
        "received_bytes": 300,
        "sent_bytes": 150,
    }
    counts = [durations[bound] for bound in ("0.01", "0.025", "0.25", "60.0", "+Inf")]
    assert counts == [0, 1, 2, 2, 3]


# -- every kind of failure, each so often that no two are alike -----------------------------------

BEGUN = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart"

NO_CONNECTION = (
    errors.SOCKET_MISSING,
    errors.PERMISSION_DENIED,
    errors.CONNECT_REFUSED,
    errors.CONNECT_FAILED,
)


def cut_short(channel: MemoryChannel) -> None:
    channel.reply(BEGUN)
    channel.reset()


REPLIES: dict[str, Callable[[MemoryChannel], None]] = {
    "eof_before_headers": lambda channel: channel.end(),
    "reset_before_headers": lambda channel: channel.reset(),
    "eof_mid_headers": lambda channel: channel.end(b"HTTP/1.1 200 OK\r\nServ"),
    "bad_reply_head": lambda channel: channel.end(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"),
    "reply_head_too_large": lambda channel: channel.reply(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 99999),
    "eof_mid_body": lambda channel: channel.end(BEGUN),
    "reset_mid_body": cut_short,
}
"""How to make each happen after a connection."""

LATE: dict[str, bytes] = {"read_timeout": b"", "read_timeout_mid_body": BEGUN}
"""What comes before the silence."""


def test_each_kind_of_failure_is_counted_exactly() -> None:
    wire = harness(UpstreamSettings(read_timeout_s=5.0), max_fails=0)
    expected: dict[tuple[str], float] = {}

    def often(word: str) -> Iterator[MemoryClient]:
        expected[word,] = len(expected) + 1
        for _ in range(len(expected)):
            client = wire.client()
            client.send(GET)
            yield client

    for reason in NO_CONNECTION:
        wire.backend.outcome = reason
        list(often(reason.word))
    wire.backend.outcome = "accept"
    for word, fail in REPLIES.items():
        for _ in often(word):
            fail(wire.backend.channel)
    for word, begun in LATE.items():
        for _ in often(word):
            wire.backend.channel.reply(begun)
        wire.clock.advance(5.0 + LATE_S)
    for client in often("client_gone"):
        client.reset()
    for _ in often("ok"):
        wire.backend.channel.reply(OK)
    board = Board.of(wire)
    assert board.all("upstream_attempts_total", "result") == expected
    good = expected.pop(("ok",))
    assert board.all("errors_total", "reason") == expected
    codes = board.all("http_requests_total", "code")
    assert sum(codes.values()) == sum(expected.values()) + good
    assert codes["499",] == expected["client_gone",]
    assert codes["504",] == expected["read_timeout",]
