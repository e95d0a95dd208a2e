"""Formats of the access log: a text with variables is compiled once, into a function of a record.

    combined    nginx's
    main        combined, then the total time, the backends, their times, and why it failed
    json        one object: see `json_line`

or a text of one's own, as nginx's `log_format` has it, which may begin with `escape=json`.
"""

import re
from collections.abc import Callable

from proxy.record import AttemptRecord, Record
from proxy.telemetry.escape import dump_json, escape, escape_json
from proxy.telemetry.moment import Moment, iso_time
from proxy.telemetry.variables import (
    VARIABLES,
    Read,
    Value,
    attempt_status,
    find,
    header,
    host,
    remote_user,
    request_line,
    retries,
)

Format = Callable[[Record, Moment], str]
"""Returns the line for an exchange, without its line end."""

Show = Callable[[bytes | None], str]
"""Escapes what is somebody else's."""

_COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent"'
)
NAMED = {
    "main": _COMBINED + ' $request_time $queue_time "$upstream_addr" $upstream_connect_time '
    "$upstream_header_time $upstream_response_time $reason",
    "combined": _COMBINED,
    "json": "",
}
"""The formats with a name; that of `json` is made by a function."""

_VARIABLE = re.compile(r"\$(?:\{(\w*)\}|(\w*))")
_ESCAPE = re.compile(r"\s*escape=(\S*)\s+(.*)", re.DOTALL)


def compile_format(text: str) -> Format:
    """Return the function that makes lines of this format.

    Raises:
        ValueError: with one line on what is wrong.
    """
    if text == "json":
        return json_line
    if text not in NAMED and "$" not in text:
        raise ValueError(
            "neither a name (main, combined, json) nor a text with variables like $status"
        )
    text = NAMED.get(text, text)
    show: Show = _show
    if match := _ESCAPE.fullmatch(text):
        show, text = _escaping(match[1]), match[2]
    names = [first or second for first, second in _VARIABLE.findall(text)]
    if "" in names:
        raise ValueError("a dollar sign without a name behind it")
    template = _VARIABLE.sub("%s", text.replace("%", "%%"))
    return _compile(template, tuple(map(find, names)), show)


def names_in(text: str) -> set[str]:
    """Return the variables that a format uses; `json` has them all."""
    return {first or second for first, second in _VARIABLE.findall(NAMED.get(text, text))}


def _compile(template: str, reads: tuple[Read, ...], show: Show) -> Format:
    def line(record: Record, moment: Moment) -> str:
        values = [read(record, moment) for read in reads]
        return template % tuple(
            [value if isinstance(value, str) else show(value) for value in values]
        )

    return line


def _escaping(name: str) -> Show:
    if name == "default":
        return _show
    if name == "json":
        return _show_json
    raise ValueError(
        f"escape={name}: choose default or json; without escaping a client could forge lines"
    )


def _show(value: bytes | None) -> str:
    return "-" if value is None else escape(value)


def _show_json(value: bytes | None) -> str:
    return "" if value is None else escape_json(value)


# -- json -----------------------------------------------------------------------------------------


def json_line(record: Record, moment: Moment) -> str:
    """Return one JSON object; what is not there is null. docs/observability.md has the schema."""
    request, reason = record.request, record.reason
    target = request.target if request is not None else None
    return dump_json(
        {
            "time": iso_time(record.ended + moment.ahead_s, "milliseconds"),
            "remote_addr": _text(record.remote_addr),
            "remote_user": _text(remote_user(record)),
            "request": _text(request_line(record)),
            "method": _text(request.method) if request is not None else None,
            "uri": _text(target.uri) if target is not None else None,
            "path": _text(target.path) if target is not None else None,
            "protocol": _text(request.protocol) if request is not None else None,
            "host": _text(host(record)),
            "referer": _text(header(record, b"referer")),
            "user_agent": _text(header(record, b"user-agent")),
            "status": record.status,
            "bytes_sent": record.sent_bytes,
            "body_bytes_sent": record.sent_bytes - record.head_bytes,
            "request_length": record.request_bytes + record.body_bytes,
            "request_time": round(record.seconds, 6),
            "queue_time": round(record.waited_s, 6),
            "request_id": _text(VARIABLES["request_id"](record, moment)),
            "trace_id": _text(VARIABLES["trace_id"](record, moment)),
            "span_id": _text(VARIABLES["span_id"](record, moment)),
            "connection": record.connection,
            "connection_requests": record.connection_requests,
            "reason": reason.word if reason is not None else None,
            "blame": reason.blame.value if reason is not None else None,
            "detail": record.detail or None,
            "retries": retries(record),
            "upstream": [_attempt(attempt) for attempt in record.attempts],
        }
    )


def _attempt(attempt: AttemptRecord) -> dict[str, object]:
    begin, reason = attempt.started, attempt.reason
    return {
        "addr": attempt.backend,
        "status": attempt_status(attempt),
        "connect_time": _since(begin, attempt.connected),
        "header_time": _since(begin, attempt.first_byte),
        "response_time": _since(begin, attempt.ended),
        "bytes_sent": attempt.bytes_sent,
        "bytes_received": attempt.bytes_received,
        "reason": reason.word if reason is not None else None,
    }


def _since(begin: float, end: float | None) -> float | None:
    return None if end is None else round(end - begin, 6)


def _text(value: Value) -> str | None:
    if isinstance(value, str):
        return value
    return value.decode("utf-8", "backslashreplace") if value else None
