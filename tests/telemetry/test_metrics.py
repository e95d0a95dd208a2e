"""The metrics: exact counts for exchanges of known fates, read by Prometheus's own parser."""

from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from proxy import __version__, errors
from proxy.record import Record
from proxy.settings import RetrySettings, UpstreamSettings
from proxy.telemetry import exposition
from proxy.telemetry.metrics import BUCKETS_S, Histogram, Metrics
from proxy.testing.fake_clock import LATE_S
from proxy.testing.harness import Harness
from tests.wire import GET, OK, harness, reply, request


class Board:
    """Metrics of some records, parsed."""

    def __init__(self, *records: Record, in_flight: int = 0, connections: int = 0) -> None:
        metrics = Metrics(lambda: in_flight, lambda: connections)
        for record in records:
            metrics(record)
        self.text = metrics.render().decode()

    def samples(self) -> Iterator[Sample]:
        for family in text_string_to_metric_families(self.text):
            yield from family.samples

    def get(self, name: str, **labels: str) -> float:
        """Return the one sample with this name and these labels."""
        (value,) = [
            sample.value
            for sample in self.samples()
            if sample.name == "uwsgi_frontend_" + name and sample.labels == labels
        ]
        return value

    def all(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """Return all samples of a name that are not 0, by the values of these labels."""
        return {
            tuple(sample.labels[label] for label in labels): sample.value
            for sample in self.samples()
            if sample.name == "uwsgi_frontend_" + name and sample.value
        }


def test_what_stands_there_from_the_start() -> None:
    board = Board()
    assert board.get("build_info", version=__version__) == 1
    assert board.get("http_requests_in_flight") == 0
    assert board.get("client_connections") == 0
    assert board.get("received_bytes_total") == 0
    assert board.get("sent_bytes_total") == 0
    reasons = {
        sample.labels["reason"]: (sample.labels["blame"], sample.value)
        for sample in board.samples()
        if sample.name == "uwsgi_frontend_errors_total"
    }
    assert reasons == {word: (one.blame.value, 0.0) for word, one in errors.ALL.items()}


def test_gauges_are_asked_when_they_are_shown() -> None:
    board = Board(in_flight=3, connections=7)
    assert board.get("http_requests_in_flight") == 3
    assert board.get("client_connections") == 7


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
    board = Board(*wire.records)
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
    zero, one = "unix:/run/0.sock", "unix:/run/1.sock"
    assert board.all("upstream_attempts_total", "backend", "result") == {
        (zero, "ok"): 3,
        (zero, "eof_before_headers"): 1,
        (zero, "client_gone"): 1,
        (one, "ok"): 2,
        (one, "connect_refused"): 1,
        (one, "read_timeout"): 1,
    }
    assert board.get("sent_bytes_total") == sent
    heads = 6 * len(GET) + len(request(b"LOCK / HTTP/1.1"))
    post = request(b"POST / HTTP/1.1", body=b"x" * 1000)
    assert board.get("received_bytes_total") == heads + len(post)
    assert board.get("upstream_first_byte_seconds_count", backend=zero) == 3
    assert board.get("upstream_first_byte_seconds_count", backend=one) == 2


def test_durations() -> None:
    wire, _ = known_fates()
    board = Board(*wire.records)
    name = "http_request_duration_seconds"
    assert board.get(name + "_count", method="GET") == 6
    total = sum(r.seconds for r in wire.records if r.request and r.request.method == b"GET")
    assert board.get(name + "_sum", method="GET") == pytest.approx(total)
    assert board.get(name + "_bucket", method="GET", le="0.01") == 2
    assert board.get(name + "_bucket", method="GET", le="0.025") == 5
    assert board.get(name + "_bucket", method="GET", le="5.0") == 5
    assert board.get(name + "_bucket", method="GET", le="10.0") == 6
    assert board.get(name + "_bucket", method="GET", le="+Inf") == 6
    assert board.get(name + "_count", method="POST") == 1
    assert board.get(name + "_count", method="other") == 2


def test_buckets_hold_their_upper_bound() -> None:
    histogram = Histogram()
    for bound in BUCKETS_S:
        histogram.observe(bound)
    histogram.observe(BUCKETS_S[-1] + 1)
    counts = [count for _, count in histogram.cumulative()]
    assert counts == [float(number) for number in range(1, len(BUCKETS_S) + 2)]
    assert [bound for bound, _ in histogram.cumulative()][-1] == "+Inf"
    assert histogram.total == pytest.approx(sum(BUCKETS_S) + BUCKETS_S[-1] + 1)


def test_a_client_cannot_make_labels() -> None:
    wire = harness()
    client = wire.client()
    for number in range(50):
        client.send(request(b"M-%s / HTTP/1.1" % (b"X" * number)))
        wire.backend.channel.reply(OK)
    assert Board(*wire.records).all("http_requests_total", "method", "code") == {
        ("other", "200"): 50
    }


def test_everything_is_what_prometheus_expects() -> None:
    wire, _ = known_fates()
    text = Board(*wire.records).text
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")]
    assert len(names) == len(set(names))
    assert all(name.startswith("uwsgi_frontend_") for name in names)
    described = [line.split()[2] for line in text.splitlines() if line.startswith("# HELP ")]
    assert described == names


def test_families_are_what_is_rendered() -> None:
    metrics = Metrics(lambda: 1, lambda: 2)
    assert exposition.render(metrics.families())[0] == metrics.render()
