"""Whether logs can be written as they were asked for, and requests be called as they say."""

from collections.abc import Iterator

from protocol.identity import withheld_names
from proxy.settings import Settings
from proxy.telemetry.log_format import compile_format, names_in
from proxy.telemetry.syslog import parse_syslog


def complaints(settings: Settings) -> Iterator[str]:
    """Yield one line for each thing that is wrong."""
    log = settings.log
    try:
        compile_format(log.access_format)
    except ValueError as error:
        yield f"--access-log-format: {error}"
    else:
        yield from _unknown(settings)
    yield from _identity(settings)
    if log.error_log.lower() in ("", "off"):
        yield "--error-log: needs a place; write - for standard error, or /dev/null"
    for flag, place in (("--access-log", log.access_log), ("--error-log", log.error_log)):
        if place.startswith("syslog:"):
            try:
                parse_syslog(place)
            except ValueError as error:
                yield f"{flag} {place}: {error}"


def _unknown(settings: Settings) -> Iterator[str]:
    """A variable that would never have a value is a mistake."""
    identity, names = settings.identity, names_in(settings.log.access_format)
    for flag, value, told in (
        ("--request-id", identity.request_id, {"request_id"}),
        ("--traceparent", identity.traceparent, {"trace_id", "span_id", "parent_id"}),
    ):
        for name in sorted(names & told) if value == "off" else ():
            yield f"--access-log-format: ${name} is unknown without {flag}; add {flag} new"


def _identity(settings: Settings) -> Iterator[str]:
    identity = settings.identity
    if identity.request_id_response and identity.request_id == "off":
        yield "--request-id-response: there is nothing to tell; add --request-id new"
    if identity.otel and identity.traceparent == "off":
        yield "--otel: spans need a trace; add --traceparent accept, or new"
    ours = withheld_names(identity)
    for name, _ in settings.packet.params:
        if name.upper().encode() in ours:
            flag = "--request-id" if "ID" in name.upper() else "--traceparent"
            yield f"--param {name}: {flag} sets this variable; leave one of them out"
