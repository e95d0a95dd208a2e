"""What a log line can say about an exchange: nginx's variables, and ours.

A variable is a function of a record. It returns text that is our own, bytes that came from
somebody else (they are escaped), or None for what is not there (`-`, or empty in JSON).
docs/observability.md explains each.
"""

import base64
import binascii
import difflib
import os
import socket
from collections.abc import Callable, Iterable
from typing import NoReturn

from protocol.identity import Identity, Trace
from protocol.messages import Field, Request, TlsFacts
from proxy.record import AttemptRecord, Record
from proxy.telemetry.moment import Moment

Value = str | bytes | None
Read = Callable[[Record, Moment], Value]


def find(name: str) -> Read:
    """Return the variable called `name`, which is written without its dollar sign.

    Raises:
        ValueError: there is none; the text names the nearest one.
    """
    read = VARIABLES.get(name)
    if read is not None:
        return read
    for prefix, make in PREFIXES.items():
        rest = name.removeprefix(prefix)
        if rest != name and rest:
            return make(rest.replace("_", "-") if prefix.endswith("http_") else rest)
    _refuse(name)


def _refuse(name: str) -> NoReturn:
    wanted = () if name in PREFIXES else VARIABLES
    near = difflib.get_close_matches(name, wanted, n=1, cutoff=0.5)
    hint = f"did you mean ${near[0]}?" if near else "docs/observability.md lists them"
    raise ValueError(f"${name}: there is no such variable; {hint}")


# -- the request ----------------------------------------------------------------------------------


def request_line(record: Record) -> bytes:
    """Return the request line as it came, or what there was of it."""
    return record.request.line if record.request is not None else record.line


def header(record: Record, name: bytes) -> bytes | None:
    """Return the values of all lines of a request header (its name in lower case), joined."""
    if record.request is None:
        return None
    joint = b"; " if name == b"cookie" else b", "
    return _join(record.request.headers.fields, name, joint)


def _join(fields: Iterable[Field], name: bytes, joint: bytes = b", ") -> bytes | None:
    values = [value for field, value in fields if field.lower() == name]
    return joint.join(values) if values else None


def remote_user(record: Record) -> bytes | None:
    """Return the user name of a Basic Authorization header (RFC 7617)."""
    authorization = header(record, b"authorization")
    if authorization is None or authorization[:6].lower() != b"basic ":
        return None
    try:
        decoded = base64.b64decode(authorization[6:].strip(), validate=True)
    except binascii.Error:
        return None
    name, colon, _ = decoded.partition(b":")
    return name or None if colon else None  # as nginx: without a colon it is no user's


def host(record: Record) -> bytes | None:
    """Return the host that the request is for, without its port."""
    request = record.request
    if request is None:
        return None
    text = request.target.authority or request.headers.host or b""
    name, colon, port = text.rpartition(b":")
    return name if colon and port.isdigit() else text


def _cookie(name: str) -> Read:
    wanted = name.lower().encode()

    def read(record: Record, moment: Moment) -> Value:
        for pair in (header(record, b"cookie") or b"").split(b";"):
            key, equals, value = pair.strip().partition(b"=")
            if equals and key.lower() == wanted:
                return value
        return None

    return read


def _argument(name: str) -> Read:
    wanted = name.lower().encode()

    def read(record: Record, moment: Moment) -> Value:
        if record.request is None:
            return None
        for pair in record.request.target.query.split(b"&"):
            key, equals, value = pair.partition(b"=")
            if equals and key.lower() == wanted:
                return value
        return None

    return read


def _http(name: str) -> Read:
    wanted = name.lower().encode()
    return lambda record, moment: header(record, wanted)


def _of_request(show: Callable[[Request], bytes]) -> Read:
    """Return a variable that is empty without a request, or when it has nothing to show."""

    def read(record: Record, moment: Moment) -> Value:
        return (show(record.request) or None) if record.request is not None else None

    return read


