"""What a connection to the admin listener may do: less than a client's, and of its own.

So whatever the public side is going through, this one still answers.
"""

from proxy.control.body import BODY_TIMEOUT_S, MAX_BODY_BYTES
from proxy.settings import KIB, ClientSettings

MAX_CONNECTIONS = 64
"""At a time. For one more, one that has no request is closed, else the new one."""

ADMIN_CLIENT = ClientSettings(
    header_timeout_s=10.0,
    body_timeout_s=BODY_TIMEOUT_S,
    send_timeout_s=10.0,
    keepalive_timeout_s=30.0,
    lingering_time_s=2.0,
    lingering_timeout_s=1.0,
    max_body_bytes=MAX_BODY_BYTES,
    max_request_line_bytes=4 * KIB,
    max_header_line_bytes=8 * KIB,
    max_headers=100,
    merge_slashes=False,
)
"""The settings of its connections."""
