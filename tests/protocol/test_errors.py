"""The errors carry what the border that translates them needs."""

import pytest

from protocol.errors import PacketError, ProtocolError, ReplyError, RequestError


@pytest.mark.parametrize("kind", [PacketError, RequestError, ReplyError])
def test_every_error_is_a_protocol_error(kind: type[ProtocolError]) -> None:
    assert issubclass(kind, ProtocolError)
    assert not issubclass(kind, (OSError, ValueError))


def test_the_three_borders_do_not_overlap() -> None:
    kinds = (PacketError, RequestError, ReplyError)
    assert [sum(issubclass(kind, other) for other in kinds) for kind in kinds] == [1, 1, 1]


def test_a_request_error_says_status_reason_and_message() -> None:
    error = RequestError(414, "request_line_too_long", "the request line has 9000 bytes")
    assert (error.status, error.reason) == (414, "request_line_too_long")
    assert str(error) == "the request line has 9000 bytes"


def test_a_reply_error_says_reason_and_message() -> None:
    error = ReplyError("bad_reply_head", "no status line")
    assert error.reason == "bad_reply_head"
    assert str(error) == "no status line"


def test_a_packet_error_says_its_message() -> None:
    assert str(PacketError("too large")) == "too large"
