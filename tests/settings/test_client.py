"""Defaults of the client side are nginx's."""

from proxy.settings import BufferSettings, ClientSettings, PacketSettings


def test_no_unsafe_behaviour_by_default() -> None:
    for branch in (ClientSettings(), BufferSettings(), PacketSettings()):
        switches = [name for name in branch.__slots__ if name.startswith("dangerously_")]
        assert not any(getattr(branch, name) for name in switches)


def test_limits_are_those_of_nginx() -> None:
    client = ClientSettings()
    assert (client.max_body_bytes, client.max_header_line_bytes) == (1 << 20, 8192)
    assert (client.max_header_buffers, client.max_headers) == (4, 1000)
    assert (client.keepalive_timeout_s, client.keepalive_requests) == (75.0, 1000)
