"""Spans as OpenTelemetry gets them: in memory, and over HTTP from a process of its own."""

import ast
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import SpanKind, StatusCode

from protocol.uwsgi import decode_vars
from proxy import errors
from proxy.exits import StartError
from proxy.settings import IdentitySettings
from proxy.telemetry import spans
from proxy.telemetry.spans import Spans, open_spans
from proxy.testing import FakeBackend, respond
from proxy.testing.harness import Harness
from tests.servers import REPOSITORY, proxy_process, raw_request, wait_until
from tests.wire import GET, OK, harness, request

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"traceparent: 00-{TRACE_ID}-b7ad6b7169203331-".encode()


class Bench:
    """A front end in memory whose spans are kept."""

    def __init__(self, backends: int = 1) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=ParentBased(ALWAYS_ON))
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.spans = Spans(provider)
        rules = IdentitySettings(request_id="accept", traceparent="accept", otel=True)
        self.wire: Harness = harness(rules, backends=backends, begin_span=self.spans.begin)

    def finished(self) -> tuple[ReadableSpan, ...]:
        for record in self.wire.records:
            self.spans(record)
        return self.exporter.get_finished_spans()


def test_a_span_of_an_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "ahead_s", lambda: 500.0)
    bench = Bench()
    client = bench.wire.client()
    client.send(
        request(
            b"GET /a%20b?c=d HTTP/1.1",
            PARENT + b"01",
            b"tracestate: x=1",
            b"User-Agent: agent\xff",
            b"X-Request-ID: abc",
        )
    )
    told = dict(decode_vars(bytes(bench.wire.backend.channel.sent[4:])))
    bench.wire.clock.advance(0.25)
    bench.wire.backend.channel.reply(OK)
    (span,) = bench.finished()
    assert span.name == "GET"
    assert span.kind is SpanKind.SERVER
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == TRACE_ID
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"
    # The application goes on behind this span.
    assert told[b"HTTP_TRACEPARENT"] == f"00-{TRACE_ID}-{span.context.span_id:016x}-01".encode()
    assert told[b"HTTP_TRACESTATE"] == b"x=1"
    assert span.start_time == 1_500_000_000_000
    assert span.end_time == 1_500_250_000_000
    assert span.status.status_code is StatusCode.UNSET
    record = bench.wire.records[0]
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "url.path": "/a b",
        "url.query": "c=d",
        "client.address": "192.0.2.1",
        "client.port": 40000,
        "server.address": "a.example",
        "server.port": 80,
        "network.protocol.version": "1.1",
        "user_agent.original": "agent\\xff",
        "http.response.status_code": 200,
        "http.request.size": record.request_bytes,
        "http.response.size": record.sent_bytes,
        "uwsgi_frontend.queue_time": 0.0,
        "uwsgi_frontend.request_id": "abc",
    }
    (event,) = span.events
    assert event.name == "attempt"
    assert event.timestamp == 1_500_000_000_000
    assert dict(event.attributes or {}) == {
        "uwsgi_frontend.backend": "unix:/run/0.sock",
        "uwsgi_frontend.status": 200,
        "uwsgi_frontend.connect_time": 0.0,
        "uwsgi_frontend.header_time": 0.25,
        "uwsgi_frontend.response_time": 0.25,
    }


def test_each_attempt_is_an_event() -> None:
    bench = Bench(backends=2)
    bench.wire.backends[0].outcome = errors.CONNECT_REFUSED
    bench.wire.client().send(GET)
    bench.wire.backends[1].channel.reply(OK)
    (span,) = bench.finished()
    told = [dict(event.attributes or {}) for event in span.events]
    assert [one["uwsgi_frontend.backend"] for one in told] == [
        "unix:/run/0.sock",
        "unix:/run/1.sock",
    ]
    assert told[0]["uwsgi_frontend.reason"] == "connect_refused"
    assert "uwsgi_frontend.reason" not in told[1]
    assert span.status.status_code is StatusCode.UNSET
    assert span.parent is None


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"", "eof_before_headers"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "503"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", None),
    ],
)
def test_what_is_an_error(reply: bytes, error: str | None) -> None:
    bench = Bench()
    bench.wire.client().send(GET)
    bench.wire.backend.channel.end(reply)
    (span,) = bench.finished()
    assert (span.attributes or {}).get("error.type") == error
    assert (span.status.status_code is StatusCode.ERROR) is (error is not None)


def test_a_client_that_leaves_is_no_error() -> None:
    bench = Bench()
    client = bench.wire.client()
    client.send(GET)
    client.reset()
    (span,) = bench.finished()
    assert (span.attributes or {})["uwsgi_frontend.reason"] == "client_gone"
    assert span.status.status_code is StatusCode.UNSET


