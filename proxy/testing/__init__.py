"""Tools for tests, part of the product: a backend that does what a test tells it to.

docs/testing.md shows them, and the fixtures of `plugin`.

with FakeBackend(script=respond(body=b"hello")) as backend:
    ...  # point a proxy at backend.address, send requests, look at backend.requests
"""

from proxy.testing.exchanges import Attempt, Exchange, Exchanges
from proxy.testing.fake_backend import Ending, FakeBackend
from proxy.testing.faults import full_backlog, missing, refuse
from proxy.testing.site import Response, Site
from proxy.testing.steps import (
    READ,
    Close,
    Delay,
    Ended,
    HalfPacket,
    Hang,
    Line,
    Pause,
    ReadBody,
    ReadPacket,
    Received,
    Reset,
    Script,
    Send,
    SlowBody,
    Step,
    Turns,
    bad_head,
    close_before_reply,
    delay,
    drip,
    echo_variables,
    in_turn,
    oversize_head,
    reset_before_reply,
    respond,
    silence,
    slow_read,
    truncate_after,
)

__all__ = [
    "READ",
    "Attempt",
    "Close",
    "Delay",
    "Ended",
    "Ending",
    "Exchange",
    "Exchanges",
    "FakeBackend",
    "HalfPacket",
    "Hang",
    "Line",
    "Pause",
    "ReadBody",
    "ReadPacket",
    "Received",
    "Reset",
    "Response",
    "Script",
    "Send",
    "Site",
    "SlowBody",
    "Step",
    "Turns",
    "bad_head",
    "close_before_reply",
    "delay",
    "drip",
    "echo_variables",
    "full_backlog",
    "in_turn",
    "missing",
    "oversize_head",
    "refuse",
    "reset_before_reply",
    "respond",
    "silence",
    "slow_read",
    "truncate_after",
]
