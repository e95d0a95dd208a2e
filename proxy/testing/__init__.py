"""Tools for tests, part of the product: a backend that does what a test tells it to.

with FakeBackend(script=respond(body=b"hello")) as backend:
    ...  # point a proxy at backend.address, send requests, look at backend.requests
"""

from proxy.testing.fake_backend import Ending, FakeBackend
from proxy.testing.faults import full_backlog, missing, refuse
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
    Step,
    bad_head,
    close_before_reply,
    drip,
    echo_variables,
    reset_before_reply,
    respond,
    silence,
    truncate_after,
)

__all__ = [
    "READ",
    "Close",
    "Delay",
    "Ended",
    "Ending",
    "FakeBackend",
    "HalfPacket",
    "Hang",
    "Line",
    "Pause",
    "ReadBody",
    "ReadPacket",
    "Received",
    "Reset",
    "Script",
    "Send",
    "Step",
    "bad_head",
    "close_before_reply",
    "drip",
    "echo_variables",
    "full_backlog",
    "missing",
    "refuse",
    "reset_before_reply",
    "respond",
    "silence",
    "truncate_after",
]
