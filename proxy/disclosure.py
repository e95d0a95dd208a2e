"""What responses tell about how they were made, when that is asked for.

    X-Request-ID        which request it was, unless the application has said so
    Server-Timing       queue, connect and ttfb (the first byte of the reply), in milliseconds
    X-Frontend-Reason   why an answer is ours and not the application's

All are off by default: they tell strangers about the inside of the house.
"""

from collections.abc import Callable

from protocol.identity import REQUEST_ID
from protocol.messages import ReplyHead
from proxy.record import Record
from proxy.settings import IdentitySettings

Disclose = Callable[[Record, ReplyHead | None], bytes]
"""Returns header lines for the response to an exchange; without a reply, for a page of our own."""

_REQUEST_ID_LOWER = REQUEST_ID.lower()


def choose_disclosure(settings: IdentitySettings) -> Disclose | None:
    """Return what says as much as is asked for; None for nothing."""
    told = [
        tell
        for asked, tell in (
            (settings.request_id_response and settings.request_id != "off", _tell_request_id),
            (settings.server_timing, _tell_times),
            (settings.reason_header, _tell_reason),
        )
        if asked
    ]
    if not told:
        return None
    return lambda record, reply: b"".join([tell(record, reply) for tell in told])


def _tell_request_id(record: Record, reply: ReplyHead | None) -> bytes:
    if record.identity is None:
        return b""
    if reply is not None and any(name.lower() == _REQUEST_ID_LOWER for name, _ in reply.fields):
        return b""
    return b"%s: %s\r\n" % (REQUEST_ID, record.identity.request_id)


def _tell_times(record: Record, reply: ReplyHead | None) -> bytes:
    line = b"Server-Timing: queue;dur=%.3f" % (record.waited_s * 1000)
    if record.attempts:
        last = record.attempts[-1]
        if last.connected is not None:
            line += b", connect;dur=%.3f" % ((last.connected - last.started) * 1000)
        if last.first_byte is not None:
            line += b", ttfb;dur=%.3f" % ((last.first_byte - last.started) * 1000)
    return line + b"\r\n"


def _tell_reason(record: Record, reply: ReplyHead | None) -> bytes:
    if reply is not None or record.reason is None:
        return b""
    return b"X-Frontend-Reason: %s\r\n" % record.reason.word.encode()
