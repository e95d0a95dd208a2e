"""Spans through OpenTelemetry: one for each exchange, with an event for each attempt.

Only imported with `--otel`, and the only module that imports OpenTelemetry. Where spans go, which
are sampled, and how they are batched is said by the standard OTEL_* variables of the environment;
names are those of the semantic conventions for HTTP servers.
"""

import os
import threading

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    format_span_id,
    format_trace_id,
    set_span_in_context,
)
from opentelemetry.util.types import AttributeValue

from protocol.identity import Trace
from protocol.messages import Request
from proxy import __version__
from proxy.errors import Blame
from proxy.exits import StartError
from proxy.record import AttemptRecord, Record
from proxy.telemetry.variables import attempt_status, header, host
from proxy.telemetry.writer import ahead_s

CLOSE_TIMEOUT_S = 3.0
"""For what has not been exported at the end; then it is given up."""

SERVICE = "uwsgi-frontend"
"""service.name, unless the environment has one."""

_METHODS = frozenset(
    b"CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT TRACE".split()  # those of RFC 9110 and PATCH
)
_OURS = "uwsgi_frontend."

Attributes = dict[str, AttributeValue]


def open_spans() -> "Spans | None":
    """Return what reports spans as the environment says; None when it says that nobody shall.

    Raises:
        StartError: it says something that is not possible.
    """
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    provider = TracerProvider(resource=_resource())
    exporter = _exporter(os.environ.get("OTEL_TRACES_EXPORTER") or "otlp")
    if exporter is not None:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    return Spans(provider)


def _resource() -> Resource:
    resource = Resource.create()
    if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": SERVICE}))
    return resource.merge(Resource({"service.version": __version__}))


def _exporter(name: str) -> SpanExporter | None:
    if name == "none":
        return None
    if name == "console":
        return ConsoleSpanExporter()
    if name != "otlp":
        raise StartError(f"--otel: OTEL_TRACES_EXPORTER={name}: choose otlp, console or none")
    for variable in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if protocol := os.environ.get(variable):
            if protocol != "http/protobuf":
                raise StartError(f"--otel: {variable}={protocol}: only http/protobuf is there")
            break
    return OTLPSpanExporter()


class Spans:
    """Begins a span with each request, and ends it as a sink."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("uwsgi-frontend", __version__)

    def begin(self, request: Request, came: Trace | None, started: float) -> tuple[Trace, object]:
        """Begin a span behind the caller's (`protocol.identity.BeginSpan`)."""
        known = request.method in _METHODS
        method = request.method.decode() if known else "_OTHER"
        # What a sampler may want to know has to be there from the start.
        attributes: Attributes = {
            "http.request.method": method,
            "url.scheme": "http",
            "url.path": _text(request.target.path),
        }
        span = self._tracer.start_span(
            method if known else "HTTP",
            context=Context() if came is None else _context(came),
            kind=SpanKind.SERVER,
            attributes=attributes,
            start_time=_ns(started, ahead_s()),
        )
        place = span.get_span_context()
        trace = Trace(
            format_trace_id(place.trace_id).encode(),
            format_span_id(place.span_id).encode(),
            b"" if came is None else came.span_id,
            place.trace_flags.sampled,
            b"" if came is None else came.state,
        )
        return trace, span

    def __call__(self, record: Record) -> None:
        """End the span of an exchange."""
        span = record.identity.span if record.identity is not None else None
        if not isinstance(span, Span):
            return
        ahead = ahead_s()
        if span.is_recording():
            span.set_attributes(_attributes(record))
            for attempt in record.attempts:
                event = _attempt_attributes(attempt)
                span.add_event("attempt", event, timestamp=_ns(attempt.started, ahead))
            error = _error(record)
            if error:
                span.set_attribute("error.type", error)
                span.set_status(Status(StatusCode.ERROR, record.detail or None))
        span.end(_ns(record.ended, ahead))

    def close(self) -> None:
        """Export what is left, for at most `CLOSE_TIMEOUT_S` seconds. It blocks."""
        # The exporter may have time-outs of its own that are longer.
        thread = threading.Thread(target=self._provider.shutdown, name="spans", daemon=True)
        thread.start()
        thread.join(CLOSE_TIMEOUT_S)


def _context(came: Trace) -> Context:
    """Return OpenTelemetry's context of the caller. Its tracestate we carry ourselves."""
    flags = TraceFlags(TraceFlags.SAMPLED if came.sampled else TraceFlags.DEFAULT)
    place = SpanContext(int(came.trace_id, 16), int(came.span_id, 16), True, flags)
    return set_span_in_context(NonRecordingSpan(place), Context())


def _attributes(record: Record) -> Attributes:
    request, facts, identity = record.request, record.facts, record.identity
    found: dict[str, AttributeValue | None] = {
        "client.address": _text(record.remote_addr),
        "client.port": int(facts.remote_port) if facts.remote_port else None,
        "server.address": _text(host(record)),
        "server.port": int(facts.server_port) if facts.server_port else None,
        "network.protocol.version": _text(request.protocol[5:]) if request is not None else None,
        "url.query": _text(request.target.query) if request is not None else None,
        "user_agent.original": _text(header(record, b"user-agent")),
        "http.response.status_code": record.status or None,
        "http.request.size": record.request_bytes + record.body_bytes,
        "http.response.size": record.sent_bytes,
        _OURS + "queue_time": record.waited_s,
        _OURS + "reason": record.reason.word if record.reason is not None else None,
        _OURS + "request_id": _text(identity.request_id) if identity is not None else None,
    }
    if request is not None and request.method not in _METHODS:
        found["http.request.method_original"] = _text(request.method)
    return {name: value for name, value in found.items() if value is not None and value != ""}


def _attempt_attributes(attempt: AttemptRecord) -> Attributes:
    begin = attempt.started
    found: dict[str, AttributeValue | None] = {
        _OURS + "backend": attempt.backend,
        _OURS + "status": attempt_status(attempt),
        _OURS + "connect_time": _since(begin, attempt.connected),
        _OURS + "header_time": _since(begin, attempt.first_byte),
        _OURS + "response_time": _since(begin, attempt.ended),
        _OURS + "reason": attempt.reason.word if attempt.reason is not None else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _error(record: Record) -> str:
    """Return what kind of error it was; a client's own fault is none of the server's."""
    reason = record.reason
    if reason is not None and reason.blame is not Blame.CLIENT:
        return reason.word
    return str(record.status) if record.status >= 500 else ""


def _since(begin: float, end: float | None) -> float | None:
    return None if end is None else end - begin


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "backslashreplace")


def _ns(monotonic_s: float, ahead: float) -> int:
    """Return a time of a record as OpenTelemetry has it."""
    return int((monotonic_s + ahead) * 1e9)
