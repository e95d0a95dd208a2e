"""Workers without processes."""

from typing import cast

from proxy.fleet.channel import Channel, Message
from proxy.fleet.member import Member


class PretendedChannel:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.unsent_bytes = 0

    def send(self, message: Message) -> None:
        """Keep a message."""
        self.sent.append(message)


def make_member(number: int) -> tuple[Member, PretendedChannel]:
    """Return a worker and its channel."""
    member, channel = Member(number, 1000 + number), PretendedChannel()
    member.channel = cast(Channel, channel)
    return member, channel
