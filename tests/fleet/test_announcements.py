"""Announcements reach everybody, also those who come later."""

import asyncio
import socket
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from proxy.exits import StartError
from proxy.fleet.announcements import Announcements
from proxy.settings import Address, DiscoverySettings
from proxy.upstream.discovery.admission import Sender
from proxy.upstream.discovery.mailbox import ForwardedMailbox
from proxy.upstream.discovery.node import Ack

LOOPBACK = Address("127.0.0.1", 0)


class Post:
    """Announcements on a loop that runs when a test wants it to, and somebody who announces."""

    def __init__(self) -> None:
        self.loop = asyncio.SelectorEventLoop()
        self.announcements = Announcements(DiscoverySettings(subscribe=LOOPBACK), self.loop)
        self.sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sender.bind(("127.0.0.1", 0))
        self.sender.settimeout(10)

    def announce(self, *texts: bytes) -> None:
        """Send datagrams, and let the loop turn."""
        address = self.announcements.address
        for text in texts:
            self.sender.sendto(text, (address.host, address.port))
            self.turn()

    def turn(self) -> None:
        """Let the loop do what can be done now."""
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()

    def close(self) -> None:
        """Close everything."""
        self.announcements.stop()
        self.announcements.stop()
        self.sender.close()
        self.loop.close()


@pytest.fixture
def post() -> Iterator[Post]:
    post = Post()
    yield post
    post.close()


def texts(mailbox: ForwardedMailbox) -> list[bytes]:
    """Take all that has arrived."""
    found = []
    while True:
        try:
            found.append(mailbox.receive()[0])
        except BlockingIOError:
            return found


def test_all_hear_the_same_and_who_comes_later_too(post: Post) -> None:
    first, _ = post.announcements.open(0)
    second, _ = post.announcements.open(1)
    post.announce(b"a", b"b")
    assert texts(first) == [b"a", b"b"]
    datagram, sender = second.receive()
    assert datagram == b"a"
    assert sender == Sender(ip_address("127.0.0.1"), post.sender.getsockname()[1])
    second.close()
    post.announcements.close(1)
    post.announce(b"c")
    again, _ = post.announcements.open(1)
    assert texts(again) == [b"a", b"b", b"c"]
    assert texts(first) == [b"c"]
    for mailbox in (first, again):
        mailbox.close()


def test_one_that_does_not_listen_holds_up_nobody(post: Post) -> None:
    deaf, _ = post.announcements.open(0)
    other, _ = post.announcements.open(1)
    for _ in range(40):
        post.announce(b"x" * 4000, b"y" * 4000)
        assert len(texts(other)) == 2
    assert 0 < len(texts(deaf)) < 80
    deaf.close()
    other.close()


def test_what_is_to_be_acknowledged_goes_out_of_the_same_socket(post: Post) -> None:
    mailbox, _ = post.announcements.open(0)
    mailbox.send(Ack(b"noted", Address("127.0.0.1", post.sender.getsockname()[1])))
    post.turn()
    text, address = post.sender.recvfrom(100)
    assert (text, address[1]) == (b"noted", post.announcements.address.port)
    mailbox.close()
    post.turn()  # the other end has seen it, too


def test_an_address_in_use(post: Post) -> None:
    taken = DiscoverySettings(subscribe=post.announcements.address)
    with pytest.raises(StartError, match=r"cannot listen on --subscribe .*: Address alr"):
        Announcements(taken, post.loop)
