"""What arrives, and what is passed on. Sockets of our own are tested with the receiver."""

import asyncio
import socket
from ipaddress import ip_address

import pytest

from protocol.subscription import MAX_DATAGRAM_BYTES, Announcement, Command, encode
from proxy.settings import Address, DiscoverySettings
from proxy.upstream.discovery.admission import Sender
from proxy.upstream.discovery.directory import Directory
from proxy.upstream.discovery.mailbox import ForwardedMailbox, pack, unpack, unpack_ack
from proxy.upstream.discovery.node import Ack
from proxy.upstream.discovery.receiver import Receiver
from tests.loops import both_loops, run
from tests.upstream.discovery.pools import FakePool, FakeProver
from tests.upstream.discovery.watching import watching

HERE = Address("127.0.0.1", 4000)
SENDERS = (
    Sender(ip_address("10.1.2.3"), 5000),
    Sender(ip_address("::1"), 65535),
    Sender(uid=0),
    Sender(uid=70000),
    Sender(),
)


@pytest.mark.parametrize("sender", SENDERS, ids=str)
@pytest.mark.parametrize("size", [0, 1, MAX_DATAGRAM_BYTES + 1])
def test_a_datagram_and_its_sender_are_passed_on_as_they_are(sender: Sender, size: int) -> None:
    assert unpack(pack(b"x" * size, sender)) == (b"x" * size, sender)


def make_pair(acknowledges: bool = True) -> tuple[socket.socket, ForwardedMailbox]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setblocking(False)
    return ours, ForwardedMailbox(theirs, HERE, acknowledges)


def test_each_arrives_for_itself() -> None:
    ours, mailbox = make_pair()
    long = b"x" * (MAX_DATAGRAM_BYTES + 1)
    for datagram in (b"a", long, b""):
        ours.send(pack(datagram, SENDERS[0]))
    assert [mailbox.receive()[0] for _ in range(3)] == [b"a", long, b""]
    with pytest.raises(BlockingIOError):
        mailbox.receive()
    ours.close()
    with pytest.raises(EOFError):
        mailbox.receive()
    mailbox.close()
    mailbox.close()


@pytest.mark.parametrize("to", [Address("127.0.0.1", 5), Address(path="/run/n")], ids=str)
def test_one_of_all_acknowledges(to: Address) -> None:
    ack = Ack(b"[subscription ack] \xff", to)
    for acknowledges in (True, False):
        ours, mailbox = make_pair(acknowledges)
        ours.setblocking(False)
        mailbox.send(ack)
        if acknowledges:
            assert unpack_ack(ours.recv(1000)) == ack
        else:
            with pytest.raises(BlockingIOError):
                ours.recv(1000)
        ours.close()
        mailbox.send(ack)  # in vain
        mailbox.close()


@both_loops
def test_a_receiver_does_not_mind_where_from(loop: str) -> None:
    """Nor does it turn in circles when nothing can come any more."""

    async def main() -> None:
        ours, mailbox = make_pair()
        receiver = Receiver(mailbox, DiscoverySettings(), Directory(FakePool), FakeProver())
        receiver.start(asyncio.get_running_loop())
        assert receiver.address == HERE
        said = Announcement(Command.SUBSCRIBE, "a.com", "127.0.0.1:3031")
        with watching() as watch:
            ours.send(pack(encode(said), Sender(ip_address("127.0.0.1"), 9)))
            await watch.until(lambda: receiver.registry.counters["new"] == 1)
        ours.close()
        while asyncio.get_running_loop().remove_reader(mailbox.fileno()):
            await asyncio.sleep(0)
            assert not receiver.registry.counters["size"]
        receiver.close()

    run(loop, main())
