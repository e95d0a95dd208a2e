"""Under which settings the two are compared, written once for each of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event
from typing import Literal

from proxy.testing import (
    Close,
    Pause,
    ReadBody,
    ReadPacket,
    Received,
    Script,
    Send,
    Step,
    reset_before_reply,
)

SERVER_NAME = "front.example"
CONFIGURED = frozenset((b"HTTP_X_SET",))
"""Variables that look like a header's and come from the configuration."""

DOCUMENT_ROOT = "/srv/site"

Upstream = Literal[
    "unix", "tcp", "refuse-unix", "refuse-tcp", "missing", "full-unix", "full-tcp", "closing"
]
"""A fake backend, or an address where none answers (`proxy.testing.faults`)."""


@dataclass(frozen=True)
class Setting:
    """One server block of nginx and one process of the proxy that should do the same."""

    nginx: str = ""
    """Directives of the server block."""
    proxy: tuple[str, ...] = ()
    """Options of the command line."""
    server_name: str = SERVER_NAME
    listen: Literal["tcp", "tcp6", "unix"] = "tcp"
    upstream: tuple[Upstream, ...] = ("unix",)
    script: Script | None = None
    """Of the fake backends; None: replies by path (`corpus_replies`)."""


def _wide_head(received: Received) -> Sequence[Step]:
    return (Send(b"HTTP/1.1 200 OK\r\nX-Wide: " + b"x" * 6000 + b"\r\nContent-Length: 0\r\n\r\n"),)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

# An application that answers before it has read the body, and closes: unread data makes a reset.
_EARLY = (ReadPacket(), Send(b"HTTP/1.1 413 Mine\r\nContent-Length: 2\r\n\r\nno"), Close())

_QUICK = (
    "client_header_timeout 1s; client_body_timeout 1s; keepalive_timeout 1s; send_timeout 1s;"
    "lingering_timeout 1s; lingering_time 2s;"
    "uwsgi_connect_timeout 1s; uwsgi_send_timeout 1s; uwsgi_read_timeout 1s;"
)
_QUICK_OPTIONS = (
    *("--client-header-timeout", "1", "--client-body-timeout", "1", "--keepalive-timeout", "1"),
    *("--send-timeout", "1", "--lingering-timeout", "1", "--lingering-time", "2"),
    *("--connect-timeout", "1", "--backend-send-timeout", "1", "--backend-read-timeout", "1"),
)

SETTINGS: dict[str, Setting] = {
    "plain": Setting(),
    "tcp": Setting(upstream=("tcp",)),
    "tcp-streamed": Setting(
        nginx="uwsgi_buffering off;", proxy=("--buffering", "off"), upstream=("tcp",)
    ),
    "unnamed": Setting(server_name=""),
    "from-unix": Setting(listen="unix"),
    "from-ipv6": Setting(listen="tcp6"),
    "params": Setting(
        nginx="include uwsgi_params; uwsgi_param X_ONE 1; uwsgi_param X_ONE 2;"
        "uwsgi_param EMPTY ''; uwsgi_param HTTP_X_SET set; uwsgi_param HTTP_X_GONE '';"
        "uwsgi_modifier1 5; uwsgi_modifier2 7;",
        proxy=(
            *("--param", "X_ONE=1", "--param", "X_ONE=2", "--param", "EMPTY="),
            *("--param", "HTTP_X_SET=set", "--param", "HTTP_X_GONE="),
            *("--modifier1", "5", "--modifier2", "7"),
        ),
    ),
    "small-body": Setting(
        nginx="client_max_body_size 10; lingering_timeout 200ms;",
        proxy=("--client-max-body-size", "10", "--lingering-timeout", "0.2"),
    ),
    "any-body": Setting(nginx="client_max_body_size 0;", proxy=("--client-max-body-size", "0")),
    "streamed-request": Setting(
        nginx="uwsgi_request_buffering off;", proxy=("--request-buffering", "off")
    ),
    "streamed-early": Setting(
        nginx="uwsgi_request_buffering off; lingering_timeout 200ms;",
        proxy=("--request-buffering", "off", "--lingering-timeout", "0.2"),
        script=(ReadPacket(), ReadBody(2), Send(OK)),
    ),
    "early-unix": Setting(
        nginx="client_max_body_size 0;", proxy=("--client-max-body-size", "0"), script=_EARLY
    ),
    "early-tcp": Setting(
        nginx="client_max_body_size 0;",
        proxy=("--client-max-body-size", "0"),
        script=_EARLY,
        upstream=("tcp",),
    ),
    "streamed-reply": Setting(nginx="uwsgi_buffering off;", proxy=("--buffering", "off")),
    "wide-head": Setting(
        nginx="uwsgi_buffer_size 8k; uwsgi_busy_buffers_size 16k;",
        proxy=("--backend-head-size", "8k"),
        script=_wide_head,
    ),
    "two-requests": Setting(nginx="keepalive_requests 2;", proxy=("--keepalive-requests", "2")),
    "quick": Setting(nginx=_QUICK, proxy=_QUICK_OPTIONS),
    "quick-tcp": Setting(nginx=_QUICK, proxy=_QUICK_OPTIONS, upstream=("tcp",)),
    "quick-streamed": Setting(
        nginx=_QUICK + "uwsgi_buffering off;", proxy=(*_QUICK_OPTIONS, "--buffering", "off")
    ),
    "quick-streamed-request": Setting(
        nginx=_QUICK + "uwsgi_request_buffering off;",
        proxy=(*_QUICK_OPTIONS, "--request-buffering", "off"),
    ),
    # Long enough for drops to come in time, also where the machine stands still for a moment.
    "patient": Setting(
        nginx="client_body_timeout 4s; uwsgi_read_timeout 4s;",
        proxy=("--client-body-timeout", "4", "--backend-read-timeout", "4"),
    ),
    "late": Setting(
        nginx="client_header_timeout 1s; keepalive_timeout 60s;",
        proxy=("--client-header-timeout", "1", "--keepalive-timeout", "60"),
    ),
    "deaf": Setting(nginx=_QUICK, proxy=_QUICK_OPTIONS, script=(ReadPacket(), Pause(Event()))),
    "full-unix": Setting(
        nginx=_QUICK, proxy=(*_QUICK_OPTIONS, "--queue-timeout", "1"), upstream=("full-unix",)
    ),
    "full-tcp": Setting(nginx=_QUICK, proxy=_QUICK_OPTIONS, upstream=("full-tcp",)),
    "refuse-unix": Setting(upstream=("refuse-unix",)),
    "refuse-tcp": Setting(upstream=("refuse-tcp",)),
    "missing": Setting(upstream=("missing",)),
    "reset-unix": Setting(script=reset_before_reply()),
    "reset-tcp": Setting(script=reset_before_reply(), upstream=("tcp",)),
    "refuse-then-good": Setting(upstream=("refuse-tcp", "unix")),
    "missing-then-good": Setting(upstream=("missing", "unix")),
    # One for each case: nginx leaves a backend alone after its first failure.
    "closing-then-good-get": Setting(upstream=("closing", "unix")),
    "closing-then-good-post": Setting(upstream=("closing", "unix")),
    "heavy": Setting(
        nginx="include uwsgi_params;"
        + "".join(f"uwsgi_param P{n} {'p' * 3900};" for n in range(16)),
        proxy=tuple(word for n in range(16) for word in ("--param", f"P{n}={'p' * 3900}")),
    ),
}
