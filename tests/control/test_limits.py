"""The admin listener's own limits, and that they hold whatever clients are allowed elsewhere."""

from proxy.control.limits import ADMIN_CLIENT, MAX_CONNECTIONS
from proxy.settings import ClientSettings


def test_they_are_no_wider_than_a_clients() -> None:
    usual = ClientSettings()
    for name in (
        "header_timeout_s",
        "body_timeout_s",
        "send_timeout_s",
        "keepalive_timeout_s",
        "max_body_bytes",
        "max_request_line_bytes",
        "max_header_line_bytes",
        "max_headers",
    ):
        assert 0 < getattr(ADMIN_CLIENT, name) <= getattr(usual, name), name
    assert 0 < MAX_CONNECTIONS <= 100