def _is_args(record: Record, moment: Moment) -> Value:
    return "?" if record.request is not None and record.request.target.query else ""


def _of_tls(show: Callable[[TlsFacts], bytes]) -> Read:
    """Return a variable that is empty on a connection without TLS."""

    def read(record: Record, moment: Moment) -> Value:
        tls = record.facts.tls
        return (show(tls) or None) if tls is not None else None

    return read


# -- the response ---------------------------------------------------------------------------------


def _reply_field(record: Record, name: bytes) -> bytes | None:
    reply = record.reply
    if reply is None:  # a page of our own, if anything
        return b"text/html" if record.head_bytes and name == b"content-type" else None
    if name == b"content-type":
        return reply.content_type
    if name == b"content-length":
        return None if reply.content_length is None else b"%d" % reply.content_length
    return _join(reply.fields, name)


def _upstream_http(name: str) -> Read:
    wanted = name.lower().encode()
    return lambda record, moment: _reply_field(record, wanted)


# -- the backends ---------------------------------------------------------------------------------


def seconds(begin: float, end: float | None) -> str:
    """Return a time as nginx writes it; `-` if it has not come to that."""
    return "-" if end is None else f"{end - begin:.3f}"


def attempt_status(attempt: AttemptRecord) -> int | None:
    """Return the status of a reply, or which one a failed attempt would be answered with."""
    if attempt.status is None and attempt.reason is not None and attempt.reason.answered:
        return attempt.reason.status
    return attempt.status


def _joined(show: Callable[[AttemptRecord], str]) -> Read:
    """Return a variable that has one value for each attempt (nginx rule 7.16)."""

    def read(record: Record, moment: Moment) -> Value:
        attempts = record.attempts
        if len(attempts) == 1:
            return show(attempts[0])
        return ", ".join(map(show, attempts)) or None

    return read


def _upstream_addr(record: Record, moment: Moment) -> Value:
    names = ", ".join([attempt.backend for attempt in record.attempts])
    return names.encode("utf-8", "surrogateescape") or None


# -- our own --------------------------------------------------------------------------------------


def retries(record: Record) -> int:
    """Return how many attempts there were after the first."""
    return max(0, len(record.attempts) - 1)


def _of_identity(show: Callable[[Identity], bytes]) -> Read:
    def read(record: Record, moment: Moment) -> Value:
        return (show(record.identity) or None) if record.identity is not None else None

    return read


def _of_trace(show: Callable[[Trace], bytes]) -> Read:
    return _of_identity(lambda one: b"" if one.trace is None else show(one.trace))


def _ms(value: float | None) -> str:
    """Return a timer as HAProxy writes it: whole milliseconds, -1 if it has not come to that."""
    return "-1" if value is None else str(round(value * 1000))


def _timer_request(record: Record, moment: Moment) -> Value:
    if not record.attempts:
        return "-1"
    return _ms(max(0.0, record.attempts[0].started - record.started - record.waited_s))


def _timer_connect(record: Record, moment: Moment) -> Value:
    last = record.attempts[-1] if record.attempts else None
    if last is None or last.connected is None:
        return "-1"
    return _ms(last.connected - last.started)


def _timer_reply(record: Record, moment: Moment) -> Value:
    last = record.attempts[-1] if record.attempts else None
    if last is None or last.first_byte is None:
        return "-1"
    return _ms(last.first_byte - (last.started if last.connected is None else last.connected))