def test_a_method_of_somebody_s_own() -> None:
    bench = Bench()
    bench.wire.client().send(request(b"BREW / HTTP/1.1"))
    bench.wire.backend.channel.reply(OK)
    (span,) = bench.finished()
    assert span.name == "HTTP"
    attributes = span.attributes or {}
    assert attributes["http.request.method"] == "_OTHER"
    assert attributes["http.request.method_original"] == "BREW"


def test_what_is_not_sampled_is_not_reported_and_goes_on_so() -> None:
    bench = Bench()
    bench.wire.client().send(request(b"GET / HTTP/1.1", PARENT + b"00"))
    told = dict(decode_vars(bytes(bench.wire.backend.channel.sent[4:])))
    bench.wire.backend.channel.reply(OK)
    assert bench.finished() == ()
    assert told[b"HTTP_TRACEPARENT"].startswith(b"00-" + TRACE_ID.encode())
    assert told[b"HTTP_TRACEPARENT"].endswith(b"-00")


def test_what_has_no_head_has_no_span() -> None:
    bench = Bench()
    bench.wire.client().send(b"nonsense\r\n")
    assert bench.finished() == ()


# -- the environment ------------------------------------------------------------------------------


def test_the_environment_may_say_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert open_spans() is None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "OTEL_TRACES_EXPORTER",
            "jaeger",
            "--otel: OTEL_TRACES_EXPORTER=jaeger: choose otlp, console or none",
        ),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "grpc",
            "--otel: OTEL_EXPORTER_OTLP_PROTOCOL=grpc: only http/protobuf is there",
        ),
    ],
)
def test_the_environment_may_be_wrong(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StartError) as caught:
        open_spans()
    assert str(caught.value) == message


@pytest.mark.parametrize("exporter", ["none", "console"])
def test_spans_need_not_be_exported(monkeypatch: pytest.MonkeyPatch, exporter: str) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", exporter)
    found = open_spans()
    assert found is not None
    found.close()


# -- a process, and who collects ------------------------------------------------------------------


@contextmanager
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """Yield the address of a server that takes spans, and what it has taken."""
    taken: list[ExportTraceServiceRequest] = []

    class Take(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Take) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", taken
        finally:
            server.shutdown()
            thread.join()


def test_a_process_reports_to_a_collector() -> None:
    with FakeBackend(respond(body=b"ok")) as backend, collector() as (url, taken):
        options = ("--upstream", str(backend.address), "--otel", "--traceparent", "accept")
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        with proxy_process(*options, env=environment) as proxy:
            raw_request(proxy.address, request(b"GET /x HTTP/1.1", b"Connection: close"))
            wait_until(lambda: bool(taken), "spans while it runs")
            raw_request(proxy.address, request(b"GET /y HTTP/1.1", b"Connection: close"))
            assert proxy.stop() == 0  # and those that are left at the end
        assert not [line for line in proxy.log if "Traceback" in line]
    found = [resource for batch in taken for resource in batch.resource_spans]
    names = {
        one.value.string_value
        for resource in found
        for one in resource.resource.attributes
        if one.key == "service.name"
    }
    assert names == {"shop"}
    reported = [span for one in found for scope in one.scope_spans for span in scope.spans]
    paths = [
        one.value.string_value
        for span in reported
        for one in span.attributes
        if one.key == "url.path"
    ]
    assert sorted(paths) == ["/x", "/y"]
    told = [received.value("HTTP_TRACEPARENT").decode() for received in backend.requests]
    assert sorted(told) == sorted(
        f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01" for span in reported
    )


def test_a_collector_that_is_not_there_harms_nobody() -> None:
    with FakeBackend(respond(body=b"ok")) as backend:
        options = ("--upstream", str(backend.address), "--otel", "--traceparent", "new")
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        }
        with proxy_process(*options, env=environment) as proxy:
            data = raw_request(proxy.address, request(b"GET /x HTTP/1.1", b"Connection: close"))
            assert data.endswith(b"ok")
            assert proxy.stop() == 0


def test_nothing_is_imported_unless_asked_for() -> None:
    """Only this module imports it, and whoever imports this module does so within a function."""
    for path in (REPOSITORY / "proxy").rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        imported = {
            alias.name if isinstance(node, ast.Import) else str(node.module)
            for node in tree.body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        if path.name != "spans.py":
            assert not {name for name in imported if name.startswith("opentelemetry")}, path
            assert "proxy.telemetry.spans" not in imported, path