VARIABLES: dict[str, Read] = {
    # the connection
    "remote_addr": lambda record, moment: record.remote_addr,
    "remote_port": lambda record, moment: record.facts.remote_port or None,
    "server_port": lambda record, moment: record.facts.server_port or None,
    "scheme": lambda record, moment: record.facts.scheme,
    "https": lambda record, moment: "on" if record.facts.scheme == b"https" else "",
    "ssl_protocol": _of_tls(lambda tls: tls.protocol),
    "ssl_cipher": _of_tls(lambda tls: tls.cipher),
    "ssl_server_name": _of_tls(lambda tls: tls.server_name),
    "ssl_session_reused": _of_tls(lambda tls: b"r" if tls.resumed else b"."),
    "connection": lambda record, moment: str(record.connection),
    "connection_requests": lambda record, moment: str(record.connection_requests),
    "pipe": lambda record, moment: "p" if record.pipelined else ".",
    # the request
    "remote_user": lambda record, moment: remote_user(record),
    "request": lambda record, moment: request_line(record) or None,
    "request_method": _of_request(lambda request: request.method),
    "request_uri": _of_request(lambda request: request.target.uri),
    "uri": _of_request(lambda request: request.target.path),
    "document_uri": _of_request(lambda request: request.target.path),
    "args": _of_request(lambda request: request.target.query),
    "query_string": _of_request(lambda request: request.target.query),
    "is_args": _is_args,
    "server_protocol": _of_request(lambda request: request.protocol),
    "host": lambda record, moment: host(record),
    "content_type": lambda record, moment: header(record, b"content-type"),
    "content_length": lambda record, moment: header(record, b"content-length"),
    "request_length": lambda record, moment: str(record.request_bytes + record.body_bytes),
    # time
    "time_local": lambda record, moment: moment.local(record.ended),
    "time_iso8601": lambda record, moment: moment.iso(record.ended),
    "msec": lambda record, moment: f"{record.ended + moment.ahead_s:.3f}",
    "request_time": lambda record, moment: f"{record.seconds:.3f}",
    # the response
    "status": lambda record, moment: f"{record.status:03d}",
    "body_bytes_sent": lambda record, moment: str(record.sent_bytes - record.head_bytes),
    "bytes_sent": lambda record, moment: str(record.sent_bytes),
    # the backends
    "upstream_addr": _upstream_addr,
    "upstream_status": _joined(lambda attempt: str(attempt_status(attempt) or "-")),
    "upstream_connect_time": _joined(lambda one: seconds(one.started, one.connected)),
    "upstream_header_time": _joined(lambda one: seconds(one.started, one.first_byte)),
    "upstream_response_time": _joined(lambda one: seconds(one.started, one.ended)),
    "upstream_bytes_received": _joined(lambda one: str(one.bytes_received)),
    "upstream_bytes_sent": _joined(lambda one: str(one.bytes_sent)),
    "upstream_queue_time": lambda record, moment: f"{record.waited_s:.3f}",
    # the process
    "hostname": lambda record, moment: socket.gethostname().encode(),
    "pid": lambda record, moment: str(os.getpid()),
    # ours
    "reason": lambda record, moment: record.reason.word if record.reason is not None else None,
    "blame": lambda record, moment: record.reason.blame.value if record.reason else None,
    "detail": lambda record, moment: record.detail.encode("utf-8", "surrogateescape") or None,
    "queue_time": lambda record, moment: f"{record.waited_s:.3f}",
    "retries": lambda record, moment: str(retries(record)),
    "request_id": _of_identity(lambda identity: identity.request_id),
    "trace_id": _of_trace(lambda trace: trace.trace_id),
    "span_id": _of_trace(lambda trace: trace.span_id),
    "parent_id": _of_trace(lambda trace: trace.parent_id),
    # HAProxy's timers
    "TR": _timer_request,
    "Tw": lambda record, moment: _ms(record.waited_s),
    "Tc": _timer_connect,
    "Tr": _timer_reply,
    "Ta": lambda record, moment: _ms(record.seconds),
}
"""All variables with a name of their own."""

PREFIXES: dict[str, Callable[[str], Read]] = {
    "upstream_http_": _upstream_http,
    "sent_http_": _upstream_http,
    "http_": _http,
    "cookie_": _cookie,
    "arg_": _argument,
}
"""Those whose name goes on with that of a header, a cookie or an argument."""
